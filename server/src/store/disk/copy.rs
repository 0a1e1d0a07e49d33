//! Copies what an upload borrows into its own blob, verified while it is copied, through the same
//! writer as a body from the network. The commit of the copy's row takes the reference out, so at
//! every time the chunk is held by one or the other.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use longhaul_protocol::digest::Hasher;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, ChunkSet};
use tokio::sync::Semaphore;

use super::begin::Claim;
use super::block::WRITE_BYTES;
use super::claims::Copying;
use super::index::{Borrowed, Source};
use super::layout::BlobId;
use super::live::{Live, State};
use super::medium::{DiskFile, OpenHow};
use super::rot;
use super::writer::DiskWriter;
use super::{Inner, disk_error};
use crate::store::{ChunkWriter as _, Owner, Result, StoreError};

mod failed;

use failed::unreadable;
pub(super) use failed::{CopyError, not_copied};

/// Whoever copies what an upload borrows, each chunk once. There is at most one; what he failed to
/// copy is for the next, which whoever asks how far it is starts, after a pause.
struct Copier {
    live: Arc<Live>,
    tried: ChunkSet,
    sources: BTreeSet<BlobId>,
    is_over: bool,
}

impl Drop for Copier {
    fn drop(&mut self) {
        if !self.is_over {
            self.live.state().reuse.is_copied = false;
        }
    }
}

impl Inner {
    /// The upload is no file that is here already: what it borrows is copied from now on.
    pub(super) fn become_own(self: &Arc<Self>, live: &Arc<Live>) {
        {
            let now = self.config.clock.now();
            let mut state = live.state();
            let wants = state.chunks.become_own() && !state.reuse.is_copied;
            if !wants || self.index.is_read_only() || !state.reuse.trouble.may_copy(now) {
                return;
            }
            state.reuse.is_copied = true;
        }
        let live = Arc::clone(live);
        let (tried, sources) = (ChunkSet::new(), BTreeSet::new());
        let copier = Copier { live, tried, sources, is_over: false };
        tokio::spawn(copy_all(Arc::downgrade(self), Arc::clone(&self.fills), copier));
    }

    /// Goes on copying what an upload borrows, if that has ended before everything was: a copy
    /// failed, or the server has started since. The error is what failed here since it was asked last.
    pub(super) async fn fill(self: &Arc<Self>, owner: &Owner, id: UploadId) -> Result<()> {
        let live = self.live(owner, id).await?;
        if !live.state().chunks.wants_copies() {
            return Ok(());
        }
        self.index.check_writable()?;
        self.become_own(&live);
        let failed = live.state().reuse.trouble.take_here();
        failed.map_or(Ok(()), Err)
    }

    /// Sees to it that nobody has a reference to a chunk of an upload, so that it can be replaced.
    pub(super) async fn call_in(
        self: &Arc<Self>,
        lender: &Arc<Live>,
        index: ChunkIndex,
    ) -> Result<()> {
        loop {
            // A store that takes nothing would be asked for ever.
            self.index.check_writable()?;
            let (store, blob) = (Arc::clone(self), lender.blob_id());
            let borrowers = self.blocking(move || store.index.borrowers(blob, index)).await?;
            if borrowers.is_empty() {
                return Ok(());
            }
            for (upload, at) in borrowers {
                self.call_in_from(lender, upload, at).await?;
            }
        }
    }

    async fn call_in_from(
        self: &Arc<Self>,
        lender: &Live,
        upload: UploadId,
        index: ChunkIndex,
    ) -> Result<()> {
        match self.live(&lender.owner, upload).await {
            Ok(live) if live.state().chunks.needs_bytes() => {
                self.become_own(&live);
                self.copy_through(&live, index).await
            }
            Ok(_) | Err(StoreError::NotFound | StoreError::Expired) => {
                let store = Arc::clone(self);
                self.blocking(move || store.drop_blob(BlobId(upload))).await
            }
            Err(error) => Err(error),
        }
    }

    /// Copies one chunk and waits until that is durable. If somebody else took care of it, who is to
    /// be called in is asked once more.
    async fn copy_through(self: &Arc<Self>, live: &Arc<Live>, index: ChunkIndex) -> Result<()> {
        let copied = {
            let Ok(_permit) = self.fills.acquire().await else { return Ok(()) };
            self.copy(live, index).await
        };
        match copied {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(()),
            Err(error) => {
                let failed = self.after_failure(live, index, error).await;
                return failed.map_or(Ok(()), |failed| Err(failed.error()));
            }
        }
        let is_settled = |state: &mut State| {
            state.chunks.pending_digest(index).is_none().then(|| state.chunks.lacks_copy(index))
        };
        if live.until(is_settled).await {
            let lost = std::io::Error::other("the sync of a copy failed");
            return Err(disk_error("copying a chunk that others need")(lost));
        }
        Ok(())
    }

