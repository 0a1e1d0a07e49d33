//! Takes one chunk: its bytes go to their final place while they are hashed.
//!
//! Bytes are hashed as they come and copied into a [`Block`]; a full one is written by a blocking
//! task while the next is filled. In memory there are at most two blocks and the piece that the
//! caller passes: `2 × WRITE_BYTES + the largest piece`.
//!
//! A request that breaks off leaves what is written to the next one (see `partial`).

use std::sync::Arc;

use bytes::Bytes;
use longhaul_protocol::digest::Hasher;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, Digest, Millis};

use super::block::Block;
use super::claims::{Begin, Grant, Seen};
use super::index::Removed;
use super::live::{Live, WriteInFlight};
use super::medium::DiskFile;
use super::partial::Beginning;
use super::syncer::Received;
use super::whole::Bodies;
use super::work::{self, Started};
use super::{Inner, disk_error};
use crate::store::{ChunkBegin, ChunkWriter, Owner, Result, StoreError};

/// The body of one chunk, on its way to the disk.
#[derive(Debug)]
pub struct DiskWriter {
    claim: Claim,
    blob: Arc<dyn DiskFile>,
    digest: Digest,
    /// Of the whole chunk, bytes.
    len: u64,
    remaining: u64,
    /// Where in the blob the next byte goes.
    offset: u64,
    /// What is there already and not yet hashed.
    beginning: Beginning,
    /// What came and is not being written yet.
    block: Option<Block>,
    /// Not here after a write failed.
    hasher: Option<Hasher>,
    in_flight: Option<Started<()>>,
    _body: Bodies,
}

/// The claim of a request, given back when the request ends.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) store: Arc<Inner>,
    pub(super) live: Arc<Live>,
    pub(super) grant: Grant,
    received: bool,
}

impl Inner {
    pub(super) async fn begin_chunk(
        self: &Arc<Self>,
        owner: &Owner,
        id: UploadId,
        chunk: ChunkHeaders,
    ) -> Result<ChunkBegin<DiskWriter>> {
        let live = self.live(owner, id).await?;
        self.touch(&live)?;
        self.scrub_once(&live);
        let Some(claim) = self.claim(&live, chunk).await? else { return Ok(ChunkBegin::Already) };
        // Bytes of its own: it is none of the files that are here.
        self.become_own(&live);
        Ok(ChunkBegin::Write(self.body_writer(claim, &chunk).await?))
    }

    /// A request is activity: what it is about is not swept before the client could try again.
    fn touch(&self, live: &Live) -> Result<()> {
        let now = self.config.clock.now();
        let mut state = live.state();
        state.check_alive(now)?;
        let expires_at = self.config.expires_at(now, state.chunks.has_any());
        state.touch(now, expires_at);
        Ok(())
    }

    /// The right to write a chunk; `None` if it is there already.
    async fn claim(
        self: &Arc<Self>,
        live: &Arc<Live>,
        chunk: ChunkHeaders,
    ) -> Result<Option<Claim>> {
        loop {
            // What was waited for may have failed.
            self.index.check_writable()?;
            let seen = self.look(live, chunk).await?;
            if chunk.replace.is_some() && chunk.replace == seen.digest {
                self.call_in(live, chunk.index).await?;
            }
            let begin = live.change(|state| state.chunks.begin(&chunk, seen))?;
            match begin {
                Begin::Already => return Ok(None),
                Begin::Write(grant) => return Ok(Some(Claim::new(self, live, grant))),
                Begin::Replace(grant, digest) => {
                    let claim = Claim::new(self, live, grant);
                    if self.remove_row(live, chunk.index, digest).await? {
                        return Ok(Some(claim));
                    }
                }
                Begin::Wait => live.until(|state| state.chunks.is_settled(chunk.index)).await,
                Begin::LookAgain => {}
            }
        }
    }

    async fn look(self: &Arc<Self>, live: &Arc<Live>, chunk: ChunkHeaders) -> Result<Seen> {
        let (removals, held) = {
            let state = live.state();
            (state.chunks.removals(), state.chunks.is_held(chunk.index))
        };
        if !held {
            return Ok(Seen { digest: None, removals });
        }
        let (store, blob) = (Arc::clone(self), live.blob_id());
        let digest = self.blocking(move || store.index.chunk_digest(blob, chunk.index)).await?;
        Ok(Seen { digest, removals })
    }

