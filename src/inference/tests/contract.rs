//! What every runtime promises, checked over every backend: the script, an endpoint that is a fake, the real model in
//! this process, and a real llama.cpp server.

use super::*;

/// Runs all promises over one runtime. `long` asks for an answer of at least thirty tokens.
async fn keeps_its_promises(runtime: &dyn Runtime, long: Request) {
    let capabilities = runtime.capabilities();
    assert!(capabilities.chat && capabilities.context_tokens > 0 && !capabilities.name.is_empty());
    assert!(!matches!(runtime.health(&patient()).await, Health::Down { .. }));

    streams_what_it_returns(runtime, long.clone()).await;
    needs_no_listener(runtime, long.clone()).await;
    needs_no_fast_listener(runtime, long.clone()).await;
    stops_when_cancelled(runtime, long.clone()).await;
    stops_at_the_deadline(runtime, long.clone()).await;
    works_after_being_dropped(runtime, long).await;
}

/// IF2 and IF3.
async fn streams_what_it_returns(runtime: &dyn Runtime, long: Request) {
    let (result, news) = listen(runtime, &patient(), long).await;
    let completion = result.unwrap();
    assert_eq!(text_of(&news), completion.text);
    assert!(!completion.text.is_empty());
    assert!(completion.usage.input_tokens > 0 && completion.usage.output_tokens > 0, "{:?}", completion.usage);
    let pieces = news.iter().filter(|delta| matches!(delta, Delta::Text { .. })).count();
    assert!(pieces > 1, "the answer came in one piece");
}

async fn needs_no_listener(runtime: &dyn Runtime, long: Request) {
    let (sender, news) = mpsc::channel(1);
    drop(news);
    assert!(!runtime.generate(&patient(), cleared(long), sender).await.unwrap().text.is_empty());
}

/// A listener that reads only after the end holds nothing up and misses nothing.
async fn needs_no_fast_listener(runtime: &dyn Runtime, long: Request) {
    let (sender, mut news) = mpsc::channel(1);
    let completion = runtime.generate(&patient(), cleared(long), sender).await.unwrap();
    let mut all = Vec::new();
    while let Some(delta) = news.recv().await {
        all.push(delta);
    }
    assert_eq!(text_of(&all), completion.text);
}

async fn stops_when_cancelled(runtime: &dyn Runtime, long: Request) {
    let cx = patient();
    let (sender, mut news) = mpsc::channel(64);
    let cancel = async {
        while !matches!(news.recv().await, Some(Delta::Text { .. }) | None) {}
        cx.cancel();
    };
    let (result, ()) = tokio::join!(runtime.generate(&cx, cleared(long.clone()), sender), cancel);
    // A runtime may be done in the same moment.
    if let Err(error) = result {
        assert!(matches!(error, Error::Cancelled { usage } if usage.input_tokens > 0), "{error:?}");
    }
    let cx = patient();
    cx.cancel();
    let error = generate(runtime, &cx, long).await.unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error:?}");
}

async fn stops_at_the_deadline(runtime: &dyn Runtime, long: Request) {
    let error = generate(runtime, &cx(Duration::ZERO), long).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
}

async fn works_after_being_dropped(runtime: &dyn Runtime, long: Request) {
    let (sender, mut news) = mpsc::channel(64);
    let context = patient();
    let call = runtime.generate(&context, cleared(long.clone()), sender);
    tokio::select! {
        biased;
        _ = async { while !matches!(news.recv().await, Some(Delta::Text { .. }) | None) {} } => {}
        _ = call => {}
    }
    assert!(!generate(runtime, &patient(), long).await.unwrap().text.is_empty());
}

#[tokio::test]
async fn scripted() {
    // Timers tick in milliseconds: a pause of one could end in the same tick as a deadline that has passed.
    let pause = Step::Wait(Duration::from_millis(50));
    let steps = move || (0..40).map(|number| Step::text(format!("{number} "))).chain([pause.clone()]);
    let runtime = Scripted::new("script", move |_| steps().collect());
    keeps_its_promises(&runtime, request("count", 64)).await;
}

#[tokio::test]
async fn openai_over_a_fake() {
    let server = super::openai::counting_server().await;
    let runtime = super::openai::runtime(&server.uri());
    keeps_its_promises(&runtime, request("count", 64)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_over_the_real_model() {
    let Some(runtime) = parts::embedded().await else { return };
    keeps_its_promises(runtime, request("Tell me a long story about the sea.", 32)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_over_a_real_server() {
    let Some((command, url)) = parts::llama_server() else { return };
    let mut process = command.spawn("lab").unwrap();
    process.ready(&patient()).await.unwrap();
    let runtime = Openai::new("lab", openai_runtime(&url), &openai_config(), None, clock()).unwrap();
    keeps_its_promises(&runtime, request("Tell me a long story about the sea.", 32)).await;

    let first = generate(&runtime, &patient(), request("What is the colour of the sky? 🌍", 16)).await.unwrap();
    let second = generate(&runtime, &patient(), request("What is the colour of the sky? 🌍", 16)).await.unwrap();
    assert_eq!(first.text, second.text, "temperature 0 is repeatable");
    assert!(first.usage.output_tokens <= 16);
    let error = generate(&runtime, &patient(), request(&"word ".repeat(4000), 16)).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { prompt, limit } if prompt > limit && limit > 0), "{error:?}");

    same_tokens_as_llama_cpp(&url).await;

    assert!(process.stop(command.stop_grace()).await.is_ok());
    assert!(matches!(runtime.health(&patient()).await, Health::Unreachable { .. }));
    let error = generate(&runtime, &patient(), request("still there?", 4)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

/// The tokenizer read out of the GGUF file cuts texts as llama.cpp does.
async fn same_tokens_as_llama_cpp(url: &str) {
    let tokenizer = super::embedded::tokenizer();
    let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    for text in [
        "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n",
        "Numbers 12345 and 3.14, don't they've we'll; it's   spaced\n\n\tfn main() { let x = 1_000; }",
        "Grüße, naïve café — 北京 🌍👩‍👩‍👧 ½ €",
        " leading and trailing ",
    ] {
        let body = serde_json::json!({ "content": text, "parse_special": true });
        let answer = client.post(url.replace("/v1", "/tokenize")).json(&body).send().await.unwrap();
        let theirs: serde_json::Value = answer.json().await.unwrap();
        let theirs: Vec<u32> = serde_json::from_value(theirs["tokens"].clone()).unwrap();
        assert_eq!(tokenizer.encode_fast(text, false).unwrap().get_ids(), theirs, "{text:?}");
    }
}
