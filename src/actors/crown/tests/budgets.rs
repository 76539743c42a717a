//! The treasury: each reservation ends once, whoever holds it, at a time that does not go back; and what happens to a
//! budget is an alert.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

use super::config;
use crate::actors::crown::{Asked, GovernanceProjection, Handle, Hold, Opening, Provider, Severity};
use crate::actors::runtime::Hears;
use crate::actors::tests::{BEGIN, SECOND, cx, journal, soon, start, world};
use crate::inference::Pacing;
use crate::store::{Disk, Journal};
use crate::types::{Clock, Money, Price, RunId, Seeded, Timestamp, World};
use crate::ziggy::Value;
use crate::ziggy::budget::{
    Amounts, BurnConfig, Claim, Config, Ledger, Limit, PriceFile, PriceList, Refusal, Standing, Window,
};

const CLAIM: Claim<'static> = Claim {
    tenant: "acme",
    principal: "acme/anna",
    agent: "marvin",
    destination: "general/public",
    provider: "local",
    model: "small",
};

fn money(micros: i64) -> Amounts {
    Amounts { money: Money(micros), tokens: 7, requests: 1 }
}

fn open(crown: &Handle, window: Window, micros: i64) {
    let limit = Limit { scope: "tenant:*".to_owned(), window, money: Some(micros), tokens: None, requests: None };
    let config = Config { limits: vec![limit], accounts_most: 9, burn: BurnConfig { fast: 14_400, slow: 6_000 } };
    crown.treasury().open(Opening {
        ledger: Ledger::new(&config, BEGIN),
        since: BEGIN,
        first: 0,
        prices: PriceList::default(),
        providers: BTreeMap::new(),
    });
}

fn reserve(crown: &Handle, world: &World, micros: i64) -> Result<Hold, Refusal> {
    let run = RunId::new(world);
    Ok(crown.treasury().reserve(run, &CLAIM, money(micros), Price::default())?.unwrap())
}

fn standing(crown: &Handle) -> Standing {
    crown.treasury().standings().remove(0)
}

