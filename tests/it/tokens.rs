//! Tokens from the command line: given out, used within their scope, run out, and taken back.

use syzygy::types::Class;

use crate::program::{Running, code, configure, good, home, json, run};
use crate::support::eventually;

#[tokio::test]
async fn a_token_opens_what_it_was_made_for_until_its_end() {
    let data = home();
    let data = data.path();
    let host = Running::start(data).await;
    let made = good(data, &["tokens", "make", "reader", "--scope", "read"]).await;
    let token = made.trim();
    good(data, &["tree", "--token", token]).await;
    let refused = async |token: &str, arguments: &[&str], code: &str| {
        let (exit, out, said) = run(data, &[arguments, &["--token", token, "-o", "json"]].concat()).await;
        assert_eq!((exit, out.as_str()), (77, ""), "{said}");
        assert!(said.contains(&format!("\"{code}\"")), "{code}: {said}");
    };
    refused(token, &["ask", "Hello"], "insufficient_scope").await;
    refused(token, &["tokens", "list"], "insufficient_scope").await;
    let late = good(data, &["tokens", "make", "late", "--scope", "read", "--expires-in", "1"]).await;
    eventually("its second is over", async || {
        (run(data, &["tree", "--token", late.trim()]).await.0 == 77).then_some(())
    })
    .await;
    refused(late.trim(), &["tree"], "token_expired").await;
    good(data, &["tokens", "revoke", "reader"]).await;
    refused(token, &["tree"], "token_revoked").await;
    refused("syz_nobody", &["tree"], "unauthenticated").await;
    host.stop().await;

    // What was taken back stays so.
    let host = Running::start(data).await;
    refused(token, &["tree"], "token_revoked").await;
    let listed = good(data, &["tokens", "list"]).await;
    assert!(listed.contains("operator") && listed.contains("late") && !listed.contains("reader"), "{listed}");
    host.stop().await;
}

#[tokio::test]
async fn who_guesses_is_told_when_to_come_back() {
    let data = home();
    let data = data.path();
    let host = Running::start(data).await;
    for _ in 0..20 {
        assert_eq!(run(data, &["tree", "--token", "syz_guess"]).await.0, 77);
    }
    let (code, _, said) = run(data, &["tree", "--token", "syz_guess"]).await;
    assert!(code == 75 && said.contains("api.token_failures_max"), "{code} {said}");
    good(data, &["tree"]).await;
    host.stop().await;
}

/// Two places that answer, and what holds for the tenant `acme`: a budget for all its people together, a region, and whom
/// it prefers where that leaves a choice.
const ACME: &str = r#"
[inference.runtimes.local]
kind = "scripted"
answer = "Near."
tier = "local"
region = "eu"
[inference.runtimes.lab]
kind = "scripted"
answer = "Far."
tier = "local"
region = "us"
[budgets]
limits = [{ scope = "tenant:acme", window = "total", requests = 2 }]
[[ziggy.policies]]
tenant = "acme"
prefer = ["far@lab"]
[[ziggy.policies]]
tenant = "other"
prefer = ["marvin@local"]
"#;

