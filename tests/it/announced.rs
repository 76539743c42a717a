//! A candidate that a person announces while the host runs: an agent on a runtime that is not its own.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use syzygy::actors::crown::Change;
use syzygy::actors::io::Task;
use syzygy::inference::{Scripted, Step};
use syzygy::testing::{Error, Simulated, Simulation};
use syzygy::types::{Class, PrivacyClass, TrustTier};
use syzygy::ziggy::Announced;
use syzygy::ziggy::route::Origin;

const ANNOUNCED: &str = "marvin@elsewhere";

/// Seconds it is announced for.
const FOR: u64 = 600;

/// A host whose agents have a runtime on this machine, and one elsewhere that is nobody's.
fn simulation() -> Simulation {
    let elsewhere = Scripted::saying("elsewhere", "From afar.").in_tier(TrustTier::External);
    Simulation::new(11).unwrap().runtime(Scripted::saying("local", "At home.")).runtime(elsewhere)
}

async fn change(host: &Simulated, change: Change) {
    let changed = host.with(async |host, cx| {
        host.crown().change(&cx, change).await.unwrap();
        host.router().rebuild(&cx).await.unwrap();
    });
    changed.await.unwrap();
}

async fn announce(host: &Simulated, candidate: &str) {
    let since = host.world().clock.wall();
    let later = |seconds: u64| syzygy::types::Timestamp(since.0 + i64::try_from(seconds).unwrap() * 1_000_000);
    let expires = later(FOR);
    let gone = host.with(async |host, _| host.router().gone(expires)).await.unwrap();
    assert_eq!(gone, later(FOR + 360));
    let (author, reason) = ("ada".to_owned(), "local is being moved".to_owned());
    let (weight, quality, qualities) = (None, None, [].into());
    let announced = Announced { author, reason, since, expires, gone, weight, quality, qualities };
    change(host, Change::Announce { candidate: candidate.to_owned(), announced }).await;
}

async fn asked(host: &Simulated, privacy: PrivacyClass) -> Result<(String, Vec<String>), Class> {
    let task = Task { prompt: "What is six times seven?".to_owned(), privacy, ..Task::default() };
    match host.ask(task).await {
        Ok(answer) => Ok((answer.answer, answer.served_by)),
        Err(Error::Task(error)) => Err(error.class()),
        Err(other) => panic!("{other}"),
    }
}

/// Whether it is in the table, and if so whether it is stale.
async fn stands(host: &Simulated) -> Option<bool> {
    let found = host.with(async |host, _| {
        let fib = host.router().fib();
        fib.rows.iter().find(|row| row.facts.candidate == ANNOUNCED).map(|row| row.stale)
    });
    found.await.unwrap()
}

// Promise 150.
#[test]
fn who_is_announced_serves_until_it_is_stale_and_then_gone_also_after_a_restart() {
    let scenario = async |host: Simulated| {
        let at_home = Ok(("At home.".to_owned(), vec!["marvin@local".to_owned()]));
        let afar = Ok(("From afar.".to_owned(), vec![ANNOUNCED.to_owned()]));
        assert_eq!(asked(&host, PrivacyClass::Public).await, at_home);
        announce(&host, ANNOUNCED).await;
        change(&host, Change::Weight { candidate: "marvin@local".to_owned(), percent: Some(0) }).await;
        assert_eq!(asked(&host, PrivacyClass::Public).await, afar);
        // The place is that of the runtime, whatever the agent's own is.
        assert_eq!(asked(&host, PrivacyClass::Internal).await, Err(Class::Denied));
        host.crash().await;
        assert_eq!(asked(&host, PrivacyClass::Public).await, afar);
        host.restart().await?;
        assert_eq!(stands(&host).await, Some(false));
        let rib = host.with(async |host, _| host.router().rib()).await?;
        assert_eq!(rib.candidates[ANNOUNCED].origin, Origin::Operator);
        assert_eq!(asked(&host, PrivacyClass::Public).await, afar);
        host.pass(Duration::from_secs(FOR)).await;
        assert_eq!(stands(&host).await, Some(true), "expired is stale");
        assert_eq!(asked(&host, PrivacyClass::Public).await, afar, "and serves if nobody else does");
        host.pass(Duration::from_secs(360)).await;
        assert_eq!(stands(&host).await, None);
        assert!(asked(&host, PrivacyClass::Public).await.is_err());
        // What is gone does not come back with a restart.
        host.restart().await?;
        assert_eq!(stands(&host).await, None);
        announce(&host, ANNOUNCED).await;
        assert_eq!(asked(&host, PrivacyClass::Public).await, afar);
        change(&host, Change::Withdraw { candidate: ANNOUNCED.to_owned() }).await;
        assert_eq!(stands(&host).await, None);
        let journal = String::from_utf8(host.export().await?).unwrap();
        for said in [r#""change":"announce""#, "local is being moved", r#""change":"withdraw""#] {
            assert!(journal.contains(said), "{said}");
        }
        Ok(())
    };
    simulation().run(scenario).unwrap();
}

/// What an agent recalls depends on where it is asked, and not on where its own runtime is.
#[test]
fn what_was_told_at_home_is_not_recalled_where_an_agent_is_announced() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let elsewhere = Scripted::new("elsewhere", move |request| {
        seen.lock().extend(request.messages.iter().map(|message| message.content.clone()));
        vec![Step::text("From afar.")]
    });
    let simulation = Simulation::new(12).unwrap().runtime(Scripted::saying("local", "At home."));
    let scenario = async |host: Simulated| {
        announce(&host, "zoi@elsewhere").await;
        let told = |privacy, fact: &str| {
            let (prompt, agent) = (format!("Remember that {fact}"), Some("zoi@local".to_owned()));
            Task { prompt, agent, privacy, ..Task::default() }
        };
        host.ask(told(PrivacyClass::Confidential, "the code word of the cellar is plum.")).await?;
        host.ask(told(PrivacyClass::Public, "the code word of the attic is pear.")).await?;
        let (prompt, agent) = ("What is the code word?".to_owned(), Some("zoi@elsewhere".to_owned()));
        let answer = host.ask(Task { prompt, agent, ..Task::default() }).await?;
        assert_eq!(
            (answer.answer.as_str(), answer.served_by.as_slice()),
            ("From afar.", &["zoi@elsewhere".to_owned()][..])
        );
        Ok(())
    };
    simulation.runtime(elsewhere.in_tier(TrustTier::External)).run(scenario).unwrap();
    let sent = sent.lock().join("\n");
    assert!(sent.contains("pear") && !sent.contains("plum"), "{sent}");
}
