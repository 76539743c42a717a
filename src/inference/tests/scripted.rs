//! The script itself, on paused time.

use super::*;

#[tokio::test(start_paused = true)]
async fn plays_its_steps_in_order() {
    let call = Step::call("a", "time", serde_json::json!({ "zone": "UTC" }));
    let script = Scripted::list(
        "script",
        [
            vec![
                Step::Reading { tokens: 1, total: 2 },
                Step::text("one "),
                Step::Wait(Duration::from_secs(60)),
                Step::text("two"),
            ],
            vec![call],
            vec![Step::text("cut"), Step::Limit, Step::text("never said")],
            vec![
                Step::text("a "),
                Step::Fail(Error::RateLimited {
                    runtime: "script".to_owned(),
                    retry_after: None,
                    pacing: Pacing::default(),
                }),
            ],
            vec![Step::text("three words said"), Step::Hang],
        ],
    );
    let ask = || request("how many words", 9);
    let (first, news) = listen(&script, &patient(), ask()).await;
    let first = first.unwrap();
    assert_eq!((first.text.as_str(), first.finish), ("one two", Finish::Stop));
    assert_eq!((first.usage.input_tokens, first.usage.output_tokens), (3, 2));
    assert_eq!(news[0], Delta::Reading { tokens: 1, total: 2 });
    assert_eq!(generate(&script, &patient(), ask()).await.unwrap().finish, Finish::ToolCalls);
    let cut = generate(&script, &patient(), ask()).await.unwrap();
    assert_eq!((cut.text.as_str(), cut.finish), ("cut", Finish::Length));
    assert!(matches!(generate(&script, &patient(), ask()).await, Err(Error::RateLimited { .. })));
    let hung = generate(&script, &cx(Duration::from_secs(3600)), ask()).await.unwrap_err();
    assert!(matches!(hung, Error::TimedOut { usage } if usage.output_tokens == 3), "{hung:?}");
    assert!(matches!(generate(&script, &patient(), ask()).await, Err(Error::Internal(_))));
    assert_eq!(script.calls(), 6);
    assert_eq!(script.requests().len(), 6);
    assert_eq!(script.requests()[5], ask());
}