    /// Where the bytes came from, unless somebody else took care of the chunk.
    async fn copy(
        self: &Arc<Self>,
        live: &Arc<Live>,
        index: ChunkIndex,
    ) -> Result<Option<BlobId>, CopyError> {
        let begun = live.until(|state| state.chunks.begin_copying(index)).await;
        let Copying::Go(grant) = begun else { return Ok(None) };
        let claim = Claim::new(self, live, grant);
        let (store, id, len) = (Arc::clone(self), live.id, live.plan.chunk_bytes(index));
        let borrowed = self.blocking(move || store.index.borrowed(id, index, len)).await?;
        let Some(Borrowed { digest, source }) = borrowed else { return Ok(None) };
        let mut writer = self.writer(claim, digest).await?;
        let copied = self.copy_verified(&mut writer, source, None).await;
        if let Err(CopyError::Gone(..)) = copied {
            let store = Arc::clone(self);
            self.blocking(move || rot::gone(&store.index, source.blob, source.index)).await?;
        }
        copied?;
        writer.receive()?;
        live.state().reuse.trouble.copied(index);
        tracing::debug!(upload = %live.id, chunk = index.0, "chunk copied");
        Ok(Some(source.blob))
    }

    /// Copies and verifies; a source that has rotten is told of and lent no more. A hasher takes in
    /// what was read too.
    pub(super) async fn copy_verified(
        self: &Arc<Self>,
        writer: &mut DiskWriter,
        source: Source,
        beside: Option<Hasher>,
    ) -> Result<Option<Hasher>, CopyError> {
        let copied = self.copy_from(writer, source, beside).await;
        if let Err(CopyError::Rotten) = copied {
            self.source_has_rotten(source).await;
        }
        copied
    }

    /// By the file system, or else through memory. What is to be hashed beside has to come through
    /// memory.
    async fn copy_from(
        self: &Arc<Self>,
        writer: &mut DiskWriter,
        source: Source,
        mut beside: Option<Hasher>,
    ) -> Result<Option<Hasher>, CopyError> {
        let unreadable = |error| unreadable(source.blob, error);
        let from = self.open_source(source).await.map_err(unreadable)?;
        if beside.is_none() && writer.copy_from(&from, source.offset).await? {
            writer.verify().await.map_err(|error| match error {
                StoreError::Disk { .. } => unreadable(error),
                other => other.into(),
            })?;
            return Ok(None);
        }
        let end = source.offset + source.len;
        let mut at = source.offset;
        while at < end {
            let len = usize::try_from(end - at).unwrap_or(WRITE_BYTES).min(WRITE_BYTES);
            let read = self.read(&from, at, len, beside).await;
            let (bytes, hashed) = read.map_err(unreadable)?;
            writer.write(bytes).await?;
            beside = hashed;
            at += len as u64;
        }
        writer.verify().await?;
        Ok(beside)
    }

    async fn open_source(self: &Arc<Self>, source: Source) -> Result<Arc<dyn DiskFile>> {
        let store = Arc::clone(self);
        self.blocking(move || {
            let path = store.layout.blob(source.blob);
            store.disk.open(&path, OpenHow::Read).map_err(disk_error("opening a blob to copy from"))
        })
        .await
    }

    async fn read(
        &self,
        from: &Arc<dyn DiskFile>,
        offset: u64,
        len: usize,
        mut beside: Option<Hasher>,
    ) -> Result<(bytes::Bytes, Option<Hasher>)> {
        let from = Arc::clone(from);
        self.blocking(move || {
            let mut bytes = vec![0; len];
            from.read_exact_at(offset, &mut bytes).map_err(disk_error("reading a blob to copy"))?;
            if let Some(hasher) = &mut beside {
                hasher.update(&bytes);
            }
            Ok((bytes.into(), beside))
        })
        .await
    }
}

/// Copies one chunk after the other, all uploads together at most `fills_max` at a time. A store
/// that is gone is not kept alive for it.
async fn copy_all(store: Weak<Inner>, fills: Arc<Semaphore>, mut copier: Copier) {
    while let Some(index) = copier.next() {
        let Ok(_permit) = fills.acquire().await else { return };
        let Some(store) = store.upgrade() else { return };
        match store.copy(&copier.live, index).await {
            Ok(source) => copier.sources.extend(source),
            Err(error) => {
                let failed = store.after_failure(&copier.live, index, error).await;
                let mut state = copier.live.state();
                failed.into_iter().for_each(|failed| state.reuse.trouble.failed(failed));
                if state.reuse.trouble.is_enough() {
                    break;
                }
            }
        }
    }
    let (live, sources) = (Arc::clone(&copier.live), std::mem::take(&mut copier.sources));
    drop(copier);
    if sources.is_empty() {
        return;
    }
    live.until(|state| (!state.chunks.has_pending()).then_some(())).await;
    let Some(store) = store.upgrade() else { return };
    let in_task = Arc::clone(&store);
    let dropped =
        store.blocking(move || sources.into_iter().try_for_each(|blob| in_task.drop_blob(blob)));
    if let Err(error) = dropped.await {
        tracing::warn!(%error, "left for the next sweep to clean up");
    }
}

impl Copier {
    /// The next chunk, in whatever order they were lent; without one it is over, and what is
    /// borrowed later is for another.
    fn next(&mut self) -> Option<ChunkIndex> {
        let mut state = self.live.state();
        let next = state.chunks.next_to_copy(&self.tried);
        match next {
            Some(index) => {
                self.tried.insert(index);
            }
            None => (self.is_over, state.reuse.is_copied) = (true, false),
        }
        next
    }
}
