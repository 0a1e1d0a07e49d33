//! Which chunks of sealed files have been compared with their digests lately, so that no byte is
//! served before and none is hashed for every request.
//!
//! A disk that changes a bit says nothing of it, so the first read of a chunk since the last sweep
//! hashes the whole chunk. After that its bytes are most likely in the system's memory, and are
//! believed until the next sweep.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use longhaul_protocol::{ChunkIndex, Plan};

use super::layout::BlobId;
use super::live::lock;

/// How much is remembered of blobs that nobody reads just now, bytes: a bit a chunk, so 512 TiB of
/// files in chunks of 8 MiB.
const IDLE_BYTES_MAX: u64 = 8 << 20;

/// What is remembered of every blob, until the next sweep.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<BTreeMap<BlobId, Arc<Marks>>>);

/// A bit for each chunk of one blob. Whoever reads the blob has it.
#[derive(Debug)]
pub(super) struct Marks(Box<[AtomicU64]>);

impl Verified {
    /// The marks of a blob, which somebody is about to read.
    pub(super) fn of(&self, blob: BlobId, plan: Plan) -> Arc<Marks> {
        let mut blobs = lock(&self.0);
        let idle = |marks: &&Arc<Marks>| Arc::strong_count(marks) == 1;
        if blobs.values().filter(idle).map(|marks| marks.bytes()).sum::<u64>() > IDLE_BYTES_MAX {
            blobs.retain(|_, marks| !idle(&&*marks));
        }
        Arc::clone(blobs.entry(blob).or_insert_with(|| Arc::new(Marks::new(plan))))
    }

    /// The blob is deleted; whether somebody reads it all the same.
    pub(super) fn is_read(&self, blob: BlobId) -> bool {
        let mut blobs = lock(&self.0);
        let is_read = blobs.get(&blob).is_some_and(|marks| Arc::strong_count(marks) > 1);
        if !is_read {
            blobs.remove(&blob);
        }
        is_read
    }

    /// The chunk was found to be another than it was: whoever reads it next compares it first.
    pub(super) fn doubt(&self, blob: BlobId, index: ChunkIndex) {
        if let Some(marks) = lock(&self.0).get(&blob) {
            marks.remove(index);
        }
    }

    /// Everything is to be compared once more.
    pub(super) fn forget(&self) {
        lock(&self.0).retain(|_, marks| {
            marks.clear();
            Arc::strong_count(marks) > 1
        });
    }
}

impl Marks {
    fn new(plan: Plan) -> Self {
        let words = plan.chunk_count().div_ceil(u64::from(u64::BITS));
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn has(&self, index: ChunkIndex) -> bool {
        let (word, bit) = self.place(index);
        word.is_some_and(|word| word.load(Ordering::Acquire) & bit != 0)
    }

    pub(super) fn insert(&self, index: ChunkIndex) {
        let (word, bit) = self.place(index);
        if let Some(word) = word {
            word.fetch_or(bit, Ordering::Release);
        }
    }

    fn remove(&self, index: ChunkIndex) {
        let (word, bit) = self.place(index);
        if let Some(word) = word {
            word.fetch_and(!bit, Ordering::Release);
        }
    }

    fn clear(&self) {
        self.0.iter().for_each(|word| word.store(0, Ordering::Release));
    }

    fn bytes(&self) -> u64 {
        self.0.len() as u64 * u64::from(u64::BITS) / 8
    }

    fn place(&self, index: ChunkIndex) -> (Option<&AtomicU64>, u64) {
        let (word, bit) = (index.0 / u64::from(u64::BITS), index.0 % u64::from(u64::BITS));
        (usize::try_from(word).ok().and_then(|word| self.0.get(word)), 1 << bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_protocol::plan::CHUNK_LEN_MIN;
    use longhaul_protocol::wire::ids::UploadId;

    fn plan(chunks: u64) -> Plan {
        Plan::new(chunks * CHUNK_LEN_MIN, CHUNK_LEN_MIN).unwrap()
    }

    #[test]
    fn a_chunk_is_marked_by_itself_until_everything_is_forgotten() {
        let (verified, blob) = (Verified::default(), BlobId(UploadId([1; 16])));
        let marks = verified.of(blob, plan(130));
        for index in [0, 63, 64, 129] {
            marks.insert(ChunkIndex(index));
        }
        let marked = |marks: &Marks| (0..200).filter(|&at| marks.has(ChunkIndex(at))).count();
        assert_eq!(marked(&marks), 4);
        drop(marks);
        let again = verified.of(blob, plan(130));
        assert_eq!(marked(&again), 4, "the next reader need not hash again");
        verified.doubt(blob, ChunkIndex(64));
        assert!(marked(&again) == 3 && !again.has(ChunkIndex(64)), "it has rotten");
        verified.forget();
        assert_eq!(marked(&again), 0);
        assert!(verified.is_read(blob), "he reads on");
        drop(again);
        assert!(!verified.is_read(blob));
    }

    #[test]
    fn what_nobody_reads_is_bounded() {
        let verified = Verified::default();
        let largest = plan(longhaul_protocol::plan::CHUNK_COUNT_MAX);
        let read = verified.of(BlobId(UploadId([255; 16])), largest);
        for blob in 0..200u8 {
            verified.of(BlobId(UploadId([blob; 16])), largest);
        }
        let idle = lock(&verified.0).values().map(|marks| marks.bytes()).sum::<u64>();
        assert!(idle <= IDLE_BYTES_MAX + 3 * read.bytes(), "{idle}");
        assert!(verified.is_read(BlobId(UploadId([255; 16]))));
    }
}
