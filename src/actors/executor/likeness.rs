//! What tools are for, as vectors: which of them are like a text. Vectors are made by jobs, when the executor starts and when
//! there is another tool; who asks gets what there is by then.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::handle::Error;
use super::library::Library;
use crate::inference::Embedder;
use crate::lap;
use crate::types::{Class, Cx, Hash};

/// Texts that are turned into vectors at a time; what came of them is of use before the next are begun.
const AT_ONCE: usize = 64;

/// Characters of a text that is looked for: as many as a description has.
pub const LIKE_MOST: usize = 2_000;

/// A direction of length 1.
type Vector = Arc<[f32]>;

/// What an embedder makes of tools.
pub(super) struct Likeness {
    embedder: Arc<dyn Embedder>,
    /// By the text each is made of; versions that say the same share one.
    vectors: ArcSwap<BTreeMap<Hash, Vector>>,
}

/// How near tools are to a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Near {
    /// The embedder.
    pub(super) by: String,
    /// The cosine by the text that a tool says of itself.
    pub(super) cosines: BTreeMap<Hash, f32>,
}

/// Under which a tool's vector is kept.
pub(super) fn key(about: &str) -> Hash {
    Hash::of(about.as_bytes())
}

impl Likeness {
    pub(super) fn new(embedder: Arc<dyn Embedder>) -> Likeness {
        Likeness { embedder, vectors: ArcSwap::default() }
    }

    /// Makes the vectors that are missing, and lets go of those that nobody needs.
    ///
    /// # Errors
    /// What the embedder said; what was made before stays.
    pub(super) async fn learn(&self, cx: &Cx, library: &Library) -> Result<(), crate::inference::Error> {
        let texts = library.newest().into_iter().map(|entry| lap::about(&entry.ready.tool));
        let texts: BTreeMap<Hash, String> = texts.map(|text| (key(&text), text)).collect();
        let mut vectors = BTreeMap::clone(&self.vectors.load());
        vectors.retain(|key, _| texts.contains_key(key));
        let missing: Vec<(Hash, String)> = texts.into_iter().filter(|(key, _)| !vectors.contains_key(key)).collect();
        self.vectors.store(Arc::new(vectors.clone()));
        for some in missing.chunks(AT_ONCE) {
            let made = self.embedder.embed(cx, some.iter().map(|(_, text)| text.clone()).collect()).await?;
            vectors.extend(some.iter().map(|(key, _)| *key).zip(made.into_iter().map(Vector::from)));
            self.vectors.store(Arc::new(vectors.clone()));
        }
        Ok(())
    }

    /// How near each tool is to a text.
    pub(super) async fn near(&self, cx: &Cx, text: String) -> Result<Near, Error> {
        let unlike = |error: crate::inference::Error| Error::Unlike { class: error.class(), reason: error.to_string() };
        let made = self.embedder.embed(cx, vec![text]).await.map_err(unlike)?;
        let asked = made.into_iter().next().unwrap_or_default();
        let cosine = |own: &Vector| own.iter().zip(&asked).map(|(one, other)| one * other).sum::<f32>();
        let vectors = self.vectors.load();
        let cosines = vectors.iter().map(|(key, vector)| (*key, cosine(vector))).collect();
        Ok(Near { by: self.embedder.name().to_owned(), cosines })
    }
}

/// What a host without an embedder says.
pub(super) fn no_embedder() -> Error {
    let reason = "this host has no embedder; `[inference] embedder` of the configuration names one".to_owned();
    Error::Unlike { class: Class::Unavailable, reason }
}

/// Which change of the library is known, and whether somebody is learning. Pure.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Learning {
    /// The change that is being learnt.
    now: Option<u64>,
    /// The last one that was.
    known: Option<u64>,
}

impl Learning {
    /// Whether there is something to learn at this change, and nobody does; then somebody does from here on.
    pub(super) fn begins(&mut self, change: u64) -> bool {
        let begins = self.now.is_none() && self.known != Some(change);
        if begins {
            self.now = Some(change);
        }
        begins
    }

    /// Nobody learns any more, well or badly.
    pub(super) fn ended(&mut self, well: bool) {
        let now = self.now.take();
        if well {
            self.known = now;
        }
    }
}
