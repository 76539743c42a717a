//! Disks that are full, files that cannot be written, and files that are not what was written.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command as Plain;

use syzygy::config::Inputs;
use syzygy::host::{projections, real_world};
use syzygy::store::{Durability, Journal, NewEvent, Sqlite};
use syzygy::types::{Class, Random, Seeded};
use tempfile::TempDir;
use tokio::sync::watch;

use super::host::{Host, Promised, configured, exported, loudly};
use crate::program::{checked, code, command, good, run};
use crate::support::{MINUTE, eventually};

/// A data directory with some runs in it, and its events. No host runs.
async fn used(home: &TempDir) -> (std::path::PathBuf, Vec<String>) {
    let data = home.path().join("data");
    configured(&data, "");
    let host = Host::start(&data).await;
    for number in 0..6 {
        good(&data, &["ask", &format!("What is six times {number}?")]).await;
    }
    host.stop().await;
    let events = exported(&data).await;
    (data, events)
}

/// What an export of a damaged journal prints: events that were written, from the first on, and how far. It proves
/// itself.
async fn saved(data: &Path, home: &TempDir, events: &[String], what: &str) -> (i32, usize, String) {
    let (exit, out, error) = run(data, &["audit", "export"]).await;
    let lines: Vec<&str> = out.lines().skip(1).collect();
    assert!(lines.iter().zip(events).all(|(saved, written)| saved == written), "{what}: {out}");
    assert!(lines.len() <= events.len(), "{what}: {out}");
    if !out.is_empty() {
        let file = home.path().join("saved.jsonl");
        std::fs::write(&file, &out).unwrap();
        good(data, &["audit", "verify", "--file", file.to_str().unwrap()]).await;
    }
    (exit, lines.len(), error)
}

