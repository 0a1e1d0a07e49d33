//! What ends uploads and files, and what takes their blobs away.
//!
//! First a commit makes the blob garbage, then the blob is unlinked, then its rows are dropped; a
//! start goes on where a crash left off. Whoever has the blob open keeps its bytes until he closes
//! it, so nobody who reads is disturbed, and a write in flight harms nothing.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use longhaul_protocol::Millis;
use longhaul_protocol::wire::ids::{FileId, UploadId};

use super::everything::AnyUpload;
use super::layout::BlobId;
use super::live::{Live, State, lock};
use super::medium::OpenHow;
use super::{Inner, disk_error};
use crate::store::{Owner, Result, StoreError};

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads whose time was over, removed.
    pub uploads: u64,
    /// Blobs that are gone, theirs among them.
    pub blobs: u64,
    /// What these took of the disk, bytes.
    pub freed_bytes: u64,
}

impl Inner {
    pub(super) async fn cancel(self: &Arc<Self>, owner: &Owner, id: UploadId) -> Result<()> {
        let live = self.live(owner, id).await?;
        self.index.check_writable()?;
        live.until(|state| end_open(state).transpose()).await?;
        live.wake();
        let store = Arc::clone(self);
        self.blocking(move || {
            store.remove_upload(&live, None)?;
            tracing::info!(upload = %id, "upload cancelled");
            Ok(())
        })
        .await
    }

    /// The upload has been told to end; its row and its blob go. If it `expired` is remembered.
    pub(super) fn remove_upload(&self, live: &Live, expired: Option<Millis>) -> Result<()> {
        self.syncer.forget(live.id);
        live.close_blob();
        let removed = self.index.remove_upload(live.id, expired);
        self.forget_live(live.id);
        let Some(blob) = removed? else { return Ok(()) };
        self.space.give_back(&live.need);
        self.drop_blob_or_later(blob)
    }

    pub(super) fn delete(&self, owner: &Owner, id: FileId) -> Result<()> {
        self.index.file(owner, id)?;
        let row = self.index.remove_file(id)?.ok_or(StoreError::NotFound)?;
        self.opened.remove(id);
        self.space.give_back_file(id, row.need()?);
        if let Some(live) = self.forget_live(row.upload) {
            live.change(|state| state.chunks.end());
        }
        tracing::info!(file = %id, "file deleted");
        self.drop_blob_or_later(row.blob)
    }

    /// Removes a blob that is garbage and drops its rows, unless others have references to it, and
    /// then the blobs that only it had kept. What an upload borrows goes first.
    pub(super) fn drop_blob(&self, blob: BlobId) -> Result<()> {
        let mut unneeded = vec![blob];
        while let Some(blob) = unneeded.pop() {
            if !self.index.is_garbage(blob)? {
                continue;
            }
            unneeded.extend(self.index.drop_references(blob)?);
            if self.index.may_unlink(blob)? {
                self.unlink(blob)?;
            }
        }
        Ok(())
    }

    /// The same after a commit that made it garbage: what the disk refuses is told, and tried again by
    /// each sweep and start. One blob keeps no others from going, and no server from starting.
    fn drop_blob_or_later(&self, blob: BlobId) -> Result<()> {
        match self.drop_blob(blob) {
            Err(error @ StoreError::Disk { .. }) => {
                tracing::error!(%error, blob = %blob.0, "a deleted blob stays on the disk until a later sweep");
                Ok(())
            }
            other => other,
        }
    }

