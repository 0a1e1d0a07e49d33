//! The beginnings of chunks that are written and not yet verified. Pure: no I/O, no clock.
//!
//! A beginning saves sending it once more, and is trusted for nothing else: whoever goes on from it
//! has the whole chunk hashed, beginning included.

use std::collections::BTreeMap;

use longhaul_protocol::wire::PartialChunk;
use longhaul_protocol::{ChunkIndex, Digest};

/// How many beginnings are kept of one upload, chunks: more than all lanes of several devices, and
/// at 48 bytes in memory and 90 in a status little beside what an upload costs anyway.
pub(super) const PARTIAL_CHUNKS_MAX: usize = 64;

/// What is kept of each chunk that came in part.
#[derive(Debug, Default)]
pub(super) struct Partials {
    kept: BTreeMap<u64, Kept>,
}

/// The first `bytes` of a chunk lie where they belong, sent under the digest of the whole.
#[derive(Clone, Copy, Debug)]
struct Kept {
    digest: Digest,
    bytes: u64,
}

impl Partials {
    /// Every beginning that somebody could go on from.
    pub(super) fn list(&self) -> Vec<PartialChunk> {
        let begun = self.kept.iter().filter(|(_, kept)| kept.bytes > 0);
        begun
            .map(|(&index, &Kept { digest, bytes })| PartialChunk {
                index: ChunkIndex(index),
                offset: bytes,
                digest,
            })
            .collect()
    }

    /// How much of the chunk with that digest is kept, bytes.
    pub(super) fn kept(&self, index: ChunkIndex, digest: Digest) -> u64 {
        let kept = self.kept.get(&index.0).filter(|kept| kept.digest == digest);
        kept.map_or(0, |kept| kept.bytes)
    }

    /// The chunk is begun from its first byte. Of too many the shortest is no longer counted, which
    /// costs the least to send again.
    pub(super) fn begin(&mut self, index: ChunkIndex, digest: Digest) {
        self.forget(index);
        if self.kept.len() >= PARTIAL_CHUNKS_MAX {
            let shortest = self.kept.iter().min_by_key(|(_, kept)| kept.bytes);
            if let Some(index) = shortest.map(|(&index, _)| index) {
                self.kept.remove(&index);
            }
        }
        self.kept.insert(index.0, Kept { digest, bytes: 0 });
    }

    /// The first `bytes` of the chunk are written, if its beginning is counted at all.
    pub(super) fn wrote(&mut self, index: ChunkIndex, bytes: u64) {
        if let Some(kept) = self.kept.get_mut(&index.0) {
            kept.bytes = bytes;
        }
    }

    /// Nobody goes on from there.
    pub(super) fn forget(&mut self, index: ChunkIndex) {
        self.kept.remove(&index.0);
    }
}
