//! What is granted can be used: so that what is refused elsewhere is refused, and not only out of reach of the programs.

use serde_json::{Value, json};
use syzygy::sandbox::{Access, Call, Change, Ended, Grant, Input, Outcome, Sandbox, Spec, Written};
use syzygy::types::Hash;

use super::super::{cx, once};
use super::{Source, Tier, command, limits, spec};
use crate::support::MINUTE;

fn with_files(body: &str) -> Vec<u8> {
    command(Source { body, files: true, ..Source::default() })
}

/// Says that everything was possible if the flags are all set, and which was not otherwise.
const SAY: &str =
    r#"(if (local.get $a) (then (call $print @"{\"type\":\"result\",\"value\":\"all\"}\n")) (else (call $held)))"#;

async fn said(body: &str, change: impl FnOnce(&mut Spec)) -> (Tier, Outcome) {
    let component = with_files(&format!("{body}\n{SAY}"));
    let mut spec = spec("files", &component, limits());
    change(&mut spec);
    let tier = Tier::new([component]).await;
    let outcome = once(&tier.wasm, spec, json!(null)).await;
    (tier, outcome)
}

#[tokio::test]
async fn its_own_directory_is_its_own_and_gone_afterwards() {
    let body = r#"
        (local.set $a (call $writes (call $dir (i32.const 0)) @"one"))
        (local.set $a (i32.and (local.get $a) (call $reads (call $dir (i32.const 0)) @"one")))
        (local.set $a (i32.and (local.get $a) (call $makes-directory (call $dir (i32.const 0)) @"d")))
        (local.set $a (i32.and (local.get $a) (call $writes (call $dir (i32.const 0)) @"d/two")))
        (local.set $a (i32.and (local.get $a) (call $reads (call $dir (i32.const 0)) @"d/../one")))
        (local.set $a (i32.and (local.get $a) (call $makes-link (call $dir (i32.const 0)) @"d/two" @"link")))
        (local.set $a (i32.and (local.get $a) (call $reads (call $dir (i32.const 0)) @"link")))
        (local.set $a (i32.and (local.get $a)
          (call $links (call $dir (i32.const 0)) @"one" (call $dir (i32.const 0)) @"hard")))
        (local.set $a (i32.and (local.get $a)
          (call $renames (call $dir (i32.const 0)) @"hard" (call $dir (i32.const 0)) @"moved")))
        (local.set $a (i32.and (local.get $a) (call $removes (call $dir (i32.const 0)) @"moved")))
        (local.set $a (i32.and (local.get $a) (i32.eqz (call $reads (call $dir (i32.const 0)) @"moved"))))
        ;; A quarter of the disk, by both ways.
        (local.set $b (call $open (call $dir (i32.const 0)) @"fill" (i32.const 1) (i32.const 2)))
        (local.set $a (i32.and (local.get $a) (i32.eq (call $fills (local.get $b) (i32.const 64)) (i32.const 64))))
        (call $append-via-stream (local.get $b) (i32.const 16)) (local.set $b (i32.load (i32.const 20)))
        (call $write (local.get $b) (i32.const 65536) (i32.const 4096) (i32.const 16))
        (local.set $a (i32.and (local.get $a) (call $good)))"#;
    let (tier, outcome) = said(body, |_| ()).await;
    assert_eq!((outcome.answer, outcome.ended), (Ok(json!("all")), Ended::Finished), "{}", outcome.stderr);
    assert_eq!(tier.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_tree_is_read_or_written_as_it_was_granted_and_what_was_written_is_told() {
    let (look, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [&look, &work] {
        std::fs::write(folder.path().join("old"), "as it was").unwrap();
        std::fs::write(folder.path().join("gone"), "as it was").unwrap();
    }
    let body = r#"
        (local.set $a (call $reads (call $dir (i32.const 1)) @"old"))
        (local.set $a (i32.and (local.get $a) (i32.eqz (call $writes (call $dir (i32.const 1)) @"old"))))
        (local.set $a (i32.and (local.get $a) (call $writes (call $dir (i32.const 2)) @"old")))
        (local.set $a (i32.and (local.get $a) (call $makes-directory (call $dir (i32.const 2)) @"d")))
        (local.set $a (i32.and (local.get $a) (call $writes (call $dir (i32.const 2)) @"d/new")))
        (local.set $a (i32.and (local.get $a) (call $removes (call $dir (i32.const 2)) @"gone")))"#;
    let grant = |name: &str, source: &std::path::Path, access| Grant {
        name: name.to_owned(),
        source: source.to_owned(),
        access,
        growth: None,
    };
    let grants = vec![grant("look", look.path(), Access::ReadOnly), grant("work", work.path(), Access::ReadWrite)];
    let (_tier, outcome) = said(body, |spec| spec.grants = grants).await;
    assert_eq!(outcome.answer, Ok(json!("all")), "{}", outcome.stderr);
    let written = [
        ("work/d", Change::Created),
        ("work/d/new", Change::Created),
        ("work/gone", Change::Removed),
        ("work/old", Change::Changed),
    ];
    let written = written.map(|(path, change)| Written { path: path.to_owned(), change });
    assert_eq!((outcome.effects.written, outcome.effects.written_all), (written.to_vec(), true));
    assert_eq!(std::fs::read_dir(look.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn inputs_are_there_to_read_and_stay_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    std::fs::write(&source, "forty-two").unwrap();
    let input =
        Input { name: "data".to_owned(), hash: Hash::of(b"forty-two"), source: source.clone(), executable: false };
    let body = r#"
        (local.set $a (call $reads (call $dir (i32.const 1)) @"data"))
        (local.set $a (i32.and (local.get $a) (i32.eqz (call $writes (call $dir (i32.const 1)) @"data"))))
        (local.set $a (i32.and (local.get $a) (i32.eqz (call $writes (call $dir (i32.const 1)) @"more"))))"#;
    let component = with_files(&format!("{body}\n{SAY}"));
    let tier = Tier::new([component.clone()]).await;
    let mut spec = spec("inputs", &component, limits());
    spec.inputs.push(input);
    let cx = cx(MINUTE);
    let prepared = tier.wasm.prepare(&cx, spec.clone()).await.unwrap();
    let call = || Call::new("inputs", Value::Null);
    assert_eq!(tier.wasm.invoke(&cx, &prepared, call()).await.answer, Ok(json!("all")));
    // Changed after it was prepared: looked at again where it is shown.
    std::fs::write(&source, "forty-three").unwrap();
    let outcome = tier.wasm.invoke(&cx, &prepared, call()).await;
    assert_eq!(outcome.ended, Ended::Failed);
    assert!(outcome.answer.unwrap_err().message.contains("not the file that was published"));
    let refused = tier.wasm.prepare(&cx, spec).await.unwrap_err();
    assert!(refused.to_string().contains("not the file that was published"), "{refused}");
    assert_eq!(tier.left(), Vec::<String>::new());
}

#[tokio::test]
async fn a_directory_that_was_granted_is_that_directory() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("tree")).unwrap();
    let component = with_files("(call $held)");
    let tier = Tier::new([component.clone()]).await;
    let mut spec = spec("granted", &component, limits());
    let grant = Grant { name: "tree".to_owned(), source: at("tree"), access: Access::ReadOnly, growth: None };
    spec.grants.push(grant);
    let cx = cx(MINUTE);
    let prepared = tier.wasm.prepare(&cx, spec.clone()).await.unwrap();
    std::fs::rename(at("tree"), at("old")).unwrap();
    std::fs::create_dir(at("tree")).unwrap();
    let outcome = tier.wasm.invoke(&cx, &prepared, Call::new("granted", Value::Null)).await;
    assert_eq!(outcome.ended, Ended::Failed);
    assert!(outcome.answer.unwrap_err().message.contains("not the directory that was granted"));
    for kept in ["/etc", "/", "/proc/self"] {
        spec.grants[0].source = kept.into();
        let refused = tier.wasm.prepare(&cx, spec.clone()).await.unwrap_err();
        assert!(refused.to_string().contains("which the host keeps to itself"), "{kept}: {refused}");
    }
    // Nor its own.
    spec.grants[0].source = tier.folder.path().to_owned();
    assert!(tier.wasm.prepare(&cx, spec).await.is_err());
}
