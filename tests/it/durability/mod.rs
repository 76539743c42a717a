//! What is on disk stays on disk: real processes, real kills, real damage.

mod archives;
mod copies;
mod crash;
mod disk;
mod host;
mod points;
mod story;
