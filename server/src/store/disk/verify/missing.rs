//! Many chunks at once, of which the bytes or the rows are not there: told as one damage, and none of them is read.

use longhaul_protocol::ChunkIndex;

use super::{DIGESTS_AT_ONCE, Damage, Looked, Looking, Wrong};
use crate::store::Result;
use crate::store::disk::{Inner, rot};

impl Inner {
    /// Sealed chunks whose rows are not there.
    pub(super) fn without_rows(
        &self,
        looking: Looking,
        from: ChunkIndex,
        end: ChunkIndex,
    ) -> Result<Looked> {
        let Looking { blob, promised, .. } = looking;
        let is_left = self.index.own_chunks(blob, from, 1)?.first().is_none_or(|row| row.0 >= end);
        let mut looked = Looked { chunks: end.0 - from.0, ..Looked::default() };
        looked.bytes = promised.plan.run_bytes(from.0..end.0);
        if is_left && self.index.promised_of(blob)?.is_some() {
            looked.damage = Some(Damage {
                what: Wrong::Unknown,
                chunk: from.0,
                chunks: looked.chunks,
                offset: promised.plan.range(from).start,
                bytes: looked.bytes,
                holders: self.holders(blob)?,
                ..Damage::none_of(blob)
            });
        }
        looked.rest = (end.0 < promised.plan.chunk_count()).then_some(looking);
        Ok(looked)
    }

    /// All that is held from a chunk on is damaged: the blob is not there, or ends before.
    pub(super) fn all_from(
        &self,
        looking: &Looking,
        from: ChunkIndex,
        (what, detail): (Wrong, Option<String>),
    ) -> Result<Looked> {
        let Looking { blob, promised, .. } = *looking;
        let (mut looked, mut first, mut next) = (Looked::default(), None, from);
        loop {
            let rows = self.index.own_chunks(blob, next, DIGESTS_AT_ONCE)?;
            let Some(&(last, _)) = rows.last() else { break };
            first = first.or(rows.first().map(|row| row.0));
            looked.chunks += rows.len() as u64;
            let bytes = rows.iter().map(|&(index, _)| promised.plan.chunk_bytes(index));
            looked.bytes += bytes.sum::<u64>();
            next = ChunkIndex(last.0 + 1);
        }
        // It may have been deleted meanwhile.
        let (Some(first), Some(_)) = (first, self.index.promised_of(blob)?) else {
            return Ok(Looked::default());
        };
        if promised.is_sealed && what != Wrong::Unreadable {
            rot::gone(&self.index, blob, first)?;
        }
        looked.damage = Some(Damage {
            what,
            chunk: first.0,
            chunks: looked.chunks,
            offset: promised.plan.range(first).start,
            bytes: looked.bytes,
            detail,
            holders: self.holders(blob)?,
            ..Damage::none_of(blob)
        });
        Ok(looked)
    }
}
