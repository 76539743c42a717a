//! Who may ask for what: every route with every kind of token.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::support::{BEGIN, TestHost, Wanted, data_with};
use crate::api::routes::table;
use crate::api::tokens::{OPERATOR_FILE, TOKENS_FILE};
use crate::api::{Found, Scope, Tokens};

fn concrete(path: &str) -> String {
    path.replace("{id}", "1").replace("{name}", "nobody")
}

// API1.
#[tokio::test]
async fn every_route_takes_a_token_with_its_scope() {
    let without = |scope: Scope| Scope::ALL.into_iter().filter(|other| *other != scope).collect::<Vec<_>>();
    let lacking: Vec<(Scope, String, Vec<Scope>)> =
        Scope::ALL.into_iter().map(|scope| (scope, format!("syz_no_{}", scope.word()), without(scope))).collect();
    let mut tokens: Vec<(&str, &str, &[Scope], Option<i64>)> =
        lacking.iter().map(|(scope, text, scopes)| (scope.word(), text.as_str(), scopes.as_slice(), None)).collect();
    let all = Scope::ALL;
    tokens.push(("late", "syz_late", &all, Some(BEGIN)));
    tokens.push(("early", "syz_early", &all, Some(BEGIN + 3_600_000_000)));
    let host = TestHost::start_in(data_with(&tokens), Wanted::default()).await.unwrap();
    let mut guarded = 0;
    for route in table() {
        let (method, path) = (route.method, concrete(route.path));
        let ask = async |token| host.ask_as(token, method, &path, None).await;
        let Some(scope) = route.scope else {
            assert_eq!(ask(None).await.status, 200, "{path} answers anybody");
            continue;
        };
        guarded += 1;
        let lacking = format!("syz_no_{}", scope.word());
        for (token, status, code) in [
            (None, 401, "unauthenticated"),
            (Some("syz_nobody"), 401, "unauthenticated"),
            (Some(""), 401, "unauthenticated"),
            (Some("syz_late"), 401, "token_expired"),
            (Some(lacking.as_str()), 403, "insufficient_scope"),
        ] {
            let answer = ask(token).await;
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path} with {token:?}");
            assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
        }
        let answer = ask(Some("syz_early")).await;
        assert!(![401, 403].contains(&answer.status), "{method} {path}: {}", answer.body);
    }
    assert_eq!(guarded, 54);
    // Not even whether a path exists is told to nobody.
    let answer = host.ask_as(None, "GET", "/nothing", None).await;
    assert_eq!(answer.code(), "unauthenticated");
    host.stop().await;
}

// TK1 and TK2.
#[tokio::test]
async fn the_first_start_makes_the_operators_token_and_keeps_only_its_hash() {
    let host = TestHost::start(Wanted::default()).await;
    let token = host.operator();
    let data = host.stop().await;
    let file = data.path().join(TOKENS_FILE);
    for path in [&file, &data.path().join(OPERATOR_FILE)] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    let hashes = std::fs::read_to_string(&file).unwrap();
    assert!(token.len() == 68 && !hashes.contains(&token[4..]), "{hashes}");
    let host = TestHost::start_in(data, Wanted::default()).await.unwrap();
    assert_eq!(host.operator(), token);
    assert_eq!(host.get("/tree").await.status, 200, "a restart keeps the token");
    host.stop().await;
}

#[test]
fn a_start_that_was_cut_short_takes_up_the_token_it_left() {
    let data = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(data.path()).unwrap();
    std::fs::remove_file(data.path().join(TOKENS_FILE)).unwrap();
    assert_eq!(Tokens::open(data.path()).unwrap(), tokens);
}

#[test]
fn files_that_others_may_touch_are_not_trusted() {
    for name in [TOKENS_FILE, OPERATOR_FILE] {
        let data = tempfile::tempdir().unwrap();
        Tokens::open(data.path()).unwrap();
        let path = data.path().join(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        if name == OPERATOR_FILE {
            std::fs::remove_file(data.path().join(TOKENS_FILE)).unwrap();
        }
        let error = Tokens::open(data.path()).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}

#[test]
fn each_token_is_found_by_its_text_alone() {
    let data = tempfile::tempdir().unwrap();
    let mut tokens = Tokens::open(data.path()).unwrap();
    let texts: Vec<String> =
        (0..5).map(|number| tokens.create(data.path(), &format!("t{number}"), &[Scope::Read], None).unwrap()).collect();
    for (number, text) in texts.iter().enumerate() {
        let Some(Found::Given(found)) = tokens.find(text) else { panic!("{number}") };
        assert_eq!(found.name, format!("t{number}"));
        assert!(tokens.find(&text[..text.len() - 1]).is_none());
    }
    assert!(tokens.find("").is_none());
    assert_eq!(Tokens::open(data.path()).unwrap(), tokens);
}

#[tokio::test]
async fn tokens_are_given_out_and_taken_back() {
    let host = TestHost::start(Wanted::default()).await;
    let made = host.post("/tokens", json!({ "name": "ci", "scopes": ["read"] })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(host.ask_as(Some(&token), "GET", "/tree", None).await.status, 200);
    assert_eq!(host.ask_as(Some(&token), "POST", "/rib/rebuild", None).await.status, 403);
    let twice = host.post("/tokens", json!({ "name": "ci", "scopes": ["read"] })).await;
    assert_eq!((twice.status, twice.code().as_str()), (409, "conflict"));
    let listed = host.get("/tokens").await;
    assert!(listed.body.contains("\"ci\"") && !listed.body.contains(&token), "{}", listed.body);
    assert_eq!(host.ask("DELETE", "/tokens/ci", None).await.status, 204);
    let revoked = host.ask_as(Some(&token), "GET", "/tree", None).await;
    assert_eq!((revoked.status, revoked.code().as_str()), (401, "token_revoked"));
    assert_eq!(host.ask("DELETE", "/tokens/ci", None).await.code(), "not_found");
    assert_eq!(host.ask("DELETE", "/tokens/operator", None).await.code(), "conflict");
    let unnamed = host.post("/tokens", json!({ "name": "a b", "scopes": ["read"] })).await;
    assert_eq!(unnamed.code(), "invalid_request");
    let events = host.journal.read(1, 1_000).await.unwrap();
    let kinds: Vec<&str> =
        events.iter().map(|event| event.kind.as_str()).filter(|kind| kind.starts_with("token.")).collect();
    assert_eq!(kinds, ["token.made", "token.revoked"]);
    assert!(events.iter().all(|event| !event.body.text().contains(&token)));
    host.stop().await;
}
