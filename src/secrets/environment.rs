//! Secrets in variables of the host's environment. The operator says which variable is which secret, so that no path leads
//! to a variable nobody meant, and no two paths to one by the way they are spelled.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::book::Book;
use super::{BYTES_MAX, Error, FIELD, Lease, Path, Secrets, has_field};
use crate::types::{Clock, Cx, Secret};

/// Secrets that were read from the environment when the host began.
pub struct Environment {
    /// By place: the variable, and what it holds.
    known: BTreeMap<String, (String, Option<Secret>)>,
    book: Mutex<Book>,
    clock: Arc<dyn Clock>,
}

impl Environment {
    /// Secrets by the variables that hold them, and a way to ask for a variable.
    pub fn new(
        variables: &BTreeMap<Path, String>,
        read: impl Fn(&str) -> Option<String>,
        clock: Arc<dyn Clock>,
    ) -> Environment {
        let take =
            |(path, name): (&Path, &String)| (path.place().to_owned(), (name.clone(), read(name).map(Secret::new)));
        Environment { known: variables.iter().map(take).collect(), book: Mutex::default(), clock }
    }
}

#[async_trait]
impl Secrets for Environment {
    fn kind(&self) -> &'static str {
        "env"
    }

    async fn lease(&self, cx: &Cx, path: &Path) -> Result<Lease, Error> {
        let missing = |reason: String| Error::NotFound { path: path.clone(), reason };
        in_time(cx, self.clock.as_ref(), path)?;
        let Some((variable, value)) = self.known.get(path.place()) else {
            return Err(missing("no variable of the environment is named for it".to_owned()));
        };
        match value {
            None => Err(missing(format!("the variable {variable} is not set"))),
            Some(value) if value.is_empty() => Err(missing(format!("the variable {variable} is empty"))),
            Some(value) if value.len() > BYTES_MAX => Err(Error::TooLarge { path: path.clone() }),
            Some(value) => open(&self.book, cx, path, value.clone()),
        }
    }

    async fn revoke(&self, _: &Cx, lease: Lease) -> Result<(), Error> {
        self.book.lock().close(lease.ticket);
        Ok(())
    }

    async fn sweep(&self, _: &Cx, all: bool) -> Result<usize, Error> {
        Ok(close_due(&self.book, self.clock.as_ref(), all))
    }

    fn out(&self) -> usize {
        self.book.lock().out()
    }
}

/// Whether anybody still waits for a secret.
pub(super) fn in_time(cx: &Cx, clock: &dyn Clock, path: &Path) -> Result<(), Error> {
    let what = || format!("lease the secret {path}");
    if cx.is_cancelled() {
        return Err(Error::Cancelled { what: what() });
    }
    if cx.deadline() <= clock.now() { Err(Error::TimedOut { what: what() }) } else { Ok(()) }
}

/// Leases a secret of one field, which nobody made for the lease.
pub(super) fn open(book: &Mutex<Book>, cx: &Cx, path: &Path, value: Secret) -> Result<Lease, Error> {
    let fields = BTreeMap::from([(FIELD.to_owned(), value)]);
    has_field(path, &fields)?;
    let mut book = book.lock();
    book.room(path)?;
    Ok(book.open(path, fields, cx.deadline(), None))
}

/// Closes what is over, of a book whose leases need no revoking.
pub(super) fn close_due(book: &Mutex<Book>, clock: &dyn Clock, all: bool) -> usize {
    let mut book = book.lock();
    let due = book.due(clock.now(), all);
    due.iter().for_each(|due| book.close(due.ticket));
    due.len()
}
