//! Tools that come with the host, on a whole host with jails: what they answer, what they refuse, what they leave alone, and
//! an agent that answers a question by calling them.

mod git;
mod marvin;
mod shell;

use std::os::unix::fs::chown;
use std::path::Path;

use serde_json::{Value, json};
use syzygy::actors::executor::{Answer, Error, Request};
use syzygy::config::{self, Config, Flag, Inputs};
use syzygy::host::{Builder, Host};
use syzygy::lap::core;
use syzygy::sandbox::jail::Jail;
use syzygy::types::Class;
use tempfile::TempDir;

use crate::sandbox;
use crate::support::{MINUTE, cx, scripted};

/// The configuration with these core tools, and a folder that is granted to be changed and one to be looked at.
pub(crate) fn configured(data: &Path, core: &[&str]) -> Config {
    let (name, key) = ("data_dir".to_owned(), "host.data_dir".to_owned());
    let flag = Flag { name, key, value: data.display().to_string() };
    let mut config = config::load(&Inputs { flags: vec![flag], ..Inputs::default() }).unwrap().config;
    config.tools.core = core.iter().map(ToString::to_string).collect();
    config
}

/// A host that makes jails, on scripted runtimes.
pub(crate) fn jailed(data: &Path, config: Config) -> Builder {
    scripted("").data_dir(data).config(config).jails(sandbox::config().program)
}

/// Everything below a folder belongs to whom tools are, so that they may write it.
pub(crate) fn give_all(folder: &Path) {
    let user = sandbox::config().jails.user;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        chown(&folder, Some(user), Some(user)).unwrap();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                std::os::unix::fs::lchown(entry.path(), Some(user), Some(user)).unwrap();
            }
        }
    }
}

/// A host with these tools and a granted folder `trees`; none if this machine makes no jails.
pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) trees: TempDir,
    config: Config,
    _data: TempDir,
}

impl Bench {
    pub(crate) async fn new(tools: &[&str], fill: impl FnOnce(&Path)) -> Option<Bench> {
        let _: Jail = sandbox::jail().await?;
        let (data, trees) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fill(trees.path());
        give_all(trees.path());
        let mut config = configured(data.path(), tools);
        config.tools.writable.insert("trees".to_owned(), trees.path().to_owned());
        config.tools.programs = ["cat", "wc", "touch", "absent-program"].map(str::to_owned).to_vec();
        config.tools.grants.insert("principal:tester".to_owned(), vec!["shell.*".to_owned()]);
        let host = jailed(data.path(), config.clone()).start().await.unwrap();
        Some(Bench { host, trees, config, _data: data })
    }

    /// A call by somebody who was granted the folder.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Answer, Error> {
        let workspace = self.config.tools.workspace("trees");
        let request = Request { tool: tool.to_owned(), arguments, workspace, ..Request::default() };
        self.host.tools().invoke(&cx(&self.host), request).await
    }

    /// The value of a call that succeeds.
    pub(crate) async fn value(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments.clone()).await;
        answer.unwrap_or_else(|error| panic!("{tool} {arguments}: {error}")).value
    }

    /// Runs everything that proves a tool, as its description has it.
    pub(crate) async fn prove(&self, tool: &str) {
        let own = core::ALL.iter().find(|own| own.id == tool).unwrap();
        for case in own.package().unpack().unwrap().cases {
            let came = self.call(tool, case.input.clone()).await.map(|answer| answer.value);
            let came = came.map_err(|error| (error.class(), error.to_string()));
            case.judge(&came).unwrap_or_else(|difference| panic!("{tool}: {}: {difference}", case.label()));
        }
    }

    pub(crate) async fn end(self) {
        self.host.shutdown(MINUTE).await.unwrap();
    }
}

#[tokio::test]
async fn a_tool_that_this_machine_cannot_run_is_listed_with_the_reason_and_told_to_no_model() {
    let data = tempfile::tempdir().unwrap();
    // Without jails git has nowhere to run.
    let host = scripted("").data_dir(data.path()).config(configured(data.path(), &["git"])).start().await.unwrap();
    let found = host.tools().list(&syzygy::lap::Caller::default());
    let log = found.iter().find(|entry| entry.ready.tool.id.as_str() == "git.log").unwrap();
    let reason = log.unavailable.as_deref().unwrap();
    assert!(reason.contains("jail: this program makes none"), "{reason}");
    assert_eq!(host.tools().specs(&cx(&host), "marvin", &["git.log".to_owned(), "sum".to_owned()]).len(), 1);
    let request = Request { tool: "git.log".to_owned(), arguments: json!({}), ..Request::default() };
    let refused = host.tools().invoke(&cx(&host), request).await.unwrap_err();
    assert_eq!(refused.class(), Class::Unavailable);
    assert!(refused.to_string().contains("jail: this program makes none"), "{refused}");
    host.shutdown(MINUTE).await.unwrap();
}
