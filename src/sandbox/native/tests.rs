//! Functions that answer, that do not, and that panic.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde_json::json;

use super::*;
use crate::sandbox::tests::clock;
use crate::sandbox::{Access, Egress, Grant, Limits};

const MINUTE: Duration = Duration::from_secs(60);

/// What a stuck function waits for.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut open = self.0.0.lock();
        while !*open {
            self.0.1.wait(&mut open);
        }
    }
}

fn tier(gate: &Gate) -> Native {
    let gate = gate.clone();
    Native::new(Threads { threads_max: 2 }, clock())
        .with("stuck", move |_, _| {
            gate.pass();
            Ok(Value::Null)
        })
        .with("panics", |_, _| std::panic::resume_unwind(Box::new("told to")))
        .with("echo", |input, _| Ok(input))
}

fn cx() -> Cx {
    Cx::housekeeping(clock().now(), MINUTE)
}

async fn prepared(tier: &Native, name: &str, wall: Duration) -> Prepared {
    tier.prepare(&cx(), Spec::native(name, Limits::talking(wall, 1_000))).await.unwrap()
}

#[tokio::test]
async fn a_function_that_does_not_end_is_left_behind_counted_and_bounded() {
    let gate = Gate::default();
    let tier = tier(&gate);
    let (stuck, echo) =
        (prepared(&tier, "stuck", Duration::from_millis(20)).await, prepared(&tier, "echo", MINUTE).await);
    let outcome = tier.invoke(&cx(), &stuck, Call::new("a", json!(1))).await;
    assert_eq!(outcome.ended, Ended::Limit(Resource::Wall));
    assert_eq!(tier.view(), View { running: 0, abandoned: 1 });
    // The same id again would make two that nobody can tell apart.
    assert_eq!(tier.invoke(&cx(), &stuck, Call::new("a", json!(1))).await.ended, Ended::Refused);
    assert_eq!(tier.invoke(&cx(), &echo, Call::new("b", json!(2))).await.answer, Ok(json!(2)));
    tier.invoke(&cx(), &stuck, Call::new("c", json!(1))).await;
    let full = tier.invoke(&cx(), &echo, Call::new("d", json!(2))).await;
    assert_eq!((full.ended, full.answer.unwrap_err().class), (Ended::Refused, Class::Exhausted));
    gate.open();
    while tier.view().abandoned > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(tier.invoke(&cx(), &echo, Call::new("e", json!(3))).await.answer, Ok(json!(3)));
}

#[tokio::test]
async fn a_kill_says_when_it_could_not() {
    let gate = Gate::default();
    let tier = tier(&gate);
    let stuck = prepared(&tier, "stuck", MINUTE).await;
    let cx = cx();
    let (outcome, killed) = tokio::join!(tier.invoke(&cx, &stuck, Call::new("a", json!(1))), tier.kill("a"));
    assert_eq!((outcome.ended, killed), (Ended::Killed, Killed::Stuck));
    assert_eq!(tier.kill("a").await, Killed::Unknown);
    gate.open();
}

#[tokio::test]
async fn a_panic_is_an_answer() {
    let tier = tier(&Gate::default());
    let panics = prepared(&tier, "panics", MINUTE).await;
    let outcome = tier.invoke(&cx(), &panics, Call::new("a", json!(1))).await;
    assert_eq!(outcome.answer.unwrap_err().message, "the function panicked");
    assert_eq!((outcome.ended, tier.view()), (Ended::Finished, View::default()));
}

#[tokio::test]
async fn what_a_function_cannot_be_held_to_is_refused_with_everything_that_is_missing() {
    let tier = tier(&Gate::default());
    let mut spec = Spec::native("echo", Limits::talking(MINUTE, 1_000));
    spec.limits.memory = Some(1 << 20);
    spec.egress = Egress::Socket("proxy.sock".into());
    let grant = Grant { name: "tree".to_owned(), source: "tree".into(), access: Access::ReadWrite, growth: Some(1) };
    spec.grants.push(grant);
    let refused = tier.prepare(&cx(), spec).await.unwrap_err();
    let expected = "could not prepare echo: the native tier cannot show directories to the program, give the program a way \
                    out, bound memory, bound growth of a granted tree";
    assert_eq!((refused.to_string().as_str(), refused.class()), (expected, Class::Denied));
    let missing = tier.prepare(&cx(), Spec::native("nobody", Limits::talking(MINUTE, 1))).await.unwrap_err();
    assert_eq!(missing.class(), Class::NotFound);
}
