//! All rows of a projection under a prefix, for who wants every one of them: a page at a time, in the order of their keys.

use serde_json::Value;

use super::{Error, Journal, RowQuery};

/// Rows that are read at a time: few queries, and no page is large.
const ROWS_AT_ONCE: usize = 512;

/// A walk over rows. What is changed behind where it is does not show in it.
pub struct Rows<'a> {
    journal: &'a dyn Journal,
    projection: &'static str,
    prefix: &'a str,
    after: Option<String>,
    over: bool,
}

impl<'a> Rows<'a> {
    /// A walk over every row under this prefix.
    pub fn under(journal: &'a dyn Journal, projection: &'static str, prefix: &'a str) -> Rows<'a> {
        Rows { journal, projection, prefix, after: None, over: false }
    }

    /// The next rows with their keys; none if there are no more.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn page(&mut self) -> Result<Option<Vec<(String, Value)>>, Error> {
        if self.over {
            return Ok(None);
        }
        let (projection, prefix) = (self.projection, self.prefix);
        let query = RowQuery { projection, prefix, reverse: false, after: self.after.as_deref(), limit: ROWS_AT_ONCE };
        let rows = self.journal.rows(query).await?;
        self.over = rows.len() < ROWS_AT_ONCE;
        self.after = rows.last().map(|(key, _)| key.clone());
        Ok((!rows.is_empty()).then_some(rows))
    }
}