// TR1.
#[tokio::test(start_paused = true)]
async fn a_reservation_ends_once_whoever_holds_it() {
    let world = world();
    let journal = journal(&Disk::default(), &world, vec![Arc::new(GovernanceProjection)]);
    let (crown, _child) = Handle::launch(journal, config(), &world);
    assert!(crown.treasury().reserve(RunId::new(&world), &CLAIM, money(1), Price::default()).unwrap().is_none());
    open(&crown, Window::Day, 100);
    drop(reserve(&crown, &world, 40).unwrap());
    assert_eq!((standing(&crown).spent, standing(&crown).reserved), (0, 0), "nobody was asked");
    let settled = reserve(&crown, &world, 40).unwrap().commit(money(10)).unwrap();
    assert_eq!((settled.charged, settled.reserved, settled.over), (money(10), money(40), false));
    let mut asked = reserve(&crown, &world, 40).unwrap();
    asked.ask();
    drop(asked);
    assert_eq!((standing(&crown).spent, standing(&crown).reserved), (50, 0), "somebody may have been asked");
    let mut late = reserve(&crown, &world, 50).unwrap();
    late.ask();
    let charged = late.charge("it broke").unwrap();
    assert_eq!((charged.charged, charged.unknown.as_deref()), (money(50), Some("it broke")));
    assert_eq!((standing(&crown).spent, standing(&crown).left), (100, 0));
    assert!(reserve(&crown, &world, 1).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_was_dropped_is_told_once_to_its_run() {
    let world = world();
    let journal = journal(&Disk::default(), &world, vec![Arc::new(GovernanceProjection)]);
    let (crown, _child) = Handle::launch(journal, config(), &world);
    open(&crown, Window::Total, 100);
    let runs: Vec<RunId> = (0..2).map(|_| RunId::new(&world)).collect();
    for run in &runs {
        let mut hold = crown.treasury().reserve(*run, &CLAIM, money(10), Price::default()).unwrap().unwrap();
        hold.ask();
    }
    let told = crown.treasury().dropped(runs[1]);
    assert_eq!((told.len(), told[0].hold, told[0].charged), (1, 1, money(10)));
    assert!(crown.treasury().dropped(runs[1]).is_empty());
    assert_eq!(crown.treasury().dropped(runs[0]).len(), 1);
}

/// A wall that says what it is told to, beside tokio's clock.
struct Wayward(AtomicI64);

impl Clock for Wayward {
    #[expect(clippy::disallowed_methods, reason = "this is the clock of these tests")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Acquire))
    }
}

// TR2.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_neither_refunds_a_window_nor_holds_it_open() {
    const MINUTE: i64 = 60_000_000;
    let clock = Arc::new(Wayward(AtomicI64::new(BEGIN.0)));
    let world = World { clock: clock.clone(), random: Arc::new(Seeded::new(7)) };
    let journal = journal(&Disk::default(), &world, vec![Arc::new(GovernanceProjection)]);
    let (crown, _child) = Handle::launch(journal, config(), &world);
    open(&crown, Window::Minute, 10);
    let spend = || reserve(&crown, &world, 10).map(|hold| drop(hold.commit(money(10))));
    let set = |wall: i64| clock.0.store(wall, Ordering::Release);
    assert!(spend().is_ok() && spend().is_err());
    set(BEGIN.0 - MINUTE);
    assert!(spend().is_err(), "a minute back is the same window");
    let year = 365 * 24 * 60 * MINUTE;
    set(BEGIN.0 + year);
    assert!(spend().is_ok() && spend().is_err(), "a year ahead opens one window, once");
    set(BEGIN.0);
    assert!(spend().is_err());
    tokio::time::advance(60 * SECOND).await;
    assert!(spend().is_ok() && spend().is_err(), "a minute later is the next one, wherever the wall stands");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_moves_no_limit() {
    let clock = Arc::new(Wayward(AtomicI64::new(BEGIN.0)));
    let world = World { clock: clock.clone(), random: Arc::new(Seeded::new(7)) };
    let journal = journal(&Disk::default(), &world, vec![Arc::new(GovernanceProjection)]);
    let (crown, _child) = Handle::launch(journal, config(), &world);
    let ask = || {
        let asked = Asked {
            candidate: "a@lab",
            runtime: "lab",
            cap: None,
            value: Value::Normal,
            tokens: 1,
            last_resort: false,
        };
        crown.ask(&asked).1.is_some()
    };
    crown.heard("lab", Some(Some(10 * SECOND)), &Pacing::default());
    for days in [-400_i64, -1, 1, 400] {
        clock.0.store(BEGIN.0 + days * 24 * 60 * 60_000_000, Ordering::Release);
        assert!(!ask(), "the provider asked for ten seconds, wherever the wall stands ({days} days)");
    }
    tokio::time::advance(10 * SECOND).await;
    assert!(ask());
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_a_budget_is_an_alert_with_its_numbers() {
    let world = world();
    let journal = journal(&Disk::default(), &world, vec![Arc::new(GovernanceProjection)]);
    let (crown, governor) = Handle::launch(journal.clone(), config(), &world);
    open(&crown, Window::Month, 1_000);
    let _running = start(vec![governor], &world).await;
    let mut news = journal.subscribe();
    // Half of a month at once, and then more than is left.
    drop(reserve(&crown, &world, 500).unwrap().commit(money(500)));
    let burning = soon(news.recv()).await.unwrap().body.value();
    assert_eq!((&burning["kind"], &burning["subject"]), (&"budget_burning".into(), &"tenant:acme".into()));
    let said = burning["message"].as_str().unwrap();
    assert!(said.contains("$0.000500 of $0.001000 a month are spent"), "{said}");
    assert!(reserve(&crown, &world, 501).is_err() && reserve(&crown, &world, 502).is_err());
    let exhausted = soon(news.recv()).await.unwrap().body.value();
    assert_eq!(exhausted["kind"], "budget_exhausted");
    let said = exhausted["message"].as_str().unwrap();
    assert!(
        said.contains("2 requests were refused") && said.contains("it begins again at 2025-07-01T00:00:00"),
        "{said}"
    );
    let kept = crown.alerts(&cx(&world, 60 * SECOND)).await.unwrap();
    let kinds: Vec<(&str, Severity)> = kept.iter().map(|alert| (alert.kind.as_str(), alert.severity)).collect();
    assert_eq!(kinds, [("budget_exhausted", Severity::Critical), ("budget_burning", Severity::Critical)]);
}

#[tokio::test(start_paused = true)]
async fn a_price_of_the_configuration_goes_before_the_list() {
    let world = world();
    let journal = journal(&Disk::default(), &world, vec![Arc::new(GovernanceProjection)]);
    let (crown, _child) = Handle::launch(journal, config(), &world);
    let rows = "[[prices]]\nmatch = \"*/small\"\ninput = 3\noutput = 4\nfrom = \"2020-01-01\"\nsource = \"a test\"\n";
    let provider = |price| Provider { model: "small".to_owned(), price };
    let own = Price::new(1, 2);
    let ledger =
        Ledger::new(&Config { limits: vec![], accounts_most: 1, burn: BurnConfig { fast: 2, slow: 1 } }, BEGIN);
    let providers = BTreeMap::from([("own".to_owned(), provider(Some(own))), ("listed".to_owned(), provider(None))]);
    let prices = PriceList::of(&PriceFile::default(), &toml::from_str(rows).unwrap()).unwrap();
    crown.treasury().open(Opening { ledger, since: BEGIN, first: 0, prices, providers });
    assert_eq!(crown.treasury().price("own"), Some(own));
    assert_eq!(crown.treasury().price("listed"), Some(Price::new(3, 4)));
    assert_eq!(crown.treasury().price("unknown"), None);
}
