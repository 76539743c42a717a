//! A host while it is simulated: what a scenario holds in its hand.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::TryStreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::clock::SimulatedClock;
use super::journal::{Chronicle, Spooled};
use super::post::Mail;
use super::runtime::Sight;
use super::sandboxed::Deeds;
use super::tool;
use super::weather::Weather;
use super::{Error, Simulation, promises};
use crate::actors::io::{Answer, Task};
use crate::field::Outbound;
use crate::host::Host;
use crate::inference::Runtime;
use crate::rat;
use crate::sandbox::Sandbox;
use crate::store::{Journal, Memory};
use crate::types::{Cx, Seeded, World};

/// Time a task of [`Simulated::ask`] has, on the simulation's clock.
const ASK_WITHIN: Duration = Duration::from_secs(60);

/// Time the host has to stop in order, on the simulation's clock: the default of a real one is shorter.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// Times a host is started that does not come up, a second apart, as an init system would. With the roughest faults
/// one start in ten fails, so a host that fails so often cannot start at all.
const STARTS_MOST: u32 = 20;

/// A simulated host. Clones are the same one; it stays valid across its crashes and restarts.
#[derive(Clone)]
pub struct Simulated(Rc<Inner>);

struct Inner {
    plan: Simulation,
    world: World,
    weather: Arc<Weather>,
    runtimes: Vec<Arc<dyn Runtime>>,
    sight: Sight,
    sandboxes: Vec<Arc<dyn Sandbox>>,
    deeds: Deeds,
    post: Arc<dyn Outbound>,
    mail: Mail,
    clock: Arc<SimulatedClock>,
    chronicle: Arc<Chronicle>,
    life: watch::Sender<Option<Rc<Life>>>,
    lives: Cell<u32>,
    /// The host that was started last, also while it is on its way down.
    last: RefCell<Weak<Life>>,
}

/// The host between two starts.
pub(super) struct Life {
    pub(super) host: Host,
    /// Which one, from 1.
    pub(super) number: u32,
    over: CancellationToken,
    journal: Arc<Spooled>,
}

impl Simulated {
    pub(super) async fn begin(plan: Simulation) -> Result<Simulated, Error> {
        let (weather, runtimes, sight) = plan.weather();
        let clock = Arc::new(SimulatedClock::begin(Arc::clone(&weather)));
        let world = World { clock: clock.clone(), random: Arc::new(Seeded::new(plan.seed)) };
        let (life, _) = watch::channel(None);
        let (post, mail) = plan.post(&weather);
        let (sandboxes, deeds) = plan.ground(&world, &weather);
        let chronicle = Arc::new(Chronicle::new(Arc::clone(&clock)));
        let inner = Inner {
            plan,
            world,
            weather,
            runtimes,
            sight,
            sandboxes,
            deeds,
            post,
            mail,
            clock,
            chronicle,
            life,
            lives: Cell::new(0),
            last: RefCell::default(),
        };
        let simulated = Simulated(Rc::new(inner));
        simulated.start().await?;
        Ok(simulated)
    }

    /// Time and chance of the simulation.
    pub fn world(&self) -> &World {
        &self.0.world
    }

    /// Nothing goes wrong any more; who comes first still differs from seed to seed.
    pub fn calm(&self) {
        self.0.weather.calm();
    }

    /// Sets the clock on the wall so many milliseconds ahead of the time that has passed, or behind it if they are
    /// negative, as an operator or a time server may. The clock that never goes back is left alone.
    pub fn set_clock(&self, ahead_ms: i64) {
        self.0.clock.set(ahead_ms.saturating_mul(1_000));
    }

    /// Lets so much simulated time pass.
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// How often the host was started.
    pub fn lives(&self) -> u32 {
        self.0.lives.get()
    }

    /// Does a task as `tester` within a minute of simulated time.
    ///
    /// # Errors
    /// [`Error::Task`] if there is no answer, [`Error::Crashed`] if the host crashed before it came.
    pub async fn ask(&self, task: Task) -> Result<Answer, Error> {
        self.with(async |host, cx| host.ask(&cx, task).await).await?.map_err(Error::Task)
    }

    /// Does something with the host as it runs now, in a context of a minute. What it still waits for when the host
    /// crashes is broken off.
    ///
    /// # Errors
    /// [`Error::Crashed`] if the host crashed meanwhile.
    pub async fn with<T>(&self, work: impl AsyncFnOnce(&Host, Cx) -> T) -> Result<T, Error> {
        let life = self.life().await;
        let cx = life.host.context("tester", ASK_WITHIN);
        life.during(work(&life.host, cx)).await
    }

    /// Kills the host where it stands, as `kill -9` would, and returns when it was started again on the same disk.
    pub async fn crash(&self) {
        if let Some(life) = self.take_life() {
            life.journal.cut().await;
            life.over.cancel();
        }
        self.life().await;
    }

    /// Stops the host in order, and returns when it was started again on the same disk.
    ///
    /// # Errors
    /// [`Error::Stop`] if it does not stop in time; it is killed then, and started again all the same.
    pub async fn restart(&self) -> Result<(), Error> {
        let stopped = match self.take_life() {
            Some(life) => {
                let _even_if_nobody_waits = life.over.clone().drop_guard();
                life.host.stop(STOP_WITHIN).await
            }
            None => Ok(()),
        };
        self.life().await;
        Ok(stopped?)
    }

    /// The journal as it is on disk now, as [`rat::export`] writes it.
    ///
    /// # Errors
    /// [`Error::Journal`] if it cannot be read.
    pub async fn export(&self) -> Result<Vec<u8>, Error> {
        let journal: Arc<dyn Journal> = Arc::clone(&self.life().await.journal) as Arc<dyn Journal>;
        let lines = rat::export(journal, 1, None).try_collect::<String>().await;
        lines.map(String::into_bytes).map_err(|error| Error::Export(error.to_string()))
    }

