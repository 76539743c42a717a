//! A place of secrets in memory, which can be told to fail, and remembers what was made and revoked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::book::{Book, Due};
use super::environment::in_time;
use super::{BYTES_MAX, Error, Lease, Path, Secrets, has_field};
use crate::types::{Clock, Cx, Secret};

#[derive(Default)]
struct Place {
    fixed: BTreeMap<String, BTreeMap<String, Secret>>,
    /// Places at which each lease gets a secret of its own.
    made: BTreeSet<String>,
    living: BTreeSet<String>,
    count: u64,
    failing: Option<Error>,
}

/// Secrets that a test puts there.
pub struct Fake {
    place: Mutex<Place>,
    book: Mutex<Book>,
    clock: Arc<dyn Clock>,
}

impl Fake {
    /// With nothing in it.
    pub fn new(clock: Arc<dyn Clock>) -> Fake {
        Fake { place: Mutex::default(), book: Mutex::default(), clock }
    }

    /// Puts fields at a place.
    pub fn put(&self, place: &str, fields: &[(&str, &str)]) {
        let fields = fields.iter().map(|(name, text)| ((*name).to_owned(), Secret::new(*text))).collect();
        self.place.lock().fixed.insert(place.to_owned(), fields);
    }

    /// From now on each lease at this place gets an account of its own.
    pub fn make_at(&self, place: &str) {
        self.place.lock().made.insert(place.to_owned());
    }

    /// The accounts that were made and not revoked.
    pub fn living(&self) -> Vec<String> {
        self.place.lock().living.iter().cloned().collect()
    }

    /// From now on everything fails so, or again nothing does.
    pub fn fail(&self, error: Option<Error>) {
        self.place.lock().failing = error;
    }

    fn end(&self, due: &Due) -> Result<(), Error> {
        let mut place = self.place.lock();
        if let Some(error) = &place.failing {
            self.book.lock().put_back(due.ticket, self.clock.now());
            return Err(error.clone());
        }
        if let Some(name) = &due.name {
            place.living.remove(name.reveal());
        }
        self.book.lock().close(due.ticket);
        Ok(())
    }
}

#[async_trait]
impl Secrets for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn lease(&self, cx: &Cx, path: &Path) -> Result<Lease, Error> {
        in_time(cx, self.clock.as_ref(), path)?;
        let (mut place, mut book) = (self.place.lock(), self.book.lock());
        book.room(path)?;
        if let Some(error) = &place.failing {
            return Err(error.clone());
        }
        if place.made.contains(path.place()) {
            place.count += 1;
            let name = format!("account-{}", place.count);
            let password = Secret::new(format!("password of {name}"));
            place.living.insert(name.clone());
            let account = Secret::new(name);
            let fields = [("username".to_owned(), account.clone()), ("password".to_owned(), password)];
            return Ok(book.open(path, fields.into(), cx.deadline(), Some(account)));
        }
        let Some(fields) = place.fixed.get(path.place()).cloned() else {
            return Err(Error::NotFound { path: path.clone(), reason: "nothing stands there".to_owned() });
        };
        if fields.values().any(|secret| secret.len() > BYTES_MAX) {
            return Err(Error::TooLarge { path: path.clone() });
        }
        has_field(path, &fields)?;
        Ok(book.open(path, fields, cx.deadline(), None))
    }

    async fn revoke(&self, _: &Cx, lease: Lease) -> Result<(), Error> {
        let due = self.book.lock().take(lease.ticket);
        due.map_or(Ok(()), |due| self.end(&due))
    }

    async fn sweep(&self, _: &Cx, all: bool) -> Result<usize, Error> {
        let due = self.book.lock().due(self.clock.now(), all);
        let ended: Vec<Result<(), Error>> = due.iter().map(|due| self.end(due)).collect();
        let count = ended.iter().filter(|ended| ended.is_ok()).count();
        ended.into_iter().collect::<Result<Vec<()>, Error>>().map(|_| count)
    }

    fn out(&self) -> usize {
        self.book.lock().out()
    }
}
