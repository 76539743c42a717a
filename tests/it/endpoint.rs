//! A whole host over an endpoint that sends what it must not, byte for byte, on a real socket: what the caller hears, what
//! is charged, what is on the record, and that the next one is served.

use std::time::Duration;

use syzygy::config::{self, Config, Flag, Inputs};
use syzygy::host::{Host, real_world};
use syzygy::inference::{Openai, OpenaiConfig, OpenaiRuntime};
use syzygy::store::Event;
use syzygy::supervision::{Node, Status};
use syzygy::types::{Class, Modality, Price, TrustTier};
use syzygy::ziggy::budget::Unit;
use tokio::task::JoinSet;

use crate::raw::{self, END, EVENTS, counted, said};
use crate::support::{agent, end, task};

/// How long a caller waits; longer than the endpoint may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// Seconds the endpoint may be silent.
const SILENCE_S: u64 = 1;

/// Tokens of an answer that the endpoint is asked for at the most.
const MOST: u32 = 64;

/// What is sent in this mood, and whether the connection is then left open and silent.
fn sent(mood: &str) -> (Vec<u8>, bool) {
    let well = |counts: &str| format!("{EVENTS}{}{}{counts}{END}", said("Well, "), said("fine.")).into_bytes();
    match mood {
        "cut" => (format!("{EVENTS}{}", said("Well, ")).into_bytes(), false),
        "half" => (format!("{EVENTS}data: {{\"choices\":[{{\"del").into_bytes(), false),
        "garbage" => ([EVENTS.as_bytes(), b"data: \xff\xfe<html>\x00\n\n"].concat(), false),
        "stranger" => (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), false),
        "hangup" => (Vec::new(), false),
        "error" => (b"HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\noops".to_vec(), false),
        "limit" => (b"HTTP/1.1 429 No\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n".to_vec(), false),
        "silent" => (format!("{EVENTS}{}", said("W")).into_bytes(), true),
        "json-silent" => {
            (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{".to_vec(), true)
        }
        "error-silent" => (b"HTTP/1.1 500 No\r\ncontent-length: 99\r\n\r\nso".to_vec(), true),
        "mean" => (well(&counted(1, 1)), false),
        "modest" => (well(&counted(0, 0)), false),
        "greedy" => (well(&counted(u64::MAX, u64::MAX)), false),
        "negative" => (well(&counted(7, 2).replace('7', "-7")), false),
        _ => (well(&counted(40, 2)), false),
    }
}

/// An endpoint in moods, for as long as the set lives.
async fn endpoint() -> (JoinSet<()>, String) {
    raw::serving(|request| {
        let mood = request.split("mood:").nth(1).and_then(|rest| rest.split('.').next()).unwrap_or_default();
        sent(mood)
    })
    .await
}

/// The defaults with a budget, of which every charge is seen.
fn counting() -> Config {
    let flag = |key: &str, value: &str| Flag { name: key.to_owned(), key: key.to_owned(), value: value.to_owned() };
    let limits = r#"[{ scope = "tenant:*", window = "total", tokens = 1000000 }]"#;
    let flags = vec![flag("host.data_dir", "."), flag("budgets.limits", limits)];
    config::load(&Inputs { flags, ..Inputs::default() }).unwrap().config
}

/// One agent over the endpoint, at a micro-dollar a token.
async fn host(url: &str) -> Host {
    let runtime = OpenaiRuntime {
        model: "raw".to_owned(),
        base_url: url.to_owned(),
        tier: TrustTier::Local,
        region: None,
        modalities: vec![Modality::Text],
        tools: false,
        context_tokens: 4_096,
        max_tokens: MOST,
        price: Some(Price::new(1_000_000, 1_000_000)),
        api_key_env: None,
        child: None,
    };
    let settings = OpenaiConfig { connect_timeout_s: 5, idle_timeout_s: SILENCE_S, head_timeout_s: 30 };
    let world = real_world();
    let runtime = Openai::new("only", runtime, &settings, None, world.clock.clone()).unwrap();
    let mut only = agent("only");
    only.profile.tools = Vec::new();
    let builder = Host::builder().config(counting()).world(world).without_bundled_agents();
    builder.agent(only).runtime(runtime).start().await.unwrap()
}

fn up(nodes: &[Node]) {
    for node in nodes {
        assert_eq!(node.status, Status::Up, "{}: {:?}", node.path, node.last_failure);
        up(&node.children);
    }
}

fn spent(host: &Host) -> u64 {
    let all = host.crown().treasury().standings();
    let found = all.iter().find(|one| one.scope == "tenant:tester" && one.unit == Unit::Tokens).unwrap();
    assert_eq!(found.reserved, 0, "{found:?}");
    found.spent
}

/// The events of the only run there was, which has begun and ended once.
async fn only_run(host: &Host) -> Vec<Event> {
    host.journal().flush().await.unwrap();
    let events = host.journal().read(1, 10_000).await.unwrap();
    let of = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
    let ended = of("run.completed") + of("run.failed");
    assert_eq!((of("run.accepted"), ended), (1, 1), "{events:#?}");
    events
}

#[tokio::test]
async fn what_an_endpoint_must_not_send_fails_the_run_in_words_and_is_charged_for_what_it_read() {
    // Who refuses or says nothing has read nothing, whoever answers has read the question, and of who makes no sense nobody
    // knows, so that all is charged that was reserved.
    let (nothing, read, thrice, reserved) = (0..=0, 20..=60, 60..=180, 1_000..=2_000);
    let cases = [
        ("cut", Class::Unavailable, "ended early", &read),
        ("half", Class::Unavailable, "could not", &reserved),
        ("garbage", Class::Unavailable, "could not understand only", &reserved),
        ("stranger", Class::Unavailable, "could not", &nothing),
        ("hangup", Class::Unavailable, "could not", &nothing),
        ("error", Class::Unavailable, "500", &nothing),
        ("limit", Class::Exhausted, "rate limiting", &nothing),
        ("silent", Class::Unavailable, "nothing came for 1 s", &read),
        // Not a word was said, so it is asked again, and has read the question each time.
        ("json-silent", Class::Unavailable, "nothing came for 1 s", &thrice),
        ("error-silent", Class::Unavailable, "500", &nothing),
    ];
    for (mood, class, words, owes) in cases {
        let (_serving, url) = endpoint().await;
        let host = host(&url).await;
        let error = host.ask(&host.context("tester", PATIENCE), task(&format!("mood:{mood}."))).await.unwrap_err();
        assert_eq!(error.class(), class, "{mood}: {error}");
        assert!(error.to_string().contains(words), "{mood}: {words:?} is not in {error}");
        let owed = spent(&host);
        only_run(&host).await;
        assert!(owes.contains(&owed), "{mood}: {owed} tokens were charged");
        up(&host.tree());
        end(host).await;
    }
}

#[tokio::test]
async fn what_an_endpoint_claims_to_have_used_is_believed_within_what_it_can_have_used() {
    for mood in ["modest", "greedy", "honest"] {
        let (_serving, url) = endpoint().await;
        let host = host(&url).await;
        let answer = host.ask(&host.context("tester", PATIENCE), task(&format!("mood:{mood}."))).await.unwrap();
        assert_eq!(answer.answer, "Well, fine.");
        let (input, output) = (answer.usage.input_tokens, answer.usage.output_tokens);
        match mood {
            "honest" => assert_eq!((input, output), (40, 2)),
            "modest" => assert!(input > 0 && output == 2, "{input} and {output}"),
            _ => assert!(input < 10_000 && output == u64::from(MOST), "{input} and {output}"),
        }
        assert_eq!(spent(&host), input + output);
        assert_eq!(answer.cost.0.unsigned_abs(), input + output);
        only_run(&host).await;
        up(&host.tree());
        end(host).await;
    }
    let (_serving, url) = endpoint().await;
    let host = self::host(&url).await;
    let long = format!("mood:mean. {}", "Nobody reads that. ".repeat(200));
    let answer = host.ask(&host.context("tester", PATIENCE), task(&long)).await.unwrap();
    assert!(answer.usage.input_tokens >= 100, "{:?}", answer.usage);
    end(host).await;
    let (_serving, url) = endpoint().await;
    let host = self::host(&url).await;
    let error = host.ask(&host.context("tester", PATIENCE), task("mood:negative.")).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "{error}");
    end(host).await;
}
