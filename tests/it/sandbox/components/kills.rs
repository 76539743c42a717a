//! Components that are ended, again and again: how long it takes, and whether anything is left.
//!
//! `SYZYGY_JAIL_KILLS` says how many, 1,000 for the figure of the docs.

use std::time::Duration;

use serde_json::json;
use syzygy::sandbox::{Call, Ended, Resource, Sandbox};

use super::super::kills::{number, percentile};
use super::super::{cx, loudly};
use super::{Tier, clock, limits, spec, suite_tool};
use crate::support::{MINUTE, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_whose_time_is_over_is_gone_at_once() {
    let hangs = suite_tool("hangs");
    let tier = Tier::new([hangs.clone()]).await;
    let kills = number("SYZYGY_JAIL_KILLS", 50);
    let within = Duration::from_millis(20);
    let mut times = Vec::new();
    for round in 0..kills {
        let by_wall = round % 2 == 0;
        let mut spec = spec("hangs", &hangs, limits());
        spec.limits.wall = if by_wall { within } else { MINUTE };
        let cx = cx(MINUTE);
        let prepared = tier.wasm.prepare(&cx, spec).await.unwrap();
        let began = clock().now();
        let invoked = tier.wasm.invoke(&cx, &prepared, Call::new("hangs", json!(null)));
        let ended = if by_wall {
            assert_eq!(invoked.await.ended, Ended::Limit(Resource::Wall));
            began + within
        } else {
            let cancel = async {
                // As long as it takes to be in the middle of it.
                let _ = tokio::time::timeout(within, std::future::pending::<()>()).await;
                cx.cancel();
                clock().now()
            };
            let (outcome, at) = tokio::join!(invoked, cancel);
            assert_eq!(outcome.ended, Ended::Cancelled);
            at
        };
        times.push(clock().now().saturating_duration_since(ended));
        assert_eq!(tier.wasm.view().running, 0);
    }
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    loudly(&format!("{kills} components ended: p50 {half:?}, p99 {most:?}, longest {:?}", times[times.len() - 1]));
    // Other tests run beside this one; the figure of a quiet machine is in the docs.
    assert!(most < Duration::from_millis(500), "p99 {most:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_waits_for_any_more_gives_its_place_back() {
    let (hangs, echo) = (suite_tool("hangs"), suite_tool("echo"));
    // Room for one: as long as what was dropped lives, nothing else can.
    let tier = Tier::with([hangs.clone(), echo.clone()], |config| config.components.instances_max = 1).await;
    for _ in 0..10 {
        let cx = cx(MINUTE);
        let slow = tier.wasm.prepare(&cx, spec("hangs", &hangs, limits())).await.unwrap();
        let quick = tier.wasm.prepare(&cx, spec("echo", &echo, limits())).await.unwrap();
        let call = tier.wasm.invoke(&cx, &slow, Call::new("hangs", json!(null)));
        assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
        assert_eq!(tier.wasm.view().running, 0);
        eventually("its place is free", async || {
            tier.wasm.invoke(&cx, &quick, Call::new("echo", json!(1))).await.answer.ok()
        })
        .await;
    }
}
