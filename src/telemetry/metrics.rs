//! The metrics of one host, ready for Prometheus to read.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use prometheus_client::encoding::text;
use prometheus_client::metrics::{counter, family::Family, family::MetricConstructor, gauge, histogram};
use prometheus_client::registry::Registry;

use super::table::{Buckets, COUNTERS, CounterSpec, GAUGES, GaugeSpec, HISTOGRAMS, HistogramSpec};

/// Label values a metric takes at the most; one more is counted under `other`. Ten times the actors and runtimes of a
/// large host, and still a page that is read in milliseconds.
pub(super) const SERIES_MAX: usize = 1_000;

/// What stands for label values beyond the limit.
const OTHER: &str = "other";

type Labels = Vec<(&'static str, String)>;
type RawGauge = gauge::Gauge<f64, AtomicU64>;

/// The series of one metric, and which there are: the library counts them only for its own tests.
struct Series<M, C = fn() -> M> {
    family: Family<Labels, M, C>,
    known: Mutex<HashSet<Labels>>,
}

impl<M: Clone, C: MetricConstructor<M> + Clone> Series<M, C> {
    /// The series with these label values, or the one for all that are beyond the limit.
    fn get(&self, names: &[&'static str], values: &[&str]) -> M {
        let value = |index: usize| (*values.get(index).unwrap_or(&"")).to_owned();
        let mut labels: Labels = names.iter().enumerate().map(|(index, name)| (*name, value(index))).collect();
        let mut known = self.known.lock();
        if !known.contains(&labels) {
            if known.len() < SERIES_MAX {
                known.insert(labels.clone());
            } else {
                labels = names.iter().map(|name| (*name, OTHER.to_owned())).collect();
            }
        }
        self.family.get_or_create_owned(&labels)
    }
}

/// Makes histograms with the bounds of their row in the table.
#[derive(Clone)]
struct Bounded(Buckets);

impl MetricConstructor<histogram::Histogram> for Bounded {
    fn new_metric(&self) -> histogram::Histogram {
        histogram::Histogram::new(self.0.bounds().iter().copied())
    }
}

/// One series of a counter. Cheap to keep and to clone; keep it where counting is hot.
#[derive(Debug, Clone)]
pub struct Counter(counter::Counter);

impl Counter {
    /// Counts `by` more.
    pub fn add(&self, by: u64) {
        self.0.inc_by(by);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// One series of a gauge. Cheap to keep and to clone.
#[derive(Debug, Clone)]
pub struct Gauge(RawGauge);

impl Gauge {
    /// Shows this value from now on.
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// Shows `by` more, or less if it is negative.
    pub fn add(&self, by: f64) {
        self.0.inc_by(by);
    }

    /// The value.
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

/// One series of a histogram. Cheap to keep and to clone.
#[derive(Debug, Clone)]
pub struct Histogram(histogram::Histogram);

impl Histogram {
    /// Takes this value, in the unit of the metric's name, into the distribution.
    pub fn observe(&self, value: f64) {
        self.0.observe(value);
    }
}

/// All metrics of one host. Every metric of the table exists from the start, so that a query finds it before it counts.
pub struct Metrics {
    registry: Registry,
    counters: HashMap<&'static str, Series<counter::Counter>>,
    gauges: HashMap<&'static str, Series<RawGauge>>,
    histograms: HashMap<&'static str, Series<histogram::Histogram, Bounded>>,
}

impl Metrics {
    /// The metrics of the table, all at zero.
    pub fn new() -> Metrics {
        let mut registry = Registry::default();
        let mut counters = HashMap::new();
        for spec in COUNTERS {
            let family = Family::<Labels, counter::Counter>::default();
            registry.register(spec.name, spec.help, family.clone());
            counters.insert(spec.name, Series { family, known: Mutex::default() });
        }
        let mut gauges = HashMap::new();
        for spec in GAUGES {
            let family = Family::<Labels, RawGauge>::default();
            registry.register(spec.name, spec.help, family.clone());
            gauges.insert(spec.name, Series { family, known: Mutex::default() });
        }
        let mut histograms = HashMap::new();
        for spec in HISTOGRAMS {
            let family = Family::<Labels, histogram::Histogram, Bounded>::new_with_constructor(Bounded(spec.buckets));
            registry.register(spec.name, spec.help, family.clone());
            histograms.insert(spec.name, Series { family, known: Mutex::default() });
        }
        Metrics { registry, counters, gauges, histograms }
    }

    /// The series of a counter with these label values, in the order of the table. Values that are missing are empty.
    pub fn counter(&self, spec: &CounterSpec, values: &[&str]) -> Counter {
        Counter(self.counters.get(spec.name).map(|series| series.get(spec.labels, values)).unwrap_or_default())
    }

    /// The series of a gauge with these label values, in the order of the table. Values that are missing are empty.
    pub fn gauge(&self, spec: &GaugeSpec, values: &[&str]) -> Gauge {
        Gauge(self.gauges.get(spec.name).map(|series| series.get(spec.labels, values)).unwrap_or_default())
    }

    /// The series of a histogram with these label values, in the order of the table. Values that are missing are empty.
    pub fn histogram(&self, spec: &HistogramSpec, values: &[&str]) -> Histogram {
        let found = self.histograms.get(spec.name).map(|series| series.get(spec.labels, values));
        Histogram(found.unwrap_or_else(|| histogram::Histogram::new(spec.buckets.bounds().iter().copied())))
    }

    /// Everything in the OpenMetrics text format, of content type [`Metrics::CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut page = String::new();
        // Writing to a string cannot fail; were it to, an empty page says that nothing is known.
        if text::encode(&mut page, &self.registry).is_err() {
            page.clear();
        }
        page
    }

    /// What an HTTP answer with [`Metrics::encode`] calls itself.
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
