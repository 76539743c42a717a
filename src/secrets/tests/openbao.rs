//! A real OpenBao, which `scripts/test-parts.sh` fetches once. Its engine for RabbitMQ makes accounts on a server of the
//! test, which shows that they are removed.

use std::path::{Path as FilePath, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const ROOT: &str = "root-token-of-this-test";

/// Where the server is, or nothing if it cannot be had here, which is said.
fn program() -> Option<PathBuf> {
    let named = std::env::var("SYZYGY_TEST_PARTS");
    let folder = named.map_or_else(|_| FilePath::new(env!("CARGO_MANIFEST_DIR")).join("target/parts"), PathBuf::from);
    let program = folder.join("openbao/bao");
    if program.exists() {
        return Some(program);
    }
    match std::fs::read_to_string(folder.join("openbao.unavailable")) {
        Ok(reason) => {
            use std::io::Write;
            // Straight to the descriptor: the harness hides what a passing test prints.
            let _ = writeln!(std::io::stderr(), "SKIPPED: openbao could not be installed here: {}", reason.trim());
            None
        }
        Err(_) => panic!("the test part \"openbao\" is not in {}: run scripts/test-parts.sh", folder.display()),
    }
}

/// A server in memory, which ends with the test.
struct Bao {
    address: String,
    client: reqwest::Client,
    _home: tempfile::TempDir,
    _process: Child,
    _said: Lines<BufReader<ChildStdout>>,
}

impl Bao {
    async fn start(program: &FilePath) -> Bao {
        // The next port is the server's too. If somebody took either since, it says so and ends.
        for _ in 0..5 {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(bao) = Bao::start_at(program, port).await {
                return bao;
            }
        }
        panic!("openbao did not start");
    }

    async fn start_at(program: &FilePath, port: u16) -> Option<Bao> {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command.args(["server", "-dev", "-dev-no-store-token", "-log-level=error"]);
        command.arg(format!("-dev-root-token-id={ROOT}")).arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        command.env_clear().env("HOME", home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        while let Some(line) = said.next_line().await.unwrap() {
            if line.contains("server started!") {
                let _ = rustls::crypto::ring::default_provider().install_default();
                let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
                let address = format!("http://127.0.0.1:{port}");
                let bao = Bao { address, client, _home: home, _process: process, _said: said };
                return Some(bao);
            }
        }
        None
    }

    async fn write(&self, namespace: &str, place: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}/v1/{place}", self.address)).header("x-vault-token", ROOT);
        let response = request.header("x-vault-namespace", namespace).json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{place}: {}", response.status());
        serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default()
    }

    fn config(&self, token: &str) -> VaultConfig {
        let mount = |path: &str, engine| Mount { path: path.to_owned(), engine };
        VaultConfig {
            address: self.address.clone(),
            namespace: None,
            mounts: vec![mount("secret", Engine::KeyValue), mount("rabbitmq/creds", Engine::Dynamic)],
            token: Token::Value(Secret::new(token)),
            authority: None,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

/// A token that may do this and nothing else.
async fn token(bao: &Bao, name: &str, policy: &str) -> String {
    bao.write("", &format!("sys/policies/acl/{name}"), json!({ "policy": policy })).await;
    let made = bao.write("", "auth/token/create", json!({ "policies": [name], "no_default_policy": true })).await;
    made["auth"]["client_token"].as_str().unwrap().to_owned()
}

/// What docs/secrets.md tells an operator to grant.
const POLICY: &str = r#"
path "secret/data/team/*" { capabilities = ["read"] }
path "rabbitmq/creds/reader" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }
"#;

#[tokio::test]
async fn a_real_openbao_passes_the_suite() {
    let Some(program) = program() else { return };
    let bao = Bao::start(&program).await;
    bao.write("", "secret/data/team/token", json!({ "data": { "value": TOKEN } })).await;
    bao.write("", "secret/data/team/large", json!({ "data": { "value": "x".repeat(BYTES_MAX + 1) } })).await;
    let limited = token(&bao, "tools", POLICY).await;
    suite(&Vault::new(bao.config(&limited), clock()).unwrap(), "secret/").await;

    let vault = Vault::new(bao.config(&limited), clock()).unwrap();
    let error = vault.lease(&cx(), &path("secret/other")).await.unwrap_err();
    assert_eq!(error.class(), Class::Denied, "{error}");
    assert_blind(&error, &[&limited, TOKEN]);
    let stranger = Vault::new(bao.config("s.nobody-knows-this-token"), clock()).unwrap();
    assert_eq!(stranger.lease(&cx(), &path("secret/team/token")).await.unwrap_err().class(), Class::Denied);

    // The same path in a namespace is another secret.
    bao.write("", "sys/namespaces/team", json!({})).await;
    bao.write("team", "sys/mounts/secret", json!({ "type": "kv", "options": { "version": "2" } })).await;
    bao.write("team", "secret/data/team/token", json!({ "data": { "value": "of the team" } })).await;
    let within = VaultConfig { namespace: Some("team/".to_owned()), ..bao.config(ROOT) };
    let lease = Vault::new(within, clock()).unwrap().lease(&cx(), &path("secret/team/token")).await.unwrap();
    assert_eq!(lease.secret().unwrap().reveal(), "of the team");

    bao.write("", "sys/seal", json!({})).await;
    let sealed = vault.lease(&cx(), &path("secret/team/token")).await.unwrap_err();
    assert_eq!(sealed.class(), Class::Unavailable, "{sealed}");
}

#[tokio::test]
async fn accounts_that_a_real_openbao_made_are_gone_after_their_leases() {
    let Some(program) = program() else { return };
    let bao = Bao::start(&program).await;
    let broker = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(204)).mount(&broker).await;
    bao.write("", "sys/mounts/rabbitmq", json!({ "type": "rabbitmq" })).await;
    let connection = json!({
        "connection_uri": broker.uri(), "username": "admin", "password": "admin", "verify_connection": false,
    });
    bao.write("", "rabbitmq/config/connection", connection).await;
    bao.write("", "rabbitmq/roles/reader", json!({ "tags": "monitoring" })).await;
    let limited = token(&bao, "tools", POLICY).await;
    let vault = Vault::new(bao.config(&limited), clock()).unwrap();
    let living = async || {
        let mut users = std::collections::BTreeSet::new();
        for request in broker.received_requests().await.unwrap() {
            let Some(user) = request.url.path().strip_prefix("/api/users/") else { continue };
            match request.method.as_str() {
                "PUT" => users.insert(user.to_owned()),
                "DELETE" => users.remove(user),
                _ => continue,
            };
        }
        users.into_iter().collect::<Vec<_>>()
    };
    dynamic_suite(&vault, "rabbitmq/creds/reader", living).await;
    let asked = broker.received_requests().await.unwrap();
    assert!(asked.len() >= 4, "two accounts were made and removed: {asked:?}");
}
