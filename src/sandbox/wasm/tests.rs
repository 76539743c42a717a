//! What of the tier can be looked at without invocations: those are in `tests/it/sandbox/components`.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::io::Write;

use serde_json::json;
use wasmtime::ResourceLimiter;

use super::engine::is_offered;
use super::files::{Full, Room};
use super::meter::{Limiter, Meter};
use super::spool::{Side, Spool};
use super::*;
use crate::sandbox::spec::Limits;
use crate::sandbox::tests::clock;
use crate::types::Hash;

fn config(folder: &std::path::Path) -> Config {
    let components = Components {
        instances_max: 2,
        threads: 1,
        tick_ms: 5,
        processor_s: 10,
        memory_bytes: 1 << 20,
        disk_bytes: 1 << 20,
        open_files: 8,
        component_bytes_max: 8_192,
        compiled_max: 2,
        tree_files_max: 10,
    };
    Config { folder: folder.to_owned(), private: Vec::new(), components }
}

#[test]
fn the_canary_is_what_its_text_says() {
    assert_eq!(wat::parse_str(include_str!("canary.wat")).unwrap(), canary::COMPONENT);
}

#[tokio::test]
async fn a_host_finds_by_trying_whether_components_hold() {
    let folder = tempfile::tempdir().unwrap();
    let wasm = Wasm::open(config(folder.path()), Arc::new(Held::default()), clock()).await.unwrap();
    assert_eq!(wasm.capabilities().tier, Tier::Wasm);
    assert_eq!(wasm.view(), View::default());
    assert_eq!(wasm.kill("nobody").await, Killed::Unknown);
    // One whose own bounds leave no room for the canary says so.
    let mut small = config(folder.path());
    small.components.memory_bytes = 4_096;
    let said = Wasm::open(small, Arc::new(Held::default()), clock()).await.err().unwrap().to_string();
    assert!(said.starts_with("could not run components: "), "{said}");
}

#[tokio::test]
async fn a_tier_that_is_dropped_takes_with_it_what_still_runs() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
    let wasm = Wasm::open(config(folder.path()), Arc::new(Held::default()), Arc::clone(&clock)).await.unwrap();
    let minute = Duration::from_secs(60);
    let cx = Cx::housekeeping(clock.now(), minute);
    let mut spec = Spec::command("ever", &["-"], Limits::talking(minute, 1_000));
    spec.program = Program::Component(Hash::of(canary::COMPONENT));
    let prepared = wasm.prepare(&cx, spec).await.unwrap();
    let call = wasm.invoke(&cx, &prepared, Call::new("ever", json!(1)));
    assert!(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
    drop(wasm);
    // Whatever runs holds the clock.
    let gone = async {
        while Arc::strong_count(&clock) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(minute, gone).await.unwrap();
}

#[tokio::test]
async fn what_is_left_of_a_host_that_died_is_removed_and_of_others_is_not() {
    let folder = tempfile::tempdir().unwrap();
    // Higher than any number a process can have.
    let (dead, own) = ("call-2000000000-x", format!("call-{}-x", std::process::id()));
    for name in [dead, &own, "call-1-x", "something"] {
        std::fs::create_dir_all(folder.path().join(name).join("work")).unwrap();
    }
    Wasm::open(config(folder.path()), Arc::new(Held::default()), clock()).await.unwrap();
    let left = |name: &str| folder.path().join(name).exists();
    assert_eq!([dead, &own, "call-1-x", "something"].map(left), [false, true, true, true]);
}

#[test]
fn nothing_that_reaches_a_network_is_offered() {
    assert!(is_offered("wasi:cli/exit@0.2.0") && is_offered("wasi:io/streams@0.2.12"));
    for import in ["wasi:sockets/tcp@0.2.0", "wasi:http/types@0.2.0", "wasi:cli", "wasi:cli/exit2@0.2.0", "exit", ""] {
        assert!(!is_offered(import), "{import}");
    }
}

#[test]
fn whoever_makes_a_file_longer_pays_and_is_paid_nothing_back() {
    let mut file = tempfile::tempfile().unwrap();
    let room = Room::new(1_000, 600);
    assert_eq!(room.lengthen(&file, Some(601)), Err(Full::File));
    assert_eq!(room.lengthen(&file, None), Err(Full::File));
    assert_eq!(room.lengthen(&file, Some(600)), Ok(()));
    file.write_all(&[0; 600]).unwrap();
    assert_eq!(room.lengthen(&file, Some(600)), Ok(()), "what is there already costs nothing");
    file.set_len(0).unwrap();
    assert_eq!(room.lengthen(&file, Some(401)), Err(Full::Tree), "there are 400 left");
    assert_eq!(room.lengthen(&file, Some(400)), Ok(()));
    assert_eq!(room.lengthen(&file, Some(1)), Err(Full::Tree));
}

#[test]
fn memory_and_tables_share_one_bound() {
    let meter = Arc::<Meter>::default();
    let mut limiter = Limiter::new(Arc::clone(&meter), 1_000_000);
    assert!(limiter.memory_growing(0, 600_000, None).unwrap());
    assert!(!limiter.table_growing(0, 30_000, None).unwrap(), "480,000 more");
    assert!(meter.wanted_memory());
    assert!(limiter.table_growing(0, 25_000, None).unwrap());
    assert!(!limiter.memory_growing(600_000, 600_001, None).unwrap());
    assert!(!limiter.memory_growing(600_000, 700_000, Some(650_000)).unwrap());
    assert_eq!(meter.memory_peak(), 1_000_000);
}

#[tokio::test]
async fn what_is_printed_is_bounded_counted_and_waits_for_who_reads() {
    let spool = Spool::new(300_000, 3);
    assert_eq!(spool.write(Side::Aside, b"abcd"), Err(Resource::Stderr));
    assert_eq!(spool.passed(), Some(Resource::Stderr));
    assert_eq!(spool.write(Side::Out, &[b'x'; 270_000]), Ok(()));
    let full = spool.room(Side::Out);
    tokio::pin!(full);
    assert!(futures::poll!(&mut full).is_pending());
    let heard = spool.take();
    assert_eq!(
        (heard.out.len(), heard.aside.as_slice(), heard.printed, heard.muttered),
        (270_000, &b"abc"[..], 270_000, 4)
    );
    assert!(!heard.over);
    full.await;
    assert_eq!(spool.write(Side::Out, &[b'x'; 30_001]), Err(Resource::Stdout));
    spool.close();
    spool.more().await;
    let heard = spool.take();
    assert_eq!((heard.out.len(), heard.printed, heard.over), (30_000, 300_001, true));
}
