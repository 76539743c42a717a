//! What a component uses: memory as it grows, and the time in which it has a thread.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use wasmtime::ResourceLimiter;

use crate::types::Clock;

/// Bytes that one element of a table takes.
const ELEMENT: usize = 16;

/// Instances, tables and memories of one component at the most: far more than any has.
const PARTS_MOST: usize = 100;

/// What was used, for whoever looks from outside, also when the component was ended.
#[derive(Debug, Default)]
pub(super) struct Meter {
    nanoseconds: AtomicU64,
    peak: AtomicU64,
    /// Whether memory was asked for that there is not.
    wanting: AtomicBool,
}

impl Meter {
    /// The time in which it had a thread.
    pub(super) fn busy(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }

    /// The most memory it had.
    pub(super) fn memory_peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Whether it was refused memory.
    pub(super) fn wanted_memory(&self) -> bool {
        self.wanting.load(Ordering::Relaxed)
    }
}

/// Bounds memory and tables together.
pub(super) struct Limiter {
    meter: Arc<Meter>,
    most: usize,
    held: usize,
}

impl Limiter {
    pub(super) fn new(meter: Arc<Meter>, most: u64) -> Limiter {
        Limiter { meter, most: usize::try_from(most).unwrap_or(usize::MAX), held: 0 }
    }

    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let held = self.held.saturating_sub(current).saturating_add(desired);
        if held > self.most {
            self.meter.wanting.store(true, Ordering::Relaxed);
            return false;
        }
        self.held = held;
        self.meter.peak.fetch_max(held as u64, Ordering::Relaxed);
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|most| desired <= most) && self.grow(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(ELEMENT);
        Ok(maximum.is_none_or(|most| desired <= most) && self.grow(bytes(current), bytes(desired)))
    }

    fn instances(&self) -> usize {
        PARTS_MOST
    }

    fn tables(&self) -> usize {
        PARTS_MOST
    }

    fn memories(&self) -> usize {
        PARTS_MOST
    }
}

/// Something that runs, and how long it has had a thread.
pub(super) struct Metered<T> {
    pub(super) work: Pin<Box<dyn Future<Output = T> + Send>>,
    pub(super) meter: Arc<Meter>,
    pub(super) clock: Arc<dyn Clock>,
    /// When it has had a thread for so long, it is ended.
    pub(super) most: Duration,
}

/// It has had a thread for too long.
#[derive(Debug)]
pub(super) struct TooLong;

impl<T> Future for Metered<T> {
    type Output = Result<T, TooLong>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let began = self.clock.now();
        let polled = self.work.as_mut().poll(context);
        let took = u64::try_from(self.clock.now().saturating_duration_since(began).as_nanos()).unwrap_or(u64::MAX);
        self.meter.nanoseconds.fetch_add(took, Ordering::Relaxed);
        match polled {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending if self.meter.busy() > self.most => Poll::Ready(Err(TooLong)),
            Poll::Pending => Poll::Pending,
        }
    }
}
