//! A request that nobody classified.

use syzygy::inference::{Delta, Request, Runtime};
use syzygy::types::Cx;
use tokio::sync::mpsc;

async fn ask(runtime: &dyn Runtime, cx: &Cx, request: Request, news: mpsc::Sender<Delta>) {
    let _ = runtime.generate(cx, request, news).await;
}

fn main() {
    let _ = ask;
}
