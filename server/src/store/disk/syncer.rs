//! Makes received chunks durable, in groups: one `fdatasync` per blob, then one commit of all rows.
//!
//! A group is everything that came while the one before was being synced; when nothing is going on
//! a chunk is a group by itself. So a lone chunk waits for nobody and a thousand share one commit.
//! One thread does it, in this order only, because a row must never be ahead of its bytes.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{Digest, Millis};
use tokio::sync::Notify;

use super::claims::Grant;
use super::index::{DurableChunk, Index};
use super::live::{Live, lock};
use super::medium::DiskFile;
use super::trouble::Failed;
use super::work::{Repeat, Work};
use crate::store::{Meters, StoreError};

/// The syncing thread and what it works on. Dropped: the group in hand is finished, no other begun.
#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    worker: Box<dyn Repeat>,
}

/// A chunk that came and verified.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) live: Arc<Live>,
    pub(super) blob: Arc<dyn DiskFile>,
    pub(super) grant: Grant,
    pub(super) digest: Digest,
    pub(super) at: Millis,
    pub(super) expires_at: Millis,
}

#[derive(Debug)]
struct Shared {
    index: Arc<Index>,
    meters: Meters,
    unsynced_bytes_max: u64,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    received: Vec<Received>,
    dirty: BTreeMap<UploadId, Dirty>,
    unsynced_bytes: u64,
    working: bool,
}

/// A blob with bytes that no sync has covered.
#[derive(Debug)]
struct Dirty {
    live: Arc<Live>,
    blob: Arc<dyn DiskFile>,
    bytes: u64,
    wanted: bool,
}

#[derive(Debug)]
struct Group {
    received: Vec<Received>,
    blobs: Vec<Dirty>,
}

impl Syncer {
    pub(super) fn start(
        index: Arc<Index>,
        meters: &Meters,
        unsynced_bytes_max: u64,
        work: &dyn Work,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            index,
            meters: meters.clone(),
            unsynced_bytes_max,
            queue: Mutex::default(),
            changed: Notify::new(),
        });
        let in_step = Arc::clone(&shared);
        let worker = work.repeat("longhaul-sync", Box::new(move || in_step.sync_a_group()))?;
        Ok(Self { shared, worker })
    }

    /// Takes note of bytes that are about to be written; waits while too many are unsynced.
    pub(super) async fn admit(&self, live: &Arc<Live>, blob: &Arc<dyn DiskFile>, bytes: u64) {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if self.shared.try_admit(live, blob, bytes) {
                return;
            }
            self.worker.wake();
            changed.await;
        }
    }

    /// Syncs the chunk's blob and then commits its row, soon.
    pub(super) fn push(&self, received: Received) {
        let mut queue = lock(&self.shared.queue);
        // A sync for another reason may have run between the admission of the last bytes and their
        // writing, so the blob is synced after now whatever the count says.
        queue.dirty(&received.live, &received.blob).wanted = true;
        queue.received.push(received);
        drop(queue);
        self.worker.wake();
    }

    /// Nobody will finish what was written last: syncs the blob all the same, so that its bytes do
    /// not count against everybody for as long as the server runs.
    pub(super) fn abandon(&self, upload: UploadId) {
        if let Some(dirty) = lock(&self.shared.queue).dirty.get_mut(&upload) {
            dirty.wanted = true;
        }
        self.worker.wake();
    }

    /// The upload is gone, and its bytes with it.
    pub(super) fn forget(&self, upload: UploadId) {
        let mut queue = lock(&self.shared.queue);
        if let Some(dirty) = queue.dirty.remove(&upload) {
            queue.unsynced_bytes = queue.unsynced_bytes.saturating_sub(dirty.bytes);
        }
        drop(queue);
        self.shared.changed.notify_waiters();
    }

    /// What is written and not synced, bytes.
    pub(super) fn unsynced_bytes(&self) -> u64 {
        lock(&self.shared.queue).unsynced_bytes
    }

    /// Waits until all that was received is durable, or has failed to become so.
    pub(super) async fn drained(&self) {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if lock(&self.shared.queue).is_idle() {
                return;
            }
            changed.await;
        }
    }
}

impl Queue {
    fn dirty(&mut self, live: &Arc<Live>, blob: &Arc<dyn DiskFile>) -> &mut Dirty {
        self.dirty.entry(live.id).or_insert_with(|| Dirty {
            live: Arc::clone(live),
            blob: Arc::clone(blob),
            bytes: 0,
            wanted: false,
        })
    }

    fn has_work(&self) -> bool {
        !self.received.is_empty() || self.dirty.values().any(|dirty| dirty.wanted)
    }

    fn is_idle(&self) -> bool {
        !self.has_work() && !self.working
    }

