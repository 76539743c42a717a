//! A request that an agent hands to a runtime's actor without saying how private it is.

use syzygy::actors::runtime::Handle;
use syzygy::inference::{Delta, Request};
use syzygy::types::Cx;
use tokio::sync::mpsc;

async fn ask(runtime: &Handle, cx: &Cx, request: Request, news: mpsc::Sender<Delta>) {
    let _ = runtime.generate(cx, request, news).await;
}

fn main() {
    let _ = ask;
}
