//! A classified payload, read without a clearance.

use syzygy::types::{Classified, Label};

fn main() {
    let payload = Classified::new(Label::default(), "secret");
    let text: &str = payload.value;
    let _ = (text, payload.get());
}
