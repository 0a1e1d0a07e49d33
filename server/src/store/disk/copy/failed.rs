//! What becomes of a chunk that could not be copied, and of the bytes that were to be its own.

use std::io;
use std::sync::Arc;

use longhaul_protocol::ChunkIndex;

use crate::store::disk::Inner;
use crate::store::disk::index::Source;
use crate::store::disk::layout::BlobId;
use crate::store::disk::live::Live;
use crate::store::disk::rot;
use crate::store::disk::scrub::scrub_all;
use crate::store::disk::trouble::Failed;
use crate::store::{Result, StoreError};

/// What failed of a copy.
#[derive(Debug)]
pub(in crate::store::disk) enum CopyError {
    /// The source had other bytes, and is lent no more.
    Rotten,
    /// The source's blob is missing or cut off.
    Gone(BlobId, StoreError),
    /// The source's blob cannot be read.
    Unreadable(BlobId, StoreError),
    /// Anything else, among it that a request took the chunk over.
    Other(StoreError),
}

impl From<StoreError> for CopyError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DigestMismatch { .. } => Self::Rotten,
            other => Self::Other(other),
        }
    }
}

impl Inner {
    /// What a failure means; it is returned if the copy is still to be made. Given up is what no longer
    /// has its bytes, and never for a fault of the blob that they are copied to.
    pub(super) async fn after_failure(
        self: &Arc<Self>,
        live: &Arc<Live>,
        index: ChunkIndex,
        error: CopyError,
    ) -> Option<Failed> {
        let failed = match error {
            CopyError::Other(StoreError::Superseded { .. } | StoreError::NotFound) => return None,
            CopyError::Other(error) => {
                not_copied(live, index, None, &error);
                return Some(Failed::Here(error));
            }
            CopyError::Rotten => None,
            CopyError::Gone(source, error) => {
                not_copied(live, index, Some(source), &error);
                None
            }
            CopyError::Unreadable(source, error) => {
                not_copied(live, index, Some(source), &error);
                let now = self.config.clock.now();
                let is_over = live.state().reuse.trouble.unreadable(index, now);
                (!is_over).then_some(Failed::Source(error))
            }
        };
        match failed {
            Some(failed) => Some(failed),
            None => self.lose(live, index).await.err().map(Failed::Here),
        }
    }

    /// The bytes of a borrowed chunk are gone: it is asked of the client.
    async fn lose(self: &Arc<Self>, live: &Arc<Live>, index: ChunkIndex) -> Result<()> {
        if !live.change(|state| state.chunks.begin_loss(index)) {
            return Ok(());
        }
        tracing::error!(
            upload = %live.id, chunk = index.0,
            "the bytes that a chunk was lent are lost: it is asked of whoever sends the upload"
        );
        let (store, in_task) = (Arc::clone(self), Arc::clone(live));
        self.blocking(move || {
            let dropped = store.index.drop_reference(in_task.id, index);
            let is_out = dropped.is_ok() || store.index.is_read_only();
            in_task.change(|state| state.chunks.end_removal(index, is_out));
            dropped
        })
        .await
    }

    pub(super) async fn source_has_rotten(self: &Arc<Self>, source: Source) {
        let Source { blob, index, offset, len } = source;
        let store = Arc::clone(self);
        let told = self.blocking(move || {
            tracing::error!(
                blob = %blob.0, offset, bytes = len,
                "a stored chunk has ROTTEN: its bytes no longer have their digest"
            );
            store.verified.doubt(blob, index);
            Err::<(), _>(rot::found(&store.index, blob, index, offset..offset + len))
        });
        drop(told.await);
        self.scrub_source(blob, index);
    }

    /// One that lies in an open upload is taken out, so that its sender sends it again and nobody is lent
    /// it. In a task of its own, because that waits for those who borrow it, of whom this is one.
    fn scrub_source(self: &Arc<Self>, blob: BlobId, index: ChunkIndex) {
        let store = Arc::clone(self);
        let (turns, weak) = (Arc::clone(&self.fills), Arc::downgrade(self));
        tokio::spawn(async move {
            let in_task = Arc::clone(&store);
            let open = store.blocking(move || in_task.open_upload_of(blob)).await;
            drop(store);
            if let Ok(Some(live)) = open {
                scrub_all(weak, turns, Arc::downgrade(&live), [index].into_iter().collect()).await;
            }
        });
    }

    fn open_upload_of(&self, blob: BlobId) -> Result<Option<Arc<Live>>> {
        let Some(owner) = self.index.owner_of(blob.0)? else { return Ok(None) };
        let live = self.load(&owner, blob.0)?;
        let is_open = live.state().chunks.file().is_none();
        Ok(is_open.then_some(live))
    }
}

/// Told to whoever looks after the server: the disk may be failing, and where it is the source that
/// cannot be read, its blob is what to look at.
pub(in crate::store::disk) fn not_copied(
    live: &Live,
    index: ChunkIndex,
    source: Option<BlobId>,
    error: &StoreError,
) {
    let source = source.map(|blob| tracing::field::display(blob.0));
    tracing::warn!(%error, source, upload = %live.id, chunk = index.0, "chunk not copied");
}

/// What the system says of a source. Short of its length it is no better than missing.
pub(super) fn unreadable(blob: BlobId, error: StoreError) -> CopyError {
    use io::ErrorKind::{NotFound, UnexpectedEof};
    match &error {
        StoreError::Disk { source, .. } if matches!(source.kind(), NotFound | UnexpectedEof) => {
            CopyError::Gone(blob, error)
        }
        _ => CopyError::Unreadable(blob, error),
    }
}
