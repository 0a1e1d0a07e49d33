//! From a length and a chunk size to the byte range of every chunk: arithmetic only, no data.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The chunk size of a file longer than [`SHORT_FILE_MAX`], and what a server gives who asks for none, bytes: large enough that a request's fixed cost is small beside
/// its body, small enough that five of them and their read-ahead fit [`BUFFERS_BYTES_MAX`].
pub const CHUNK_LEN_DEFAULT: u64 = 8 * 1024 * 1024;
/// The chunk size of a file of up to [`SHORT_FILE_MAX`], bytes: its lanes end nearly together, and where a
/// connection is slowed down by itself, as on a long path that loses packets, none is left alone with a
/// large chunk at the end.
pub const CHUNK_LEN_SHORT: u64 = 1024 * 1024;
/// The largest file in chunks of [`CHUNK_LEN_SHORT`], bytes: beyond it the last chunks are little of the
/// whole. A file that grows past it is sent once more, as its chunks are others then.
pub const SHORT_FILE_MAX: u64 = 128 * 1024 * 1024;
/// The smallest chunk size a server may be set to, bytes: below it a file's digests outgrow use.
pub const CHUNK_LEN_MIN: u64 = 64 * 1024;
/// The largest chunk size, bytes: one chunk is held whole in a browser's memory.
pub const CHUNK_LEN_MAX: u64 = 64 * 1024 * 1024;
/// The most chunks one file may have: bounds a digest list to 32 MiB and a chunk set to 2^19 runs.
pub const CHUNK_COUNT_MAX: u64 = 1 << 20;
/// What a sender's chunk buffers may take together, bytes, read-ahead included.
pub const BUFFERS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The most bodies on their way at once: HTTP/1.1 gives six connections per origin, and one stays for calls and for
/// answers that are awaited.
pub const LANES_MAX: u64 = 5;

/// The lowest rate that a sender may be held to, bytes a second: below it a body may stand still for longer
/// than [`crate::upload::STALL_TIMEOUT`], as systems take it in steps of up to a megabyte.
pub const RATE_MIN: u64 = 64 * 1024;

/// The position of a chunk in its file, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkIndex(pub u64);

impl std::fmt::Display for ChunkIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a length and a chunk size make no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// The chunk size lies outside [`CHUNK_LEN_MIN`]`..=`[`CHUNK_LEN_MAX`].
    #[error("chunk size {chunk_len} is outside {CHUNK_LEN_MIN}..={CHUNK_LEN_MAX} bytes")]
    ChunkLen {
        /// The chunk size asked for, bytes.
        chunk_len: u64,
    },
    /// The file would have more than [`CHUNK_COUNT_MAX`] chunks.
    #[error("{len} bytes in chunks of {chunk_len} are more than {CHUNK_COUNT_MAX} chunks")]
    TooManyChunks {
        /// The file's length, bytes.
        len: u64,
        /// The chunk size, bytes.
        chunk_len: u64,
    },
}

/// A file's length and chunk size: every chunk is `chunk_len` bytes but the last, which is what is
/// left. A file of length 0 has no chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    len: u64,
    chunk_len: u64,
}

impl Plan {
    /// The plan of an empty file.
    pub const EMPTY: Self = Self { len: 0, chunk_len: CHUNK_LEN_DEFAULT };

    /// A plan for `len` bytes in chunks of `chunk_len` bytes.
    ///
    /// # Errors
    /// [`PlanError`] when either lies outside its bound.
    pub fn new(len: u64, chunk_len: u64) -> Result<Self, PlanError> {
        if !(CHUNK_LEN_MIN..=CHUNK_LEN_MAX).contains(&chunk_len) {
            return Err(PlanError::ChunkLen { chunk_len });
        }
        if len.div_ceil(chunk_len) > CHUNK_COUNT_MAX {
            return Err(PlanError::TooManyChunks { len, chunk_len });
        }
        Ok(Self { len, chunk_len })
    }

    /// The plan that a sender asks for: by the length alone, so that equal files have equal chunks.
    ///
    /// # Errors
    /// [`PlanError`] when even chunks of [`CHUNK_LEN_MAX`] are too many.
    pub fn of_file(len: u64) -> Result<Self, PlanError> {
        let is_short = len <= SHORT_FILE_MAX;
        Self::fitting(len, if is_short { CHUNK_LEN_SHORT } else { CHUNK_LEN_DEFAULT })
    }

    /// A plan for `len` bytes in chunks of `chunk_len` bytes, doubled until they are not too many.
    ///
    /// # Errors
    /// [`PlanError`] when even chunks of [`CHUNK_LEN_MAX`] are too many.
    pub fn fitting(len: u64, chunk_len: u64) -> Result<Self, PlanError> {
        match Self::new(len, chunk_len) {
            Err(PlanError::TooManyChunks { .. }) if chunk_len < CHUNK_LEN_MAX => {
                Self::fitting(len, chunk_len.saturating_mul(2).min(CHUNK_LEN_MAX))
            }
            plan => plan,
        }
    }

    /// The file's length, bytes.
    #[must_use]
    pub fn len(self) -> u64 {
        self.len
    }

    /// Whether the file has no bytes, and so no chunks.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The length of every chunk but the last, bytes.
    #[must_use]
    pub fn chunk_len(self) -> u64 {
        self.chunk_len
    }

