//! A command line whose streams, environment and root a test holds in its hand.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::api::tests::support::world;
use crate::cli::Other;
use crate::cli::{Check, Error, InForce, Launcher, Local, Setting, Stdio, Up, Verdict, execute};
use crate::inference::models::{Catalog, Store};
use crate::store::{Belonging, Durability, Journal, NewEvent, OnDisk, Sqlite};
use crate::types::{Class, World};
use crate::ziggy::privacy;
use crate::ziggy::route::{Proposed, Rules};

/// A stream that keeps what is written.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A root that keeps nothing but a data directory.
pub(super) struct TestLauncher {
    pub(super) data: PathBuf,
    pub(super) interrupt: CancellationToken,
    pub(super) started: Mutex<Option<Up>>,
    pub(super) broken: bool,
    /// What tables are made by; small limits if nothing is said.
    pub(super) rules: Option<Rules>,
    pub(super) privacy: privacy::Config,
}

impl TestLauncher {
    pub(super) fn new(data: &Path) -> TestLauncher {
        let (data, interrupt) = (data.to_owned(), CancellationToken::new());
        TestLauncher {
            data,
            interrupt,
            started: Mutex::new(None),
            broken: false,
            rules: None,
            privacy: privacy::Config::default(),
        }
    }
}

/// Leaves a journal of this many events in a data directory.
pub(super) async fn journal(data: &Path, events: usize) {
    let config = crate::actors::tests::configs::store();
    let journal = Sqlite::open(&data.join("journal.db"), &config, world(), Vec::new()).await.unwrap();
    for number in 0..events {
        let event = NewEvent::new("thing.happened", None, "test", &number);
        journal.append(vec![event], Durability::Durable).await.unwrap();
    }
    journal.close().await.unwrap();
}

#[async_trait]
impl Launcher for TestLauncher {
    async fn up(&self, options: &Up) -> Result<(), crate::cli::Error> {
        *self.started.lock() = Some(options.clone());
        if self.broken {
            let reason = "could not use the data directory".to_owned();
            return Err(Error::Local { class: Class::Conflict, reason });
        }
        Ok(())
    }

    fn data_dir(&self, local: &Local) -> Result<PathBuf, crate::cli::Error> {
        Ok(local.data_dir.clone().unwrap_or_else(|| self.data.clone()))
    }

    fn config_check(&self, _options: &Up) -> Result<InForce, crate::cli::Error> {
        let setting = |key: &str, value: &str, source: &str| Setting {
            key: key.to_owned(),
            value: value.to_owned(),
            source: source.to_owned(),
        };
        let settings = vec![
            setting("api.listen", "\"127.0.0.1:7171\"", "default"),
            setting("host.stop_timeout_s", "5", "SYZYGY_HOST__STOP_TIMEOUT_S"),
            setting("ladder.order", "[\"local\", \"private\", \"partner\", \"external\"]", "default"),
            setting("smallest.value", "123456789012345678901", "default"),
        ];
        Ok(InForce { settings, warnings: vec!["nobody is called so".to_owned()] })
    }

    async fn doctor(&self, _local: &Local) -> Vec<Check> {
        let detail = if self.broken { "it is not writable" } else { "it is writable" }.to_owned();
        let verdict = if self.broken { Verdict::Bad } else { Verdict::Good };
        vec![Check { name: "data directory".to_owned(), verdict, detail }]
    }

    fn models(&self, local: &Local) -> Result<Arc<Store>, crate::cli::Error> {
        let config = serde_json::from_value(serde_json::json!({ "pip": [["false"]], "pull_timeout_s": 5 })).unwrap();
        Ok(Arc::new(Store::new(
            &self.data_dir(local)?,
            Catalog::read(Catalog::BUILT_IN).map_err(anyhow::Error::new)?,
            config,
        )))
    }

    fn on_disk(&self, local: &Local) -> Result<OnDisk, crate::cli::Error> {
        Ok(OnDisk::at(&self.data_dir(local)?.join("journal.db"), Vec::new()))
    }

    fn other(&self, _local: &Local) -> Result<Other, crate::cli::Error> {
        let rules = self.rules.clone().unwrap_or_else(|| crate::actors::tests::configs::ziggy().rules());
        Ok(Other { proposed: Proposed { rules, company: None }, privacy: self.privacy.clone() })
    }

    fn belongings(&self, _local: &Local) -> Result<Vec<Belonging>, crate::cli::Error> {
        Ok(vec![Belonging { name: "agents/own.toml".to_owned(), bytes: b"name = \"own\"".to_vec() }])
    }

    async fn interrupted(&self) {
        self.interrupt.cancelled().await;
    }

    fn world(&self) -> World {
        world()
    }
}

/// What came of a command.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) code: u8,
    pub(super) out: String,
    pub(super) err: String,
}

impl Done {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// How a command is run: what comes in, what is a terminal, what the environment says.
#[derive(Default, Clone)]
pub(super) struct Setup {
    pub(super) stdin: String,
    pub(super) piped: bool,
    pub(super) stdout_terminal: bool,
    pub(super) stderr_terminal: bool,
    pub(super) environment: Vec<(String, String)>,
}

impl Setup {
    /// Streams for a command, and what will have been written to stdout and stderr.
    pub(super) fn streams(&self) -> (Stdio, Kept, Kept) {
        let (out, err) = (Kept::default(), Kept::default());
        let stdio = Stdio {
            stdin: Box::new(std::io::Cursor::new(self.stdin.clone().into_bytes())),
            stdout: Box::new(out.clone()),
            stderr: Box::new(err.clone()),
            stdin_is_terminal: !self.piped,
            stdout_is_terminal: self.stdout_terminal,
            stderr_is_terminal: self.stderr_terminal,
            columns: Some(100),
        };
        (stdio, out, err)
    }

    pub(super) async fn run(&self, launcher: &TestLauncher, arguments: &[&str]) -> Done {
        let (stdio, out, err) = self.streams();
        let arguments = std::iter::once("syzygy").chain(arguments.iter().copied()).map(Into::into);
        let code = execute(arguments, &self.environment, stdio, launcher).await;
        Done { code, out: out.text(), err: err.text() }
    }
}
