//! What a verification found, for a person.

use crate::store::{Error, Verification};

/// One paragraph: whether the chain is whole, how far it was read, and the hash to write down somewhere else. Who
/// holds that hash can tell later that nothing before it was changed, not even by somebody who could write the file.
pub fn report(found: &Verification) -> String {
    let Verification { verified, head, .. } = found;
    let events = if *verified == 1 { "1 event".to_owned() } else { format!("{verified} events") };
    match &found.first_bad {
        None if *verified == 0 => "The chain is whole: it has no events yet.".to_owned(),
        None => format!("The chain is whole: {events}, the last with hash {head}."),
        // The events are all good, and what was made of them is not.
        Some(bad) if bad.seq <= *verified => format!(
            "The journal is damaged at event {}: {}.\nThe chain is whole: {events}, the last with hash {head}.",
            bad.seq, bad.reason
        ),
        Some(bad) => {
            let good = match verified {
                0 => "No event before it could be proved good.".to_owned(),
                _ => format!("Before it {events} are good, the last with hash {head}."),
            };
            format!("The chain is broken at event {}: {}.\n{good}", bad.seq, bad.reason)
        }
    }
}

/// The error a broken chain amounts to, for the exit code of whoever asked.
pub fn broken(found: &Verification) -> Option<Error> {
    let bad = found.first_bad.as_ref()?;
    Some(Error::Corrupt(format!("event {}: {}", bad.seq, bad.reason)))
}