    /// Its rows go once the name cannot come back: nobody would know what it is.
    fn unlink(&self, blob: BlobId) -> Result<()> {
        match self.disk.unlink(&self.layout.blob(blob)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(disk_error("unlinking a blob")(error));
            }
            _ => {}
        }
        let synced = self.disk.sync_dir(&self.layout.dir_of(blob));
        synced.map_err(disk_error("syncing the folder of a blob that was unlinked"))?;
        if self.verified.is_read(blob) {
            // Who reads it still needs the digests; a later sweep drops them.
            return Ok(());
        }
        self.index.drop_garbage(blob)
    }

    /// Finishes what a crash or the disk interrupted; doing it twice does no harm. Reads nothing but the index.
    pub(super) fn finish_garbage(&self) -> Result<()> {
        let garbage = self.index.garbage()?;
        // What somebody still has references to may stay for days, and is told of once.
        if !garbage.is_empty() && garbage.len() != self.garbage_left.load(Ordering::Relaxed) {
            tracing::info!(blobs = garbage.len(), "finishing deletions");
        }
        garbage.into_iter().try_for_each(|blob| self.drop_blob_or_later(blob))?;
        self.garbage_left.store(self.index.garbage()?.len(), Ordering::Relaxed);
        Ok(())
    }

    /// Removes uploads whose time is over, lets go of what nobody uses, and tries again to remove
    /// what the disk would not remove before.
    pub(super) fn sweep(self: &Arc<Self>, now: Millis) -> Result<Swept> {
        let mut swept = Swept::default();
        let mut going: BTreeMap<_, _> =
            self.index.garbage()?.into_iter().map(|blob| (blob, self.taken(blob))).collect();
        for (id, owner) in self.index.expired_uploads(now)? {
            let blob = BlobId(id);
            let taken = self.taken(blob);
            match self.expire(&owner, id, now) {
                Ok(true) => {
                    swept.uploads += 1;
                    going.insert(blob, taken);
                }
                Ok(false) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        self.forget_idle();
        self.opened.forget();
        self.verified.forget();
        lock(&self.live).values().for_each(|live| lock(&live.sound).forget());
        self.index.forget_expired(now)?;
        self.finish_garbage()?;
        self.fit_spare();
        let left = self.index.garbage()?;
        let is_needed = |blob| !matches!(self.index.promised_of(blob), Ok(None));
        going.retain(|&blob, _| !left.contains(&blob) && !is_needed(blob));
        (swept.blobs, swept.freed_bytes) = (going.len() as u64, going.values().sum());
        Ok(swept)
    }

    /// The same for who looks after the server: which uploads went, too.
    pub(super) fn sweep_and_tell(self: &Arc<Self>) -> Result<(Vec<AnyUpload>, Swept)> {
        let (mut over, _) = self.sweep_tried()?;
        let swept = self.sweep(self.config.clock.now())?;
        over.retain(|it| matches!(self.index.owner_of(it.upload.id), Ok(None)));
        Ok((over.clone(), Swept { uploads: over.len() as u64, ..swept }))
    }

    /// What a sweep would come to. A blob that others still borrow from would stay.
    pub(super) fn sweep_tried(&self) -> Result<(Vec<AnyUpload>, Swept)> {
        let (mut over, mut swept) = (Vec::new(), Swept::default());
        let mut going = Vec::new();
        for (id, owner) in self.index.expired_uploads(self.config.clock.now())? {
            // One that is a file is only forgotten.
            let row = self.index.upload(&owner, id).ok().filter(|row| row.file.is_none());
            let Some(row) = row else { continue };
            let upload = self.seen(id, row)?;
            if upload.is_over {
                swept.uploads += 1;
                going.push(BlobId(id));
                over.push(upload);
            }
        }
        for blob in self.index.garbage()? {
            going.extend(self.index.may_unlink(blob)?.then_some(blob));
        }
        swept.blobs = going.len() as u64;
        swept.freed_bytes = going.into_iter().map(|blob| self.taken(blob)).sum();
        Ok((over, swept))
    }

    /// What a blob takes of the disk, bytes; nothing if it is not there.
    fn taken(&self, blob: BlobId) -> u64 {
        let file = self.disk.open(&self.layout.blob(blob), OpenHow::Read);
        file.and_then(|file| file.allocated()).unwrap_or(0)
    }

    /// Whether it was time: memory may know of activity that the row does not.
    fn expire(self: &Arc<Self>, owner: &Owner, id: UploadId, now: Millis) -> Result<bool> {
        let live = self.load(owner, id)?;
        let ended = live.change(|state| state.has_expired(now) && state.chunks.end());
        if ended {
            self.remove_upload(&live, Some(now))?;
            self.happened.notify_one();
            tracing::info!(upload = %id, "upload expired");
        }
        Ok(ended)
    }
}

/// Ends an upload that is not sealed; `None` while a seal is under way.
fn end_open(state: &mut State) -> Result<Option<()>> {
    if state.chunks.is_gone() {
        return Err(StoreError::NotFound);
    }
    match state.chunks.file() {
        Some(file) => Err(StoreError::Sealed { file: file.id }),
        None => Ok(state.chunks.end().then_some(())),
    }
}
