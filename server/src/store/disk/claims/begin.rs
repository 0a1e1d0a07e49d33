//! How a request for a chunk begins, and what it takes out first.

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::{ChunkIndex, Digest};

use super::{Chunks, Grant, Phase};
use crate::store::{Result, StoreError};

/// What the index said of a chunk before the claim was asked for.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::disk) struct Seen {
    /// The digest of its row.
    pub(in crate::store::disk) digest: Option<Digest>,
    /// [`Chunks::removals`] before the row was read.
    pub(in crate::store::disk) removals: u64,
}

/// How a request for a chunk may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::disk) enum Begin {
    /// It is there already.
    Already,
    /// Write it, once no older write is in flight.
    Write(Grant),
    /// Commit the removal of its row, of that digest, then write it.
    Replace(Grant, Digest),
    /// Ask again when something has changed: a seal, a sync or a look for its bytes is under way.
    Wait,
    /// Ask again with what the index says now.
    LookAgain,
}

impl Chunks {
    /// A request for a chunk. It takes over from an older one.
    pub(in crate::store::disk) fn begin(
        &mut self,
        chunk: &ChunkHeaders,
        seen: Seen,
    ) -> Result<Begin> {
        let index = chunk.index;
        if !self.plan.has(index) {
            return Err(StoreError::ChunkOutOfRange {
                index,
                chunk_count: self.plan.chunk_count(),
            });
        }
        match &self.phase {
            Phase::Open => {}
            Phase::Sealing => return Ok(Begin::Wait),
            Phase::Sealed(file) => return Err(StoreError::Sealed { file: file.id }),
            Phase::Gone => return Err(StoreError::NotFound),
        }
        if self.is_moving(index) {
            return Ok(Begin::Wait);
        }
        if self.is_held(index) != seen.digest.is_some() || self.removals != seen.removals {
            return Ok(Begin::LookAgain);
        }
        let pending = self.pending_digest(index);
        match pending.or(seen.digest) {
            Some(digest) if digest == chunk.digest => self.check_end(chunk),
            Some(digest) if chunk.replace != Some(digest) => Err(StoreError::ChunkHeld { index }),
            Some(_) if chunk.offset > 0 => Err(StoreError::Offset { index, kept: 0 }),
            Some(_) if pending.is_some() => Ok(Begin::Wait),
            Some(digest) => {
                self.take_out(index);
                Ok(Begin::Replace(self.claim(index), digest))
            }
            None => {
                self.check_offset(chunk)?;
                Ok(Begin::Write(self.claim(index)))
            }
        }
    }

    /// The chunk is there; who goes on from behind its end means another.
    fn check_end(&self, chunk: &ChunkHeaders) -> Result<Begin> {
        let (index, kept) = (chunk.index, self.plan.chunk_bytes(chunk.index));
        if chunk.offset > kept {
            Err(StoreError::Offset { index, kept })
        } else {
            Ok(Begin::Already)
        }
    }

    /// Refuses at once what cannot go on, so that it takes the chunk from nobody. Whether the rest
    /// can is known when no older write is in flight any more: [`Chunks::begin_body`].
    fn check_offset(&self, chunk: &ChunkHeaders) -> Result<()> {
        let (index, kept) = (chunk.index, self.partials.kept(chunk.index, chunk.digest));
        let reachable = kept..=self.plan.chunk_bytes(index);
        let may_grow = kept > 0 && self.claims.contains_key(&index.0);
        let fits = chunk.offset == kept || may_grow && reachable.contains(&chunk.offset);
        if chunk.offset == 0 || fits { Ok(()) } else { Err(StoreError::Offset { index, kept }) }
    }

    /// A body begins to be written at that offset of its chunk: at 0 it drops what was kept, else
    /// it must be where that ends. The caller made sure that no older write is in flight.
    pub(in crate::store::disk) fn begin_body(
        &mut self,
        grant: Grant,
        digest: Digest,
        offset: u64,
    ) -> Result<()> {
        self.check(grant)?;
        let kept = self.partials.kept(grant.index, digest);
        match offset {
            0 => self.partials.begin(grant.index, digest),
            _ if offset == kept => {}
            _ => return Err(StoreError::Offset { index: grant.index, kept }),
        }
        Ok(())
    }

    /// A copy of what is here already begins to be written: never a beginning that a client who
    /// only knows the digest could go on from.
    pub(in crate::store::disk) fn begin_copy(&mut self, grant: Grant) -> Result<()> {
        self.check(grant)?;
        self.partials.forget(grant.index);
        Ok(())
    }

    /// What is kept of the chunk did not verify.
    pub(in crate::store::disk) fn distrust(&mut self, grant: Grant) {
        if self.is_newest(grant) {
            self.partials.forget(grant.index);
        }
    }

    /// Whether a chunk is held in the upload's own blob, and no seal counts on it.
    pub(in crate::store::disk) fn is_own_and_open(&self, index: ChunkIndex) -> bool {
        self.phase == Phase::Open && self.is_held(index) && !self.borrowed.contains(index)
    }

    /// A held chunk of its own was found to have rotten, by somebody who looked after `removals`:
    /// whether its row is to be taken out, and then [`Chunks::end_removal`] told. Not if it may
    /// have been replaced since.
    pub(in crate::store::disk) fn begin_removal(
        &mut self,
        index: ChunkIndex,
        removals: u64,
    ) -> bool {
        let is_same = self.is_own_and_open(index) && self.removals == removals;
        if is_same {
            self.take_out(index);
        }
        is_same
    }

    pub(super) fn take_out(&mut self, index: ChunkIndex) {
        self.held.remove(index);
        self.removing.insert(index);
        self.removals += 1;
    }

    /// The row of a chunk to be replaced is out, or else stays.
    pub(in crate::store::disk) fn end_removal(&mut self, index: ChunkIndex, is_out: bool) {
        self.removing.remove(index);
        if is_out {
            self.borrowed.remove(index);
        } else {
            self.held.insert(index);
            self.removals += 1;
        }
    }
}
