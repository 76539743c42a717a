//! What of a jail can be looked at without one: plans, settings of kernels, what was written. Jails themselves are in
//! `tests/it/sandbox`, which has the program that makes them.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::fs;
use std::path::Path;

use super::canary::explain;
use super::plan::{Report, encode, receive};
use super::*;
use crate::sandbox::outcome::{Change, Exit, Written};
use crate::sandbox::spec::{Egress, Grant, Limits};
use crate::sandbox::tests::clock;
use crate::sandbox::tree::{compare, list};
use crate::types::Hash;

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

fn jail(private: Vec<PathBuf>) -> Jail {
    let jails = Jails {
        system: Vec::new(),
        private: Vec::new(),
        user: 65_534,
        processor_s: 1,
        memory_bytes: 1 << 20,
        processes: 1,
        disk_bytes: 4_096,
        open_files: 12,
        tree_files_max: 10,
    };
    Jail::untried(Config { program: "nothing".into(), private, jails }, clock())
}

fn spec() -> Spec {
    Spec::command("tool", &["true"], Limits::talking(MINUTE, 1_000))
}

async fn refusal(jail: &Jail, spec: Spec) -> String {
    let cx = Cx::housekeeping(clock().now(), MINUTE);
    jail.prepare(&cx, spec).await.map_or_else(|error| error.to_string(), |_| "nothing".to_owned())
}

fn grant(source: &Path, access: Access) -> Grant {
    Grant { name: "tree".to_owned(), source: source.to_owned(), access, growth: None }
}

#[tokio::test]
async fn what_belongs_to_the_host_is_not_granted_however_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("inner")).unwrap();
    std::os::unix::fs::symlink(&data, folder.path().join("innocent")).unwrap();
    let jail = jail(vec![data.clone()]);
    let around = [folder.path().to_owned(), data.clone(), data.join("inner"), folder.path().join("innocent")];
    let machine = ["/", "/etc", "/etc/ssl", "/proc/self", "/sys"].map(PathBuf::from);
    for source in around.into_iter().chain(machine) {
        let mut spec = spec();
        spec.grants.push(grant(&source, Access::ReadOnly));
        let said = refusal(&jail, spec).await;
        assert!(said.ends_with("which the host keeps to itself"), "{}: {said}", source.display());
    }
    let other = tempfile::tempdir().unwrap();
    let mut spec = spec();
    spec.grants.push(grant(other.path(), Access::ReadOnly));
    assert_eq!(refusal(&jail, spec).await, "nothing");
}

#[tokio::test]
async fn what_is_not_there_or_is_another_is_found_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "as published").unwrap();
    let input = |hash| super::super::Input { name: "input".to_owned(), hash, source: file.clone(), executable: false };
    let mut good = spec();
    good.inputs.push(input(Hash::of(b"as published")));
    assert_eq!(refusal(&jail(Vec::new()), good).await, "nothing");
    let mut bad = spec();
    bad.inputs.push(input(Hash::of(b"other")));
    assert_eq!(
        refusal(&jail(Vec::new()), bad).await,
        "could not prepare tool: `input` is not the file that was published"
    );
    for (source, expected) in [(folder.path().join("nowhere"), "is not at"), (file.clone(), "is no directory")] {
        let mut spec = spec();
        spec.grants.push(grant(&source, Access::ReadOnly));
        assert!(refusal(&jail(Vec::new()), spec).await.contains(expected));
    }
}

#[tokio::test]
async fn what_it_cannot_keep_it_refuses() {
    let jail = jail(Vec::new());
    let mut native = spec();
    native.program = super::super::Program::Native("echo".to_owned());
    assert!(refusal(&jail, native).await.ends_with("cannot run a function of the host"));
    let mut few = spec();
    few.limits.open_files = Some(3);
    assert!(refusal(&jail, few).await.ends_with("cannot bound open files to less than 12"));
    let folder = tempfile::tempdir().unwrap();
    let mut grows = spec();
    grows.grants.push(Grant { growth: Some(1), ..grant(folder.path(), Access::ReadWrite) });
    assert!(refusal(&jail, grows).await.contains("bound growth of a granted tree"));
    let mut up = spec();
    up.directory = Some("/inputs/../etc".to_owned());
    assert!(refusal(&jail, up).await.contains("no absolute path"));
    let mut out = spec();
    out.egress = Egress::Socket("proxy.sock".into());
    assert_eq!(refusal(&jail, out).await, "nothing");
}

#[test]
fn settings_of_the_kernel_that_forbid_jails_are_named_with_what_to_do() {
    let with = |rows: &'static [(&'static str, &'static str)]| {
        explain(&move |path: &str| {
            rows.iter().find(|(key, _)| path.ends_with(key)).map(|(_, value)| (*value).to_owned())
        })
    };
    assert_eq!(with(&[]), Vec::<String>::new());
    assert_eq!(with(&[("unprivileged_userns_clone", "1\n"), ("max_user_namespaces", "9\n")]), Vec::<String>::new());
    let found = with(&[("apparmor_restrict_unprivileged_userns", "1\n"), ("max_net_namespaces", "0\n")]);
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("sysctl kernel.apparmor_restrict_unprivileged_userns is 1: "), "{found:?}");
}

#[test]
fn what_was_written_is_what_is_different() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["same", "changed", "removed"] {
        fs::write(at(name), "1").unwrap();
    }
    fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink("/", at("link")).unwrap();
    let trees = [("tree".to_owned(), folder.path().to_owned())];
    let before = list(&trees, 100);
    assert_eq!(compare(&before, &list(&trees, 100)), (Vec::new(), true));
    fs::write(at("changed"), "22").unwrap();
    fs::remove_file(at("removed")).unwrap();
    fs::write(at("folder/created"), "").unwrap();
    let (written, all) = compare(&before, &list(&trees, 100));
    let expected = [
        ("tree/changed", Change::Changed),
        ("tree/folder/created", Change::Created),
        ("tree/removed", Change::Removed),
    ];
    assert_eq!(written, expected.map(|(path, change)| Written { path: path.to_owned(), change }));
    assert!(all);
    assert!(!compare(&before, &list(&trees, 2)).1, "what is not looked at is not known");
}

#[test]
fn messages_arrive_whole_or_not_at_all() {
    let report = Report { exit: Some(Exit::Code(3)), cpu_ms: 7, ..Report::default() };
    let bytes = encode(&report).unwrap();
    assert_eq!(receive::<Report>(&mut bytes.as_slice()).unwrap(), report);
    for length in 0..bytes.len() {
        assert!(receive::<Report>(&mut &bytes[..length]).is_err());
    }
    assert!(receive::<Report>(&mut [255; 8].as_slice()).is_err(), "a length is no promise of memory");
}
