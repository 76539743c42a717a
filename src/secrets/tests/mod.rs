//! Every place of secrets passes the same suite; what is particular to one stands in a file of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]
#![expect(clippy::disallowed_methods, reason = "tests run on tokio's own clock")]

mod files;
mod openbao;
mod vault;

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::types::secret::Scanner;
use crate::types::{Class, Clock, Timestamp};
use std::sync::Arc;

/// What stands at `team/token` in every place of the suite.
const TOKEN: &str = "tok-7f3a9c41/+=\"quoted\"";

struct Real;

impl Clock for Real {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(0)
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(Real)
}

fn cx() -> Cx {
    Cx::housekeeping(Instant::now(), Duration::from_secs(60))
}

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

/// Nothing of it is in what an error or a lease shows.
fn assert_blind(shown: &impl std::fmt::Debug, secrets: &[&str]) {
    let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
    let text = format!("{shown:?} {shown:#?}");
    assert_eq!(Scanner::new(&secrets).find(text.as_bytes()), None, "{text}");
}

/// What every place does. At `{root}team/token` stands [`TOKEN`], and at `{root}team/large` too much.
async fn suite(secrets: &dyn Secrets, root: &str) {
    let at = |place: &str| path(&format!("{root}{place}"));
    let cx = cx();
    let lease = secrets.lease(&cx, &at("team/token")).await.unwrap();
    assert_eq!(lease.secret().unwrap().reveal(), TOKEN);
    assert_eq!(lease.path(), &at("team/token"));
    assert!(lease.until() <= cx.deadline(), "SC1");
    assert_blind(&lease, &[TOKEN]);
    let named = secrets.lease(&cx, &at("team/token#value")).await.unwrap();
    assert_eq!(named.secret().unwrap().reveal(), TOKEN);
    assert_eq!(secrets.out(), 2);
    secrets.revoke(&cx, named).await.unwrap();
    assert_eq!(secrets.out(), 1);

    let rows = [
        ("team/absent", Class::NotFound),
        ("team/token/below", Class::NotFound),
        ("team/token#other", Class::Invalid),
        ("team/large", Class::Exhausted),
    ];
    for (place, class) in rows {
        let error = secrets.lease(&cx, &at(place)).await.unwrap_err();
        assert_eq!(error.class(), class, "{place}: {error}");
        assert!(error.to_string().contains(place.split('#').next().unwrap()), "{error}");
        assert_blind(&error, &[TOKEN]);
    }
    assert_eq!(secrets.out(), 1, "what was refused is not out");

    assert_eq!(secrets.sweep(&cx, false).await.unwrap(), 0, "it is not over");
    let brief = cx.with_deadline(Instant::now() + Duration::from_millis(300));
    let forgotten = secrets.lease(&brief, &at("team/token")).await.unwrap();
    tokio::time::timeout_at(brief.deadline(), std::future::pending::<()>()).await.unwrap_err();
    drop(forgotten);
    assert_eq!(secrets.sweep(&cx, false).await.unwrap(), 1, "SC1");
    secrets.revoke(&cx, lease).await.unwrap();
    assert_eq!(secrets.out(), 0);

    let over = cx.with_deadline(Instant::now());
    assert_eq!(secrets.lease(&over, &at("team/token")).await.unwrap_err().class(), Class::Timeout);
    let given_up = cx.child();
    given_up.cancel();
    assert_eq!(secrets.lease(&given_up, &at("team/token")).await.unwrap_err().class(), Class::Cancelled);
    secrets.lease(&cx, &at("team/token")).await.unwrap();
    secrets.lease(&cx, &at("team/token")).await.unwrap();
    assert_eq!(secrets.sweep(&cx, true).await.unwrap(), 2, "the host ends");
    assert_eq!(secrets.out(), 0);
}