#[tokio::test]
async fn the_people_of_a_tenant_share_its_budget_its_policy_and_its_region() {
    let data = home();
    let data = data.path();
    std::fs::create_dir_all(data.join("agents")).unwrap();
    let agent = include_str!("../../config/agents/marvin.toml");
    let far = agent.replace("name = \"marvin\"", "name = \"far\"").replace("runtime = \"local\"", "runtime = \"lab\"");
    std::fs::write(data.join("agents/far.toml"), far).unwrap();
    configure(data, ACME);
    let host = Running::start(data).await;
    let mut tokens = Vec::new();
    for name in ["acme/anna", "acme/bert", "other/cleo"] {
        let made = good(data, &["tokens", "make", name, "--scope", "route", "--scope", "read"]).await;
        tokens.push(made.trim().to_owned());
    }
    let asked = async |token: &str| json(data, &["ask", "What is six times seven?", "--token", token]).await;
    for (token, served) in [(&tokens[0], "far@lab"), (&tokens[1], "far@lab"), (&tokens[2], "marvin@local")] {
        assert_eq!(asked(token).await["served_by"], serde_json::json!([served]), "the policy of its tenant");
    }
    for token in &tokens[..2] {
        let (exit, _, said) = run(data, &["ask", "What is seven times seven?", "--token", token]).await;
        assert!(exit == code(Class::Exhausted) && said.contains("tenant:acme"), "each used one of the two: {said}");
    }
    assert_eq!(asked(&tokens[2]).await["answer"], "Near.", "the budget of another tenant is another one");
    for wrong in ["acme/", "/anna", "a/b/c", "acme/ anna"] {
        let (exit, _, said) = run(data, &["tokens", "make", wrong, "--scope", "read"]).await;
        assert!(exit == code(Class::Invalid) && said.contains("acme/anna"), "{wrong}: {said}");
    }
    assert!(good(data, &["tokens", "list"]).await.contains("acme/bert"));
    good(data, &["tokens", "revoke", "acme/bert"]).await;
    assert_eq!(run(data, &["tree", "--token", &tokens[1]]).await.0, code(Class::Unauthenticated));
    good(data, &["tree", "--token", &tokens[0]]).await;
    host.stop().await;

    // What may only be in one region is there, whomever its tenant prefers.
    configure(data, &format!("{}[privacy.tenants]\nacme = [\"eu\"]\n", ACME.replace("requests = 2", "requests = 9")));
    let host = Running::start(data).await;
    let again = good(data, &["tokens", "make", "acme/bert", "--scope", "route"]).await;
    for token in [tokens[0].as_str(), again.trim()] {
        assert_eq!(asked(token).await["served_by"], serde_json::json!(["marvin@local"]));
    }
    host.stop().await;
}

#[tokio::test]
async fn names_that_nobody_has_are_told_and_two_agents_of_one_name_refused() {
    let data = home();
    let data = data.path();
    let mut settings = std::fs::read_to_string(data.join("syzygy.toml")).unwrap();
    settings.push_str("[limit.rates.nobody]\nrequests_per_minute = 1\ntokens_per_minute = 1\nburst_s = 1\n");
    configure(data, &settings);
    let expected = "syzygy.toml:5: limit.rates.nobody: found \"nobody\", expected a runtime";
    let (exit, _, said) = run(data, &["config", "check"]).await;
    assert!(exit == 0 && said.contains(expected), "{said}");
    assert!(good(data, &["doctor", "-o", "json"]).await.contains("limit.rates.nobody"));
    let host = Running::start(data).await;
    let log = std::fs::read_to_string(data.join("up.log")).unwrap();
    assert!(log.contains("limit.rates.nobody"), "{log}");
    let (exit, _, said) = run(data, &["budgets", "bogus"]).await;
    assert!(exit == 0, "{said}");
    host.stop().await;

    std::fs::create_dir_all(data.join("agents")).unwrap();
    let agent = include_str!("../../config/agents/marvin.toml").replace("name = \"marvin\"", "name = \"ann\"");
    for file in ["a", "b"] {
        std::fs::write(data.join(format!("agents/{file}.toml")), &agent).unwrap();
    }
    for verb in [&["config", "check"][..], &["up", "--listen", "127.0.0.1:0"]] {
        let (exit, _, said) = run(data, verb).await;
        assert!(exit == code(Class::Invalid) && said.contains("agents/b.toml:2: name: found \"ann\""), "{said}");
        assert!(said.contains("agents/a.toml:2 too"), "{said}");
    }
    let (_, out, _) = run(data, &["doctor", "-o", "json"]).await;
    assert!(out.contains("agents/a.toml:2 too"), "{out}");
}
