//! Fills chunks from what the same owner's sealed files already have: a plain copy, verified while
//! it is copied, through the same writer as a body from the network.

use std::sync::{Arc, Weak};

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{DifferingChunk, DigestRun};
use longhaul_protocol::{ChunkIndex, Digest};

use tokio::sync::Semaphore;

use super::index::Source;
use super::live::Live;
use super::medium::{DiskFile, OpenHow};
use super::writer::{Claim, WRITE_BYTES};
use super::{Inner, disk_error};
use crate::store::{ChunkWriter as _, Offered, Owner, Result, StoreError};

/// A chunk to be filled. As long as this lives, the chunk is shown as `filling`.
#[derive(Debug)]
struct Filling {
    live: Arc<Live>,
    index: ChunkIndex,
    digest: Digest,
    source: Source,
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.live.change(|state| state.chunks.end_filling(self.index));
    }
}

impl Inner {
    pub(super) async fn offer(
        self: &Arc<Self>,
        owner: &Owner,
        id: UploadId,
        run: DigestRun,
    ) -> Result<Offered> {
        let live = self.live(owner, id).await?;
        live.state().check_alive(self.config.clock.now())?;
        check_run(&live, &run)?;
        let (store, in_task) = (Arc::clone(self), Arc::clone(&live));
        let (differs, fillings) = self.blocking(move || store.compare(&in_task, &run)).await?;
        if !fillings.is_empty() {
            let fills = Arc::clone(&self.fills);
            tokio::spawn(fill_all(Arc::downgrade(self), fills, fillings));
        }
        let holding = live.state().chunks.holding();
        Ok(Offered { holding, differs })
    }

    /// Which of the digests offered are held otherwise, and which can be filled.
    fn compare(
        &self,
        live: &Arc<Live>,
        run: &DigestRun,
    ) -> Result<(Vec<DifferingChunk>, Vec<Filling>)> {
        let rows = self.index.digests(live.blob_id(), run.start, run.digests.len() as u64)?;
        let mut differs = Vec::new();
        let mut missing = Vec::new();
        for ((index, offered), row) in run.iter().zip(rows) {
            let pending = live.state().chunks.pending_digest(index);
            match pending.or(row) {
                Some(digest) if digest != offered => differs.push(DifferingChunk { index, digest }),
                Some(_) => {}
                None => missing.push((index, offered)),
            }
        }
        Ok((differs, self.begin_filling(live, missing)?))
    }

    fn begin_filling(
        &self,
        live: &Arc<Live>,
        missing: Vec<(ChunkIndex, Digest)>,
    ) -> Result<Vec<Filling>> {
        let wanted: Vec<_> =
            missing.iter().map(|&(index, digest)| (digest, live.plan.chunk_bytes(index))).collect();
        let sources = self.index.sources(&live.owner.0, &wanted)?;
        let mut fillings = Vec::new();
        for ((index, digest), source) in missing.into_iter().zip(sources) {
            let Some(source) = source else { continue };
            if live.change(|state| state.chunks.begin_filling(index)) {
                fillings.push(Filling { live: Arc::clone(live), index, digest, source });
            }
        }
        Ok(fillings)
    }

    async fn fill(self: &Arc<Self>, filling: &Filling) -> Result<()> {
        let Filling { live, index, digest, source } = filling;
        let grant = live.change(|state| state.chunks.claim_filling(*index));
        let Some(grant) = grant else { return Ok(()) };
        let mut writer = self.writer(Claim::new(self, live, grant), *digest).await?;
        let from = self.open_source(*source).await?;
        let end = source.offset + source.len;
        let mut at = source.offset;
        while at < end {
            let len = usize::try_from(end - at).unwrap_or(WRITE_BYTES).min(WRITE_BYTES);
            writer.write(self.read(&from, at, len).await?).await?;
            at += len as u64;
        }
        writer.finish().await?;
        tracing::debug!(upload = %live.id, chunk = index.0, "chunk filled");
        Ok(())
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
    ) -> Result<bytes::Bytes> {
        let from = Arc::clone(from);
        self.blocking(move || {
            let mut bytes = vec![0; len];
            from.read_exact_at(offset, &mut bytes).map_err(disk_error("reading a blob to copy"))?;
            Ok(bytes.into())
        })
        .await
    }
}

/// Fills one chunk after the other, all offers together at most `fills_max` at a time. A store that
/// is gone is not kept alive for it.
async fn fill_all(store: Weak<Inner>, fills: Arc<Semaphore>, fillings: Vec<Filling>) {
    for filling in fillings {
        let Ok(_permit) = fills.acquire().await else { return };
        let Some(store) = store.upgrade() else { return };
        if let Err(error) = store.fill(&filling).await {
            tell(&filling, &error);
        }
    }
}

/// A chunk that was not filled is asked of the client, so only a rotten source is worth an alarm.
fn tell(filling: &Filling, error: &StoreError) {
    let Filling { live, index, source, .. } = filling;
    match error {
        StoreError::DigestMismatch { .. } => tracing::error!(
            blob = %source.blob.0, offset = source.offset, bytes = source.len,
            "a sealed file has ROTTEN: its bytes no longer have their digest"
        ),
        StoreError::Superseded { .. } | StoreError::NotFound => {}
        _ => tracing::warn!(%error, upload = %live.id, chunk = index.0, "chunk not filled"),
    }
}

fn check_run(live: &Live, run: &DigestRun) -> Result<()> {
    let chunk_count = live.plan.chunk_count();
    let end = run.start.0.saturating_add(run.digests.len() as u64);
    if end > chunk_count {
        let index = ChunkIndex(run.start.0.max(chunk_count));
        return Err(StoreError::ChunkOutOfRange { index, chunk_count });
    }
    Ok(())
}