    /// The row goes before the first byte is written over: at no time does a row name other bytes.
    /// Not if it stays, because others have come to need the bytes.
    pub(super) async fn remove_row(
        self: &Arc<Self>,
        live: &Arc<Live>,
        index: ChunkIndex,
        digest: Digest,
    ) -> Result<bool> {
        let (store, live) = (Arc::clone(self), Arc::clone(live));
        self.blocking(move || {
            let removed = store.index.remove_chunk(live.id, index, digest);
            // After a commit that failed nobody knows, and nothing is held that may not be.
            let unknown = |_: &StoreError| store.index.is_read_only();
            let is_out = removed.as_ref().map_or_else(unknown, |it| *it == Removed::Done);
            live.change(|state| state.chunks.end_removal(index, is_out));
            removed?;
            tracing::debug!(upload = %live.id, chunk = index.0, is_out, "chunk to be taken out");
            Ok(is_out)
        })
        .await
    }

    /// A writer for a body, which may go on where an earlier one broke off.
    async fn body_writer(
        self: &Arc<Self>,
        claim: Claim,
        chunk: &ChunkHeaders,
    ) -> Result<DiskWriter> {
        let &ChunkHeaders { digest, offset, .. } = chunk;
        claim.until_nobody_writes().await;
        let Claim { live, grant, .. } = &claim;
        live.state().chunks.begin_body(*grant, digest, offset)?;
        self.writer_at(claim, digest, offset).await
    }

    /// A writer for a copy of what is here already.
    pub(super) async fn writer(
        self: &Arc<Self>,
        claim: Claim,
        digest: Digest,
    ) -> Result<DiskWriter> {
        claim.until_nobody_writes().await;
        claim.live.state().chunks.begin_copy(claim.grant)?;
        self.writer_at(claim, digest, 0).await
    }

    async fn writer_at(
        self: &Arc<Self>,
        claim: Claim,
        digest: Digest,
        offset: u64,
    ) -> Result<DiskWriter> {
        let (store, live) = (Arc::clone(self), Arc::clone(&claim.live));
        let range = live.plan.range(claim.grant.index);
        let blob = self.blocking(move || store.blob(&live)).await?;
        let (len, at) = (range.end - range.start, range.start + offset);
        Ok(DiskWriter {
            claim,
            blob,
            digest,
            len,
            remaining: len - offset,
            offset: at,
            beginning: Beginning::new(range.start..at),
            block: None,
            hasher: Some(Hasher::default()),
            in_flight: None,
            _body: self.wholes.body(),
        })
    }
}

impl ChunkWriter for DiskWriter {
    fn remaining(&self) -> u64 {
        self.remaining
    }

    async fn stopped(&self) -> StoreError {
        let Claim { live, grant, .. } = &self.claim;
        live.until(|state| state.chunks.check(*grant).err()).await
    }

