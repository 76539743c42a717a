//! Tests of the plan, by subject. `sim` plays the shell and the children, and checks SU1 and SU2 at every order.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]
#![expect(
    clippy::disallowed_methods,
    reason = "a plan is given the time; any instant is as good as another to begin with"
)]

mod lifecycle;
mod model;
mod operator;
mod sim;
mod strategies;
mod timing;
mod window;

use std::time::Duration;

use sim::Sim;

use super::*;
use crate::supervision::spec::{Backoff, Watched};
use crate::supervision::watch::{Stuck, Watch};

const SECOND: Duration = Duration::from_secs(1);

/// A permanent worker without a wait before its restart, so that tests speak of order alone.
fn worker() -> Rules {
    Rules {
        restart: Restart::Permanent,
        shutdown: Shutdown::After(5 * SECOND),
        significant: false,
        backoff: Backoff::NONE,
        start_limit: 60 * SECOND,
        kill_grace: 5 * SECOND,
        watch: Watched::AsTree,
    }
}

fn with_restart(restart: Restart) -> Rules {
    Rules { restart, ..worker() }
}

/// Far more restarts than a test makes, so that only tests of the intensity give up.
const MANY: Intensity = Intensity { restarts: 1_000, period: SECOND };

/// A supervisor whose children `a`, `b`, `c` ... are up; its log begins after that.
fn up(strategy: Strategy, rules: &[Rules]) -> Sim {
    let mut sim = Sim::new(strategy, MANY, AutoShutdown::Never, rules);
    sim.begin();
    sim.take_log();
    sim
}

fn crash() -> Exit {
    Exit::Failed("broken".to_owned())
}