    /// How many chunks there are.
    #[must_use]
    pub fn chunk_count(self) -> u64 {
        self.len.div_ceil(self.chunk_len)
    }

    /// Whether the plan has a chunk of that index.
    #[must_use]
    pub fn has(self, index: ChunkIndex) -> bool {
        index.0 < self.chunk_count()
    }

    /// The bytes of one chunk, within the file. Empty for an index the plan does not have.
    #[must_use]
    pub fn range(self, index: ChunkIndex) -> Range<u64> {
        let start = index.0.saturating_mul(self.chunk_len).min(self.len);
        let end = start.saturating_add(self.chunk_len).min(self.len);
        start..end
    }

    /// The length of one chunk, bytes. 0 for an index the plan does not have.
    #[must_use]
    pub fn chunk_bytes(self, index: ChunkIndex) -> u64 {
        let range = self.range(index);
        range.end.saturating_sub(range.start)
    }

    /// The length of a run of chunks, bytes; what lies past the end counts nothing.
    #[must_use]
    pub fn run_bytes(self, run: Range<u64>) -> u64 {
        let at = |index: u64| index.saturating_mul(self.chunk_len).min(self.len);
        at(run.end).saturating_sub(at(run.start))
    }

    /// How many chunk buffers a sender may hold: what fits [`BUFFERS_BYTES_MAX`], at least one.
    #[must_use]
    pub fn buffers(self) -> u64 {
        (BUFFERS_BYTES_MAX / self.chunk_len).clamp(1, LANES_MAX + READ_AHEAD_MAX)
    }

    /// How many chunks a sender may send at once, by the memory they take.
    #[must_use]
    pub fn lanes(self) -> u64 {
        self.buffers().clamp(1, LANES_MAX)
    }
}

/// The most chunks read and hashed ahead of the lanes: enough that a digest is offered a round trip
/// before its chunk would be sent.
pub const READ_AHEAD_MAX: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The slow twin: walk the file chunk by chunk.
    fn walked(len: u64, chunk_len: u64) -> Vec<Range<u64>> {
        let mut ranges = Vec::new();
        let mut at = 0;
        while at < len {
            let end = (at + chunk_len).min(len);
            ranges.push(at..end);
            at = end;
        }
        ranges
    }

    proptest! {
        #[test]
        fn every_chunk_is_where_a_walk_through_the_file_finds_it(
            chunks in 0u64..40, over in 0u64..CHUNK_LEN_MIN, chunk_len in CHUNK_LEN_MIN..CHUNK_LEN_MIN * 3,
        ) {
            let len = chunks * chunk_len + over;
            let plan = Plan::new(len, chunk_len).unwrap();
            let walked = walked(len, chunk_len);
            prop_assert_eq!(plan.chunk_count(), walked.len() as u64);
            for (index, range) in (0..).zip(&walked) {
                prop_assert_eq!(&plan.range(ChunkIndex(index)), range);
                prop_assert_eq!(plan.chunk_bytes(ChunkIndex(index)), range.end - range.start);
            }
            prop_assert_eq!(plan.run_bytes(0..u64::MAX), len);
            prop_assert!(plan.range(ChunkIndex(plan.chunk_count())).is_empty());
        }
    }

    #[test]
    fn an_empty_file_has_no_chunks() {
        let plan = Plan::new(0, CHUNK_LEN_DEFAULT).unwrap();
        assert_eq!(plan.chunk_count(), 0);
        assert!(!plan.has(ChunkIndex(0)));
    }

    #[test]
    fn a_file_may_have_two_to_the_twentieth_chunks_and_not_a_byte_more() {
        let len = CHUNK_COUNT_MAX * CHUNK_LEN_DEFAULT;
        assert!(Plan::new(len, CHUNK_LEN_DEFAULT).is_ok());
        assert_eq!(
            Plan::new(len + 1, CHUNK_LEN_DEFAULT),
            Err(PlanError::TooManyChunks { len: len + 1, chunk_len: CHUNK_LEN_DEFAULT })
        );
        assert!(Plan::new(u64::MAX, CHUNK_LEN_MAX).is_err());
        let doubled = Plan::fitting(len + 1, CHUNK_LEN_DEFAULT).unwrap();
        assert_eq!(doubled.chunk_len(), 2 * CHUNK_LEN_DEFAULT);
        assert!(Plan::fitting(u64::MAX, CHUNK_LEN_DEFAULT).is_err());
    }

    #[test]
    fn short_files_have_short_chunks() {
        let chunk_len = |len| Plan::of_file(len).unwrap().chunk_len();
        assert_eq!([0, 1, SHORT_FILE_MAX].map(chunk_len), [CHUNK_LEN_SHORT; 3]);
        assert_eq!(chunk_len(SHORT_FILE_MAX + 1), CHUNK_LEN_DEFAULT);
        assert!(Plan::of_file(u64::MAX).is_err());
    }

    #[test]
    fn buffers_stay_within_the_memory_budget() {
        for (chunk_len, buffers, lanes) in
            [(CHUNK_LEN_MIN, 8, 5), (CHUNK_LEN_DEFAULT, 8, 5), (16 << 20, 4, 4), (64 << 20, 1, 1)]
        {
            let plan = Plan::new(1 << 30, chunk_len).unwrap();
            assert_eq!((plan.buffers(), plan.lanes()), (buffers, lanes));
            assert!(plan.buffers() * chunk_len <= BUFFERS_BYTES_MAX);
        }
    }
}
