//! The uploads that somebody works on, in memory: taken there from the index and let go of again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkSet, Millis};

use super::Inner;
use super::layout::BlobId;
use super::live::{Live, lock};
use super::row::UploadRow;
use crate::store::{Owner, Result};

/// For how long nothing has come to an upload that may be let go of, milliseconds.
const IDLE_MS: u64 = 10_000;

impl Inner {
    /// An upload in memory, taken there if need be.
    pub(super) async fn live(self: &Arc<Self>, owner: &Owner, id: UploadId) -> Result<Arc<Live>> {
        if let Some(live) = self.known(owner, id) {
            return Ok(live);
        }
        let (store, owner) = (Arc::clone(self), owner.clone());
        self.blocking(move || store.load(&owner, id)).await
    }

    /// One in memory. Another's is looked for in the index, as what is not there is: who asks for it waits as long.
    fn known(&self, owner: &Owner, id: UploadId) -> Option<Arc<Live>> {
        lock(&self.live).get(&id).filter(|live| live.owner == *owner).cloned()
    }

    /// The same where blocking is fine.
    pub(super) fn load(&self, owner: &Owner, id: UploadId) -> Result<Arc<Live>> {
        if let Some(live) = self.known(owner, id) {
            return Ok(live);
        }
        let loaded = self.loaded(id, self.index.upload(owner, id)?)?;
        let live = self.keep(loaded);
        // It may have been removed between the look at its row and now, and nobody would find it
        // here to tell it so.
        if let Err(error) = self.index.upload(owner, id) {
            lock(&self.live).remove(&id);
            return Err(error);
        }
        Ok(live)
    }

    /// Takes one into memory. With too many there, those to which nothing has come for a while make room, because a
    /// stranger may begin any number, each with as much metadata as may be. Whoever comes back to one finds its row.
    fn keep(&self, loaded: Live) -> Arc<Live> {
        let mut uploads = lock(&self.live);
        let mut idle = Vec::new();
        if uploads.len() >= self.live_looked_at.load(Ordering::Relaxed) {
            let since = Millis(self.config.clock.now().0.saturating_sub(IDLE_MS));
            let is_idle = |live: &Live| live.state().last_activity <= since;
            idle.extend(uploads.extract_if(|_, live| is_unused(live) && is_idle(live)));
            // Twice as many as had to stay, so that each that comes pays for looking at two.
            let next = uploads.len().saturating_mul(2).max(self.config.live_max);
            self.live_looked_at.store(next, Ordering::Relaxed);
        }
        let kept = Arc::clone(uploads.entry(loaded.id).or_insert_with(|| Arc::new(loaded)));
        // They go while nobody waits for the lock.
        drop(uploads);
        drop(idle);
        kept
    }

    /// An upload as its row has it.
    pub(super) fn loaded(&self, id: UploadId, mut row: UploadRow) -> Result<Live> {
        let file = match row.file {
            Some(file) => Some(self.index.file(&Owner(row.owner.clone()), file)?.info(file)?),
            None => None,
        };
        let held = match &file {
            Some(_) => (ChunkSet::all(row.plan()?), ChunkSet::new()),
            None => self.index.held(id)?,
        };
        let has_chunks = !held.0.is_empty() || !held.1.is_empty();
        let spared_until = self.config.spared_until(self.opened_at, has_chunks);
        row.expires_at = row.expires_at.max(spared_until);
        Live::new(id, row, held, file)
    }

    /// The blob that has an upload's bytes: its own, or once it is sealed that of its file.
    pub(super) fn bytes_of(&self, live: &Live) -> Result<BlobId> {
        let file = live.state().chunks.file().map(|file| file.id);
        match file {
            Some(file) => Ok(self.index.file(&live.owner, file)?.blob),
            None => Ok(live.blob_id()),
        }
    }

    pub(super) fn forget_live(&self, id: UploadId) -> Option<Arc<Live>> {
        lock(&self.live).remove(&id)
    }

    /// Lets go of the uploads that nobody works on and of which the index knows all there is.
    pub(super) fn forget_idle(&self) {
        lock(&self.live).retain(|_, live| !is_unused(live));
    }
}

/// Whether nobody works on it, and the index knows all there is.
fn is_unused(live: &Arc<Live>) -> bool {
    Arc::strong_count(live) == 1 && live.is_saved()
}
