//! The one place that makes files.
//!
//! A file exists exactly when its row does. The commit in `publish` is the atomic merge of its
//! chunks: they lie where they will stay, each with a row that says they are durable, so no byte is
//! copied, moved or read again.

use std::sync::Arc;

use longhaul_protocol::Digest;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::{FileId, UploadId};

use super::Inner;
use super::claims::SealStep;
use super::live::Live;
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
            SealStep::Sealed(file) if file.root == root => Ok(file),
            SealStep::Sealed(_) => Err(StoreError::RootMismatch),
            SealStep::Go | SealStep::Wait => {
                let store = Arc::clone(self);
                self.blocking(move || store.publish(&live, root)).await
            }
        }
    }

    /// Ends the seal whatever happens, on a thread that nobody can cancel.
    fn publish(&self, live: &Live, root: Digest) -> Result<FileInfo> {
        let result = self.try_publish(live, root);
        let file = result.as_ref().ok().cloned();
        let (now, expires_at) = self.now_and_idle_expiry();
        live.change(|state| {
            state.touch(now, expires_at);
            state.chunks.end_seal(file);
        });
        result
    }

    fn try_publish(&self, live: &Live, root: Digest) -> Result<FileInfo> {
        let (found, count) = self.index.root(live.blob_id())?;
        if count != live.plan.chunk_count() {
            let told = format!("upload {} has {count} rows of chunks", live.id);
            return Err(StoreError::Damaged(told));
        }
        if found != root {
            return Err(StoreError::RootMismatch);
        }
        let (now, expires_at) = self.now_and_idle_expiry();
        let file = FileId(self.new_id()?);
        let info = self.index.publish(live.id, file, root, now, expires_at)?;
        tracing::info!(upload = %live.id, file = %file, bytes = info.size, "sealed");
        Ok(info)
    }
}
