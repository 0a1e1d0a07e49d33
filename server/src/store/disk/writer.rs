//! Takes one chunk: its bytes go to their final place while they are hashed.
//!
//! Bytes are hashed as they come and copied into a [`Block`]; a full one is written by a blocking
//! task while the next is filled. In memory there are at most two blocks and the piece that the
//! caller passes: `2 × WRITE_BYTES + the largest piece`.
//!
//! A request that breaks off leaves what is written to the next one (see `partial`).

use std::sync::Arc;

use bytes::Bytes;
use longhaul_protocol::Digest;
use longhaul_protocol::digest::Hasher;
use longhaul_protocol::wire::header::ChunkHeaders;

use super::begin::Claim;
use super::block::Block;
use super::live::WriteInFlight;
use super::medium::DiskFile;
use super::partial::Beginning;
use super::whole::Bodies;
use super::work::{self, Started};
use super::{Inner, disk_error};
use crate::store::{ChunkWriter, Lack, Result, StoreError};

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

impl Inner {
    /// A writer for a body, which may go on where an earlier one broke off.
    pub(super) async fn body_writer(
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
            StoreError::NoSpace { needed: needed as u64, of: Lack::Disk }
        }
        _ => disk_error("writing a chunk")(error),
    }
}

fn failed_before() -> StoreError {
    disk_error("writing a chunk")(std::io::Error::other("an earlier write of it failed"))
}
