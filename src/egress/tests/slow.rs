//! Tools and servers that take their time, on a paused clock.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_slow_head_a_silent_server_and_a_silent_tool_are_given_up() {
    let world = Imagined::new();
    world.name(HOST, &["127.0.0.1".parse().unwrap()]);
    let bench = Bench::new(Arc::new(Silent(world)));
    let passage = bench.open(policy(vec![rule(HOST, 443, Transport::Tls)], Vec::new()));
    // A byte now and then keeps no connection open.
    let mut slow = UnixStream::connect(passage.socket()).await.unwrap();
    for _ in 0..10 {
        let _ = slow.write_all(b"G").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut answer = Vec::new();
    // It went on writing after it had been refused, so that its connection ends as a broken one.
    let _ = slow.read_to_end(&mut answer).await;
    assert_eq!(Answer::of(&answer).refused(), "head_timeout");
    assert_eq!(get(&passage, "/v1/a", HOST).await.refused(), "idle", "the server says nothing");
    let half = format!("POST /v1/a HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 10\r\n\r\nhalf");
    assert_eq!(ask(&passage, &half).await.refused(), "idle", "the tool says no more");
    assert_eq!(passage.close().await.refusals().count(), 3);
}
