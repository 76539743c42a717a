//! What git is told, for good calls and for bad ones.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed test panics")]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::lap::Step;

fn envelope(input: Value) -> Value {
    json!({ "input": input, "host": { "workspace": "/granted/workspace", "author": "marvin" } })
}

fn command(id: &str, input: Value, came: &[Came]) -> Result<Vec<String>, Failure> {
    match front(id).unwrap().next(&envelope(input), came)? {
        Step::Run(command) => Ok(command.argv),
        other => panic!("{other:?}"),
    }
}

fn said(stdout: &str, exit: i64) -> Came {
    Came::Printed { stdout: stdout.to_owned(), stderr: String::new(), exit }
}

/// Words that mean something else to git than a name.
const HOSTILE: [&str; 12] = [
    "--upload-pack=touch x",
    "-O/etc/passwd",
    "--output=/granted/workspace/x",
    "--",
    "-",
    "",
    "a\nb",
    "a\u{0}b",
    "\u{7f}",
    "../up",
    "/etc/passwd",
    "a/.GIT/config",
];

#[test]
fn words_that_git_could_take_for_something_else_are_refused_before_anything_is_run() {
    let good = [
        ("git.log", json!({ "revision": "main", "path": "a", "repository": "r" })),
        ("git.show", json!({ "revision": "main", "path": "a", "repository": "r" })),
        ("git.diff", json!({ "from": "a", "to": "b", "path": "a", "repository": "r" })),
        ("git.commit", json!({ "message": "m", "paths": "a", "repository": "r" })),
        ("git.clone", json!({ "source": "a", "target": "b" })),
    ];
    let call = |id: &str, mut input: Value| {
        if let Some(path) = input.get_mut("paths") {
            *path = json!([path.take()]);
        }
        // A commit's paths are words of its second step, and so on: they are looked at before the first.
        command(id, input, &[])
    };
    for (id, input) in good {
        assert!(call(id, input.clone()).is_ok(), "{id}");
        let keys: Vec<String> = input.as_object().unwrap().keys().filter(|key| *key != "message").cloned().collect();
        for key in keys {
            for word in HOSTILE {
                let revision = ["revision", "from", "to"].contains(&key.as_str());
                // Revisions go nowhere: what is a path to git is none there.
                if revision && (word.starts_with("..") || word.starts_with('/') || word.starts_with("a/")) {
                    continue;
                }
                let mut bad = input.clone();
                bad[&key] = json!(word);
                let refused = call(id, bad).expect_err(&format!("{id}: {key} = {word:?}"));
                assert_eq!(refused.class, Class::Invalid, "{id}: {key} = {word:?}");
            }
        }
    }
    for word in ["a:b", ":/x", "a b", "a*"] {
        assert!(command("git.log", json!({ "revision": word }), &[]).is_err(), "{word}");
    }
    for word in ["a..b", "a...b", "^a"] {
        assert!(command("git.show", json!({ "revision": word }), &[]).is_err(), "{word}");
        assert!(command("git.log", json!({ "revision": word }), &[]).is_ok(), "{word}");
    }
}

/// Where the caller's words may begin in what git is started with.
fn callers(argv: &[String]) -> usize {
    argv.iter().position(|word| word == "--end-of-options" || word == "--").unwrap_or(argv.len())
}

proptest! {
    #[test]
    fn no_word_of_a_caller_stands_where_git_reads_options(revision in "\\PC{0,12}", path in "\\PC{0,12}") {
        let input = json!({ "revision": revision, "path": path });
        if let Ok(argv) = command("git.log", input, &[]) {
            let end = callers(&argv);
            prop_assert_eq!(&argv[end..], &["--end-of-options".to_owned(), revision, "--".to_owned(), path.clone()]);
            let fixed = command("git.log", json!({}), &[]).unwrap();
            prop_assert_eq!(&argv[..end], &fixed[..callers(&fixed)]);
        }
        let input = json!({ "message": path, "paths": [path] });
        if let Ok(argv) = command("git.commit", input, &[said("", 0), said("", 0), said("", 1)]) {
            let (last, before) = (argv.len() - 1, argv.len() - 2);
            prop_assert_eq!((&argv[last], argv[before].as_str()), (&path, "--"));
            let message = format!("--message={path}");
            prop_assert!(argv.contains(&message));
        }
    }
}

#[test]
fn a_commit_goes_its_way_and_says_whether_it_made_anything() {
    let input = json!({ "message": "m", "paths": ["a"] });
    let front = front("git.commit").unwrap();
    let verb = |came: &[Came]| {
        let argv = command("git.commit", input.clone(), came).unwrap();
        let at = argv.iter().position(|word| word == "-C").unwrap();
        argv[at + 2].clone()
    };
    let mut came = Vec::new();
    for (expected, result) in [
        ("config", said("local\0core.bare\0command\0filter.x.clean\0", 0)),
        ("add", said("", 0)),
        ("diff", said("", 1)),
        ("commit", said("", 0)),
        ("rev-parse", said("1a2b\n", 0)),
    ] {
        assert_eq!(verb(&came), expected);
        came.push(result);
    }
    let answer = front.next(&envelope(input.clone()), &came).unwrap();
    assert_eq!(answer, Step::Answer(json!({ "commit": "1a2b", "made": true })));
    let came = [said("", 0), said("", 0), said("", 0)];
    assert_eq!(verb(&came), "rev-parse");
    let answer = front.next(&envelope(input.clone()), &[&came[..], &[said("9f\n", 0)]].concat()).unwrap();
    assert_eq!(answer, Step::Answer(json!({ "commit": "9f", "made": false })));
    // A repository that brings programs of its own is not committed to.
    for key in ["filter.x.clean", "filter.LFS.process", "merge.y.driver"] {
        let listed = said(&format!("local\0core.bare\0local\0{key}\0"), 0);
        let refused = command("git.commit", input.clone(), &[listed]).unwrap_err();
        assert_eq!(refused.class, Class::Denied, "{key}");
    }
}

#[test]
fn what_git_complains_of_has_a_class() {
    for (stderr, class) in [
        ("fatal: bad revision 'x'\n", Class::NotFound),
        ("fatal: not a git repository (or any of the parent directories): .git\n", Class::NotFound),
        ("fatal: Unable to create 'index.lock': Read-only file system\n", Class::Denied),
        ("fatal: destination path 'b' already exists and is not an empty directory.\n", Class::Conflict),
        ("", Class::Invalid),
    ] {
        let came = Came::Printed { stdout: String::new(), stderr: stderr.to_owned(), exit: 128 };
        assert_eq!(printed(&came).unwrap_err().class, class, "{stderr}");
    }
    let long = failed(&"x".repeat(100_000), 1);
    assert!(long.message.len() < 1_000);
}
