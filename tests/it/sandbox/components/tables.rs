//! The attacks, as data.

use std::time::Duration;

use syzygy::sandbox::{Ended, Exit, Limits, Outcome, Resource};
use syzygy::types::Class;

/// How it is seen that an attack did not succeed.
#[derive(Clone, Copy)]
pub(super) enum Held {
    /// It found everything closed and said so.
    Empty,
    /// It was ended for this.
    Ended(Ended),
    /// Something else.
    When(fn(&Outcome) -> bool),
}

pub(super) struct Attack {
    pub(super) name: &'static str,
    /// In the text of components; `{data}` is where the host's data is.
    pub(super) body: &'static str,
    pub(super) functions: &'static str,
    pub(super) parts: &'static str,
    pub(super) files: bool,
    pub(super) held: Held,
    pub(super) bounds: fn(&mut Limits),
}

const fn attack(name: &'static str, body: &'static str) -> Attack {
    Attack { name, body, functions: "", parts: "", files: false, held: Held::Empty, bounds: |_| () }
}

/// One with files; what the host grants is 0 for its own directory, 1 for a tree to read, 2 for one to write.
const fn files(name: &'static str, body: &'static str) -> Attack {
    Attack { files: true, ..attack(name, body) }
}

impl Attack {
    const fn held(mut self, held: Held) -> Attack {
        self.held = held;
        self
    }

    const fn bounds(mut self, bounds: fn(&mut Limits)) -> Attack {
        self.bounds = bounds;
        self
    }

    const fn functions(mut self, functions: &'static str) -> Attack {
        self.functions = functions;
        self
    }

    const fn parts(mut self, parts: &'static str) -> Attack {
        self.parts = parts;
        self
    }
}

/// Ended by itself, and nothing it said is taken for a result.
const DISBELIEVED: Held = Held::When(|outcome| {
    outcome.ended == Ended::Finished && outcome.answer.as_ref().is_err_and(|failure| failure.class == Class::Internal)
});

/// Ended by a trap.
const TRAPPED: Held = Held::When(|outcome| {
    outcome.ended == Ended::Finished && outcome.effects.exit == Some(Exit::Trap) && outcome.answer.is_err()
});

const SHORT: fn(&mut Limits) = |limits| limits.wall = Duration::from_millis(200);

