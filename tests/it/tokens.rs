//! Tokens from the command line: given out, used within their scope, run out, and taken back.

use crate::program::{Running, good, home, run};
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
