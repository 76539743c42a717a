//! An endpoint at its worst: broken streams, refusals, silence, and secrets that must not come back.

use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::pieces::{EVENTS, Then, serve};
use super::*;
use crate::types::{Class, Secret, ToolCall, ToolSpec};

pub(super) fn runtime(uri: &str) -> Openai {
    Openai::new("lab", openai_runtime(&format!("{uri}/v1")), &openai_config(), None, clock()).unwrap()
}

fn event(content: &str) -> String {
    format!("data: {}\n\n", json!({ "choices": [{ "delta": { "content": content }, "finish_reason": null }] }))
}

const END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// Counts to forty, with the server's own count of tokens.
pub(super) async fn counting_server() -> MockServer {
    let server = MockServer::start().await;
    let mut stream: String = (0..40).map(|number| event(&format!("{number} "))).collect();
    stream.push_str("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":40}}\n\n");
    stream.push_str(END);
    let answer = ResponseTemplate::new(200).set_body_raw(stream, "text/event-stream");
    Mock::given(method("POST")).and(path("/v1/chat/completions")).respond_with(answer).mount(&server).await;
    Mock::given(method("GET")).and(path("/v1/models")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    server
}

async fn answering(response: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(response).mount(&server).await;
    server
}

async fn refused(response: ResponseTemplate) -> Error {
    let server = answering(response).await;
    generate(&runtime(&server.uri()), &patient(), request("Hi", 4)).await.unwrap_err()
}

/// The outcome of a stream sent in these pieces.
async fn streamed(pieces: Vec<Vec<u8>>, then: Then, cx: &Cx) -> (Result<Completion, Error>, Vec<Delta>) {
    let (url, _gone) = serve(EVENTS, pieces, then).await;
    let runtime = Openai::new("lab", openai_runtime(&url), &openai_config(), None, clock()).unwrap();
    listen(&runtime, cx, request("Hi", 4)).await
}

#[tokio::test]
async fn sends_what_the_protocol_wants() {
    let server = MockServer::start().await;
    let expected = json!({
        "model": "test", "stream": true, "max_tokens": 512, "temperature": 0.5, "seed": 7,
        "stream_options": { "include_usage": true },
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "assistant", "tool_calls": [{ "id": "a", "type": "function",
              "function": { "name": "time", "arguments": "{\"zone\":\"UTC\"}" } }] },
            { "role": "tool", "content": "12:00", "tool_call_id": "a" },
        ],
        "tools": [{ "type": "function", "function": {
            "name": "time", "description": "Tells the time.", "parameters": { "type": "object" } } }],
    });
    Mock::given(body_partial_json(expected))
        .and(header("authorization", "Bearer k3y"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(format!("{}{END}", event("noon")), "text/event-stream"))
        .expect(1)
        .mount(&server)
        .await;
    let config = openai_runtime(&format!("{}/v1", server.uri()));
    let runtime = Openai::new("lab", config, &openai_config(), Some(Secret::new("k3y")), clock()).unwrap();
    let call = ToolCall { id: "a".to_owned(), name: "time".to_owned(), arguments: json!({ "zone": "UTC" }) };
    let mut wish = Message::new(Role::Assistant, "");
    wish.tool_calls.push(call);
    let mut result = Message::new(Role::Tool, "12:00");
    result.tool_call_id = Some("a".to_owned());
    let ask = Request {
        messages: vec![Message::new(Role::System, "Be brief."), wish, result],
        tools: vec![ToolSpec {
            name: "time".to_owned(),
            description: "Tells the time.".to_owned(),
            parameters: json!({ "type": "object" }).into(),
        }],
        max_tokens: 100_000,
        temperature: 0.5,
        seed: 7,
    };
    let completion = generate(&runtime, &patient(), ask).await.unwrap();
    assert_eq!((completion.text.as_str(), completion.finish), ("noon", Finish::Stop));
}

#[tokio::test]
async fn characters_survive_any_split() {
    let stream = format!("{}{}{END}", event("naïve 🌍"), event("👩‍👩‍👧"));
    let pieces = stream.bytes().map(|byte| vec![byte]).collect();
    let (result, news) = streamed(pieces, Then::Close, &patient()).await;
    assert_eq!(result.unwrap().text, "naïve 🌍👩‍👩‍👧");
    assert_eq!(text_of(&news), "naïve 🌍👩‍👩‍👧");
}

#[tokio::test]
async fn garbage_is_a_protocol_error() {
    for garbage in ["data: {\"choices\": 5}\n\n", "data: <html>\n\n"] {
        let (result, _) = streamed(vec![garbage.into()], Then::Close, &patient()).await;
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
        assert_eq!(error.class(), Class::Unavailable);
    }
    let (result, _) = streamed(vec![b"data: \xff\n\n".to_vec()], Then::Close, &patient()).await;
    assert!(matches!(result, Err(Error::Protocol { .. })), "{result:?}");
    let endless = vec![vec![b'x'; 64 * 1024]; 64];
    let (result, _) = streamed(endless, Then::Close, &patient()).await;
    assert!(matches!(result, Err(Error::Protocol { .. })), "{result:?}");
}

