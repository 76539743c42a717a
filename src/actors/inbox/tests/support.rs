//! What these tests share: rules, items, and an inbox over a journal in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::actors::crown::{self, GovernanceProjection};
use crate::actors::inbox::{Config, Handle, InboxProjection, Opening, Parts};
use crate::actors::tests::{SECOND, configs, cx, journal, read, start, stop, world};
use crate::field::Mailroom;
use crate::store::{Disk, Event, Journal, Memory};
use crate::supervision::Root;
use crate::types::{Budget, Cx, Hash, Money, Principal, RunId, Secret, Timestamp, TraceId, World};
use crate::ziggy::review::{Item, Kind, Need, OnExpiry, Stage};

/// A need of so many people, with so many seconds.
pub(super) fn need(quorum: u32, deadline_s: u64) -> Need {
    Need {
        kind: Kind::Policy,
        stage: Stage::After,
        deadline_s,
        quorum,
        on_expiry: OnExpiry::Deny,
        delegate: None,
        reasons: Vec::new(),
    }
}

/// A run of this number.
pub(super) fn run(number: u64) -> RunId {
    RunId::from_pair(1, number)
}

/// The first item of a run, which came in at this time.
pub(super) fn item(number: u64, quorum: u32, deadline_s: u64, now: Timestamp) -> Item {
    let run = run(number);
    Item::new(format!("{run}-1"), run, need(quorum, deadline_s), Hash::ZERO, vec!["/answer".to_owned()], now)
}

pub(super) struct Bench {
    pub(super) world: World,
    pub(super) journal: Arc<Memory>,
    pub(super) inbox: Handle,
    pub(super) crown: crown::Handle,
    root: Root,
}

/// The usual limits, with what a test turns on.
pub(super) fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config: Config = configs::inbox();
    change(&mut config);
    config
}

/// A webhook that is told of this.
pub(super) fn hook(name: &str, events: &[&str]) -> crate::actors::inbox::Hook {
    read(json!({ "name": name, "url": format!("http://{name}.example"), "events": events }))
}

pub(super) async fn bench_on(disk: &Disk, config: Config, outbound: &Arc<Mailroom>) -> Bench {
    let world = world();
    let journal = journal(disk, &world, vec![Arc::new(InboxProjection), Arc::new(GovernanceProjection)]);
    let governing = read(json!({ "watch_every_s": 600, "alerts_kept": 4, "overrides_most": 4 }));
    let (crown, governor) = crown::Handle::launch(journal.clone(), governing, &world);
    let keys = BTreeMap::from([("desk".to_owned(), Secret::new("secret"))]);
    let parts = Parts { journal: journal.clone(), crown: crown.clone(), outbound: outbound.clone(), keys };
    let (inbox, child) = Handle::launch(parts, config, &world);
    let (root, _) = start(vec![governor, child], &world).await;
    Bench { world, journal, inbox, crown, root }
}

pub(super) async fn bench() -> Bench {
    bench_on(&Disk::default(), configs::inbox(), &Arc::default()).await
}

impl Bench {
    /// A person who waits for a while.
    pub(super) fn who(&self, name: &str) -> Cx {
        let budget = Budget { money: Money(0), tokens: 0 };
        Cx::new(TraceId(1), Principal::new(name, &[]), self.world.clock.now() + 60 * SECOND, budget)
    }

    /// Has an item opened that is about this answer.
    pub(super) async fn open(&self, number: u64, need: Need) -> Item {
        let payload = json!({ "answer": "Forty-two.", "task": { "prompt": "Six times seven?" } });
        let opening = Opening {
            id: format!("{}-1", run(number)),
            run: run(number),
            need,
            payload,
            editable: vec!["/answer".to_owned()],
        };
        self.inbox.open(&cx(&self.world, 60 * SECOND), opening, |_| Vec::new()).await.unwrap()
    }

    /// Every event of these kinds.
    pub(super) async fn events(&self, prefix: &str) -> Vec<Event> {
        let mut events = self.journal.read(1, 10_000).await.unwrap();
        events.retain(|event| event.kind.starts_with(prefix));
        events
    }

    pub(super) async fn rows(&self, prefix: &str) -> Vec<(String, Value)> {
        let (projection, limit) = (InboxProjection::NAME, 100);
        let query = crate::store::RowQuery { projection, prefix, reverse: false, after: None, limit };
        self.journal.rows(query).await.unwrap()
    }

    pub(super) async fn end(self) {
        stop(&self.root, &self.world).await;
        self.journal.close().await.unwrap();
    }
}