/// How the tasks of [`used`] begin.
const PROMPT: &[u8] = b"What is six times";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_byte_is_reported_and_everything_before_it_can_be_exported() {
    let home = tempfile::tempdir().unwrap();
    let (data, events) = used(&home).await;
    let path = data.join("journal.db");
    let whole = std::fs::read(&path).unwrap();
    let random = Seeded::new(3);
    let (corrupt, mut found) = (code(Class::Corrupt), 0);
    for round in 0..12 {
        let places = match round {
            // In the header, and in the text of an event wherever it stands, so that both kinds of damage are among them.
            0 => vec![20],
            1 => (0..whole.len() - PROMPT.len()).filter(|at| whole[*at..].starts_with(PROMPT)).collect(),
            _ => vec![usize::try_from(random.next() % whole.len() as u64).unwrap()],
        };
        let what = format!("round {round}, bytes {places:?}");
        let mut damaged = whole.clone();
        let bits = u8::try_from(random.next() % 255 + 1).unwrap();
        places.into_iter().for_each(|at| damaged[at] ^= bits);
        std::fs::write(&path, &damaged).unwrap();
        let (exit, out, error) = run(&data, &["audit", "verify"]).await;
        assert!([0, corrupt, code(Class::Unavailable), code(Class::Invalid)].contains(&exit), "{what}: {out}{error}");
        let (saving, lines, said) = saved(&data, &home, &events, &what).await;
        assert!(saving == 0 || !said.is_empty(), "{what}");
        assert!(saving == 0 || exit != 0, "{what}: only the export found it: {said}");
        assert!(saving != 0 || lines == events.len(), "{what}: {lines} events and no word");
        assert!(std::fs::read(&path).unwrap() == damaged, "{what}: looking changed the file");
        found += usize::from(exit != 0);
        if round == 1 {
            assert_eq!((exit, saving), (corrupt, corrupt), "{what}");
            assert!(said.contains("is damaged at event") && said.contains("--from"), "{said}");
        }
    }
    assert!(found >= 2, "{found} were found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_was_cut_short_is_exported_up_to_the_cut() {
    let home = tempfile::tempdir().unwrap();
    let (data, events) = used(&home).await;
    let path = data.join("journal.db");
    let whole = std::fs::read(&path).unwrap();
    let mut most = 0;
    for parts in 1..8 {
        let length = whole.len() * parts / 8;
        let what = format!("cut to {length} of {} bytes", whole.len());
        std::fs::write(&path, &whole[..length]).unwrap();
        let (exit, out, error) = run(&data, &["audit", "verify"]).await;
        assert_eq!(exit, code(Class::Corrupt), "{what}: {out}{error}");
        let (saving, lines, said) = saved(&data, &home, &events, &what).await;
        assert_eq!(saving, code(Class::Corrupt), "{what}: {said}");
        assert!(said.contains(&format!("it has {length} of {} bytes: the rest was cut off", whole.len())), "{said}");
        if lines > 0 && lines < events.len() {
            assert!(said.contains(&format!("is damaged at event {}", lines + 1)), "{said}");
            assert!(said.contains(&format!("to {} follow", events.len())), "{said}");
        }
        assert!(lines >= most, "{what}: {lines} events, and {most} of less");
        most = lines;
        assert!(std::fs::read(&path).unwrap() == whole[..length], "{what}: looking changed the file");
        let (exit, _, error) = run(&data, &["up", "--listen", "127.0.0.1:0"]).await;
        assert_eq!(exit, code(Class::Corrupt), "{what}: {error}");
    }
    assert!(most > events.len() / 4, "{most} of {} events were read", events.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_lost_is_not_begun_anew_and_a_new_place_is_begun() {
    let home = tempfile::tempdir().unwrap();
    let (data, _) = used(&home).await;
    let path = data.join("journal.db");
    let up = ["up", "--listen", "127.0.0.1:0"];
    // With its mark, and as an older program leaves a directory.
    for left in ["journal.db.made, tokens.json", "tokens.json"] {
        for emptied in [true, false] {
            let _ = if emptied { std::fs::write(&path, "") } else { std::fs::remove_file(&path) };
            for verb in [&up[..], &["audit", "verify"], &["audit", "export"], &["backup", "b"]] {
                let (exit, out, said) = run(&data, verb).await;
                assert_eq!((exit, out.as_str()), (code(Class::Corrupt), ""), "{verb:?}: {said}");
                assert!(
                    said.contains(&format!("({left})")) && said.contains("`syzygy restore FILE"),
                    "{verb:?}: {said}"
                );
                assert_eq!(said.matches("could not open").count(), 1, "said once: {said}");
            }
            let (exit, out, _) = run(&data, &["doctor", "-o", "json"]).await;
            let journal = checked(&out, "journal");
            assert_eq!((exit, &journal["verdict"]), (code(Class::Unavailable), &"bad".into()));
            assert!(journal["detail"].as_str().unwrap().contains("says that there was one"), "{journal}");
            assert_eq!(std::fs::metadata(&path).map_or(0, |found| found.len()), 0);
        }
        let _ = std::fs::remove_file(data.join("journal.db.made"));
    }
    // What a person brings to a first start says nothing of an earlier one.
    let fresh = home.path().join("fresh");
    configured(&fresh, "");
    std::fs::create_dir(fresh.join("agents")).unwrap();
    std::fs::create_dir(fresh.join("models")).unwrap();
    std::fs::write(fresh.join("agents/marvin.toml"), include_str!("../../../config/agents/marvin.toml")).unwrap();
    std::fs::write(fresh.join("models.toml"), "model = []\n").unwrap();
    std::fs::copy(data.join("operator.token"), fresh.join("operator.token")).unwrap();
    std::fs::write(fresh.join("journal.db"), "").unwrap();
    let well = good(&fresh, &["doctor", "-o", "json"]).await;
    assert_eq!(checked(&well, "journal")["detail"], "none yet; the first start makes one");
    Host::start(&fresh).await.stop().await;
    // Nor does a start that was killed, at any moment of it.
    for moment in 0..6 {
        let killed = home.path().join(format!("killed-{moment}"));
        configured(&killed, "");
        let host = Host::spawn(&killed);
        let name = ["syzygy.toml", "journal.db.lock", "journal.db", "journal.db-wal", "journal.db.made", "host.json"];
        eventually("the start has come so far", async || killed.join(name[moment]).exists().then_some(())).await;
        host.kill().await;
        Host::start(&killed).await.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_cut_leaves_a_whole_journal_of_what_came_before() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    configured(&data, "");
    let host = Host::start(&data).await;
    let (told, mut hears) = watch::channel(0);
    let clients = host.load(4, "what is six times seven?", &told);
    tokio::time::timeout(MINUTE, hears.wait_for(|count| *count > 40)).await.unwrap().unwrap();
    host.kill().await;
    clients.ended(&mut Promised::default()).await;
    let events = exported(&data).await;
    let log = data.join("journal.db-wal");
    let (file, whole) = (std::fs::read(data.join("journal.db")).unwrap(), std::fs::read(&log).unwrap());
    let random = Seeded::new(5);
    let (mut shortest, mut kept) = (usize::MAX, 0);
    for _ in 0..6 {
        let length = usize::try_from(random.next() % whole.len() as u64).unwrap();
        let what = format!("log cut to {length} of {}", whole.len());
        std::fs::write(data.join("journal.db"), &file).unwrap();
        std::fs::write(&log, &whole[..length]).unwrap();
        let _ = std::fs::remove_file(data.join("journal.db-shm"));
        let (exit, out, error) = run(&data, &["audit", "verify"]).await;
        // Cut within its first commits, it leaves a file that is no journal yet.
        if exit != 0 {
            assert!(file.len() < 4_096 * 8 && exit == code(Class::Corrupt), "{what}: exit code {exit}: {out}{error}");
            continue;
        }
        let (saving, lines, said) = saved(&data, &home, &events, &what).await;
        assert_eq!(saving, 0, "{what}: {said}");
        if lines < shortest {
            (shortest, kept) = (lines, length);
        }
    }
    assert!(shortest < events.len(), "no cut took anything");
    std::fs::write(data.join("journal.db"), &file).unwrap();
    std::fs::write(&log, &whole[..kept]).unwrap();
    let _ = std::fs::remove_file(data.join("journal.db-shm"));
    Host::start(&data).await.stop().await;
    good(&data, &["audit", "verify"]).await;
}

/// Whether this test may do everything, as root may: then permissions hold nobody back.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A user who owns nothing.
const NOBODY: u32 = 65_534;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_cannot_be_written_is_refused_with_advice_and_can_still_be_read() {
    let home = tempfile::tempdir().unwrap();
    let (data, events) = used(&home).await;
    let path = data.join("journal.db");
    let _ = std::fs::remove_file(data.join("journal.db.lock"));
    let mode = |path: &Path, mode: u32| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    mode(home.path(), 0o755);
    for entry in std::fs::read_dir(&data).unwrap() {
        mode(&entry.unwrap().path(), 0o444);
    }
    mode(&data, 0o555);
    let before = std::fs::read(&path).unwrap();
    let as_other = |arguments: &[&str]| {
        let mut command = command(&data, arguments);
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    let tried = as_other(&["audit", "verify"]).output().await;
    let Ok(verified) = tried.map_err(|error| assert!(is_root(), "{error}")) else {
        return loudly("SKIPPED: another user cannot run the program where it was built, so nothing is read-only here");
    };
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stderr));
    let export = as_other(&["audit", "export"]).output().await.unwrap();
    let lines = String::from_utf8(export.stdout).unwrap();
    assert_eq!(lines.lines().skip(1).map(str::to_owned).collect::<Vec<_>>(), events);
    let up = as_other(&["up", "--listen", "127.0.0.1:0"]).output().await.unwrap();
    let said = String::from_utf8(up.stderr).unwrap();
    assert_eq!(up.status.code(), Some(code(Class::Unavailable)), "{said}");
    assert!(said.contains("let this user write to the file and its directory"), "{said}");
    // The directory may be written, the file may not.
    mode(&data, 0o755);
    if is_root() {
        chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let up = as_other(&["up", "--listen", "127.0.0.1:0"]).output().await.unwrap();
    let said = String::from_utf8(up.stderr).unwrap();
    assert_eq!(up.status.code(), Some(code(Class::Unavailable)), "{said}");
    assert!(said.contains("let this user write to the file and its directory"), "{said}");
    assert!(std::fs::read(&path).unwrap() == before, "a refusal changed the file");
    // What may not be read either is not said to be readable.
    mode(&path, 0o000);
    for verb in [&["up", "--listen", "127.0.0.1:0"][..], &["audit", "export"]] {
        let refused = as_other(verb).output().await.unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(code(Class::Unavailable)), "{said}");
        assert!(said.contains("it may not be read") && !said.contains("reads it as it is"), "{said}");
    }
    mode(&data, 0o000);
    let refused = as_other(&["config", "check"]).output().await.unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("syzygy.toml: Permission denied") && said.contains("let this user read it"), "{said}");
    mode(&data, 0o755);
}

/// Loads a host until it ends by itself, because its disk takes no more; what it acknowledged, and what it said.
async fn filled(mut host: Host) -> (Promised, String) {
    assert!(host.ready().await.is_some(), "{}", host.log());
    let (told, _hears) = watch::channel(0);
    let clients = host.load(4, &"a long story ".repeat(2_000), &told);
    let mut promised = Promised::default();
    clients.ended(&mut promised).await;
    let status = host.died().await;
    assert_eq!(status.code(), Some(code(Class::Unavailable)), "{}", host.log());
    (promised, host.log())
}

/// A small disk of its own, gone with this.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(place: &'a Path, size: &str) -> Option<SmallDisk<'a>> {
        let options = format!("size={size},mode=700");
        let mounted = Plain::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(SmallDisk(place))
    }

    fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(Plain::new("mount").args(["-o", &options]).arg(self.0).status().unwrap().success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Plain::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_the_host_in_words_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let Some(disk) = SmallDisk::mount(&data, "3m") else {
        return loudly("SKIPPED: no small disk can be mounted here; the limit on a file's size is tested instead");
    };
    configured(&data, "");
    let (promised, said) = filled(Host::spawn(&data)).await;
    assert!(said.contains("make room"), "{said}");
    let (exit, out, error) = run(&data, &["audit", "export"]).await;
    assert_eq!(exit, 0, "{error}");
    assert!(promised.accepted.iter().all(|run| out.contains(run.as_str())), "an acknowledged run cannot be read");
    // The host that ended may have left a page or two, in which the next one could start.
    let mut ballast = std::fs::File::create(data.join("ballast")).unwrap();
    while ballast.write_all(&[0; 512]).is_ok() {}
    let (exit, _, error) = run(&data, &["up", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(exit, code(Class::Unavailable), "{error}");
    disk.grow("64m");
    let host = Host::start(&data).await;
    host.keeps(&promised, "after a full disk").await;
    host.stop().await;
    good(&data, &["audit", "verify"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_grow_no_more_ends_the_host_in_words_and_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    configured(&data, "");
    // The shell counts in blocks of 512 bytes or of 1024, so this is one MiB or two. The signal is left out, since the
    // program is to see an error, as on a full disk.
    let own = command(&data, &["up", "--listen", "127.0.0.1:0"]);
    let own = own.as_std();
    let mut limited = tokio::process::Command::new("/bin/sh");
    limited.arg("-c").arg("trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"").arg(own.get_program());
    limited.args(own.get_args()).env_clear().kill_on_drop(true);
    limited.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let (promised, said) = filled(Host::spawn_as(limited, &data)).await;
    assert!(said.contains("make room"), "{said}");
    let host = Host::start(&data).await;
    host.keeps(&promised, "after a file that could not grow").await;
    host.stop().await;
    good(&data, &["audit", "verify"]).await;
}

// KE2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_runs_on_a_long_journal_ends_when_its_beginning_is_found_damaged() {
    let home = tempfile::tempdir().unwrap();
    let (data, _) = used(&home).await;
    let config = syzygy::config::load(&Inputs {
        environment: vec![("SYZYGY_HOST__DATA_DIR".to_owned(), data.display().to_string())],
        ..Inputs::default()
    });
    let (path, config) = (data.join("journal.db"), config.unwrap().config.store);
    let journal = Sqlite::open(&path, &config, real_world(), projections()).await.unwrap();
    for _ in 0..21 {
        let noise = (0..500).map(|number| NewEvent::new("test.noise", None, "test", &number));
        journal.append(noise.collect(), Durability::Durable).await.unwrap();
    }
    journal.close().await.unwrap();
    Host::start(&data).await.stop().await;
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = (0..bytes.len() - PROMPT.len()).filter(|at| bytes[*at..].starts_with(PROMPT)).collect();
    places.into_iter().for_each(|at| bytes[at] ^= 1);
    std::fs::write(&path, bytes).unwrap();
    let mut host = Host::spawn(&data);
    let status = host.died().await;
    assert!(!status.success(), "{status}");
    assert!(host.log().contains("the journal is damaged at event "), "{}", host.log());
}
