//! Tables made again from what stands in the journal: the first of a line whole, each further one from the one before.

use serde::de::DeserializeOwned;

use super::{Built, Part, Recorded, kind};
use crate::store::Event;
use crate::types::Hash;
use crate::ziggy::route::{Basis, BasisDelta, Digests, Fib, FibDelta, Snapshot};

/// What these parts are the parts of, if they are.
pub fn joined<T: DeserializeOwned>(parts: &[Event]) -> Option<T> {
    let mut text = String::new();
    for part in parts {
        let part = (part.kind == kind::PART).then(|| part.body.parse::<Part>())??;
        text.push_str(&part.text);
    }
    serde_json::from_str(&text).ok()
}

/// One table as it was written: whole, or as what it has otherwise than the one before; and so what it was made from.
#[derive(Debug)]
pub struct Written {
    version: Hash,
    depth: u32,
    registry: Option<Hash>,
    base: Option<Hash>,
    table: Form<Snapshot, FibDelta>,
    basis_hash: Hash,
    basis: Option<(Option<Hash>, Form<Basis, BasisDelta>)>,
}

#[derive(Debug)]
enum Form<W, D> {
    Whole(Box<W>),
    Delta(Box<D>),
}

impl<W: DeserializeOwned, D: DeserializeOwned> Form<W, D> {
    /// What stands in the event itself, or in the parts before it.
    fn of(whole: Option<W>, delta: Option<D>, changes: bool, parts: Option<&[Event]>) -> Option<Form<W, D>> {
        match (whole, delta) {
            (Some(whole), _) if !changes => Some(Form::Whole(Box::new(whole))),
            (_, Some(delta)) if changes => Some(Form::Delta(Box::new(delta))),
            _ if changes => joined(parts?).map(|delta| Form::Delta(Box::new(delta))),
            _ => joined(parts?).map(|whole| Form::Whole(Box::new(whole))),
        }
    }
}

/// The events directly before the one at this place, so many.
fn before(events: &[Event], place: usize, parts: usize) -> Option<&[Event]> {
    (parts > 0).then(|| events.get(place.checked_sub(parts)?..place)).flatten()
}

impl Written {
    /// What the last of these events and those before it say of one table. They may begin later than what was written
    /// with it, as long as its own parts are there.
    pub fn of(events: &[Event]) -> Option<Written> {
        let (last, rest) = events.split_last().filter(|(last, _)| last.kind == kind::BUILT)?;
        let built: Built = last.body.parse()?;
        let parts = before(events, rest.len(), built.parts);
        let whole = built.fib.map(|fib| fib.snapshot());
        let table = Form::of(whole, built.delta, built.base.is_some(), parts)?;
        let place = rest.len().checked_sub(built.parts + 1);
        let found = place.filter(|place| rest[*place].kind == kind::BASIS);
        let basis = found.and_then(|place| {
            let recorded: Recorded = rest[place].body.parse()?;
            let parts = before(events, place, recorded.parts);
            let form = Form::of(recorded.basis, recorded.delta, recorded.base.is_some(), parts)?;
            (recorded.basis_hash == built.basis).then_some((recorded.base, form))
        });
        let (version, basis_hash, base) = (built.version, built.basis, built.base);
        Some(Written { version, depth: built.depth, registry: built.registry, base, table, basis_hash, basis })
    }
}

/// A table on the way along its line.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    table: Snapshot,
    depth: u32,
    basis: Option<(Hash, Basis)>,
    registry: Option<Hash>,
}

impl Rebuilt {
    /// The first of a line.
    ///
    /// # Errors
    /// It does not stand there whole, in words.
    pub fn begin(written: Written) -> Result<Rebuilt, String> {
        let Written { version, depth: 0, table: Form::Whole(table), basis_hash, basis, registry, .. } = written else {
            return Err(format!(
                "the table {:.12} that it begins with is not in the journal",
                written.version.to_string()
            ));
        };
        if table.version != version {
            return Err(format!("another table stands under the name of {:.12}", version.to_string()));
        }
        let whole = |form| match form {
            (None, Form::Whole(basis)) => Some((basis_hash, *basis)),
            _ => None,
        };
        Ok(Rebuilt { table: *table, depth: 0, basis: basis.and_then(whole), registry })
    }

    /// Goes on to the next.
    ///
    /// # Errors
    /// It is no change of this one, in words.
    pub fn advance(&mut self, written: Written) -> Result<(), String> {
        let Written { version, depth, base, table, basis_hash, basis, registry } = written;
        let name = |hash: Hash| format!("{:.12}", hash.to_string());
        let Form::Delta(delta) = table else {
            return Err(format!("the table {} is no change of the one before it", name(version)));
        };
        if base != Some(self.table.version) || depth != self.depth + 1 || delta.version != version {
            let base = base.map(name).unwrap_or_default();
            return Err(format!("the table {} is a change of {base}, which is not in the journal", name(version)));
        }
        delta.apply(&mut self.table)?;
        (self.depth, self.registry) = (depth, registry);
        self.basis = match (self.basis.take(), basis) {
            (Some((known, mut whole)), Some((Some(base), Form::Delta(delta)))) if known == base => {
                delta.apply(&mut whole);
                Some((basis_hash, whole))
            }
            _ => None,
        };
        Ok(())
    }

    /// Hash of the registry in which its runtimes stand.
    pub fn registry(&self) -> Option<Hash> {
        self.registry
    }

    /// The table. It is believed only if its content has the hash it goes by.
    ///
    /// # Errors
    /// It has another, in words.
    pub fn fib(&self) -> Result<Fib, String> {
        let version = self.table.version;
        let fib = Fib::try_from(self.table.clone())?;
        if fib.computed_version() == version {
            return Ok(fib);
        }
        Err(format!("what stands there as the table {:.12} has another hash", version.to_string()))
    }

    /// What it was made from, if that is there and has the hash it goes by.
    pub fn basis(&self) -> Option<Basis> {
        let (hash, basis) = self.basis.as_ref()?;
        // Journals of earlier versions have the hash of its JSON.
        let text = || Hash::of(&serde_json::to_vec(basis).unwrap_or_default());
        (Digests::default().of(basis) == *hash || text() == *hash).then(|| basis.clone())
    }
}