/// What a place does that makes secrets: each lease has its own, which is gone after it.
async fn dynamic_suite(secrets: &dyn Secrets, place: &str, living: impl AsyncFn() -> Vec<String>) {
    let cx = cx();
    let one = secrets.lease(&cx, &path(&format!("{place}#username"))).await.unwrap();
    let two = secrets.lease(&cx, &path(place)).await.unwrap();
    let user = |lease: &Lease| lease.fields().find(|(name, _)| *name == "username").unwrap().1.reveal().to_owned();
    let (first, second) = (user(&one), user(&two));
    assert_eq!(one.secret().unwrap().reveal(), first);
    assert_ne!(first, second, "each lease has its own");
    let many = two.secret().unwrap_err();
    assert_eq!(many.class(), Class::Invalid);
    assert!(many.to_string().contains("password, username"), "{many}");
    let mut both = [first.clone(), second.clone()];
    both.sort_unstable();
    assert_eq!(living().await, both);
    secrets.revoke(&cx, one).await.unwrap();
    assert_eq!(living().await, [second], "SC2");
    drop(two);
    assert_eq!(secrets.sweep(&cx, true).await.unwrap(), 1);
    assert_eq!((living().await, secrets.out()), (Vec::new(), 0));
}

#[tokio::test]
async fn the_fake_passes_the_suites() {
    let fake = Fake::new(clock());
    fake.put("team/token", &[("value", TOKEN)]);
    fake.put("team/large", &[("value", &"x".repeat(BYTES_MAX + 1))]);
    suite(&fake, "").await;
    fake.make_at("database/creds/reader");
    dynamic_suite(&fake, "database/creds/reader", async || fake.living()).await;
}

#[tokio::test]
async fn what_could_not_be_revoked_is_tried_again_by_the_next_sweep() {
    let (fake, cx) = (Fake::new(clock()), cx());
    fake.make_at("db/reader");
    let lease = fake.lease(&cx, &path("db/reader")).await.unwrap();
    fake.fail(Some(Error::Unavailable { what: "revoke".to_owned(), reason: "down".to_owned() }));
    assert_eq!(fake.revoke(&cx, lease).await.unwrap_err().class(), Class::Unavailable);
    assert_eq!(fake.out(), 1);
    fake.fail(None);
    assert_eq!(fake.sweep(&cx, false).await.unwrap(), 1);
    assert_eq!((fake.out(), fake.living()), (0, Vec::new()));
}

#[tokio::test]
async fn the_environment_passes_the_suite_and_shows_only_what_was_named() {
    let known = [("TEAM_TOKEN", TOKEN.to_owned()), ("LARGE", "x".repeat(BYTES_MAX + 1)), ("EMPTY", String::new())];
    let variables = [("team/token", "TEAM_TOKEN"), ("team/large", "LARGE"), ("unset", "UNSET"), ("empty", "EMPTY")];
    let variables = variables.into_iter().map(|(place, name)| (path(place), name.to_owned())).collect();
    let read = |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let environment = Environment::new(&variables, read, clock());
    suite(&environment, "").await;
    for place in ["unset", "empty", "TEAM_TOKEN", "team_token", "HOME"] {
        let error = environment.lease(&cx(), &path(place)).await.unwrap_err();
        assert_eq!(error.class(), Class::NotFound, "{place}: {error}");
    }
}

#[test]
fn a_path_leads_nowhere_but_down() {
    for good in ["a", "github/token", "database/creds/read-only#password", "A.b_c/9"] {
        assert_eq!(path(good).as_str(), good);
        assert_eq!(serde_json::from_str::<Path>(&format!("{good:?}")).unwrap(), path(good));
    }
    let long = "x".repeat(129);
    let bad = [
        "", "/a", "a/", "a//b", "..", "a/../b", "./a", ".a", "a b", "a?b", "a%2fb", "a#", "a#b#c", "a#b/c", "-a", "a\0",
    ];
    for text in bad.into_iter().chain([long.as_str(), "sk-live-\u{e9}"]) {
        let error = text.parse::<Path>().unwrap_err();
        assert!(text.is_empty() || text.len() < 3 || !error.to_string().contains(text), "{error}");
    }
    assert_eq!((path("a/b#c").place(), path("a/b#c").field(), path("a/b").field()), ("a/b", Some("c"), None));
    assert_eq!(path("a/b#c").words().collect::<Vec<_>>(), ["a", "b"]);
}
