//! A vault that fails in every way, played by a server of the test.

use serde_json::json;
use wiremock::matchers::{header, method, path as at};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const ROOT: &str = "hvs.CAESIroot-token-of-a-test";

fn config(address: &str) -> VaultConfig {
    let mount = |path: &str, engine| Mount { path: path.to_owned(), engine };
    VaultConfig {
        address: address.to_owned(),
        namespace: None,
        mounts: vec![
            mount("secret", Engine::KeyValue),
            mount("db/creds", Engine::Dynamic),
            mount("db", Engine::KeyValue),
        ],
        token: Token::Value(Secret::new(ROOT)),
        authority: None,
        connect_timeout: Duration::from_secs(5),
    }
}

fn vault(server: &MockServer) -> Vault {
    Vault::new(config(&server.uri()), clock()).unwrap()
}

fn account(name: &str) -> serde_json::Value {
    json!({ "lease_id": format!("db/creds/r/{name}"), "lease_duration": 5, "data": { "username": name, "password": "p4ssw0rd" } })
}

// SC3.
#[tokio::test]
async fn each_status_is_an_error_of_its_class_and_repeats_no_token() {
    let server = MockServer::start().await;
    let echo = json!({ "errors": [format!("no {ROOT}\u{7}"), "bad"] });
    let rows = [
        (400, Class::Corrupt),
        (401, Class::Denied),
        (403, Class::Denied),
        (404, Class::NotFound),
        (405, Class::Corrupt),
        (307, Class::Unavailable),
        (412, Class::Unavailable),
        (429, Class::Exhausted),
        (500, Class::Unavailable),
        (503, Class::Unavailable),
    ];
    for (status, class) in rows {
        let place = format!("/v1/secret/data/s{status}");
        let answer = ResponseTemplate::new(status).insert_header("location", "/v1/elsewhere").set_body_json(&echo);
        Mock::given(at(place)).and(header("x-vault-token", ROOT)).respond_with(answer).mount(&server).await;
        let error = vault(&server).lease(&cx(), &path(&format!("secret/s{status}"))).await.unwrap_err();
        assert_eq!(error.class(), class, "{status}: {error}");
        assert_blind(&error, &[ROOT]);
        assert_blind(&error.to_string(), &[ROOT]);
    }
    let asked = server.received_requests().await.unwrap();
    assert!(asked.iter().all(|request| !request.url.path().contains("elsewhere")), "no redirect was followed");
}

#[tokio::test]
async fn answers_that_are_none_are_refused_without_being_quoted() {
    let server = MockServer::start().await;
    let rows = [
        ("text", "p4ssw0rd is no JSON".to_owned(), Class::Corrupt),
        ("shape", json!({ "data": { "data": "p4ssw0rd" } }).to_string(), Class::Corrupt),
        ("version1", json!({ "data": { "password": "p4ssw0rd" } }).to_string(), Class::Corrupt),
        ("empty", json!({ "data": { "data": {} } }).to_string(), Class::Corrupt),
        ("deep", format!("{}p4ssw0rd", "[".repeat(100_000)), Class::Corrupt),
        ("huge", "p4ssw0rd".repeat(200_000), Class::Unavailable),
        ("field", json!({ "data": { "data": { "value": "p4ssw0rd".repeat(10_000) } } }).to_string(), Class::Exhausted),
    ];
    for (place, body, class) in rows {
        let answer = ResponseTemplate::new(200).set_body_string(body);
        Mock::given(at(format!("/v1/secret/data/{place}"))).respond_with(answer).mount(&server).await;
        let error = vault(&server).lease(&cx(), &path(&format!("secret/{place}"))).await.unwrap_err();
        assert_eq!(error.class(), class, "{place}: {error}");
        assert_blind(&error, &["p4ssw0rd", ROOT]);
    }
    let leaseless = json!({ "data": { "username": "u", "password": "p4ssw0rd" } });
    let answer = ResponseTemplate::new(200).set_body_json(leaseless);
    Mock::given(at("/v1/db/creds/r")).respond_with(answer).mount(&server).await;
    let error = vault(&server).lease(&cx(), &path("db/creds/r")).await.unwrap_err();
    assert_eq!(error.class(), Class::Corrupt, "what cannot be revoked is not lent: {error}");
}

