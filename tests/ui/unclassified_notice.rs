//! A notice that was not compared with its receiver.

use syzygy::field::{Notice, Outbound};
use syzygy::types::Cx;

async fn tell(field: &dyn Outbound, cx: &Cx, notice: Notice) {
    let _ = field.deliver(cx, &notice).await;
}

fn main() {
    let _ = tell;
}