pub(super) const RESOURCES: &[Attack] = &[
    attack("endless loop", "(loop $ever (br $ever))").bounds(SHORT).held(Held::Ended(Ended::Limit(Resource::Wall))),
    attack("endless sleep", "(call $sleep (i64.const 4611686018427387904))")
        .bounds(SHORT)
        .held(Held::Ended(Ended::Limit(Resource::Wall))),
    attack("processor hog", "(loop $ever (br $ever))")
        .bounds(|limits| limits.cpu = Some(Duration::from_millis(100)))
        .held(Held::Ended(Ended::Limit(Resource::Cpu))),
    attack("deep recursion", "(call $deep)")
        .functions("(func $deep (call $deep) (call $deep))")
        .held(Held::When(|outcome| outcome.effects.exit == Some(Exit::Trap) && outcome.stderr.contains("stack"))),
    attack(
        "memory bomb",
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
         (call $verdict (i32.gt_u (memory.size) (i32.const 1536)))",
    ),
    attack(
        "memory bomb that does not take no",
        "(loop $more (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (unreachable))) (br $more))",
    )
    .held(Held::Ended(Ended::Limit(Resource::Memory))),
    attack("memory bomb before it begins", "(call $broke)")
        .parts("(core module $big (memory 2000)) (core instance (instantiate $big))")
        .held(Held::Ended(Ended::Limit(Resource::Memory))),
    attack(
        "table bomb",
        "(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
         (call $verdict (i32.gt_u (table.size $t) (i32.const 6000000)))",
    )
    .functions("(table $t 0 funcref)"),
    attack("memory of the host by chance", "(call $get-random-bytes (i64.const 1099511627776) (i32.const 16))")
        .held(TRAPPED),
    attack(
        "handles without end",
        "(loop $more (drop (call $subscribe-duration (i64.const 1))) (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $a) (i32.const 1000000)))) (call $broke)",
    )
    .held(TRAPPED),
    attack("stdout flood", "(loop $ever (call $print (i32.const 65536) (i32.const 65536)) (br $ever))")
        .held(Held::Ended(Ended::Limit(Resource::Stdout))),
    attack("stderr flood", "(loop $ever (call $print-to (call $get-stderr) (i32.const 65536) (i32.const 65536)) (br $ever))")
        .held(Held::Ended(Ended::Limit(Resource::Stderr))),
    attack("line flood", "(loop $ever (call $print @\"x\\n\") (br $ever))")
        .held(Held::Ended(Ended::Limit(Resource::Lines))),
    attack("a flood of zeroes", "(call $write-zeroes (call $get-stdout) (i64.const 4611686018427387904) (i32.const 16))")
        .held(Held::When(|outcome| outcome.answer.is_err() && outcome.usage.stdout <= 2 << 20)),
    files(
        "disk fill",
        "(local.set $a (call $fills (call $open (call $dir (i32.const 0)) @\"fill\" (i32.const 1) (i32.const 2)) (i32.const 1000)))
         (local.set $a (i32.add (local.get $a)
           (call $fills (call $open (call $dir (i32.const 0)) @\"more\" (i32.const 1) (i32.const 2)) (i32.const 1000))))
         (call $verdict (i32.gt_u (local.get $a) (i32.const 256)))",
    ),
    files(
        "disk fill by removing what was written",
        "(loop $more
           (local.set $b (call $open (call $dir (i32.const 0)) @\"fill\" (i32.const 9) (i32.const 2)))
           (if (i32.ne (local.get $b) (i32.const -1)) (then
             (local.set $a (i32.add (local.get $a) (call $fills (local.get $b) (i32.const 16))))
             (drop (call $removes (call $dir (i32.const 0)) @\"fill\"))))
           (local.set $c (i32.add (local.get $c) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $c) (i32.const 50))))
         (call $verdict (i32.gt_u (local.get $a) (i32.const 256)))",
    ),
    files(
        "a file that is longer than the disk",
        "(local.set $a (call $open (call $dir (i32.const 0)) @\"long\" (i32.const 1) (i32.const 2)))
         (call $set-size (local.get $a) (i64.const 1099511627776) (i32.const 16)) (local.set $b (call $good))
         (call $file-write (local.get $a) (i32.const 1024) (i32.const 1) (i64.const 1099511627776) (i32.const 16))
         (local.set $b (i32.or (local.get $b) (call $good)))
         (call $file-write (local.get $a) (i32.const 1024) (i32.const 1) (i64.const -1) (i32.const 16))
         (call $verdict (i32.or (local.get $b) (call $good)))",
    ),
    files(
        "holes that are filled later",
        "(loop $more
           (call $number (local.get $a))
           (local.set $b (call $open (call $dir (i32.const 0)) (i32.const 512) (i32.const 7) (i32.const 1) (i32.const 2)))
           (call $set-size (local.get $b) (i64.const 8388608) (i32.const 16))
           (local.set $c (i32.add (local.get $c) (call $good)))
           (call $close (local.get $b))
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $a) (i32.const 8))))
         (call $verdict (i32.gt_u (local.get $c) (i32.const 1)))",
    ),
    files(
        "inode fill",
        "(loop $more
           (call $number (local.get $a))
           (local.set $b (call $open (call $dir (i32.const 0)) (i32.const 512) (i32.const 7) (i32.const 1) (i32.const 2)))
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (if (i32.ne (local.get $b) (i32.const -1))
             (then (call $close (local.get $b)) (br_if $more (i32.lt_u (local.get $a) (i32.const 2000))))))
         (call $verdict (i32.eq (local.get $a) (i32.const 2000)))",
    )
    .bounds(|limits| limits.disk = Some(4 << 20)),
    files(
        "directories without end",
        "(loop $more
           (call $number (local.get $a))
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $more (i32.and (call $makes-directory (call $dir (i32.const 0)) (i32.const 512) (i32.const 7))
             (i32.lt_u (local.get $a) (i32.const 2000)))))
         (call $verdict (i32.eq (local.get $a) (i32.const 2000)))",
    )
    .bounds(|limits| limits.disk = Some(4 << 20)),
    files(
        "open files",
        "(loop $more
           (local.set $a (i32.add (local.get $a) (i32.const 1)))
           (br_if $more (i32.and (i32.lt_u (local.get $a) (i32.const 600))
             (i32.ne (i32.const -1) (call $open (call $dir (i32.const 0)) @\"one\" (i32.const 1) (i32.const 2))))))
         (call $verdict (i32.gt_u (local.get $a) (i32.const 100)))",
    ),
    files(
        "growth of a granted tree",
        "(local.set $a (call $fills (call $open (call $dir (i32.const 2)) @\"fill\" (i32.const 1) (i32.const 2)) (i32.const 1000)))
         (call $verdict (i32.gt_u (local.get $a) (i32.const 16)))",
    ),
    files(
        "growth of a granted tree by streams",
        "(local.set $a (call $open (call $dir (i32.const 2)) @\"fill\" (i32.const 1) (i32.const 2)))
         (call $append-via-stream (local.get $a) (i32.const 16)) (local.set $a (i32.load (i32.const 20)))
         (loop $more
           (call $write (local.get $a) (i32.const 65536) (i32.const 4096) (i32.const 16))
           (if (call $good) (then
             (local.set $b (i32.add (local.get $b) (i32.const 1)))
             (br_if $more (i32.lt_u (local.get $b) (i32.const 1000))))))
         (call $verdict (i32.gt_u (local.get $b) (i32.const 256)))",
    ),
    files(
        "growth of a granted tree by moving",
        "(drop (call $writes (call $dir (i32.const 0)) @\"one\"))
         (call $verdict (i32.or (call $renames (call $dir (i32.const 0)) @\"one\" (call $dir (i32.const 2)) @\"one\")
           (call $links (call $dir (i32.const 0)) @\"one\" (call $dir (i32.const 2)) @\"two\")))",
    ),
];

pub(super) const ESCAPES: &[Attack] = &[
    files(
        "absolute paths",
        "(local.set $a (call $reads (call $dir (i32.const 0)) @\"/etc/passwd\"))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 1)) @\"{data}/secret\")))
         (call $verdict (i32.or (local.get $a) (call $writes (call $dir (i32.const 2)) @\"{data}/new\")))",
    ),
    files(
        "the way up",
        "(local.set $a (call $reads (call $dir (i32.const 1)) @\"../data/secret\"))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 1)) @\"./../data/secret\")))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 1)) @\"file/../../data/secret\")))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 0)) @\"..\")))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 0)) @\"../../../../../../../../etc/passwd\")))
         (call $verdict (i32.or (local.get $a) (call $writes (call $dir (i32.const 2)) @\"../data/new\")))",
    ),
    files(
        "links that lead out",
        "(local.set $a (call $reads (call $dir (i32.const 1)) @\"link\"))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 1)) @\"folder\")))
         (call $verdict (i32.or (local.get $a) (call $reads (call $dir (i32.const 1)) @\"folder/secret\")))",
    ),
    files(
        "links with a slash at their end",
        "(local.set $a (call $reads (call $dir (i32.const 1)) @\"folder/\"))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 1)) @\"folder//secret\")))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 1)) @\"folder/./secret\")))
         (local.set $a (i32.or (local.get $a) (call $makes-directory (call $dir (i32.const 1)) @\"folder/new/\")))
         (call $verdict (i32.or (local.get $a) (call $reads (call $dir (i32.const 1)) @\"folder/.\")))",
    ),
    files(
        "links of its own that lead out",
        "(drop (call $makes-link (call $dir (i32.const 2)) @\"{data}/secret\" @\"absolute\"))
         (drop (call $makes-link (call $dir (i32.const 2)) @\"../data/secret\" @\"relative\"))
         (drop (call $makes-link (call $dir (i32.const 2)) @\"../data\" @\"folder\"))
         (drop (call $makes-link (call $dir (i32.const 2)) @\"../data/\" @\"slash\"))
         (local.set $a (call $reads (call $dir (i32.const 2)) @\"absolute\"))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 2)) @\"relative\")))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 2)) @\"folder/secret\")))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 2)) @\"slash/secret\")))
         (local.set $a (i32.or (local.get $a) (call $reads (call $dir (i32.const 2)) @\"slash/\")))
         (call $verdict (i32.or (local.get $a) (call $writes (call $dir (i32.const 2)) @\"folder/new\")))",
    ),
    files(
        "a link to a file that may only be read",
        "(drop (call $makes-link (call $dir (i32.const 2)) @\"../tree/file\" @\"soft\"))
         (local.set $a (call $writes (call $dir (i32.const 2)) @\"soft\"))
         (local.set $a (i32.or (local.get $a) (call $links (call $dir (i32.const 1)) @\"file\" (call $dir (i32.const 2)) @\"hard\")))
         (call $verdict (i32.or (local.get $a) (call $links (call $dir (i32.const 1)) @\"file\" (call $dir (i32.const 0)) @\"hard\")))",
    ),
    files(
        "a tree that may only be read",
        "(local.set $a (call $writes (call $dir (i32.const 1)) @\"new\"))
         (local.set $a (i32.or (local.get $a) (call $writes (call $dir (i32.const 1)) @\"file\")))
         (local.set $a (i32.or (local.get $a) (call $makes-directory (call $dir (i32.const 1)) @\"d\")))
         (local.set $a (i32.or (local.get $a) (call $makes-link (call $dir (i32.const 1)) @\"file\" @\"l\")))
         (local.set $a (i32.or (local.get $a) (call $renames (call $dir (i32.const 1)) @\"file\" (call $dir (i32.const 1)) @\"moved\")))
         (local.set $a (i32.or (local.get $a) (call $renames (call $dir (i32.const 1)) @\"file\" (call $dir (i32.const 2)) @\"moved\")))
         (local.set $a (i32.or (local.get $a) (call $removes (call $dir (i32.const 1)) @\"file\")))
         ;; Emptied as it is opened.
         (local.set $b (call $open (call $dir (i32.const 1)) @\"file\" (i32.const 8) (i32.const 1)))
         (call $verdict (i32.or (local.get $a) (i32.ne (local.get $b) (i32.const -1))))",
    ),
    files(
        "a file that is opened to be read and written to",
        "(local.set $a (call $open (call $dir (i32.const 1)) @\"file\" (i32.const 0) (i32.const 1)))
         (call $file-write (local.get $a) (i32.const 1024) (i32.const 1) (i64.const 0) (i32.const 16))
         (local.set $b (call $good))
         (call $set-size (local.get $a) (i64.const 0) (i32.const 16)) (local.set $b (i32.or (local.get $b) (call $good)))
         (call $write-via-stream (local.get $a) (i64.const 0) (i32.const 16))
         (local.set $b (i32.or (local.get $b) (call $good)))
         (call $append-via-stream (local.get $a) (i32.const 16))
         (call $verdict (i32.or (local.get $b) (call $good)))",
    ),
    files(
        "a pipe that nobody ever writes to",
        "(local.set $a (call $open (call $dir (i32.const 2)) @\"pipe\" (i32.const 0) (i32.const 1)))
         (local.set $b (call $open (call $dir (i32.const 2)) @\"pipe\" (i32.const 0) (i32.const 2)))
         (call $verdict (i32.or (i32.ne (local.get $a) (i32.const -1)) (i32.ne (local.get $b) (i32.const -1))))",
    ),
    files(
        "more directories than were granted",
        "(drop (call $dir (i32.const 0))) (call $verdict (i32.ne (i32.load (i32.const 20)) (i32.const 3)))",
    ),
    attack(
        "environment and arguments",
        "(call $get-environment (i32.const 16)) (local.set $a (i32.load (i32.const 20)))
         (call $get-arguments (i32.const 16))
         (call $verdict (i32.or (local.get $a) (i32.load (i32.const 20))))",
    ),
    attack("memory that is not its own", "(drop (i32.load (i32.const -16))) (call $broke)").held(TRAPPED),
    attack("a text that is not its own", "(call $print (i32.const -4096) (i32.const 4096)) (call $broke)").held(TRAPPED),
    attack("a handle that is not its own", "(call $print-to (i32.const 77) @\"x\") (call $broke)").held(TRAPPED),
];

pub(super) const TALK: &[Attack] = &[
    attack("half a line", "(call $print @\"{\\\"type\\\":\\\"result\\\",\\\"value\\\":\\\"ha\")").held(DISBELIEVED),
    attack("a lie about its end", "(call $held) (call $exit (i32.const 1))").held(DISBELIEVED),
    attack("a result and a trap", "(call $held) (unreachable)").held(DISBELIEVED),
    attack("two results", "(call $held) (call $held)").held(DISBELIEVED),
    attack("a result and rubbish", "(call $held) (call $print @\"rubbish\")").held(DISBELIEVED),
    attack("no result at all", "").held(DISBELIEVED),
    attack(
        "a result on the side",
        "(call $print-to (call $get-stderr) @\"{\\\"type\\\":\\\"result\\\",\\\"value\\\":1}\\n\")",
    )
    .held(DISBELIEVED),
];
