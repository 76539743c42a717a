//! The model in this process: the real one, and what happens when it is not there.

use tokenizers::Tokenizer;

use super::*;
use crate::inference::embedded::tests as inside;
use crate::inference::models::{Catalog, FileRole, Store};

pub(super) fn runtime() -> EmbeddedRuntime {
    EmbeddedRuntime {
        model: "smollm2-135m-instruct".to_owned(),
        context_tokens: 1024,
        max_tokens: 256,
        region: None,
        price: Some(Price::default()),
    }
}

/// The tokenizer of the real model; only for tests that already have it.
pub(super) fn tokenizer() -> Tokenizer {
    inside::tokenizer(&parts::model("smollm2-135m-instruct").unwrap().file(FileRole::Gguf).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_sensibly_and_the_same_each_time() {
    let Some(runtime) = parts::embedded().await else { return };
    let ask = || request("What is the capital of France? Answer in one short sentence.", 24);
    let (first, news) = listen(runtime, &patient(), ask()).await;
    let first = first.unwrap();
    assert!(first.text.contains("Paris"), "{}", first.text);
    let read = |delta: &Delta| matches!(delta, Delta::Reading { tokens, total } if tokens == total);
    assert!(news.iter().any(read), "{news:?}");
    let second = generate(runtime, &patient(), ask()).await.unwrap();
    assert_eq!(first, second, "temperature 0 is repeatable, and no cache is left over");
    assert!(matches!(runtime.health(&patient()).await, Health::Ready));
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_by_the_seed() {
    let Some(runtime) = parts::embedded().await else { return };
    let ask = |seed| Request { temperature: 1.0, seed, ..request("Invent a name for a cat.", 12) };
    let first = generate(runtime, &patient(), ask(1)).await.unwrap();
    assert_eq!(first, generate(runtime, &patient(), ask(1)).await.unwrap());
    let mut others = Vec::new();
    for seed in 2..5 {
        others.push(generate(runtime, &patient(), ask(seed)).await.unwrap().text);
    }
    assert!(others.iter().any(|other| *other != first.text));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_in_pieces_as_it_would_at_once() {
    let Some(_) = parts::embedded().await else { return };
    let ask = || request("Repeat after me: 🌍 the earth is round, naïve café, 北京. ".repeat(3).as_str(), 12);
    let mut answers = Vec::new();
    for piece_tokens in [16, 4096] {
        let settings = EmbeddedConfig { piece_tokens, ..embedded_config() };
        let runtime = Embedded::new("pieces", runtime(), settings, parts::store(), clock());
        let (answer, news) = listen(&runtime, &patient(), ask()).await;
        let readings = news.iter().filter(|delta| matches!(delta, Delta::Reading { .. })).count();
        answers.push((answer.unwrap(), readings > 1));
    }
    assert_eq!(answers[0].0, answers[1].0);
    assert!(answers[0].1 && !answers[1].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_does_not_fit() {
    let Some(runtime) = parts::embedded().await else { return };
    let error = generate(runtime, &patient(), request(&"word ".repeat(2000), 8)).await.unwrap_err();
    assert!(matches!(error, Error::TooLong { prompt, limit: 1024 } if prompt > 2000), "{error:?}");
}

// IF1.
#[tokio::test(flavor = "multi_thread")]
async fn stops_within_a_token_and_says_what_it_took() {
    let Some(_) = parts::embedded().await else { return };
    let runtime = Embedded::new("stops", runtime(), embedded_config(), parts::store(), clock());
    let context = patient();
    let (sender, mut news) = mpsc::channel(256);
    let cancel = async {
        let mut pieces = 0;
        while pieces < 3 {
            pieces += usize::from(matches!(news.recv().await, Some(Delta::Text { .. })));
        }
        context.cancel();
    };
    let ask = request("Tell me a long story about the sea.", 200);
    let (result, ()) = tokio::join!(runtime.generate(&context, cleared(ask), sender), cancel);
    let Err(Error::Cancelled { usage }) = result else { panic!("{result:?}") };
    assert!((3..=5).contains(&usage.output_tokens), "{usage:?}");
    // Whoever comes next gets the thread at once, which shows that the work has really ended.
    let next = generate(&runtime, &cx(Duration::from_secs(20)), request("Hi", 2)).await;
    assert!(next.is_ok(), "{next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_more_than_may_wait() {
    let Some(_) = parts::embedded().await else { return };
    let settings = EmbeddedConfig { queue: 1, ..embedded_config() };
    let runtime = Embedded::new("queue", runtime(), settings, parts::store(), clock());
    let ask = || generate(&runtime, &CX, request("Hi", 4));
    static CX: std::sync::LazyLock<Cx> = std::sync::LazyLock::new(patient);
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert!(matches!(third, Err(Error::Busy { waiting: 1, .. })), "{third:?}");
}

#[tokio::test]
async fn says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::new(folder.path(), Catalog::read(Catalog::BUILT_IN).unwrap(), parts::pip()));
    let runtime = Embedded::new("local", runtime(), embedded_config(), store, clock());
    let Health::Down { reason } = runtime.health(&patient()).await else { panic!("it has no model") };
    assert!(reason.contains("syzygy models pull smollm2-135m-instruct"), "{reason}");
    let error = generate(&runtime, &patient(), request("Hi", 4)).await.unwrap_err();
    assert!(matches!(error, Error::NotInstalled { .. }), "{error:?}");
}
