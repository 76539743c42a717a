//! What a simulation is made of, and the one thread it runs on.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::post::{Mail, Post};
use super::runtime::{Sight, Unsteady};
use super::sandboxed::{Deeds, Shaky};
use super::simulated::Simulated;
use super::weather::Weather;
use super::{Error, Faults};
use crate::actors::agent::Definition;
use crate::config::{self, Config, Flag, Inputs};
use crate::field::{Mailroom, Outbound};
use crate::inference::{EmbedderChoice, Runtime};
use crate::sandbox::Sandbox;
use crate::store::{Disk, Journal};
use crate::types::World;

/// The defaults, read once: a thousand simulations start some thousand hosts.
static CONFIG: LazyLock<Result<Config, String>> = LazyLock::new(|| {
    let place = Flag { name: "data_dir".to_owned(), key: "host.data_dir".to_owned(), value: ".".to_owned() };
    let loaded = config::load(&Inputs { flags: vec![place], ..Inputs::default() });
    loaded.map(|loaded| loaded.config).map_err(|error| error.to_string())
});

/// Simulated time a scenario may take: six hours. A host is never idle, so time would otherwise run on for ever when a
/// scenario waits for what never comes.
const LONGEST: Duration = Duration::from_secs(6 * 3_600);

/// The stream of faults is another one than that of ids and jitter, so that they can be told apart.
const OTHER_STREAM: u64 = 0x5eed_0ffa_0000_0017;

pub(super) type MakeAgent = Arc<dyn Fn(&World) -> Definition + Send + Sync>;
pub(super) type MakeSandbox = Arc<dyn Fn(&World) -> Arc<dyn Sandbox> + Send + Sync>;
pub(super) type Through = Arc<dyn Fn(Arc<dyn Journal>) -> Arc<dyn Journal> + Send + Sync>;

/// A host to be simulated. What is said here holds for every life of the host; the disk, the runtimes and the
/// sandboxes are the same ones for all of them.
pub struct Simulation {
    pub(super) seed: u64,
    pub(super) faults: Faults,
    pub(super) config: Config,
    pub(super) agents: Vec<MakeAgent>,
    pub(super) bundled_agents: bool,
    pub(super) runtimes: Vec<Arc<dyn Runtime>>,
    pub(super) sandboxes: Vec<MakeSandbox>,
    pub(super) outbound: Arc<dyn Outbound>,
    pub(super) disk: Disk,
    pub(super) through: Option<Through>,
}

impl Simulation {
    /// A host with the agents of the binary and no runtime, in which nothing goes wrong. The seed decides who comes
    /// first, and when.
    ///
    /// # Errors
    /// [`Error::Defaults`] if the defaults cannot be read.
    pub fn new(seed: u64) -> Result<Simulation, Error> {
        Ok(Simulation {
            seed,
            faults: Faults::none(),
            config: defaults()?,
            agents: Vec::new(),
            bundled_agents: true,
            runtimes: Vec::new(),
            sandboxes: Vec::new(),
            outbound: Arc::new(Mailroom::default()),
            disk: Disk::default(),
            through: None,
        })
    }

    /// Adds an agent, made anew for each life of the host.
    pub fn agent(mut self, make: impl Fn(&World) -> Definition + Send + Sync + 'static) -> Simulation {
        self.agents.push(Arc::new(make));
        self
    }

    /// Leaves out the agents that come with the binary.
    pub fn without_bundled_agents(mut self) -> Simulation {
        self.bundled_agents = false;
        self
    }

    /// Adds a runtime: a [`Scripted`](crate::inference::Scripted) one, a [`Cassette`](super::Cassette) that is
    /// replayed, or one of the author's own that does no I/O.
    pub fn runtime(mut self, runtime: impl Runtime) -> Simulation {
        self.runtimes.push(Arc::new(runtime));
        self
    }

    /// Runs tools of its tier in this sandbox: a [`Puppet`](crate::sandbox::Puppet) that plays scripts, or one of the
    /// author's own that does no I/O. It is made once, on the simulation's clock, and is the same for every life of the
    /// host.
    pub fn sandbox<S: Sandbox>(mut self, make: impl Fn(&World) -> S + Send + Sync + 'static) -> Simulation {
        self.sandboxes.push(Arc::new(move |world| Arc::new(make(world))));
        self
    }