    fn take_group(&mut self) -> Option<Group> {
        if !self.has_work() {
            return None;
        }
        self.working = true;
        let mut received = std::mem::take(&mut self.received);
        received.sort_by_key(|chunk| (chunk.live.id, chunk.grant.index));
        let blobs = self.dirty.extract_if(.., |_, dirty| dirty.wanted).map(|(_, dirty)| dirty);
        Some(Group { received, blobs: blobs.collect() })
    }
}

impl Shared {
    /// A write that is larger than the bound is let through alone.
    fn try_admit(&self, live: &Arc<Live>, blob: &Arc<dyn DiskFile>, bytes: u64) -> bool {
        let mut queue = lock(&self.queue);
        let full = queue.unsynced_bytes.saturating_add(bytes) > self.unsynced_bytes_max;
        if full && queue.unsynced_bytes > 0 {
            queue.dirty.values_mut().for_each(|dirty| dirty.wanted = true);
            return false;
        }
        queue.unsynced_bytes += bytes;
        queue.dirty(live, blob).bytes += bytes;
        true
    }

    /// Whether there was one.
    fn sync_a_group(&self) -> bool {
        let Some(group) = lock(&self.queue).take_group() else { return false };
        let synced_bytes = group.blobs.iter().map(|dirty| dirty.bytes).sum::<u64>();
        let blobs = group.blobs.iter().map(|dirty| &dirty.live);
        let lives = group.received.iter().map(|chunk| &chunk.live).chain(blobs);
        let lives: Vec<_> = lives.map(Arc::clone).collect();
        if catch_unwind(AssertUnwindSafe(|| self.sync(group))).is_err() {
            self.give_up(&lives);
        }
        let mut queue = lock(&self.queue);
        queue.unsynced_bytes = queue.unsynced_bytes.saturating_sub(synced_bytes);
        queue.working = false;
        drop(queue);
        self.changed.notify_waiters();
        true
    }

    /// After a fault of ours in the middle of a group nobody knows what of it is durable: as after a sync
    /// of the index that failed, nothing more is taken, and nobody waits for what was to come of it.
    fn give_up(&self, lives: &[Arc<Live>]) {
        self.index.give_up("the thread that makes chunks durable has panicked");
        lives.iter().for_each(|live| {
            live.change(|state| state.chunks.sync_failed());
        });
    }

    fn sync(&self, group: Group) {
        group.blobs.iter().for_each(|dirty| sync_blob(dirty, &self.meters));
        // What a failed sync took back is pending no more; the rest is durable.
        let durable: Vec<_> = group.received.into_iter().filter(is_still_pending).collect();
        if durable.is_empty() {
            return;
        }
        match self.index.insert_chunks(&durable.iter().map(row).collect::<Vec<_>>()) {
            Ok(()) => {
                durable.iter().for_each(hold);
                let of_each = durable.chunk_by(|a, b| a.live.id == b.live.id);
                let lives = of_each.filter_map(|chunks| chunks.first());
                lives.for_each(|chunk| chunk.live.go_ahead(&self.index));
            }
            Err(error) => {
                tracing::error!(%error, chunks = durable.len(), "received chunks are dropped");
                durable.iter().for_each(|chunk| {
                    chunk.live.change(|state| state.chunks.sync_failed());
                });
            }
        }
    }
}

fn sync_blob(dirty: &Dirty, meters: &Meters) {
    let since = Instant::now();
    let synced = dirty.blob.sync_data();
    meters.sync_seconds.observe(since.elapsed().as_secs_f64());
    let Err(source) = synced else { return };
    meters.sync_failures.inc();
    let again = std::io::Error::new(source.kind(), source.to_string());
    let error = StoreError::Disk { doing: "syncing a blob", source };
    tracing::error!(%error, upload = %dirty.live.id, "unsynced chunks are dropped");
    let of_copies = StoreError::Disk { doing: "syncing what was copied", source: again };
    dirty.live.change(|state| {
        state.chunks.sync_failed();
        state.reuse.trouble.failed(Failed::Here(of_copies));
    });
}

fn is_still_pending(chunk: &Received) -> bool {
    chunk.live.state().chunks.is_pending(chunk.grant)
}

fn row(chunk: &Received) -> DurableChunk {
    DurableChunk {
        upload: chunk.live.id,
        index: chunk.grant.index,
        digest: chunk.digest,
        at: chunk.at,
        expires_at: chunk.expires_at,
    }
}

fn hold(chunk: &Received) {
    chunk.live.change(|state| {
        state.chunks.synced(chunk.grant);
        state.reuse.trouble.durable();
        state.saved_expires_at = state.saved_expires_at.max(chunk.expires_at);
    });
    tracing::debug!(upload = %chunk.live.id, chunk = chunk.grant.index.0, "chunk held");
}