#[tokio::test]
async fn a_cut_stream_is_no_answer_but_owed() {
    let (result, news) = streamed(vec![event("half an ").into()], Then::Close, &patient()).await;
    let error = result.unwrap_err();
    assert!(matches!(&error, Error::Cut { usage, .. } if usage.output_tokens == 1), "{error:?}");
    assert_eq!(error.usage().output_tokens, 1);
    assert_eq!(text_of(&news), "half an ");

    // With a length that is not reached, the client itself sees the cut.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n";
    let (url, _gone) = serve(head, vec![event("half").into()], Then::Close).await;
    let runtime = Openai::new("lab", openai_runtime(&url), &openai_config(), None, clock()).unwrap();
    let error = generate(&runtime, &patient(), request("Hi", 4)).await.unwrap_err();
    assert!(matches!(error, Error::Cut { .. }), "{error:?}");

    // An error that comes as an event, as vLLM and llama.cpp send it.
    let failure = "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n";
    let (result, _) = streamed(vec![event("half").into(), failure.into()], Then::Close, &patient()).await;
    assert!(matches!(result, Err(Error::Cut { reason, .. }) if reason == "out of memory"));
}

#[tokio::test]
async fn a_stream_without_done_is_whole_if_it_said_why_it_ends() {
    let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}";
    let (result, _) = streamed(vec![event("all").into(), end.into()], Then::Close, &patient()).await;
    let completion = result.unwrap();
    assert_eq!((completion.text.as_str(), completion.finish), ("all", Finish::Length));
}

#[tokio::test]
async fn a_stream_that_never_ends_is_cut_by_the_deadline() {
    let (url, gone) = serve(EVENTS, vec![event("and then ").into()], Then::Hang).await;
    let runtime = Openai::new("lab", openai_runtime(&url), &openai_config(), None, clock()).unwrap();
    let (result, news) = listen(&runtime, &cx(Duration::from_millis(300)), request("Hi", 4)).await;
    let error = result.unwrap_err();
    assert!(matches!(error, Error::TimedOut { usage } if usage.output_tokens == 1), "{error:?}");
    assert_eq!(text_of(&news), "and then ");
    gone.await.unwrap();
}

#[tokio::test]
async fn a_silent_stream_is_cut_by_its_own_limit() {
    let (url, _gone) = serve(EVENTS, vec![event("and then ").into()], Then::Hang).await;
    let settings = OpenaiConfig { idle_timeout_s: 0, ..openai_config() };
    let runtime = Openai::new("lab", openai_runtime(&url), &settings, None, clock()).unwrap();
    let error = generate(&runtime, &patient(), request("Hi", 4)).await.unwrap_err();
    assert!(matches!(&error, Error::Cut { reason, .. } if reason.contains("nothing came")), "{error:?}");
}

// IF1.
/// As one that is stopped and still has its socket: the other half of the time is for somebody else.
#[tokio::test]
async fn an_endpoint_that_takes_the_request_and_says_nothing_is_given_up_while_there_is_time() {
    let server = answering(ResponseTemplate::new(200).set_delay(Duration::from_secs(60))).await;
    let cx = patient().with_deadline(clock().now() + Duration::from_secs(2));
    let error = generate(&runtime(&server.uri()), &cx, request("Hi", 4)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable { reason, .. } if reason.contains("said nothing for 1.0 s")),
        "{error}"
    );
    let settings = OpenaiConfig { head_timeout_s: 0, ..openai_config() };
    let config = openai_runtime(&format!("{}/v1", server.uri()));
    let impatient = Openai::new("lab", config, &settings, None, clock()).unwrap();
    let error = generate(&impatient, &patient(), request("Hi", 4)).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_dropped_call_closes_the_connection() {
    let (url, gone) = serve(EVENTS, vec![event("one").into()], Then::Hang).await;
    let runtime = Openai::new("lab", openai_runtime(&url), &openai_config(), None, clock()).unwrap();
    let (sender, mut news) = mpsc::channel(4);
    let context = patient();
    tokio::select! {
        result = runtime.generate(&context, cleared(request("Hi", 4)), sender) => panic!("{result:?}"),
        first = news.recv() => assert_eq!(first, Some(Delta::Text { text: "one".to_owned() })),
    }
    gone.await.unwrap();
}