#[tokio::test]
async fn fields_that_are_no_texts_are_their_json_and_the_nearest_mount_serves() {
    let server = MockServer::start().await;
    let body = json!({ "data": { "data": { "port": 5432, "tls": true, "list": [1] } } });
    let answer = ResponseTemplate::new(200).set_body_json(body);
    Mock::given(at("/v1/db/data/shape")).respond_with(answer).mount(&server).await;
    let vault = vault(&server);
    let lease = vault.lease(&cx(), &path("db/shape#port")).await.unwrap();
    assert_eq!(lease.secret().unwrap().reveal(), "5432");
    let fields: Vec<(&str, &str)> = lease.fields().map(|(name, secret)| (name, secret.reveal())).collect();
    assert_eq!(fields, [("list", "[1]"), ("port", "5432"), ("tls", "true")]);
    for elsewhere in ["other/x", "secrets/x", "secret", "sys/auth"] {
        let error = vault.lease(&cx(), &path(elsewhere)).await.unwrap_err();
        assert_eq!(error.class(), Class::NotFound, "SC4: {elsewhere}: {error}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1, "SC4");
}

#[tokio::test]
async fn a_lease_whose_caller_left_or_wanted_another_field_is_revoked_by_the_next_sweep() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_body_json(account("ann")).set_delay(Duration::from_millis(200));
    Mock::given(method("GET")).and(at("/v1/db/creds/r")).respond_with(slow).mount(&server).await;
    let ended = Mock::given(method("PUT")).and(at("/v1/sys/leases/revoke")).respond_with(ResponseTemplate::new(204));
    ended.mount(&server).await;
    let (vault, cx) = (vault(&server), cx());
    let brief = tokio::time::timeout(Duration::from_millis(50), vault.lease(&cx, &path("db/creds/r"))).await;
    assert!(brief.is_err(), "the caller left before the answer");
    let error = vault.lease(&cx, &path("db/creds/r#absent")).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    assert_eq!(vault.out(), 2);
    assert_eq!(vault.sweep(&cx, false).await.unwrap(), 2, "SC2");
    assert_eq!(vault.out(), 0);
    let said = server.received_requests().await.unwrap();
    let revoked: Vec<_> = said.iter().filter(|request| request.method.as_str() == "PUT").collect();
    let body: serde_json::Value = serde_json::from_slice(&revoked[0].body).unwrap();
    assert_eq!((revoked.len(), body), (2, json!({ "lease_id": "db/creds/r/ann", "sync": true })));
}

#[tokio::test]
async fn a_revocation_that_fails_stays_in_the_book_and_one_of_nothing_does_not() {
    let server = MockServer::start().await;
    let made = ResponseTemplate::new(200).set_body_json(account("bob"));
    Mock::given(method("GET")).respond_with(made).mount(&server).await;
    let echo = json!({ "errors": ["could not revoke db/creds/r/bob"] });
    let broken = ResponseTemplate::new(500).set_body_json(echo);
    Mock::given(method("PUT")).respond_with(broken).up_to_n_times(1).with_priority(1).mount(&server).await;
    let unknown = ResponseTemplate::new(400).set_body_json(json!({ "errors": ["invalid lease: lease not found"] }));
    Mock::given(method("PUT")).respond_with(unknown).mount(&server).await;
    let (vault, cx) = (vault(&server), cx());
    let lease = vault.lease(&cx, &path("db/creds/r")).await.unwrap();
    assert!(lease.until() < cx.deadline(), "the vault lets it live for 5 s");
    let error = vault.revoke(&cx, lease).await.unwrap_err();
    assert_eq!((error.class(), vault.out()), (Class::Unavailable, 1));
    assert_blind(&error, &["db/creds/r/bob", ROOT]);
    assert_eq!(vault.sweep(&cx, false).await.unwrap(), 1, "a lease that is gone is revoked");
}

#[tokio::test]
async fn silence_ends_with_the_deadline_and_a_token_file_is_read_anew() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    Mock::given(at("/v1/secret/data/slow")).respond_with(slow).mount(&server).await;
    let hurried = cx().with_deadline(Instant::now() + Duration::from_millis(100));
    let error = vault(&server).lease(&hurried, &path("secret/slow")).await.unwrap_err();
    assert_eq!(error.class(), Class::Timeout, "{error}");

    let body = json!({ "data": { "data": { "value": "v" } } });
    let answer = ResponseTemplate::new(200).set_body_json(body);
    Mock::given(at("/v1/secret/data/a"))
        .and(header("x-vault-token", "second"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let vault =
        Vault::new(VaultConfig { token: Token::File(file.path().into()), ..config(&server.uri()) }, clock()).unwrap();
    assert_eq!(vault.lease(&cx(), &path("secret/a")).await.unwrap_err().class(), Class::NotFound);
    std::fs::write(file.path(), "second\n").unwrap();
    assert!(vault.lease(&cx(), &path("secret/a")).await.is_ok());
    drop(file);
    assert_eq!(vault.lease(&cx(), &path("secret/a")).await.unwrap_err().class(), Class::Unavailable);
}

#[test]
fn what_would_send_the_token_in_the_clear_or_is_no_address_is_no_setup() {
    let bad =
        ["http://vault.example.com:8200", "ftp://127.0.0.1", "vault", "https://a:b@127.0.0.1", "https://v.example/x"];
    for address in bad {
        assert_eq!(Vault::new(config(address), clock()).err().unwrap().class(), Class::Invalid, "{address}");
    }
    let good = config("http://127.0.0.1:8200");
    let space = VaultConfig { namespace: Some("a\nb".to_owned()), ..good.clone() };
    let mount =
        VaultConfig { mounts: vec![Mount { path: "../sys".to_owned(), engine: Engine::KeyValue }], ..good.clone() };
    let none = VaultConfig { address: "https://v.example".to_owned(), authority: Some(b"no".to_vec()), ..good.clone() };
    for config in [space, mount, none] {
        assert_eq!(Vault::new(config, clock()).err().unwrap().class(), Class::Invalid);
    }
    assert_blind(&good, &[ROOT]);
}