    /// Gives what webhooks are told to this receiver, instead of to one that keeps it and shows it to nobody.
    pub fn outbound(mut self, outbound: impl Outbound) -> Simulation {
        self.outbound = Arc::new(outbound);
        self
    }

    /// Lets these things go wrong.
    pub fn faults(mut self, faults: Faults) -> Simulation {
        self.faults = faults;
        self
    }

    /// Changes the configuration. Whatever it says, texts are compared by their letters and no runtime of the config
    /// is started, since models and endpoints are real I/O.
    pub fn configured(mut self, change: impl FnOnce(&mut Config)) -> Simulation {
        change(&mut self.config);
        make_unreal(&mut self.config);
        self
    }

    /// Begins on this disk instead of an empty one.
    pub fn disk(mut self, disk: &Disk) -> Simulation {
        self.disk = disk.clone();
        self
    }

    /// Puts something of the author's between the host and its journal.
    pub fn through(
        mut self,
        wrap: impl Fn(Arc<dyn Journal>) -> Arc<dyn Journal> + Send + Sync + 'static,
    ) -> Simulation {
        self.through = Some(Arc::new(wrap));
        self
    }

    /// Starts the host, plays the scenario, and stops the host in order. A host whose tree ends by itself is started
    /// again, as an init system would. Returns what the scenario returns.
    ///
    /// # Errors
    /// [`Error::InsideRuntime`] if called from async code, [`Error::Host`] if the host cannot be started,
    /// [`Error::Endless`] if the scenario waits for what never comes, and whatever the scenario returns.
    pub fn run<T>(self, scenario: impl AsyncFnOnce(Simulated) -> Result<T, Error>) -> Result<T, Error> {
        if tokio::runtime::Handle::try_current().is_ok() {
            return Err(Error::InsideRuntime);
        }
        // Time, and no driver for sockets or processes: what needs one says so at once.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .map_err(Error::Runtime)?;
        runtime.block_on(async {
            let simulated = Simulated::begin(self).await?;
            let played = tokio::time::timeout(LONGEST, async {
                tokio::select! {
                    biased;
                    played = scenario(simulated.clone()) => played,
                    error = simulated.tend() => Err(error),
                }
            });
            let Ok(played) = played.await else {
                return Err(Error::Endless { within: LONGEST, state: simulated.state() });
            };
            let played = played?;
            simulated.end().await?;
            Ok(played)
        })
    }

    /// The way to webhooks as it is in this weather, and what becomes of what is sent.
    pub(super) fn post(&self, weather: &Arc<Weather>) -> (Arc<dyn Outbound>, Mail) {
        let mail = Mail::default();
        (Arc::new(Post::new(Arc::clone(&self.outbound), Arc::clone(weather), Arc::clone(&mail))), mail)
    }

    /// The sandboxes as they stand in this weather, and what is done in them.
    pub(super) fn ground(&self, world: &World, weather: &Arc<Weather>) -> (Vec<Arc<dyn Sandbox>>, Deeds) {
        let deeds = Deeds::default();
        let shaky = |make: &MakeSandbox| -> Arc<dyn Sandbox> {
            let clock = Arc::clone(&world.clock);
            Arc::new(Shaky::new(make(world), clock, Arc::clone(weather), Arc::clone(&deeds)))
        };
        (self.sandboxes.iter().map(shaky).collect(), deeds)
    }

    /// The weather of this simulation, and its runtimes as they stand in it.
    pub(super) fn weather(&self) -> (Arc<Weather>, Vec<Arc<dyn Runtime>>, Sight) {
        let weather = Arc::new(Weather::new(self.seed ^ OTHER_STREAM, self.faults));
        let sight = Sight::default();
        let unsteady = |inner: &Arc<dyn Runtime>| -> Arc<dyn Runtime> {
            Arc::new(Unsteady::new(Arc::clone(inner), Arc::clone(&weather), Arc::clone(&sight)))
        };
        let runtimes = self.runtimes.iter().map(unsteady).collect();
        (weather, runtimes, sight)
    }
}

fn defaults() -> Result<Config, Error> {
    match &*CONFIG {
        Ok(config) => {
            let mut config = config.clone();
            make_unreal(&mut config);
            Ok(config)
        }
        Err(reason) => Err(Error::Defaults(reason.clone())),
    }
}

fn make_unreal(config: &mut Config) {
    config.inference.embedder = EmbedderChoice::Lexical;
    config.inference.runtimes.clear();
}
