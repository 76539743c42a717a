//! What a host is made from, before it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Error, Host, backends, real_world};
use crate::actors::agent::{Definition, Profile};
use crate::actors::executor::Tool;
use crate::actors::runtime::Launch;
use crate::adapters::Toolbox;
use crate::config::{self, Config, Flag, Inputs};
use crate::field::Outbound;
use crate::inference::Runtime;
use crate::sandbox::{self, Function, Sandbox, Voice};
use crate::store::{self, Journal, Projection};
use crate::types::World;

/// The environment as it was when the program started. Secrets are looked up here by name.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Environment {
        Environment(variables.into_iter().collect())
    }
}

/// Puts a host together. Everything has a default: an empty builder gives a host with the agents of the binary, a
/// journal in memory and no HTTP.
pub struct Builder {
    pub(super) config: Option<Config>,
    pub(super) world: World,
    pub(super) environment: Environment,
    pub(super) data: Option<PathBuf>,
    pub(super) own_agents: Vec<Definition>,
    pub(super) bundled_agents: bool,
    pub(super) tools: Vec<Tool>,
    pub(super) functions: Vec<(String, Function)>,
    pub(super) jail_program: Option<PathBuf>,
    pub(super) components: bool,
    pub(super) containers: bool,
    pub(super) sandboxes: Vec<Arc<dyn Sandbox>>,
    pub(super) wrap_tool: Option<WrapTool>,
    pub(super) runtimes: Vec<Launch>,
    pub(super) serve: bool,
    pub(super) journal: Option<OpenJournal>,
    pub(super) outbound: Option<Arc<dyn Outbound>>,
    pub(super) toolbox: Option<Arc<dyn Toolbox>>,
}

/// Opens the journal of a host that is not to choose one by its data directory, with these projections.
pub(crate) type OpenJournal =
    Box<dyn FnOnce(&store::Config, &World, Vec<Arc<dyn Projection>>) -> Result<Arc<dyn Journal>, store::Error> + Send>;

/// Puts something around every tool of a host, its own and those of the binary.
pub(crate) type WrapTool = Box<dyn Fn(Tool) -> Tool + Send>;

impl Builder {
    pub(super) fn new() -> Builder {
        Builder {
            config: None,
            world: real_world(),
            environment: Environment::default(),
            data: None,
            own_agents: Vec::new(),
            bundled_agents: true,
            tools: Vec::new(),
            functions: Vec::new(),
            jail_program: None,
            components: false,
            containers: false,
            sandboxes: Vec::new(),
            wrap_tool: None,
            runtimes: Vec::new(),
            serve: false,
            journal: None,
            outbound: None,
            toolbox: None,
        }
    }

    /// Uses this configuration instead of the defaults.
    pub fn config(mut self, config: Config) -> Builder {
        self.config = Some(config);
        self
    }

    /// Keeps everything in this directory: the journal survives, and models are looked for there.
    pub fn data_dir(mut self, data: impl Into<PathBuf>) -> Builder {
        self.data = Some(data.into());
        self
    }

    /// Uses this time and chance instead of the machine's.
    pub fn world(mut self, world: World) -> Builder {
        self.world = world;
        self
    }

    /// Looks secrets up in this environment.
    pub fn environment(mut self, environment: Environment) -> Builder {
        self.environment = environment;
        self
    }

    /// Adds an agent. One of the same name as a bundled agent takes its place.
    pub fn agent(mut self, definition: Definition) -> Builder {
        self.own_agents.push(definition);
        self
    }

    /// Leaves out the agents that come with the binary.
    pub fn without_bundled_agents(mut self) -> Builder {
        self.bundled_agents = false;
        self
    }

    /// Adds a tool.
    pub fn tool(mut self, tool: Tool) -> Builder {
        self.tools.push(tool);
        self
    }

    /// Adds a function that a published tool may name as its own (`run.native.function`). It runs on a thread, so it may
    /// block.
    pub fn function(
        mut self,
        name: &str,
        function: impl Fn(serde_json::Value, &Voice) -> Result<serde_json::Value, sandbox::Failure> + Send + Sync + 'static,
    ) -> Builder {
        self.functions.push((name.to_owned(), Arc::new(function)));
        self
    }

    /// Makes jails for tools, whose processes are this program started anew: its `main` must begin with
    /// [`jail_process`](crate::sandbox::jail::jail_process). [`OWN_PROGRAM`](crate::sandbox::jail::OWN_PROGRAM) is the one
    /// that runs. Without this a host has no jails.
    pub fn jails(mut self, program: impl Into<PathBuf>) -> Builder {
        self.jail_program = Some(program.into());
        self
    }

