//! What a store can be told.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use longhaul_protocol::Millis;
use longhaul_protocol::plan::CHUNK_LEN_DEFAULT;

use super::work::{Threads, Work};
use crate::store::event::Tells;

/// For whatever else is written on the disk, bytes: the index has room of its own.
pub const DISK_FREE_MIN: u64 = 256 << 20;
/// What the index writes anew in two commits of 10,000 rows, each of which lies on another page, bytes,
/// half as much again: so large is a step of a deletion, and what it leaves is free only after the next.
pub const INDEX_SPARE: u64 = 128 << 20;

/// The settings of a disk store.
#[derive(Clone, Debug)]
pub struct Config {
    /// The chunk size of uploads that ask for none, bytes.
    pub chunk_len: u64,
    /// How many bytes may be written and not yet synced, over all uploads; whoever would write more
    /// waits. It bounds how long one sync can take, and so a seal and a shutdown.
    pub unsynced_bytes_max: u64,
    /// How much one owner may keep, uploads begun and files together, bytes.
    pub bytes_per_owner_max: Option<u64>,
    /// How many uploads one owner may have open.
    pub uploads_per_owner_max: u64,
    /// How much all guests together may keep, bytes.
    pub bytes_guests_max: Option<u64>,
    /// How much all owners together may keep, bytes.
    pub bytes_total_max: Option<u64>,
    /// How much of the disk new uploads leave free, bytes.
    pub disk_free_min: u64,
    /// How much room is kept for the index beside what uploads are promised, bytes: one that cannot grow
    /// cannot commit, not even a deletion, and the store is read-only.
    pub index_spare_bytes: u64,
    /// How much of the index is kept in memory, bytes.
    pub index_cache_bytes: usize,
    /// How long after the pages of the index were compared with their checksums a start after a clean
    /// stop trusts them, milliseconds: a server that is restarted for a new version is back at once,
    /// and what the disk has changed is found within a day.
    pub index_trusted_ms: u64,
    /// Whose bytes an upload may take instead of its own being sent.
    pub reuse: Reuse,
    /// How many chunks are copied at once from files that are already here. Copies read and write
    /// the same disk as uploads do, so few.
    pub fills_max: usize,
    /// How much of a whole file is hashed between one time that it is saved how far it has come and
    /// the next, bytes: what a restart does again at most. Seconds of work, and one commit.
    pub whole_save_bytes: u64,
    /// How many uploads are in memory before those to which nothing comes are let go of, sooner than by a sweep.
    pub live_max: usize,
    /// How long an upload lives without a chunk coming, milliseconds.
    pub idle_expiry_ms: u64,
    /// How long an upload lives to which nothing came at all, milliseconds: shorter, because its
    /// whole room is reserved for nothing.
    pub empty_expiry_ms: u64,
    /// Whether what ran out while no store was open here is kept for a while, for its sender to come back.
    pub is_sparing: bool,
    /// Which events are queued to be told to others.
    pub tells: Tells,
    /// Whether, instead, those are that the store before this one on the same folder was to queue.
    pub tells_as_before: bool,
    /// How many of them wait at most; of more the oldest are given up.
    pub events_max: u64,
    /// What time it is.
    pub clock: Clock,
    /// What the next upload or file is called.
    pub ids: Ids,
    /// Who does what blocks.
    pub work: Arc<dyn Work>,
}

/// Whose bytes an upload may take instead of its own being sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Nobody's: every chunk is sent.
    Off,
    /// Those of the same owner, whose other rows it never reads.
    #[default]
    Owner,
    /// Those, and of all others what the client proves that it has. Who knows a digest learns that
    /// its bytes are here.
    Everyone,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chunk_len: CHUNK_LEN_DEFAULT,
            unsynced_bytes_max: 1 << 30,
            bytes_per_owner_max: None,
            uploads_per_owner_max: 10_000,
            bytes_guests_max: None,
            bytes_total_max: None,
            disk_free_min: DISK_FREE_MIN,
            index_spare_bytes: INDEX_SPARE,
            index_cache_bytes: 64 << 20,
            index_trusted_ms: 24 * 60 * 60 * 1000,
            reuse: Reuse::default(),
            fills_max: 2,
            whole_save_bytes: 4 << 30,
            live_max: 16_384,
            idle_expiry_ms: 24 * 60 * 60 * 1000,
            empty_expiry_ms: 60 * 60 * 1000,
            is_sparing: true,
            tells: Tells::default(),
            tells_as_before: false,
            events_max: 100_000,
            clock: Clock::system(),
            ids: Ids::random(),
            work: Arc::new(Threads),
        }
    }
}

impl Config {
    /// When an upload that was active now expires.
    pub(super) fn expires_at(&self, now: Millis, has_chunks: bool) -> Millis {
        let idle_ms = if has_chunks { self.idle_expiry_ms } else { self.empty_expiry_ms };
        now + Millis(idle_ms)
    }

    /// When an upload expires at the earliest after a start: its sender could not reach a server that
    /// was away.
    pub(super) fn spared_until(&self, opened_at: Millis, has_chunks: bool) -> Millis {
        if !self.is_sparing {
            return Millis(0);
        }
        self.expires_at(opened_at, has_chunks).min(opened_at + GRACE)
    }
}

/// How long an upload whose time ran out while the server was away is kept once it is back, at most: a
/// page that is open comes back in half a minute, a person the same day; and where a server is started
/// anew every day, what is abandoned still goes.
const GRACE: Millis = Millis(6 * 60 * 60 * 1000);

/// Tells the time since 1970.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Millis + Send + Sync>);

impl Clock {
    /// A clock that asks `now` each time.
    #[must_use]
    pub fn new(now: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
        })
    }

    /// The time, since 1970.
    #[must_use]
    pub fn now(&self) -> Millis {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Makes ids: nobody must be able to guess one, and none comes twice.
#[derive(Clone)]
pub struct Ids(Arc<dyn Fn() -> io::Result<[u8; 16]> + Send + Sync>);

impl Ids {
    /// Ids that `next` makes.
    #[must_use]
    pub fn new(next: impl Fn() -> io::Result<[u8; 16]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(next))
    }

    /// 128 random bits of the system's.
    #[must_use]
    pub fn random() -> Self {
        Self::new(|| {
            let mut id = [0; 16];
            getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
            Ok(id)
        })
    }

    /// The next one.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn next(&self) -> io::Result<[u8; 16]> {
        (self.0)()
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}