    pub(super) fn plan(&self) -> &Simulation {
        &self.0.plan
    }

    pub(super) fn weather(&self) -> &Weather {
        &self.0.weather
    }

    pub(super) fn sight(&self) -> &Sight {
        &self.0.sight
    }

    pub(super) fn deeds(&self) -> &Deeds {
        &self.0.deeds
    }

    pub(super) fn mail(&self) -> &Mail {
        &self.0.mail
    }

    pub(super) fn chronicle(&self) -> &Chronicle {
        &self.0.chronicle
    }

    /// Microseconds since the simulation began, on the clock that never goes back.
    pub(super) fn since_us(&self) -> u64 {
        self.0.clock.since_us()
    }

    /// The host as it runs now; while it is down, as it will run.
    pub(super) async fn life(&self) -> Rc<Life> {
        let mut life = self.0.life.subscribe();
        loop {
            if let Some(life) = life.borrow_and_update().as_ref() {
                return Rc::clone(life);
            }
            // The sender lives in `self`, so this ends with a change.
            let _ = life.changed().await;
        }
    }

    fn take_life(&self) -> Option<Rc<Life>> {
        self.0.life.send_replace(None)
    }

    /// Cuts the disk off before anything else, and waits until nobody of this life is left.
    async fn bury(&self, life: &Life) {
        life.journal.cut().await;
        life.over.cancel();
        life.host.kill().await;
    }

    /// What the host is doing, for a scenario that does not end.
    pub(super) fn state(&self) -> String {
        let number = self.lives();
        let Some(life) = self.0.last.borrow().upgrade() else {
            return format!("life {number} of the host is starting");
        };
        let doing = match (self.0.life.borrow().is_some(), life.over.is_cancelled()) {
            (true, _) => "is running",
            (false, true) => "is being killed",
            (false, false) => "is being stopped",
        };
        let unrest: Vec<String> = promises::unrest(&life.host).into_iter().map(|found| found.seen).collect();
        format!("life {number} of the host {doing}: {}", unrest.join(", "))
    }

    async fn start(&self) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            match self.launch().await {
                Ok(life) => {
                    let life = Rc::new(life);
                    self.0.last.replace(Rc::downgrade(&life));
                    self.0.life.send_replace(Some(life));
                    return Ok(());
                }
                Err(error) if tries == STARTS_MOST => return Err(error),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn launch(&self) -> Result<Life, Error> {
        let Inner { plan, world, weather, runtimes, sandboxes, lives, .. } = &*self.0;
        let opened: Arc<OnceLock<Arc<Spooled>>> = Arc::default();
        let (disk, through, slot, weather) =
            (plan.disk.clone(), plan.through.clone(), Arc::clone(&opened), Arc::clone(weather));
        let chronicle = Arc::clone(&self.0.chronicle);
        let journal = Box::new(move |config: &_, world: &World, projections| {
            let memory = Memory::open(&disk, config, world.clone(), projections)?;
            let spooled = Spooled::begin(memory, (weather, chronicle), config);
            let journal = Arc::clone(slot.get_or_init(|| spooled)) as Arc<dyn Journal>;
            Ok(through.map_or(Arc::clone(&journal), |wrap| wrap(journal)))
        });
        let weather = Arc::clone(&self.0.weather);
        let unsteady = Box::new(move |tool| tool::unsteady(tool, Arc::clone(&weather)));
        let mut builder = Host::builder().config(plan.config.clone()).world(world.clone()).journal(journal);
        builder = builder.tools_behind(unsteady).outbound(Arc::clone(&self.0.post));
        if !plan.bundled_agents {
            builder = builder.without_bundled_agents();
        }
        builder = plan.agents.iter().fold(builder, |builder, make| builder.agent(make(world)));
        builder = runtimes.iter().fold(builder, |builder, runtime| builder.shared_runtime(Arc::clone(runtime)));
        builder = sandboxes.iter().fold(builder, |builder, sandbox| builder.sandbox(Arc::clone(sandbox)));
        lives.set(lives.get() + 1);
        let started = builder.start().await;
        match (started, opened.get()) {
            (Ok(host), Some(journal)) => {
                Ok(Life { host, number: lives.get(), over: CancellationToken::new(), journal: Arc::clone(journal) })
            }
            (Ok(host), None) => {
                host.kill().await;
                Err(Error::Crashed)
            }
            (Err(error), journal) => {
                if let Some(journal) = journal {
                    journal.cut().await;
                }
                Err(error.into())
            }
        }
    }

    /// Starts the host again whenever a life is over, be it that its tree has ended by itself. Returns when it cannot.
    /// Nobody else does, so that a scenario may give up on a crash or a restart at any point.
    pub(super) async fn tend(&self) -> Error {
        loop {
            let life = self.life().await;
            // An error says that it is over already.
            let _ = life.during(life.host.ended()).await;
            self.take_life();
            self.bury(&life).await;
            drop(life);
            if let Err(error) = self.start().await {
                return error;
            }
        }
    }

    /// Stops the host in order, after the last scenario.
    pub(super) async fn end(&self) -> Result<(), Error> {
        let Some(life) = self.take_life() else { return Ok(()) };
        let stopped = life.host.stop(STOP_WITHIN).await;
        self.bury(&life).await;
        Ok(stopped?)
    }
}

impl Life {
    /// Does this unless the life is over first.
    pub(super) async fn during<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.over.cancelled() => Err(Error::Crashed),
            done = work => Ok(done),
        }
    }
}
