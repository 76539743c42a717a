//! A clearance that somebody made up.

use syzygy::types::{Cleared, Label};

fn main() {
    let _ = Cleared { label: Label::default(), value: "secret" };
}
