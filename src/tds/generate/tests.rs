//! What is made of a tool, held against what it was and against the compiler.
