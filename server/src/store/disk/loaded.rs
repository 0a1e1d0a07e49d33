//! The uploads that somebody works on, in memory: taken there from the index and let go of again.

use std::sync::Arc;

use longhaul_protocol::ChunkSet;
use longhaul_protocol::wire::ids::UploadId;

use super::Inner;
use super::layout::BlobId;
use super::live::{Live, lock};
use super::row::UploadRow;
use crate::store::{Owner, Result, StoreError};

impl Inner {
    /// An upload in memory, taken there if need be.
    pub(super) async fn live(self: &Arc<Self>, owner: &Owner, id: UploadId) -> Result<Arc<Live>> {
        if let Some(live) = self.known(owner, id)? {
            return Ok(live);
        }
        let (store, owner) = (Arc::clone(self), owner.clone());
        self.blocking(move || store.load(&owner, id)).await
    }

    fn known(&self, owner: &Owner, id: UploadId) -> Result<Option<Arc<Live>>> {
        match lock(&self.live).get(&id) {
            Some(live) if live.owner != *owner => Err(StoreError::NotFound),
            known => Ok(known.cloned()),
        }
    }

    /// The same where blocking is fine.
    pub(super) fn load(&self, owner: &Owner, id: UploadId) -> Result<Arc<Live>> {
        if let Some(live) = self.known(owner, id)? {
            return Ok(live);
        }
        let loaded = Arc::new(self.loaded(id, self.index.upload(owner, id)?)?);
        let live = Arc::clone(lock(&self.live).entry(id).or_insert(loaded));
        // It may have been removed between the look at its row and now, and nobody would find it
        // here to tell it so.
        if let Err(error) = self.index.upload(owner, id) {
            lock(&self.live).remove(&id);
            return Err(error);
        }
        Ok(live)
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
        lock(&self.live).retain(|_, live| Arc::strong_count(live) > 1 || !live.is_saved());
    }
}
