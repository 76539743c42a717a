//! What makes components give way: a thread that counts the engine's epochs while something runs.
//!
//! It is a thread and no task, since a component that never returns could keep the very thread that a task would run on.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use wasmtime::{Engine, EngineWeak};

#[derive(Default)]
struct Count {
    running: usize,
    /// Whether the thread sleeps until something runs. It is woken then and at no other time, so that ticks keep their length
    /// however many calls begin.
    asleep: bool,
    over: bool,
}

type Bell = (Mutex<Count>, Condvar);

/// The thread, as long as this lives or anything runs.
pub(super) struct Ticker(Arc<Bell>);

/// One that runs and has to give way now and then.
pub(super) struct Ticked(Arc<Bell>);

impl Ticker {
    /// Starts it.
    pub(super) fn start(engine: &Engine, every: Duration) -> std::io::Result<Ticker> {
        let bell: Arc<Bell> = Arc::default();
        let (engine, heard) = (engine.weak(), Arc::clone(&bell));
        std::thread::Builder::new().name("components tick".to_owned()).spawn(move || tick(&engine, &heard, every))?;
        Ok(Ticker(bell))
    }

    /// It ticks at least as long as what is returned lives.
    pub(super) fn tick(&self) -> Ticked {
        let mut count = self.0.0.lock();
        count.running += 1;
        if std::mem::take(&mut count.asleep) {
            self.0.1.notify_one();
        }
        Ticked(Arc::clone(&self.0))
    }
}

impl Drop for Ticked {
    fn drop(&mut self) {
        self.0.0.lock().running -= 1;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.0.lock().over = true;
        self.0.1.notify_one();
    }
}

fn tick(engine: &EngineWeak, (count, bell): &Bell, every: Duration) {
    let mut count = count.lock();
    // What still runs when the tier is dropped has to give way once more, or it would run for ever.
    while !count.over || count.running > 0 {
        if count.running == 0 {
            count.asleep = true;
            bell.wait(&mut count);
            continue;
        }
        bell.wait_for(&mut count, every);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}
