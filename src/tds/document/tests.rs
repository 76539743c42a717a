//! The three readers: the same value, the same limits, and places.