#[tokio::test]
async fn refusals_become_errors() {
    let limit = ResponseTemplate::new(429).insert_header("retry-after", "7");
    let error = refused(limit).await;
    assert!(matches!(error, Error::RateLimited { retry_after: Some(wait), .. } if wait == Duration::from_secs(7)));
    assert_eq!(error.class(), Class::Exhausted);

    let date = ResponseTemplate::new(429).insert_header("retry-after", "Thu, 01 Jan 2026 00:00:09 GMT");
    let error = refused(date).await;
    assert!(matches!(error, Error::RateLimited { retry_after: Some(wait), .. } if wait == Duration::from_secs(9)));

    let bad = json!({ "error": { "message": "temperature must be a number", "type": "invalid_request_error" } });
    let error = refused(ResponseTemplate::new(400).set_body_json(bad)).await;
    assert!(matches!(&error, Error::Refused { status: 400, message, .. } if message == "temperature must be a number"));
    assert_eq!(error.class(), Class::Invalid);

    let long = json!({ "error": { "code": "context_length_exceeded", "message": "too long" } });
    let error = refused(ResponseTemplate::new(400).set_body_json(long)).await;
    assert!(matches!(error, Error::TooLong { limit: 2048, .. }), "{error:?}");

    for (status, class) in [(401, Class::Unavailable), (404, Class::Unavailable), (422, Class::Invalid)] {
        assert_eq!(refused(ResponseTemplate::new(status)).await.class(), class, "{status}");
    }
    for status in [408, 500, 502, 503, 529] {
        let error = refused(ResponseTemplate::new(status).set_body_string("busy")).await;
        assert!(matches!(error, Error::Unavailable { .. }), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn prompts_go_nowhere_else() {
    let elsewhere = answering(ResponseTemplate::new(200)).await;
    let target = format!("{}/v1/chat/completions", elsewhere.uri());
    let error = refused(ResponseTemplate::new(307).insert_header("location", target.as_str())).await;
    assert!(matches!(error, Error::Protocol { .. }), "{error:?}");
    assert_eq!(elsewhere.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_key_is_never_shown() {
    let key = Secret::new("sk-very-secret");
    assert!(!format!("{key:?}").contains("secret"));
    let body = json!({ "error": { "message": "Incorrect API key provided: sk-very-secret." } });
    let server = answering(ResponseTemplate::new(401).set_body_json(body)).await;
    let config = openai_runtime(&format!("{}/v1", server.uri()));
    let runtime = Openai::new("lab", config, &openai_config(), Some(key), clock()).unwrap();
    let error = generate(&runtime, &patient(), request("Hi", 4)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("very-secret"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_not_streamed_will_do() {
    let whole: Value = json!({
        "choices": [{ "message": { "role": "assistant", "content": "whole" }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 1 },
    });
    let server = answering(ResponseTemplate::new(200).set_body_json(whole)).await;
    let (result, news) = listen(&runtime(&server.uri()), &patient(), request("Hi", 4)).await;
    let completion = result.unwrap();
    assert_eq!((completion.text.as_str(), completion.usage.input_tokens), ("whole", 3));
    assert_eq!(text_of(&news), "whole");
}

#[tokio::test]
async fn health_looks_at_the_models_or_the_health_page() {
    let server = counting_server().await;
    assert_eq!(runtime(&server.uri()).health(&patient()).await, Health::Ready);

    let plain = MockServer::start().await;
    Mock::given(path("/health")).respond_with(ResponseTemplate::new(200)).mount(&plain).await;
    assert_eq!(runtime(&plain.uri()).health(&patient()).await, Health::Ready);

    let locked = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(401)).mount(&locked).await;
    let Health::Down { reason } = runtime(&locked.uri()).health(&patient()).await else { panic!("the key is wrong") };
    assert!(reason.contains("api_key_env"), "{reason}");

    let error = generate(&runtime("http://127.0.0.1:1"), &patient(), request("Hi", 4)).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { .. }), "{error}");
    assert!(matches!(runtime("http://127.0.0.1:1").health(&patient()).await, Health::Unreachable { .. }));
}

#[test]
fn a_base_url_must_be_one() {
    for base_url in ["", "not a url", "ftp://127.0.0.1/", "/v1"] {
        let made = Openai::new("lab", openai_runtime(base_url), &openai_config(), None, clock());
        assert!(matches!(made.err(), Some(Error::Unavailable { .. })), "{base_url:?}");
    }
}

#[tokio::test]
async fn what_the_endpoint_says_is_left_comes_with_the_answer_and_with_the_refusal() {
    let said = |response: ResponseTemplate| {
        response.insert_header("x-ratelimit-remaining-requests", "4").insert_header("x-ratelimit-reset-requests", "2s")
    };
    let left = Left { remaining: 4, resets_after: Duration::from_secs(2) };
    let server =
        answering(said(ResponseTemplate::new(200)).set_body_raw(event("Hi.") + END, "text/event-stream")).await;
    let completion = generate(&runtime(&server.uri()), &patient(), request("Hi", 4)).await.unwrap();
    assert_eq!(completion.pacing, Pacing { requests: Some(left), tokens: None });
    let error = refused(said(ResponseTemplate::new(429))).await;
    assert!(matches!(error, Error::RateLimited { retry_after: None, pacing, .. } if pacing.requests == Some(left)));
    // An endpoint that is overloaded and says when to come back is waited for, as one that counts.
    let error = refused(ResponseTemplate::new(503).insert_header("retry-after", "3")).await;
    assert!(matches!(error, Error::RateLimited { retry_after: Some(wait), .. } if wait == Duration::from_secs(3)));
}
