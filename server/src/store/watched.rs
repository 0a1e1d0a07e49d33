//! What a store tells those who watch a server: what there is now, and what it has done since it started.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

/// Up to which a sync is counted as that long, seconds: an SSD takes milliseconds, a disk that is busy seconds.
const SYNC_SECONDS: [f64; 12] =
    [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Uploads that are not sealed.
    pub uploads_open: u64,
    /// Files; one that is deleted counts until its last reader is done.
    pub files: u64,
    /// What those two are promised, bytes.
    pub promised_bytes: u64,
    /// What the disk has free, bytes.
    pub disk_free_bytes: u64,
    /// What of that new uploads leave free, bytes.
    pub disk_free_min_bytes: u64,
    /// What is written and not synced, bytes.
    pub unsynced_bytes: u64,
    /// Events that wait to be told to others.
    pub events_waiting: u64,
}

/// What it has done since it started. Clones count the same.
#[derive(Clone, Debug)]
pub struct Meters {
    /// How long each blob's sync took, seconds; that of a failed one too.
    pub sync_seconds: Histogram,
    /// Syncs of blobs that failed.
    pub sync_failures: Counter,
    /// Of chunks that were sent and verified, bytes.
    pub sent_bytes: Counter,
    /// Of chunks that were here already, bytes.
    pub reused_bytes: Counter,
    /// Events that nobody was told of, because too many waited.
    pub events_dropped: Counter,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            sync_seconds: Histogram::new(SYNC_SECONDS),
            sync_failures: Counter::default(),
            sent_bytes: Counter::default(),
            reused_bytes: Counter::default(),
            events_dropped: Counter::default(),
        }
    }
}
