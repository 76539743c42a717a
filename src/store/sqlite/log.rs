//! What is lost of a write-ahead log: commits behind a frame that is damaged.
//!
//! SQLite reads its log up to the first frame whose checksum is wrong, and takes what follows for the rest of an older
//! log, which it mostly is. It is not, where frames behind it have the salt of this log and end commits: then commits
//! that were there are cut off without a word. A power cut can leave that too, where the disk wrote in another order and
//! nothing of it was synced; nobody can tell these apart afterwards, so it is said, and the log is kept.
//! The layout is that of <https://www.sqlite.org/fileformat2.html#walformat>.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::super::Error;
use super::connect::{beside, open_error};

/// Bytes of the log's header and of a frame's.
const HEADER: usize = 32;
const FRAME: usize = 24;

/// The first four bytes of a log; the last bit says that its checksums are of big-endian words.
const MAGIC: u32 = 0x377f_0682;

/// Names that are tried for a log that is kept.
const KEPT_MOST: u32 = 100;

/// What stands in a log behind a damaged frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    /// Frames before the damaged one.
    pub(super) sound: u32,
    /// Frames of the same log behind it.
    pub(super) frames: u32,
    /// Commits that these end.
    pub(super) commits: u32,
}

impl Lost {
    /// As the end of a sentence.
    pub(super) fn words(&self) -> String {
        let Lost { sound, frames, commits } = self;
        format!(
            "frame {} of the write-ahead log is damaged, and {frames} frames with {commits} commits behind it cannot be \
             read any more: what was written last is lost, unless the power failed before it was on disk",
            sound + 1
        )
    }
}

/// What is lost of the log beside this journal, if anything is. Nothing is changed. That a log cannot be read is told by
/// whoever needs it.
pub(super) fn lost(path: &Path) -> Option<Lost> {
    walk(BufReader::new(File::open(beside(path, "-wal")).ok()?)).ok()?
}

/// Keeps the log of which something is lost, before SQLite writes over it, and says so. True if there was one; then
/// what is left of it has to leave the log, or it would look like that again.
pub(super) fn keep_lost(path: &Path) -> Result<bool, Error> {
    let Some(lost) = lost(path) else { return Ok(false) };
    let (log, kept) = (beside(path, "-wal"), free_name(path)?);
    let copied = std::fs::copy(&log, &kept).and_then(|_| File::open(&kept)?.sync_all());
    copied.map_err(|error| open_error(path, format!("{}: {error}", kept.display())))?;
    tracing::error!(kept = %kept.display(), "{}", lost.words());
    Ok(true)
}

fn free_name(path: &Path) -> Result<PathBuf, Error> {
    let names = (1..=KEPT_MOST).map(|number| beside(path, &format!("-wal.lost-{number}")));
    let full =
        || open_error(path, format!("{KEPT_MOST} logs of which something is lost are kept already; move them away"));
    names.into_iter().find(|name| !name.exists()).ok_or_else(full)
}

fn walk(mut log: impl Read) -> std::io::Result<Option<Lost>> {
    let mut header = [0; HEADER];
    if !filled(&mut log, &mut header)? {
        return Ok(None);
    }
    let (magic, page) = (word(&header, 0), word(&header, 8) as usize);
    if magic & !1 != MAGIC || !(512..=65_536).contains(&page) || !page.is_power_of_two() {
        return Ok(None);
    }
    let sums = Sums { big: magic & 1 == 1 };
    let mut sum = sums.over((0, 0), &header[..24]);
    if sum != (word(&header, 24), word(&header, 28)) {
        return Ok(None);
    }
    let mut frame = vec![0; FRAME + page];
    let (mut sound, mut broken) = (0, None::<Lost>);
    while filled(&mut log, &mut frame)? {
        let own = frame[8..16] == header[16..24];
        let ends = word(&frame, 4) != 0;
        if let Some(lost) = &mut broken {
            lost.frames += u32::from(own);
            lost.commits += u32::from(own && ends);
            continue;
        }
        let next = sums.over(sums.over(sum, &frame[..8]), &frame[FRAME..]);
        if own && next == (word(&frame, 16), word(&frame, 20)) {
            (sum, sound) = (next, sound + 1);
        } else {
            broken = Some(Lost { sound, frames: 0, commits: 0 });
        }
    }
    Ok(broken.filter(|lost| lost.commits > 0))
}

/// Fills all of it, or says that there was no more.
fn filled(log: &mut impl Read, into: &mut [u8]) -> std::io::Result<bool> {
    match log.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word)
}

/// The checksums of a log: two running sums over pairs of words.
struct Sums {
    big: bool,
}

impl Sums {
    fn over(&self, (mut one, mut two): (u32, u32), bytes: &[u8]) -> (u32, u32) {
        let word = |bytes: &[u8]| {
            let big = word(bytes, 0);
            if self.big { big } else { big.swap_bytes() }
        };
        for pair in bytes.chunks_exact(8) {
            one = one.wrapping_add(word(pair)).wrapping_add(two);
            two = two.wrapping_add(word(&pair[4..])).wrapping_add(one);
        }
        (one, two)
    }
}
