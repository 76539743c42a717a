//! The journal as a file of lines that proves itself: a header, then one event a line, as JSON.
//!
//! The header says where the chain begins and ends, so a file that was cut short is found out as surely as one that
//! was changed. The text of a body stands in its line exactly as it was hashed.

use std::collections::VecDeque;
use std::io::{BufRead, Read};
use std::sync::Arc;

use futures::stream::{self, Stream};
use serde::{Deserialize, Serialize};

use super::Error;
use super::withheld::{Audience, Withheld};
use crate::store::{BadEvent, Damage, Event, Journal, Reader, Sound, Verification};
use crate::types::{Hash, Place};

/// What the first line says the file is.
const FORMAT: &str = "syzygy.journal/1";

/// Events read at once: some hundred KiB, so that a long journal is exported in little memory.
const PAGE: usize = 256;

/// The longest line that is read. Events are limited to far less; what is longer is no export, and would fill memory.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// The first line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always `syzygy.journal/1`.
    pub format: String,
    /// Sequence number of the first event in the file.
    pub from: u64,
    /// Sequence number of the last event in the file; one less than `from` if there is none.
    pub to: u64,
    /// Hash of the event before the first.
    pub previous: Hash,
    /// Hash of the last event.
    pub head: Hash,
    /// Whom the file is for, if what they may not see is withheld.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// The events from `from` on that are on disk when the export begins, as lines with their line breaks. What is in an
/// archive is left out. For a place, what it may not see is withheld; its hash stays in the chain.
pub fn export(
    journal: Arc<dyn Journal>,
    from: u64,
    place: Option<Place>,
) -> impl Stream<Item = Result<String, Error>> + Send {
    let to = journal.view().last_seq;
    portion(journal, from, to, place)
}

/// The events from `from` to `to`, likewise.
pub(super) fn portion(
    journal: Arc<dyn Journal>,
    from: u64,
    to: u64,
    place: Option<Place>,
) -> impl Stream<Item = Result<String, Error>> + Send {
    let first = journal.view().archived + 1;
    let next = from.clamp(1, to + 1).max(first);
    let audience = place.map(Audience::new);
    let source = Source::Journal(journal);
    lines(Export { source, lines: VecDeque::new(), first, next, to, header: None, begun: false, audience })
}

/// The same from a journal's file, whatever state it is in: every event from `from` on up to the first that is damaged.
/// What comes then is beside the stream. The file of such an export checks out by itself.
///
/// # Errors
/// Nothing at all can be read.
pub async fn salvage(
    reader: Reader,
    from: u64,
    place: Option<Place>,
) -> Result<(impl Stream<Item = Result<String, Error>> + Send, Option<Damage>), Error> {
    let Sound { from, to, previous, head, damage } = reader.sound(from).await.map_err(Error::Journal)?;
    let header = Some(Header { format: FORMAT.to_owned(), from, to, previous, head, place: None });
    let audience = place.map(Audience::new);
    let source = Source::File { reader: Box::new(reader), head: previous };
    let begin = Export { source, lines: VecDeque::new(), first: from, next: from, to, header, begun: false, audience };
    Ok((lines(begin), damage))
}

fn lines(begin: Export) -> impl Stream<Item = Result<String, Error>> + Send {
    stream::try_unfold(begin, async |mut export: Export| {
        let line = export.line().await.map_err(Error::Journal)?;
        Ok(line.map(|line| (line, export)))
    })
}

/// Where the events come from.
enum Source {
    Journal(Arc<dyn Journal>),
    File {
        reader: Box<Reader>,
        /// Hash of the last event that was read.
        head: Hash,
    },
}

impl Source {
    /// Hash of the last event that was read, where reading depends on it.
    fn head(&self) -> Hash {
        match self {
            Source::Journal(_) => Hash::ZERO,
            Source::File { head, .. } => *head,
        }
    }

    /// Goes back to where that was the last.
    fn back_to(&mut self, before: Hash) {
        if let Source::File { head, .. } = self {
            *head = before;
        }
    }

    async fn read(&mut self, from: u64, limit: usize) -> Result<Vec<Event>, crate::store::Error> {
        match self {
            Source::Journal(journal) => journal.read(from, limit).await,
            Source::File { reader, head } => {
                let events = reader.after(from - 1, *head, limit).await?;
                *head = events.last().map_or(*head, |event| event.hash);
                Ok(events)
            }
        }
    }
}

struct Export {
    source: Source,
    lines: VecDeque<String>,
    /// The first event there is.
    first: u64,
    next: u64,
    to: u64,
    /// The first line, if it is known already.
    header: Option<Header>,
    begun: bool,
    /// Who it is for, if that is not just anybody.
    audience: Option<Audience>,
}

impl Export {
    async fn line(&mut self) -> Result<Option<String>, crate::store::Error> {
        if !self.begun {
            self.begun = true;
            self.learn().await?;
            let header = Header { place: self.audience.as_ref().map(|one| one.place.clone()), ..self.header().await? };
            return Ok(Some(line(&header)));
        }
        if self.lines.is_empty() && self.next <= self.to {
            let left = usize::try_from(self.to - self.next + 1).unwrap_or(PAGE);
            let events = self.source.read(self.next, left.min(PAGE)).await?;
            self.next = events.last().map_or(self.to, |event| event.seq) + 1;
            let audience = self.audience.as_ref();
            let shown = events.into_iter().filter(|event| event.seq <= self.to).map(|event| match audience {
                None => line(&event),
                Some(audience) => audience.shown(event).map_or_else(|withheld| line(&withheld), |event| line(&event)),
            });
            self.lines.extend(shown);
        }
        Ok(self.lines.pop_front())
    }

