//! The fixed part of a supervisor, shared by its incarnations.

use std::collections::HashSet;
use std::sync::Arc;

use super::handle::{Error, Link};
use super::subtree::Subtree;
use crate::supervision::actor::StartChild;
use crate::supervision::spec::{AutoShutdown, Child, Intensity, Restart, Rules, Start, Strategy, Tree, Watched};
use crate::supervision::watch::Watch;

#[derive(Clone)]
pub(super) struct Table {
    pub(super) id: Arc<str>,
    pub(super) strategy: Strategy,
    pub(super) intensity: Intensity,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) children_most: usize,
    pub(super) rows: Arc<Vec<Row>>,
    pub(super) link: Arc<Link>,
    /// For children that say nothing themselves.
    pub(super) watch: Option<Watch>,
}

pub(super) struct Row {
    pub(super) id: Arc<str>,
    pub(super) rules: Arc<Rules>,
    pub(super) start: Arc<dyn StartChild>,
    pub(super) supervisor: bool,
    pub(super) policy: &'static str,
}

impl Table {
    /// The table of this tree, or why it cannot be one: ids are unique among siblings and part of a path.
    pub(super) fn new(tree: Tree, above: Option<Watch>) -> Result<Table, Error> {
        let id = valid(&tree.id)?;
        let watch = tree.watch.within(above);
        let mut ids = HashSet::new();
        let mut rows = Vec::with_capacity(tree.children.len());
        for child in tree.children {
            let mut row = Row::new(child, watch)?;
            share_rules(&mut row, rows.iter().rev());
            if !ids.insert(Arc::clone(&row.id)) {
                return Err(Error::Exists(row.id.to_string()));
            }
            rows.push(row);
        }
        let Tree { strategy, intensity, auto_shutdown, children_most, link, .. } = tree;
        if let Some(row) = rows.get(children_most) {
            return Err(Error::Full { child: row.id.to_string(), most: children_most });
        }
        Ok(Table { id, strategy, intensity, auto_shutdown, children_most, rows: Arc::new(rows), link, watch })
    }

    pub(super) fn policy(&self) -> &'static str {
        match self.strategy {
            Strategy::OneForOne => "one_for_one",
            Strategy::OneForAll => "one_for_all",
            Strategy::RestForOne => "rest_for_one",
        }
    }

    /// The supervisor is down and will come back.
    pub(super) fn suspend(&self) {
        self.link.suspend();
        self.rows.iter().for_each(|row| row.start.suspend());
    }

    /// The supervisor is down for good.
    pub(super) fn close(&self) {
        self.link.close();
        self.rows.iter().for_each(|row| row.start.close());
    }
}

impl Row {
    pub(super) fn new(child: Child, above: Option<Watch>) -> Result<Row, Error> {
        let watch = child.rules.watch.within(above);
        let rules = Rules { watch: Watched::Own(watch), ..child.rules };
        let (id, rules) = (valid(&child.id)?, Arc::new(rules));
        let policy = match rules.restart {
            Restart::Permanent => "permanent",
            Restart::Transient => "transient",
            Restart::Temporary => "temporary",
        };
        Ok(match child.start {
            Start::Actor(start) => Row { id, rules, start, supervisor: false, policy },
            Start::Tree(tree) => {
                let table = Table::new(*tree, watch)?;
                let policy = table.policy();
                Row { id, rules, start: Arc::new(Subtree { table }), supervisor: true, policy }
            }
        })
    }
}

/// How many earlier children are looked at: pools have few kinds of children, and usually the last one was of the same.
const LOOK_BACK: usize = 4;

/// Lets a child use the rules of one before it if they are the same, since a large pool would keep each many times.
fn share_rules<'a>(row: &mut Row, before: impl Iterator<Item = &'a Row>) {
    if let Some(same) = before.take(LOOK_BACK).find(|other| other.rules == row.rules) {
        row.rules = Arc::clone(&same.rules);
    }
}

fn valid(id: &str) -> Result<Arc<str>, Error> {
    if id.is_empty() || id.contains('/') { Err(Error::BadId(id.to_owned())) } else { Ok(Arc::from(id)) }
}
