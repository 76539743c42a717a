//! What a verification found, for a person.

use crate::store::{BadEvent, Damage, Error, Verification};

/// One paragraph: whether the chain is whole, how far it was read, and the hash to write down somewhere else. Who
/// holds that hash can tell later that nothing before it was changed, not even by somebody who could write the file.
pub fn report(found: &Verification) -> String {
    let Verification { verified, head, archived, .. } = found;
    let mut events = if *verified == 1 { "1 event".to_owned() } else { format!("{verified} events") };
    if *archived > 0 {
        events.push_str(&format!(" after event {archived}"));
    }
    if found.withheld > 0 {
        events.push_str(&format!(" ({} of them withheld, whose hashes fit)", found.withheld));
    }
    match &found.first_bad {
        None if *verified == 0 && *archived == 0 => "The chain is whole: it has no events yet.".to_owned(),
        None => format!("The chain is whole: {events}, the last with hash {head}."),
        // The events are all good, and what was made of them is not.
        Some(bad) if bad.seq <= *archived + *verified => format!(
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

/// What an export from a damaged journal says beside the lines: where they end, and where reading can go on.
pub fn damaged(damage: &Damage) -> String {
    let Damage { bad, next, last } = damage;
    let mut text = format!("the journal is damaged at event {}: {}", bad.seq, bad.reason);
    match last {
        Some(last) if *last > bad.seq => text.push_str(&format!("\nevents {} to {last} follow", bad.seq + 1)),
        Some(_) => text.push_str("\nno event follows"),
        None => text.push_str("\nnobody knows how many events follow"),
    }
    match next {
        Some(next) => text.push_str(&format!("; `syzygy audit export --from {next}` reads on")),
        None => text.push_str("; none was found that can be read and proved"),
    }
    text
}

/// Joins what was found in one part of the chain to what was found in the parts before: together they are one chain, or
/// the first of them that is not.
pub fn join(before: Option<Verification>, found: Verification) -> Verification {
    let Some(before) = before else { return found };
    if before.first_bad.is_some() {
        return before;
    }
    let (end, begin) = (before.archived + before.verified, found.archived);
    let gap = match () {
        () if begin != end => Some(format!("the part that goes on begins after event {begin}, not after event {end}")),
        () if found.anchor != before.head => {
            Some(format!("it has hash {}, the part that goes on follows one with hash {}", before.head, found.anchor))
        }
        () => None,
    };
    match gap {
        Some(reason) => Verification { first_bad: Some(BadEvent { seq: end, reason }), ..before },
        None => Verification {
            verified: before.verified + found.verified,
            archived: before.archived,
            anchor: before.anchor,
            withheld: before.withheld + found.withheld,
            ..found
        },
    }
}