    /// Reads what the labels of runs follow from: how private one is may be known only after its first events.
    async fn learn(&mut self) -> Result<(), crate::store::Error> {
        let Some(mut audience) = self.audience.take() else { return Ok(()) };
        let (mut next, before) = (self.first, self.source.head());
        while next <= self.to {
            let events = self.source.read(next, PAGE).await?;
            next = events.last().map_or(self.to, |event| event.seq) + 1;
            audience.learn(&events);
        }
        self.source.back_to(before);
        self.audience = Some(audience);
        Ok(())
    }

    async fn header(&mut self) -> Result<Header, crate::store::Error> {
        if let Some(header) = &self.header {
            return Ok(header.clone());
        }
        let first = self.source.read(self.next, 1).await?.pop();
        let last = self.source.read(self.to.max(1), 1).await?.pop();
        let head = last.map_or(Hash::ZERO, |event| event.hash);
        let previous = if self.next > self.to { head } else { first.map_or(Hash::ZERO, |event| event.previous) };
        Ok(Header { format: FORMAT.to_owned(), from: self.next, to: self.to, previous, head, place: None })
    }
}

fn line(record: &impl Serialize) -> String {
    let mut line = crate::store::Body::of(record).text().to_owned();
    line.push('\n');
    line
}

/// Checks an exported file by itself. `verified` counts the good events in the file.
///
/// # Errors
/// [`Error::NoExport`] if the first line is no header, [`Error::Read`] if the file cannot be read. A file that begins
/// well and goes on badly is no error but an answer.
pub fn check_export(reader: impl BufRead) -> Result<Verification, Error> {
    let mut lines = Lines { reader, number: 0 };
    let first = lines.next()?.ok_or_else(|| Error::NoExport("it is empty".to_owned()))?;
    let header: Header = serde_json::from_str(&first).map_err(|error| Error::NoExport(error.to_string()))?;
    if header.format != FORMAT {
        return Err(Error::NoExport(format!("its format is {:?}, this program reads {FORMAT:?}", header.format)));
    }
    let (archived, anchor) = (header.from.saturating_sub(1), header.previous);
    let mut found = Verification { verified: 0, head: anchor, archived, anchor, withheld: 0, first_bad: None };
    let mut next = header.from;
    while let Some(line) = lines.next()? {
        let checked = match withheld(&line, &header) {
            Some(one) => follow(&one, next, found.head, &header).inspect(|_| found.withheld += 1),
            None => check(&line, next, found.head, &header),
        };
        match checked {
            Ok(hash) => (found.verified, found.head, next) = (found.verified + 1, hash, next + 1),
            Err(reason) => return Ok(bad(found, next, format!("line {}: {reason}", lines.number))),
        }
    }
    if next != header.to.saturating_add(1) {
        let reason = format!("the file ends before it, but should go on to event {}", header.to);
        return Ok(bad(found, next, reason));
    }
    if found.head != header.head {
        let reason = format!("it has hash {}, the file was to end with {}", found.head, header.head);
        return Ok(bad(found, header.to, reason));
    }
    Ok(found)
}

/// What stands in the place of an event, in a file that is for somebody.
fn withheld(line: &str, header: &Header) -> Option<Withheld> {
    header.place.as_ref().and_then(|_| serde_json::from_str(line).ok())
}

/// The hash the chain goes on with behind an event that is withheld, if it is number `seq` after `previous`.
fn follow(one: &Withheld, seq: u64, previous: Hash, header: &Header) -> Result<Hash, String> {
    match () {
        () if one.seq > header.to => Err(format!("the file was to end with event {}", header.to)),
        () if one.seq != seq => Err(format!("it is missing, event {} stands in its place", one.seq)),
        () if one.previous != previous => Err(format!("it follows {}, the event before has {previous}", one.previous)),
        () => Ok(one.hash),
    }
}

/// The hash of the event in this line, if it is number `seq` after `previous`.
fn check(line: &str, seq: u64, previous: Hash, header: &Header) -> Result<Hash, String> {
    let event: Event = serde_json::from_str(line).map_err(|error| format!("it is no event ({error})"))?;
    let computed = Event { previous, ..event.clone() }.computed_hash();
    match () {
        () if event.seq > header.to => Err(format!("the file was to end with event {}", header.to)),
        () if event.seq != seq => Err(format!("it is missing, event {} stands in its place", event.seq)),
        () if event.previous != previous => {
            Err(format!("it follows {}, the event before has {previous}", event.previous))
        }
        () if event.hash != computed => Err(format!("its stored hash is {}, what it says has {computed}", event.hash)),
        () => Ok(event.hash),
    }
}

fn bad(found: Verification, seq: u64, reason: String) -> Verification {
    Verification { first_bad: Some(BadEvent { seq, reason }), ..found }
}

struct Lines<R> {
    reader: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<String>, Error> {
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(Error::Read)?;
        self.number += 1;
        // Bytes that are no text make a line that is no event, which is then reported with its number.
        Ok((read > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
    }
}
