//! An upload in memory: what the index says of it, and what is going on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkSet, Millis, Plan};
use tokio::sync::Notify;

use super::ahead::Ahead;
use super::claims::{Chunks, Grant};
use super::growing::Sound;
use super::layout::BlobId;
use super::medium::DiskFile;
use super::prove::Proofs;
use super::row::UploadRow;
use super::space::Need;
use super::trouble::Trouble;
use crate::store::{Owner, Result, StoreError, Upload};

/// Locks a mutex whose holders cannot leave it half changed: none of them panics between changes.
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One upload. The lock of its state is never held over I/O, so a status waits for nobody.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) id: UploadId,
    pub(super) owner: Owner,
    pub(super) plan: Plan,
    pub(super) need: Need,
    row: UploadRow,
    state: Mutex<State>,
    changed: Notify,
    blob: Mutex<Blob>,
    /// The chunks of its own that the index says are held, until the first request that works on
    /// them.
    unseen: Mutex<Option<ChunkSet>>,
    /// What its readers need not compare.
    pub(super) sound: Mutex<Sound>,
}

#[derive(Debug, Default)]
struct Blob {
    /// Whether this process has made sure that its name is durable.
    is_named: bool,
    /// Whether it is never opened again, nor made.
    is_closed: bool,
    open: Option<Weak<dyn DiskFile>>,
}

/// What changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) chunks: Chunks,
    pub(super) reuse: Reuse,
    pub(super) ahead: Ahead,
    pub(super) last_activity: Millis,
    pub(super) expires_at: Millis,
    /// What the upload's row has for `expires_at`.
    pub(super) saved_expires_at: Millis,
}

/// What is known of the bytes that an upload need not send.
#[derive(Debug, Default)]
pub(super) struct Reuse {
    /// The blob of the file that it has been so far.
    pub(super) twin: Option<BlobId>,
    /// Whether somebody is copying what it borrows.
    pub(super) is_copied: bool,
    /// Why not all of it was.
    pub(super) trouble: Trouble,
    /// What is to be proved.
    pub(super) proofs: Proofs,
}

impl Live {
    pub(super) fn new(
        id: UploadId,
        row: UploadRow,
        (own, borrowed): (ChunkSet, ChunkSet),
        file: Option<FileInfo>,
    ) -> Result<Self> {
        let plan = row.plan()?;
        let unseen = (!own.is_empty() && file.is_none()).then(|| own.clone());
        let state = State {
            chunks: Chunks::new(plan, own, borrowed, file),
            reuse: Reuse::default(),
            ahead: Ahead::default(),
            last_activity: row.last_activity,
            expires_at: row.expires_at,
            saved_expires_at: row.expires_at,
        };
        Ok(Self {
            id,
            owner: Owner(row.owner.clone()),
            plan,
            need: row.need()?,
            row,
            state: Mutex::new(state),
            changed: Notify::new(),
            blob: Mutex::default(),
            unseen: Mutex::new(unseen),
            sound: Mutex::default(),
        })
    }

    pub(super) fn blob_id(&self) -> BlobId {
        BlobId(self.id)
    }

    /// What of its own was held when this was taken from the index; once.
    pub(super) fn take_unseen(&self) -> Option<ChunkSet> {
        lock(&self.unseen).take()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Changes the state and wakes everybody who waits for a change.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let value = change(&mut self.state());
        self.wake();
        value
    }

    /// Wakes everybody who waits for a change, after one made in [`Live::until`].
    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Asks the state until it has an answer; asks again after each change.
    pub(super) async fn until<T>(&self, mut ask: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let answer = ask(&mut self.state());
            match answer {
                Some(answer) => return answer,
                None => changed.await,
            }
        }
    }

    /// The upload as a caller sees it.
    pub(super) fn upload(&self, now: Millis) -> Result<Upload> {
        let state = self.state();
        state.check_alive(now)?;
        Ok(self.told(&state))
    }

    /// The same, whether or not its time is over.
    pub(super) fn seen(&self) -> Result<Upload> {
        let state = self.state();
        if state.chunks.is_gone() {
            return Err(StoreError::NotFound);
        }
        Ok(self.told(&state))
    }

    fn told(&self, state: &State) -> Upload {
        Upload {
            id: self.id,
            meta: self.row.meta.clone(),
            plan: self.plan,
            created_at: self.row.created_at,
            last_activity: state.last_activity,
            expires_at: state.expires_at,
            holding: state.chunks.holding(),
            file: state.chunks.file().cloned(),
            reusable: None,
        }
    }

    /// The blob, opened by `open` unless somebody has it open: with all of them on one open file,
    /// a failed write-back is told to the next sync, whoever wrote. `open` is told whether the
    /// blob's name is known to be durable, and sees to it if not.
    pub(super) fn blob(
        &self,
        open: impl FnOnce(bool) -> Result<Arc<dyn DiskFile>>,
    ) -> Result<Arc<dyn DiskFile>> {
        let mut blob = lock(&self.blob);
        if blob.is_closed {
            return Err(StoreError::NotFound);
        }
        if let Some(file) = blob.open.as_ref().and_then(Weak::upgrade) {
            return Ok(file);
        }
        let file = open(blob.is_named)?;
        (blob.is_named, blob.open) = (true, Some(Arc::downgrade(&file)));
        Ok(file)
    }

    /// The blob is about to be unlinked: a request that still has its claim must not make it again
    /// after that.
    pub(super) fn close_blob(&self) {
        lock(&self.blob).is_closed = true;
    }

    /// Syncs the blob's name, unless that is done or it is never opened again.
    pub(super) fn name_blob(&self, sync: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut blob = lock(&self.blob);
        if !blob.is_named && !blob.is_closed {
            sync()?;
            blob.is_named = true;
        }
        Ok(())
    }

    /// Whether memory knows nothing that the index does not.
    pub(super) fn is_saved(&self) -> bool {
        let state = self.state();
        state.saved_expires_at >= state.expires_at
            && !state.chunks.is_busy()
            && !state.chunks.has_partials()
            && !state.reuse.proofs.has_wrong()
    }
}

impl State {
    pub(super) fn check_alive(&self, now: Millis) -> Result<()> {
        match (self.chunks.is_gone(), self.has_expired(now)) {
            (true, _) => Err(StoreError::NotFound),
            (_, true) => Err(StoreError::Expired),
            _ => Ok(()),
        }
    }

    /// Never while something is under way.
    pub(super) fn has_expired(&self, now: Millis) -> bool {
        self.expires_at <= now && !self.chunks.is_busy()
    }

    pub(super) fn touch(&mut self, now: Millis, expires_at: Millis) {
        self.last_activity = self.last_activity.max(now);
        self.expires_at = self.expires_at.max(expires_at);
    }
}

/// A write in flight. It ends when this is dropped, even if nobody waits for it any more.
#[derive(Debug)]
pub(super) struct WriteInFlight {
    live: Arc<Live>,
    grant: Grant,
    wrote: Option<u64>,
}

impl WriteInFlight {
    pub(super) fn start(live: &Arc<Live>, grant: Grant) -> Result<Self> {
        live.state().chunks.start_write(grant)?;
        Ok(Self { live: Arc::clone(live), grant, wrote: None })
    }

    /// It went well: the first `bytes` of the chunk are written.
    pub(super) fn wrote(mut self, bytes: u64) {
        self.wrote = Some(bytes);
    }
}

impl Drop for WriteInFlight {
    fn drop(&mut self) {
        self.live.change(|state| state.chunks.end_write(self.grant.index, self.wrote));
    }
}
