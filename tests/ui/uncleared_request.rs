//! A request that was classified and not compared with the place it goes to.

use syzygy::inference::{Delta, Request, Runtime};
use syzygy::types::{Classified, Cx};
use tokio::sync::mpsc;

async fn ask(runtime: &dyn Runtime, cx: &Cx, request: Request, news: mpsc::Sender<Delta>) {
    let _ = runtime.generate(cx, Classified::under(cx, request), news).await;
}

fn main() {
    let _ = ask;
}