    /// Runs tools that are WebAssembly components. Without this a host has no engine for them.
    pub fn components(mut self) -> Builder {
        self.components = true;
        self
    }

    /// Runs tools in containers, if an engine answers where the configuration says. Without this a host asks for none.
    pub fn containers(mut self) -> Builder {
        self.containers = true;
        self
    }

    /// Runs tools of its tier in this sandbox instead of the host's own.
    pub fn sandbox(mut self, sandbox: Arc<dyn Sandbox>) -> Builder {
        self.sandboxes.push(sandbox);
        self
    }

    /// Puts something around every tool.
    pub(crate) fn tools_behind(mut self, wrap: WrapTool) -> Builder {
        self.wrap_tool = Some(wrap);
        self
    }

    /// Offers these tools instead of its own to programs that speak MCP, at `/mcp` of the HTTP interface.
    pub fn toolbox(mut self, toolbox: Arc<dyn Toolbox>) -> Builder {
        self.toolbox = Some(toolbox);
        self
    }

    /// Adds a runtime. One of the same name as a runtime of the config takes its place.
    pub fn runtime(mut self, runtime: impl Runtime) -> Builder {
        self.runtimes.push(Launch { runtime: Arc::new(runtime), child: None });
        self
    }

    /// Keeps the journal in memory on this disk, which outlives the host: another host on it finds what was written.
    pub fn disk(self, disk: &store::Disk) -> Builder {
        let disk = disk.clone();
        self.journal(Box::new(move |config, world, projections| {
            Ok(store::Memory::open(&disk, config, world.clone(), projections)?)
        }))
    }

    /// Opens the journal this way.
    pub(crate) fn journal(mut self, open: OpenJournal) -> Builder {
        self.journal = Some(open);
        self
    }

    /// Who carries notices to programs of others.
    pub(super) fn carrier(&self) -> Result<Arc<dyn Outbound>, Error> {
        match &self.outbound {
            Some(outbound) => Ok(Arc::clone(outbound)),
            None => backends::outbound(),
        }
    }

    /// Sends notices this way instead of by HTTP.
    pub fn outbound(mut self, outbound: Arc<dyn Outbound>) -> Builder {
        self.outbound = Some(outbound);
        self
    }

    /// Adds a runtime that is shared with others, such as the next life of this host.
    pub(crate) fn shared_runtime(mut self, runtime: Arc<dyn Runtime>) -> Builder {
        self.runtimes.push(Launch { runtime, child: None });
        self
    }

    /// Serves HTTP as the config says. Tokens are kept in the data directory, so there must be one.
    pub fn serve(mut self) -> Builder {
        self.serve = true;
        self
    }

    /// Puts the host together and returns when every actor is up.
    pub async fn start(self) -> Result<Host, Error> {
        if self.serve && self.data.is_none() {
            return Err(Error::NoDataDir);
        }
        super::assembly::assemble(self).await
    }

    /// The configuration: the one that was given, or the defaults.
    pub(super) fn effective(&self) -> Result<Config, Error> {
        match &self.config {
            Some(config) => Ok(config.clone()),
            None => {
                // The builder says where data goes, so the home directory does not matter.
                let place = self.data.clone().unwrap_or_else(|| PathBuf::from("."));
                let (name, key) = ("data_dir".to_owned(), "host.data_dir".to_owned());
                let flag = Flag { name, key, value: place.display().to_string() };
                Ok(config::load(&Inputs { flags: vec![flag], ..Inputs::default() })?.config)
            }
        }
    }

    /// Every agent that is to run: bundled ones, those of the data directory, those in code. A later one takes the
    /// place of an earlier one of the same name. More than so many are refused before anything is done with them.
    pub(super) fn agents(&mut self, own: Vec<Profile>, most: usize) -> Result<Vec<Definition>, Error> {
        let (mut agents, mut places): (Vec<Option<Definition>>, BTreeMap<String, usize>) = Default::default();
        let mut put = |definition: Definition| {
            if let Some(place) = places.insert(definition.profile.name.clone(), agents.len()) {
                agents[place] = None;
            }
            agents.push(Some(definition));
        };
        let bundled = if self.bundled_agents { config::bundled_agents()? } else { Vec::new() };
        let count = bundled.len() + own.len() + self.own_agents.len();
        if count > most {
            return Err(Error::Candidates(vec![format!(
                "there are {count} agents, and at most {most} may be candidates (router.candidates_most)"
            )]));
        }
        bundled.into_iter().chain(own).map(Definition::prompted).for_each(&mut put);
        self.own_agents.drain(..).for_each(put);
        Ok(agents.into_iter().flatten().collect())
    }
}
