//! Code of others: agents and tools that somebody wrote, each piece of work on a thread of its own.
//!
//! Such code may hold its thread for as long as it likes, and nothing can take a thread away from it. On the threads
//! everybody shares, two of them would hold up a host of two cores: its timers, its interface and its governor. Here
//! they hold only what they were lent. Whoever waits is told at the deadline all the same, the thread that does not
//! come back is shown and counted, and when all that may be lent are out, more work is refused.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, oneshot};
use tracing::Instrument;

use super::asker::{self, Mark};
use super::context::JobError;
use super::registry::Entry;

/// Threads lent to guests of one host at the same time. Half of the 512 that the async runtime starts for what blocks,
/// so that file access and name lookup always find one.
const GUESTS_MOST: usize = 256;

/// How long a guest may go on after nobody waits for it any longer, before it counts as one that holds its thread.
const GRACE: Duration = Duration::from_secs(1);

/// The threads one host lends.
#[derive(Debug, Clone)]
pub(super) struct Guests {
    places: Arc<Semaphore>,
}

impl Default for Guests {
    fn default() -> Guests {
        Guests { places: Arc::new(Semaphore::new(GUESTS_MOST)) }
    }
}

const AT_WORK: u8 = 0;
const BEHIND: u8 = 1;
const DONE: u8 = 2;

/// Notices whoever does not leave when the work is over.
struct Watch {
    state: Arc<AtomicU8>,
    entry: Arc<Entry>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let (state, entry) = (Arc::clone(&self.state), Arc::clone(&self.entry));
        if state.load(Ordering::Acquire) == DONE {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            tokio::time::sleep(GRACE).await;
            if state.compare_exchange(AT_WORK, BEHIND, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                entry.count_left_behind();
                tracing::error!(
                    actor = entry.path(),
                    "its work holds a thread and does not come back: code that takes long must wait (await) now and then"
                );
            }
        });
    }
}

impl Guests {
    /// Does this work where it can hold up nobody. On a runtime of one thread, which is that of tests with a clock of
    /// their own, there is no such place.
    pub(super) async fn host<T: Send + 'static>(
        self,
        entry: Arc<Entry>,
        mark: Mark,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JobError> {
        let runtime = Handle::current();
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Ok(work.await);
        }
        let Ok(place) = self.places.try_acquire_owned() else { return Err(JobError::TooMany(GUESTS_MOST)) };
        let state = Arc::new(AtomicU8::new(AT_WORK));
        let watch = Watch { state: Arc::clone(&state), entry: Arc::clone(&entry) };
        // Dropped with this future, which the guest sees at its next await.
        let (_host, nobody) = oneshot::channel::<()>();
        let work = asker::under(mark, work.in_current_span());
        let thread = tokio::task::spawn_blocking(move || {
            let _place = place;
            let came = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                runtime.block_on(async move {
                    tokio::select! {
                        biased;
                        _ = nobody => None,
                        done = work => Some(done),
                    }
                })
            }));
            if state.swap(DONE, Ordering::AcqRel) == BEHIND {
                tracing::warn!(actor = entry.path(), "its work gave the thread back at last");
            }
            came
        });
        let came = thread.await;
        drop(watch);
        match came {
            Ok(Ok(Some(done))) => Ok(done),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Ok(Ok(None)) | Err(_) => Err(JobError::Cancelled),
        }
    }
}
