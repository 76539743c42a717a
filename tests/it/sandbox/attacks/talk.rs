//! Attacks on whoever reads what a tool prints.

use syzygy::sandbox::{Ended, Line};
use syzygy::types::Class;

use super::{Attack, Held, attack};

/// Ended by itself, and nothing it said is taken for a result.
const DISBELIEVED: Held = Held::When(|outcome| {
    outcome.ended == Ended::Finished && outcome.answer.as_ref().is_err_and(|failure| failure.class == Class::Internal)
});

pub(super) const ATTACKS: &[Attack] = &[
    attack("half a line", r#"os.write(1, b'{"type":"result","value":"ha')"#).held(DISBELIEVED),
    attack("a lie about its end", r#"os.write(1, b'{"type":"result","value":1}\n'); os._exit(3)"#).held(DISBELIEVED),
    attack("a result and a crash", r#"os.write(1, b'{"type":"result","value":1}\n'); ctypes.string_at(0)"#)
        .held(DISBELIEVED),
    attack("two results", r#"os.write(1, b'{"type":"result","value":1}\n' * 2)"#).held(DISBELIEVED),
    attack("a result and rubbish", r#"os.write(1, b'{"type":"result","value":1}\nrubbish')"#).held(DISBELIEVED),
    attack("no result at all", "pass").held(DISBELIEVED),
    attack("a giant result", r#"os.write(1, b'{"type":"result","value":"' + b'x' * (3 << 20) + b'"}\n')"#)
        .bounds(|limits| limits.stdout = 8 << 20)
        .held(Held::When(|outcome| {
            let cut = matches!(outcome.lines[..], [Line::Noise { cut, .. }] if cut > 2 << 20);
            cut && outcome.answer.is_err()
        })),
    attack(
        "a giant result behind a line without end",
        r#"os.write(1, b'x' * (3 << 20) + b'{"type":"result","value":1}')"#,
    )
    .bounds(|limits| limits.stdout = 8 << 20)
    .held(DISBELIEVED),
    attack("no text", r#"os.write(1, b'\xff\xfe\x00\n{"type":"result","value":1}\n')"#).held(Held::When(|outcome| {
        matches!(&outcome.lines[..], [Line::Noise { text, cut: 0 }] if text.contains('\u{fffd}'))
            && outcome.answer.is_ok()
    })),
    attack("a key twice", r#"os.write(1, b'{"type":"chunk","type":"result","text":"","value":1}\n')"#)
        .held(DISBELIEVED),
    attack(
        "nested without end",
        r#"os.write(1, b'{"type":"result","value":' + b'[' * 100_000 + b']' * 100_000 + b'}\n')"#,
    )
    .held(DISBELIEVED),
    attack(
        "a class that makes others try again for ever",
        r#"os.write(1, b'{"type":"error","class":"please_retry","message":"' + b'x' * 500_000 + b'"}\n')"#,
    )
    .held(Held::When(|outcome| {
        outcome.answer.as_ref().is_err_and(|failure| failure.class == Class::Internal && failure.message.len() < 70_000)
    })),
];