    async fn write(&mut self, mut bytes: Bytes) -> Result<()> {
        let len = bytes.len() as u64;
        if len > self.remaining {
            return Err(self.wrong_length(self.len.saturating_add(1)));
        }
        self.claim.check()?;
        self.hash_beginning().await?;
        while !bytes.is_empty() {
            self.take_in(&mut bytes)?;
            if self.block.as_ref().is_some_and(Block::is_full) {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<()> {
        self.verify().await?;
        let (store, len) = (Arc::clone(&self.claim.store), self.len);
        self.receive()?;
        store.meters.sent_bytes.inc_by(len);
        Ok(())
    }

    async fn break_off(mut self) {
        // Whoever goes on hashes it all.
        self.beginning = Beginning::new(0..0);
        let kept = async {
            self.flush().await?;
            self.settle().await
        };
        if let Err(error) = kept.await {
            tracing::debug!(%error, "the end of what came of a chunk is not kept");
        }
    }
}

impl DiskWriter {
    /// Has the file system put the whole chunk here from `at` of another file, if it can. What is
    /// left then is to verify it, which reads it where it is now.
    pub(super) async fn copy_from(&mut self, from: &Arc<dyn DiskFile>, at: u64) -> Result<bool> {
        let Claim { store, live, grant, .. } = &self.claim;
        let (to, len) = (self.offset, self.remaining);
        store.syncer.admit(live, &self.blob, len).await;
        let in_flight = WriteInFlight::start(live, *grant)?;
        let (blob, from) = (Arc::clone(&self.blob), Arc::clone(from));
        let copy = move || {
            let copied = blob.copy_from(&*from, at, to, len);
            drop(in_flight);
            Ok(copied)
        };
        let copied = work::start(&*store.config.work, copy).outcome().await?;
        if copied {
            self.beginning = Beginning::new(to..to + len);
            (self.offset, self.remaining) = (to + len, 0);
        }
        Ok(copied)
    }

    /// Once all bytes were written: checks that they are those of the digest.
    pub(super) async fn verify(&mut self) -> Result<()> {
        if self.remaining > 0 {
            return Err(self.wrong_length(self.len - self.remaining));
        }
        self.hash_beginning().await?;
        self.flush().await?;
        self.settle().await?;
        let hasher = self.hasher.take().ok_or_else(failed_before)?;
        if hasher.finish() != self.digest {
            self.claim.distrust();
            return Err(StoreError::DigestMismatch { index: self.claim.grant.index });
        }
        Ok(())
    }

    /// What was verified is the upload's.
    pub(super) fn receive(mut self) -> Result<()> {
        self.claim.receive(self.digest, self.blob)
    }

    fn wrong_length(&self, actual: u64) -> StoreError {
        StoreError::Length { index: self.claim.grant.index, expected: self.len, actual }
    }

    /// Hashes and copies as much as fits into the block in hand.
    fn take_in(&mut self, bytes: &mut Bytes) -> Result<()> {
        let hasher = self.hasher.as_mut().ok_or_else(failed_before)?;
        let block = match &mut self.block {
            Some(block) => block,
            none => {
                let taken = self.claim.store.blocks.take(self.offset);
                none.insert(taken.map_err(disk_error("making room in memory for a chunk"))?)
            }
        };
        let taken = block.take_in(bytes);
        hasher.update(taken);
        self.offset += taken.len() as u64;
        self.remaining -= taken.len() as u64;
        Ok(())
    }

    /// Starts the write of the block in hand, once the one before is done. Dropped half-way it has
    /// either started it or not.
    async fn flush(&mut self) -> Result<()> {
        self.settle().await?;
        let Some(block) = self.block.take() else { return Ok(()) };
        let Claim { store, live, grant, .. } = &self.claim;
        store.syncer.admit(live, &self.blob, block.bytes().len() as u64).await;
        let in_flight = WriteInFlight::start(live, *grant)?;
        let (blob, wrote) = (Arc::clone(&self.blob), self.len - self.remaining);
        self.in_flight = Some(work::start(&*store.config.work, move || {
            let (offset, bytes) = (block.offset(), block.bytes());
            blob.write_block_at(offset, bytes).map_err(|error| write_error(bytes.len(), error))?;
            in_flight.wrote(wrote);
            Ok(())
        }));
        Ok(())
    }

    /// Takes in what an earlier request wrote.
    async fn hash_beginning(&mut self) -> Result<()> {
        let hasher = self.hasher.take().ok_or_else(failed_before)?;
        self.hasher = Some(self.beginning.hash(&self.claim, &self.blob, hasher).await?);
        Ok(())
    }

    /// Waits for the write in flight.
    async fn settle(&mut self) -> Result<()> {
        let Some(task) = &mut self.in_flight else { return Ok(()) };
        let outcome = task.outcome().await;
        self.in_flight = None;
        if outcome.is_err() {
            self.hasher = None;
        }
        outcome
    }
}

/// Only where the file system could not reserve the room.
fn write_error(needed: usize, error: std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            StoreError::NoSpace { needed: needed as u64 }
        }
        _ => disk_error("writing a chunk")(error),
    }
}

fn failed_before() -> StoreError {
    disk_error("writing a chunk")(std::io::Error::other("an earlier write of it failed"))
}

impl Claim {
    pub(super) fn new(store: &Arc<Inner>, live: &Arc<Live>, grant: Grant) -> Self {
        Self { store: Arc::clone(store), live: Arc::clone(live), grant, received: false }
    }

    /// Waits until no older request has a write in flight.
    async fn until_nobody_writes(&self) {
        let Self { live, grant, .. } = self;
        live.until(|state| (!state.chunks.is_writing(grant.index)).then_some(())).await;
    }

    pub(super) fn check(&self) -> Result<()> {
        self.live.state().chunks.check(self.grant)
    }

    /// What is written of the chunk is not to be gone on with.
    pub(super) fn distrust(&self) {
        self.live.state().chunks.distrust(self.grant);
    }

    fn receive(&mut self, digest: Digest, blob: Arc<dyn DiskFile>) -> Result<()> {
        self.store.index.check_writable()?;
        let (at, grant) = (self.store.config.clock.now(), self.grant);
        let expires_at: Millis = self.store.config.expires_at(at, true);
        self.live.change(|state| {
            state.chunks.receive(grant, digest)?;
            state.touch(at, expires_at);
            Ok::<_, StoreError>(())
        })?;
        self.received = true;
        tracing::debug!(upload = %self.live.id, chunk = grant.index.0, "chunk received");
        let live = Arc::clone(&self.live);
        self.store.syncer.push(Received { live, blob, grant, digest, at, expires_at });
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.received {
            self.live.change(|state| state.chunks.release(self.grant));
            self.store.syncer.abandon(self.live.id);
        }
    }
}
