//! The bytes that are uploaded: made before anything is timed, and kept in memory, so that no disk
//! is read while one is measured.

use std::fs::File;
use std::io::Write as _;
use std::thread;

use bytes::Bytes;
use longhaul_protocol::{ChunkIndex, Digest, Plan};
use rustix::fs::MemfdFlags;

use crate::error::{Error, Result, io};

/// A ring of bytes that no disk and no protocol can compress; a file longer than it begins again at
/// its start.
#[derive(Debug)]
pub struct Payload {
    bytes: Bytes,
    /// The same in a file in memory: from there the kernel sends it without copying it, so that
    /// next to nothing of the machine is spent on the client.
    file: File,
}

/// A piece of the payload.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The file that has them too.
    pub file: &'a File,
    /// Where in it they begin.
    pub offset: u64,
}

impl Payload {
    /// `len` bytes, the same in every run; every chunk size used must divide `len`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(len: usize) -> Result<Self> {
        let mut bytes = vec![0; len];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for word in bytes.chunks_exact_mut(8) {
            // xorshift64: memory speed, and every chunk differs from every other.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let making = || io("putting the payload into memory");
        let file = rustix::fs::memfd_create("payload", MemfdFlags::CLOEXEC)
            .map_err(|error| making()(error.into()))?;
        let mut file = File::from(file);
        file.write_all(&bytes).map_err(making())?;
        Ok(Self { bytes: bytes.into(), file })
    }

    /// The bytes of one chunk of a file.
    #[must_use]
    pub fn chunk(&self, plan: Plan, index: ChunkIndex) -> Piece<'_> {
        let start = plan.range(index).start % self.bytes.len() as u64;
        self.slice(start, plan.chunk_bytes(index))
    }

    /// The same to be held on to, without a copy.
    #[must_use]
    pub fn chunk_bytes(&self, plan: Plan, index: ChunkIndex) -> Bytes {
        self.bytes.slice_ref(self.chunk(plan, index).bytes)
    }

    /// The first `len` bytes of a file, in pieces of at most `piece`, which divides the ring.
    pub fn pieces(&self, len: u64, piece: u64) -> impl Iterator<Item = Piece<'_>> + Clone {
        let count = len.div_ceil(piece);
        (0..count).map(move |index| {
            let start = index * piece;
            self.slice(start % self.bytes.len() as u64, piece.min(len - start))
        })
    }

    /// The digests of all chunks of a file, by as many threads as there are cores. What repeats
    /// because the ring does is computed once.
    ///
    /// # Errors
    /// [`Error::Panicked`].
    pub fn digests(&self, plan: Plan) -> Result<Vec<Digest>> {
        let distinct = plan.chunk_count().min(self.bytes.len() as u64 / plan.chunk_len());
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let per_thread = distinct.div_ceil(cores).max(1);
        let digest = |index| Digest::of(self.chunk(plan, ChunkIndex(index)).bytes);
        let ring: Vec<Digest> = thread::scope(|scope| {
            let starts = (0..distinct).step_by(usize::try_from(per_thread).unwrap_or(usize::MAX));
            let threads: Vec<_> = starts
                .map(|start| start..(start + per_thread).min(distinct))
                .map(|run| scope.spawn(move || run.map(digest).collect::<Vec<_>>()))
                .collect();
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.collect::<std::result::Result<Vec<_>, _>>().map(|runs| runs.concat())
        })
        .map_err(|_panic| Error::Panicked)?;
        let count = usize::try_from(plan.chunk_count()).unwrap_or(usize::MAX);
        Ok(ring.into_iter().cycle().take(count).collect())
    }

    /// Empty where the ring is too short, which the callers' sizes exclude.
    fn slice(&self, offset: u64, len: u64) -> Piece<'_> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        let bytes = self.bytes.get(start..end).unwrap_or_default();
        Piece { bytes, file: &self.file, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    const CHUNK_LEN: u64 = 64 * 1024;

    #[test]
    fn a_file_longer_than_the_ring_begins_again() {
        let payload = Payload::new(256 * 1024).unwrap();
        let plan = Plan::new(5 * CHUNK_LEN + 1, CHUNK_LEN).unwrap();
        let digests = payload.digests(plan).unwrap();
        assert_eq!(digests.len(), 6);
        assert_eq!(digests[0], digests[4]);
        assert_ne!(digests[0], digests[1]);
        assert_eq!(payload.chunk(plan, ChunkIndex(5)).bytes.len(), 1);
    }

    #[test]
    fn pieces_are_the_chunks_in_order() {
        let payload = Payload::new(256 * 1024).unwrap();
        let plan = Plan::new(5 * CHUNK_LEN + 1, CHUNK_LEN).unwrap();
        let chunks = (0..plan.chunk_count()).map(|index| payload.chunk(plan, ChunkIndex(index)));
        let pieces = payload.pieces(plan.len(), CHUNK_LEN);
        assert!(pieces.map(|piece| piece.bytes).eq(chunks.map(|chunk| chunk.bytes)));
    }

    #[test]
    fn the_file_has_the_same_bytes() {
        let payload = Payload::new(256 * 1024).unwrap();
        let piece = payload.pieces(3 * CHUNK_LEN, CHUNK_LEN).nth(2).unwrap();
        let mut read = vec![0; piece.bytes.len()];
        piece.file.read_exact_at(&mut read, piece.offset).unwrap();
        assert!(read == piece.bytes);
    }
}
