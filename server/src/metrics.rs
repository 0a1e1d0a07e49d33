//! What the server tells a Prometheus: counted where a request ends ([`crate::log`]) and where a verb is
//! refused, and asked of the store when somebody reads it.
//!
//! No label has a value that a stranger chose: routes are templates, methods and codes those of the
//! tables, so the number of series is bounded by the code.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::Method;
use longhaul_protocol::ProblemCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::hooks::Calls;
use crate::route::Target;
use crate::store::{Figures, Meters};

mod total;

pub(crate) use total::Total;

/// The media type of what [`Metrics::text`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Up to which a request is counted as that long, seconds: an answer from memory takes a
/// millisecond, a chunk over a slow line minutes.
const REQUEST_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Requested {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

/// A number of bytes or things that there are now.
type Now = Gauge<u64, AtomicU64>;
/// Where requests of one kind are measured.
type Seconds = Family<Route, Histogram, fn() -> Histogram>;

/// One request that is over.
#[derive(Clone, Copy, Debug)]
pub struct Over<'a> {
    /// What it was about.
    pub target: Target,
    /// Its method.
    pub method: &'a Method,
    /// Its answer's status; `None` if its connection went before.
    pub status: Option<u16>,
    /// Of its body, as far as it was read, bytes.
    pub received: u64,
    /// Of its answer's body, as far as it was sent, bytes.
    pub sent: u64,
    /// From its head to the last byte of its answer.
    pub took: Duration,
}

/// What is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Requested, Total>,
    received: Family<Route, Total>,
    sent: Family<Route, Total>,
    seconds: Seconds,
    chunk_seconds: Histogram,
    problems: Family<Code, Total>,
    connections: Now,
    now: State,
}

/// What is asked of the store.
#[derive(Debug, Default)]
struct State {
    uploads_open: Now,
    files: Now,
    promised: Now,
    disk_free: Now,
    disk_free_min: Now,
    unsynced: Now,
    events_waiting: Now,
    read_only: Now,
}

impl Metrics {
    /// Counts from 0; `meters` is what the store counts.
    #[must_use]
    pub fn new(meters: &Meters) -> Self {
        let timed: fn() -> Histogram = || Histogram::new(REQUEST_SECONDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("longhaul"),
            requests: Family::default(),
            received: Family::default(),
            sent: Family::default(),
            seconds: Family::new_with_constructor(timed),
            chunk_seconds: timed(),
            problems: Family::default(),
            connections: Now::default(),
            now: State::default(),
        };
        metrics.register_requests();
        register_store(&mut metrics.registry, meters);
        metrics.now.register(&mut metrics.registry);
        metrics.begin_at_zero();
        metrics
    }

    fn register_requests(&mut self) {
        let Self { registry, .. } = self;
        registry.register(
            "requests_total",
            "Requests that are over, unanswered ones with status 0",
            self.requests.clone(),
        );
        registry.register(
            "received_bytes_total",
            "Bytes of request bodies that were read",
            self.received.clone(),
        );
        registry.register(
            "sent_bytes_total",
            "Bytes of answers' bodies that were sent",
            self.sent.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "From a request's head to the last byte of its answer",
            self.seconds.clone(),
        );
        registry.register(
            "chunk_duration_seconds",
            "The same, of chunks that were taken",
            self.chunk_seconds.clone(),
        );
        registry.register(
            "problems_total",
            "Requests that were refused, by their code in the table of errors",
            self.problems.clone(),
        );
        registry.register("connections", "Connections that are open", self.connections.clone());
        let version = Family::<Version, Now>::default();
        version.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "Which version runs", version);
    }

    /// What has not happened yet is 0: a rate over its first time would be missed otherwise.
    fn begin_at_zero(&self) {
        for code in ProblemCode::ALL {
            drop(self.problems.get_or_create(&Code { code: code.row().code }));
        }
    }

    /// A request is over.
    pub fn over(&self, request: Over<'_>) {
        let Over { target, method, status, received, sent, took } = request;
        let (route, status) = (target.template(), status.unwrap_or_default());
        let requested = Requested { route, method: known(method), status };
        self.requests.get_or_create(&requested).add(1);
        let of_route = Route { route };
        if received > 0 {
            self.received.get_or_create(&of_route).add(received);
        }
        if sent > 0 {
            self.sent.get_or_create(&of_route).add(sent);
        }
        let seconds = took.as_secs_f64();
        self.seconds.get_or_create(&of_route).observe(seconds);
        let is_taken = (200..300).contains(&status) && *method == Method::POST;
        if is_taken && matches!(target, Target::Chunks(_)) {
            self.chunk_seconds.observe(seconds);
        }
    }

    /// Counts what becomes of a hook's calls too.
    pub fn watch_hooks(&mut self, calls: &Calls) {
        self.registry.register(
            "hook_calls_total",
            "Tries to tell or ask a hook; given_up counts the events that were not heard in the end",
            calls.family(),
        );
    }

    /// A request was refused.
    pub fn refused(&self, code: ProblemCode) {
        self.problems.get_or_create(&Code { code: code.row().code }).add(1);
    }

    /// A connection is open for as long as what is returned lives.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// All of it, in Prometheus' text format.
    ///
    /// # Errors
    /// Never for a `String`; the encoder's signature has one.
    pub fn text(&self, figures: &Figures, takes_writes: bool) -> Result<String, fmt::Error> {
        self.now.set(figures, takes_writes);
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct Connected(Now);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn register_store(registry: &mut Registry, meters: &Meters) {
    let of = |counter: &Counter| Total::from(counter.clone());
    registry.register(
        "chunk_sent_bytes_total",
        "Bytes of chunks that were sent, verified and acknowledged",
        of(&meters.sent_bytes),
    );
    registry.register(
        "chunk_reused_bytes_total",
        "Bytes of chunks that were acknowledged without being sent, because they were here already",
        of(&meters.reused_bytes),
    );
    registry.register(
        "sync_duration_seconds",
        "How long the sync of a blob took",
        meters.sync_seconds.clone(),
    );
    registry.register(
        "sync_failures_total",
        "Syncs of blobs that failed; what was not synced before is asked of its sender again",
        of(&meters.sync_failures),
    );
    registry.register(
        "hook_events_dropped_total",
        "Events that no hook is told of, because too many waited",
        of(&meters.events_dropped),
    );
}

impl State {
    fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("uploads_open", "Uploads that are not sealed", &self.uploads_open),
            ("files", "Files", &self.files),
            ("promised_bytes", "What open uploads and files are promised", &self.promised),
            ("disk_free_bytes", "What the disk of the data has free", &self.disk_free),
            ("disk_free_min_bytes", "What of that new uploads leave free", &self.disk_free_min),
            ("unsynced_bytes", "What is written and not synced", &self.unsynced),
            ("hook_events_waiting", "Events that wait to be told to a hook", &self.events_waiting),
            ("read_only", "1 once the index failed: only a restart mends it", &self.read_only),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }

    fn set(&self, figures: &Figures, takes_writes: bool) {
        self.uploads_open.set(figures.uploads_open);
        self.files.set(figures.files);
        self.promised.set(figures.promised_bytes);
        self.disk_free.set(figures.disk_free_bytes);
        self.disk_free_min.set(figures.disk_free_min_bytes);
        self.unsynced.set(figures.unsynced_bytes);
        self.events_waiting.set(figures.events_waiting);
        self.read_only.set(u64::from(!takes_writes));
    }
}

/// A method as a label; of those that nobody takes a stranger could make up any number.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
