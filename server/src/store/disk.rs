//! The disk store: one directory, one process, one index, one blob per upload.
//!
//! The way of a chunk: [`begin_chunk`](Store::begin_chunk) claims it (`claims`), the `writer` puts
//! its bytes where they will stay and hashes them, the `syncer` makes them durable and commits
//! their row, `seal` commits the file. The index never names bytes that are not durable.

mod ahead;
mod asked;
mod begin;
mod block;
mod claims;
mod config;
mod copy;
mod create;
mod ending;
mod everything;
mod from_disk;
mod growing;
mod index;
pub mod layout;
mod list;
mod live;
mod loaded;
mod lock;
mod map;
pub mod medium;
mod open;
mod open_error;
mod opened;
mod partial;
mod prove;
mod reader;
mod ready;
mod real;
mod rest;
mod reuse;
mod rot;
mod row;
mod scrub;
mod seal;
mod space;
mod spare;
mod still;
mod sweep;
mod syncer;
mod trouble;
mod verified;
mod verify;
mod whole;
pub mod work;
mod writer;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use longhaul_protocol::Millis;
use longhaul_protocol::wire::ids::UploadId;
use tokio::sync::{Notify, Semaphore};

use super::event::{EventKey, Waiting};
use super::{Meters, Result, StoreError};
use block::Blocks;
pub use block::WRITE_BYTES;
pub use config::{Clock, Config, DISK_FREE_MIN, INDEX_SPARE, Ids, Reuse};
pub use ending::Ending;
pub use everything::{AnyFile, AnyUpload, PageOfAll, Unread};
pub use growing::DiskGrowing;
use index::Index;
pub use index::{IndexOpenError, SCHEMA_VERSION, Spot};
use layout::Layout;
use live::Live;
use lock::DirLock;
use medium::Disk;
pub use open_error::OpenError;
use opened::Opened;
pub use prove::{PROOFS_OPEN_MAX, PROOFS_WRONG_MAX};
pub use reader::DiskReader;
use ready::Room;
pub use real::RealDisk;
#[cfg(fuzzing)]
pub use row::oracle::hold_rows_to_their_word;
use space::Space;
pub use sweep::Swept;
use syncer::Syncer;
use verified::Verified;
pub use verify::{Damage, Holder, Looked, Looking, Wrong};
use whole::Wholes;
pub use writer::DiskWriter;

/// Keeps uploads and files in a directory. Clones are the same store.
///
/// Dropped without [`DiskStore::shutdown`], what is received but not yet held is lost, as after a
/// kill; the senders were told that it was pending and send it again.
#[derive(Clone, Debug)]
pub struct DiskStore(Arc<Inner>);

/// What a store has. The fields go in their order: their threads end before the lock does.
#[derive(Debug)]
struct Inner {
    /// An event was queued.
    happened: Notify,
    /// When it was looked at whether uploads can begin, and whether they could.
    looked_at: Mutex<Option<(Instant, Room)>>,
    syncer: Syncer,
    wholes: Wholes,
    live: Mutex<HashMap<UploadId, Arc<Live>>>,
    /// With how many of these it is looked which of them may be let go of.
    live_looked_at: AtomicUsize,
    fills: Arc<Semaphore>,
    blocks: Blocks,
    verified: Arc<Verified>,
    opened: Arc<Opened>,
    space: Arc<Space>,
    meters: Meters,
    /// When the store was opened.
    opened_at: Millis,
    /// How many blobs were garbage when deletions were last finished.
    garbage_left: AtomicUsize,
    index: Arc<Index>,
    disk: Arc<dyn Disk>,
    layout: Layout,
    ending: Arc<Ending>,
    config: Config,
    _lock: Option<DirLock>,
}

impl DiskStore {
    /// Removes uploads whose time is over at `now`, but none with a request in flight. To be called
    /// at the start and every half hour.
    ///
    /// # Errors
    /// [`StoreError`] of the index or the disk; what was not removed is at the next sweep.
    pub async fn sweep(&self, now: Millis) -> Result<Swept> {
        self.off(move |store| store.sweep(now)).await
    }

    /// The same, and the uploads that it removed.
    ///
    /// # Errors
    /// As above.
    pub async fn sweep_and_tell(&self) -> Result<(Vec<AnyUpload>, Swept)> {
        self.off(|store| store.sweep_and_tell()).await
    }

    /// What the above would come to now. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] of the index.
    pub async fn sweep_tried(&self) -> Result<(Vec<AnyUpload>, Swept)> {
        self.off(|store| store.sweep_tried()).await
    }

    /// Waits until everything received is held. To be called when no request is served any more.
    pub async fn shutdown(&self) {
        self.0.syncer.drained().await;
    }

    /// The oldest events that wait to be told and are wanted, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] of the index.
    pub async fn events(
        &self,
        limit: usize,
        is_wanted: impl Fn(EventKey) -> bool + Send + 'static,
    ) -> Result<Waiting> {
        self.off(move |store| store.index.events(limit, is_wanted)).await
    }

    /// These were told, or never will be.
    ///
    /// # Errors
    /// [`StoreError`] of the index; they wait on then.
    pub async fn forget_events(&self, keys: Vec<EventKey>) -> Result<()> {
        self.off(move |store| store.index.forget_events(&keys)).await
    }

    /// Waits until an event was queued, since this was last waited for. For one who waits.
    pub async fn happened(&self) {
        self.0.happened.notified().await;
    }

    /// What becomes of the index, to be asked for once the store and its clones are dropped.
    #[must_use]
    pub fn ending(&self) -> Arc<Ending> {
        Arc::clone(&self.0.ending)
    }

    /// Whether the index failed, so that nothing is taken until a restart.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.0.index.is_read_only()
    }

    /// Does something with the store off the async threads.
    async fn off<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Inner>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = Arc::clone(&self.0);
        self.0.blocking(move || work(&store)).await
    }
}

impl Inner {
    /// Does what blocks where it may, and waits for its outcome.
    async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        work::start(&*self.config.work, job).outcome().await
    }

    fn new_id(&self) -> Result<[u8; 16]> {
        self.config.ids.next().map_err(disk_error("making an id"))
    }

    fn now_and_idle_expiry(&self) -> (Millis, Millis) {
        let now = self.config.clock.now();
        (now, self.config.expires_at(now, true))
    }
}

fn disk_error(doing: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Disk { doing, source }
}
