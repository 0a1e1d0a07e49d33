//! The one place that makes files.
//!
//! A file exists exactly when its row does. The commit in `publish` is the atomic merge of its
//! chunks: they lie where they will stay, each with a row that says they are durable, so no byte is
//! copied, moved or read again. Chunks held by reference are copied before, never here: while they
//! are, a seal is told to come again. Unless the whole is a file that is here already: then it
//! becomes another row on the bytes of that one.

use std::sync::Arc;

use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{ChunkIndex, Digest};

use super::Inner;
use super::claims::SealStep;
use super::index::Published;
use super::layout::BlobId;
use super::live::Live;
use super::{rot, work};
use crate::store::{Owner, Result, StoreError};

impl Inner {
    pub(super) async fn seal(
        self: &Arc<Self>,
        owner: &Owner,
        id: UploadId,
        root: Digest,
    ) -> Result<FileInfo> {
        let live = self.live(owner, id).await?;
        live.state().check_alive(self.config.clock.now())?;
        let step = live
            .until(|state| match state.chunks.begin_seal() {
                Ok(SealStep::Wait) => None,
                other => Some(other),
            })
            .await?;
        match step {
            SealStep::Sealed(file) if file.root == root => Ok(*file),
            SealStep::Sealed(_) => Err(StoreError::RootMismatch),
            SealStep::Filling => {
                let failed = live.state().reuse.trouble.take();
                self.become_own(&live);
                Err(failed.unwrap_or_else(|| still_filling(&live)))
            }
            SealStep::Go | SealStep::Wait => {
                let (store, in_task) = (Arc::clone(self), Arc::clone(&live));
                let file = self.blocking(move || store.publish(&in_task, root)).await?;
                if file.is_none() {
                    self.become_own(&live);
                }
                file.ok_or_else(|| still_filling(&live))
            }
        }
    }

    /// Ends the seal whatever happens, on a thread that nobody can cancel. No file: there are
    /// references to be copied.
    fn publish(self: &Arc<Self>, live: &Live, root: Digest) -> Result<Option<FileInfo>> {
        let result = self.try_publish(live, root);
        let file = match &result {
            Ok(Published::File { info, .. }) => Some((**info).clone()),
            Ok(Published::Borrows) | Err(_) => None,
        };
        let (now, expires_at) = self.now_and_idle_expiry();
        live.change(|state| {
            state.touch(now, expires_at);
            state.chunks.end_seal(file);
        });
        match result? {
            Published::Borrows => Ok(None),
            Published::File { info, is_shared } => {
                if is_shared {
                    self.drop_soon(live);
                }
                Ok(Some(*info))
            }
        }
    }

    fn try_publish(&self, live: &Live, root: Digest) -> Result<Published> {
        let (found, count) = live.root(&self.index)?;
        if count != live.plan.chunk_count() {
            let told = format!("upload {} has {count} rows of chunks one after the other", live.id);
            return Err(StoreError::Damaged(told));
        }
        if found != root {
            return Err(StoreError::RootMismatch);
        }
        let gone = self.missing_bytes(live, root)?;
        let (now, expires_at) = self.now_and_idle_expiry();
        let file = FileId(self.new_id()?);
        let published = self.index.publish(live.id, file, root, now, expires_at, &gone)?;
        if let Published::File { info, is_shared } = &published {
            self.wholes.wake();
            self.happened.notify_one();
            self.space.give_back_rows(&live.need);
            let (upload, bytes) = (live.id, info.size);
            tracing::info!(%upload, %file, bytes, is_shared, "sealed");
        }
        Ok(published)
    }

    /// Of the blobs of the same file, those that somebody took away or cut off: no row is made on them.
    /// One look at the length each, and no byte is read.
    ///
    /// # Errors
    /// `Damaged` if that is the upload's own.
    fn missing_bytes(&self, live: &Live, root: Digest) -> Result<Vec<BlobId>> {
        if live.state().chunks.has_own() {
            let is_here = self.has_bytes(live.blob_id(), live.plan)?;
            let told = || format!("the blob {} is missing or short", live.id);
            return if is_here { Ok(Vec::new()) } else { Err(StoreError::Damaged(told())) };
        }
        let mut gone = Vec::new();
        for blob in self.index.same_files(&live.owner.0, live.plan, root)? {
            if !self.has_bytes(blob, live.plan)? {
                rot::gone(&self.index, blob, ChunkIndex(0))?;
                gone.push(blob);
            }
        }
        Ok(gone)
    }

    /// The room of a blob that no file needs is given back to the disk, after the answer.
    fn drop_soon(self: &Arc<Self>, live: &Live) {
        live.close_blob();
        let (store, blob) = (Arc::clone(self), live.blob_id());
        drop(work::start(&*self.config.work, move || store.drop_blob(blob)));
    }
}

fn still_filling(live: &Live) -> StoreError {
    StoreError::StillFilling { filling: live.state().chunks.holding().filling }
}
