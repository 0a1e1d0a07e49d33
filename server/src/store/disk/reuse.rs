//! Takes note of digests ahead of their chunks, and lends an upload what its owner already has.
//!
//! A reference is enough as long as the upload may be a file that is here already: its *twin*, of
//! the same plan, with every chunk that the upload has. Once there is none, what is borrowed is
//! copied in the background (`copy`).

use std::io;
use std::sync::Arc;

use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::proof::Challenge;
use longhaul_protocol::wire::{DifferingChunk, DigestRun};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Millis, Plan};

use super::config::Reuse;
use super::index::{Borrower, Lent};
use super::layout::BlobId;
use super::live::Live;
use super::medium::OpenHow;
use super::{Inner, disk_error, rot};
use crate::store::{Offered, Owner, Result, StoreError};

/// Chunks that are being looked for. Dropped, they are not any more.
struct Lending<'a> {
    live: &'a Live,
    chunks: ChunkSet,
    lent: Lent,
}

/// What came of comparing digests with what is here.
struct Compared {
    differs: Vec<DifferingChunk>,
    /// Whether the upload may still be a file that is here already.
    may_be_known: bool,
    challenge: Option<Challenge>,
}

impl Drop for Lending<'_> {
    fn drop(&mut self) {
        self.live.change(|state| state.chunks.end_lending(&self.chunks, &self.lent.chunks));
    }
}

impl Inner {
    /// Whether there may be bytes, beside the `own` ones of an upload, that could be lent to it. Whether anybody else
    /// has any is told to nobody.
    pub(super) fn may_reuse(&self, owner: &Owner, own: u64) -> bool {
        match self.config.reuse {
            Reuse::Off => false,
            Reuse::Owner => self.space.promised_to(&owner.0) > own,
            Reuse::Everyone => true,
        }
    }

    pub(super) async fn offer(
        self: &Arc<Self>,
        owner: &Owner,
        id: UploadId,
        run: DigestRun,
    ) -> Result<Offered> {
        let live = self.live(owner, id).await?;
        live.state().check_alive(self.config.clock.now())?;
        check_run(&live, &run)?;
        self.scrub_once(&live);
        let (store, in_task) = (Arc::clone(self), Arc::clone(&live));
        let Compared { differs, may_be_known, challenge } =
            self.blocking(move || store.compare(&in_task, &run)).await?;
        if !may_be_known {
            self.become_own(&live);
        }
        let holding = live.state().chunks.holding();
        Ok(Offered { holding, differs, challenge })
    }

    /// Which of the digests offered are held otherwise; lends what can be lent, and asks for proofs
    /// of what others have.
    fn compare(&self, live: &Live, run: &DigestRun) -> Result<Compared> {
        // Before the rows: what is pending no more by then has one.
        let pending = live.state().chunks.pending_digests(run);
        let rows = self.index.digests(self.bytes_of(live)?, run.start, run.digests.len() as u64)?;
        let mut differs = Vec::new();
        let mut missing = Vec::new();
        for (((index, offered), pending), row) in run.iter().zip(pending).zip(rows) {
            match pending.or(row) {
                Some(digest) if digest != offered => differs.push(DifferingChunk { index, digest }),
                Some(_) => {}
                None => missing.push((index, offered)),
            }
        }
        let may_be_known = self.lend(live, missing.clone())?;
        let challenge = match self.config.reuse {
            Reuse::Everyone => self.challenge(live, &missing)?,
            Reuse::Owner | Reuse::Off => None,
        };
        Ok(Compared { differs, may_be_known, challenge })
    }

    /// Nothing is held by a reference that is not committed with its pin; and until it is known
    /// what is, no request begins one of those chunks. Whether the upload may still be a file that
    /// is here already.
    fn lend(&self, live: &Live, mut wanted: Vec<(ChunkIndex, Digest)>) -> Result<bool> {
        if self.config.reuse == Reuse::Off {
            return Ok(true);
        }
        let wishes = wanted.iter().map(|(index, _)| *index);
        let chunks = live.change(|state| state.chunks.begin_lending(wishes));
        wanted.retain(|(index, _)| chunks.contains(*index));
        if wanted.is_empty() {
            return Ok(true);
        }
        let mut lending = Lending { live, chunks, lent: Lent::default() };
        let at = self.now_and_idle_expiry();
        lending.lent = self.index.lend(&borrower(live, at), &wanted)?;
        let twin = self.twin_with_bytes(live, lending.lent.twin)?;
        let chunks = &lending.lent.chunks;
        let mut state = live.state();
        state.reuse.twin = twin;
        if !chunks.is_empty() {
            let bytes = chunks.iter().map(|index| live.plan.chunk_bytes(*index)).sum();
            self.meters.reused_bytes.inc_by(bytes);
            state.touch(at.0, at.1);
            state.saved_expires_at = state.saved_expires_at.max(at.1);
        }
        Ok(twin.is_some())
    }
}

impl Inner {
    /// The twin, unless its bytes are gone: then the upload is another file, and finds out chunk by
    /// chunk what has to be sent.
    fn twin_with_bytes(&self, live: &Live, twin: Option<BlobId>) -> Result<Option<BlobId>> {
        let Some(blob) = twin else { return Ok(None) };
        if self.has_bytes(blob, live.plan)? {
            return Ok(twin);
        }
        rot::gone(&self.index, blob, ChunkIndex(0))?;
        Ok(None)
    }

    /// Whether a blob is there, as long as its file.
    pub(super) fn has_bytes(&self, blob: BlobId, plan: Plan) -> Result<bool> {
        match self.disk.open(&self.layout.blob(blob), OpenHow::Read) {
            _ if plan.is_empty() => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(disk_error("looking for the bytes of a file")(error)),
            Ok(file) => {
                let size = file.size().map_err(disk_error("looking for the bytes of a file"))?;
                Ok(size >= plan.len())
            }
        }
    }
}

fn borrower(live: &Live, at: (Millis, Millis)) -> Borrower<'_> {
    let state = live.state();
    Borrower {
        owner: &live.owner.0,
        upload: live.id,
        plan: live.plan,
        may_be_known: state.chunks.may_be_known(),
        twin: state.reuse.twin,
        at,
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
