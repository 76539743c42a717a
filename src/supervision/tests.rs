//! Tests of the shells.
