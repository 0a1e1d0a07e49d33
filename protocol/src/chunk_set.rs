//! Which chunks are held: runs, in memory and on the wire, never a list of a million numbers.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::plan::{CHUNK_COUNT_MAX, ChunkIndex, Plan};

/// The most runs a set read from the wire may have: every second chunk of the largest file.
pub const RUNS_MAX: usize = 1 << 19;

/// A set of chunk indexes, kept as runs in order, none of which touch.
///
/// A change in the middle moves the runs behind it: 8 MiB at most, once for a whole chunk of a file.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChunkSet {
    runs: Vec<Range<u64>>,
}

/// Why a text is no chunk set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChunkSetError {
    /// A run is not `n` or `n-m` in decimal digits.
    #[error("`{run}` is not a chunk index or a run of them like `0-41`")]
    NotARun {
        /// The text between two commas, at most 40 characters of it.
        run: String,
    },
    /// A run ends before it starts, or past [`CHUNK_COUNT_MAX`].
    #[error("the run {first}-{last} is empty or ends past chunk {}", CHUNK_COUNT_MAX - 1)]
    OutOfBounds {
        /// The first index of the run.
        first: u64,
        /// The last index of the run.
        last: u64,
    },
    /// A run starts before the one ahead of it has ended.
    #[error("the run that starts at {first} overlaps the one before it, or is out of order")]
    OutOfOrder {
        /// The first index of the run.
        first: u64,
    },
    /// More than [`RUNS_MAX`] runs.
    #[error("more than {RUNS_MAX} runs")]
    TooManyRuns,
}

impl ChunkSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every chunk of a plan.
    #[must_use]
    pub fn all(plan: Plan) -> Self {
        let mut set = Self::new();
        set.insert_run(0..plan.chunk_count());
        set
    }

    /// Whether there is no chunk in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many chunks are in the set. Walks the runs.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.end - run.start).sum()
    }

    /// How many bytes the set's chunks have. Walks the runs.
    #[must_use]
    pub fn bytes(&self, plan: Plan) -> u64 {
        self.runs().map(|run| plan.run_bytes(run)).sum()
    }

    /// Whether the chunk is in the set.
    #[must_use]
    pub fn contains(&self, index: ChunkIndex) -> bool {
        self.run_at(index.0).is_some()
    }

    /// Whether every chunk of the plan is in the set.
    #[must_use]
    pub fn is_complete(&self, plan: Plan) -> bool {
        self.first_absent(0, plan.chunk_count()).is_none()
    }

    /// Adds a chunk; whether it was new.
    pub fn insert(&mut self, index: ChunkIndex) -> bool {
        let new = !self.contains(index);
        self.insert_run(index.0..index.0.saturating_add(1));
        new
    }

    /// Adds a run of chunks, joining whatever it meets.
    pub fn insert_run(&mut self, run: Range<u64>) {
        if run.is_empty() {
            return;
        }
        let from = self.runs.partition_point(|met| met.end < run.start);
        let to = self.runs.partition_point(|met| met.start <= run.end);
        let joined = self
            .runs
            .drain(from..to)
            .fold(run, |joined, met| joined.start.min(met.start)..joined.end.max(met.end));
        self.runs.insert(from, joined);
    }

    /// Takes a chunk out; whether it was there.
    pub fn remove(&mut self, index: ChunkIndex) -> bool {
        let is_there = self.contains(index);
        if is_there {
            let run = self.runs.remove(self.place_of(index.0));
            self.insert_run(run.start..index.0);
            self.insert_run(index.0 + 1..run.end);
        }
        is_there
    }

    /// Adds every chunk of another set: in order, so that no run is moved for it.
    pub fn union_with(&mut self, other: &Self) {
        let mut own = std::mem::take(&mut self.runs).into_iter().peekable();
        for run in other.runs() {
            while let Some(before) = own.next_if(|own| own.start < run.start) {
                self.insert_run(before);
            }
            self.insert_run(run);
        }
        own.for_each(|run| self.insert_run(run));
    }

    /// What is in `self` and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Self::new();
        for run in self.runs() {
            let mut at = run.start;
            for hole in other.runs_touching(&run) {
                left.insert_run(at..hole.start.min(run.end));
                at = at.max(hole.end);
            }
            left.insert_run(at..run.end);
        }
        left
    }

    /// The first chunk at or after `from` that is not in the set, if it is before `end`.
    #[must_use]
    pub fn first_absent(&self, from: u64, end: u64) -> Option<ChunkIndex> {
        let absent = self.run_at(from).map_or(from, |run| run.end);
        (absent < end).then_some(ChunkIndex(absent))
    }

    /// The first chunk in the set.
    #[must_use]
    pub fn first(&self) -> Option<ChunkIndex> {
        self.runs.first().map(|run| ChunkIndex(run.start))
    }

    /// The runs, in order.
    pub fn runs(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.runs.iter().cloned()
    }

    /// The chunks, in order. As many steps as chunks: for bounded sets.
    pub fn iter(&self) -> impl Iterator<Item = ChunkIndex> + '_ {
        self.runs().flatten().map(ChunkIndex)
    }

    /// Which run is the first that ends behind the chunk.
    fn place_of(&self, index: u64) -> usize {
        self.runs.partition_point(|run| run.end <= index)
    }

    fn run_at(&self, index: u64) -> Option<&Range<u64>> {
        self.runs.get(self.place_of(index)).filter(|run| run.start <= index)
    }

    fn runs_touching(&self, run: &Range<u64>) -> impl Iterator<Item = &Range<u64>> {
        let from = self.runs.iter().skip(self.place_of(run.start));
        from.take_while(|other| other.start < run.end)
    }
}

impl FromIterator<ChunkIndex> for ChunkSet {
    fn from_iter<I: IntoIterator<Item = ChunkIndex>>(indexes: I) -> Self {
        let mut set = Self::new();
        for index in indexes {
            set.insert(index);
        }
        set
    }
}

impl fmt::Display for ChunkSet {
    /// `0-41,44`: runs in order, both ends included, a lone chunk as its index, nothing for nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, run) in self.runs().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match run.end - 1 {
                last if last == run.start => write!(f, "{comma}{last}")?,
                last => write!(f, "{comma}{}-{last}", run.start)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ChunkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkSet({self})")
    }
}

impl FromStr for ChunkSet {
    type Err = ChunkSetError;

    fn from_str(text: &str) -> Result<Self, ChunkSetError> {
        let mut set = Self::new();
        let mut next_free = 0;
        if text.is_empty() {
            return Ok(set);
        }
        for (count, run) in text.split(',').enumerate() {
            if count >= RUNS_MAX {
                return Err(ChunkSetError::TooManyRuns);
            }
            let (first, last) = parse_run(run)
                .ok_or_else(|| ChunkSetError::NotARun { run: run.chars().take(40).collect() })?;
            if last < first || last >= CHUNK_COUNT_MAX {
                return Err(ChunkSetError::OutOfBounds { first, last });
            }
            if first < next_free {
                return Err(ChunkSetError::OutOfOrder { first });
            }
            set.insert_run(first..last + 1);
            next_free = last + 1;
        }
        Ok(set)
    }
}

fn parse_run(run: &str) -> Option<(u64, u64)> {
    let (first, last) = run.split_once('-').unwrap_or((run, run));
    Some((parse_index(first)?, parse_index(last)?))
}

/// Decimal digits only: `u64::from_str` would take a `+`.
fn parse_index(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl Serialize for ChunkSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ChunkSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn fast(slow: &BTreeSet<u64>) -> ChunkSet {
        slow.iter().copied().map(ChunkIndex).collect()
    }

    proptest! {
        /// The slow twin is a set of numbers.
        #[test]
        fn runs_behave_like_a_set_of_numbers(
            steps in prop::collection::vec((any::<bool>(), 0u64..60, 1u64..9), 0..80),
            other in prop::collection::btree_set(0u64..70, 0..40),
            from in 0u64..70,
        ) {
            let (mut set, mut slow) = (ChunkSet::new(), BTreeSet::new());
            for (add, start, len) in steps {
                if add {
                    set.insert_run(start..start + len);
                    slow.extend(start..start + len);
                } else {
                    prop_assert_eq!(set.remove(ChunkIndex(start)), slow.remove(&start));
                }
            }
            prop_assert_eq!(&set, &fast(&slow));
            prop_assert_eq!(set.count(), slow.len() as u64);
            prop_assert_eq!(set.contains(ChunkIndex(from)), slow.contains(&from));
            prop_assert_eq!(
                set.first_absent(from, 70).map(|index| index.0),
                (from..70).find(|index| !slow.contains(index))
            );
            prop_assert_eq!(set.without(&fast(&other)), fast(&(&slow - &other)));
            let mut union = set.clone();
            union.union_with(&fast(&other));
            prop_assert_eq!(union, fast(&(&slow | &other)));
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[-0-9, +a]{0,40}") {
            if let Ok(set) = text.parse::<ChunkSet>() {
                prop_assert_eq!(set.to_string().parse(), Ok(set));
            }
        }
    }

    #[test]
    fn the_wire_form_is_runs() {
        let set: ChunkSet = "0-41,44".parse().unwrap();
        assert_eq!(set.count(), 43);
        assert_eq!(set.to_string(), "0-41,44");
        assert_eq!(ChunkSet::new().to_string(), "");
    }

    #[test]
    fn what_is_not_a_chunk_set_is_named() {
        let error = |text: &str| text.parse::<ChunkSet>().unwrap_err();
        assert_eq!(error("4-2"), ChunkSetError::OutOfBounds { first: 4, last: 2 });
        assert_eq!(error("0-9,5"), ChunkSetError::OutOfOrder { first: 5 });
        assert!(matches!(error("+1"), ChunkSetError::NotARun { .. }));
        assert!(matches!(error("1,,2"), ChunkSetError::NotARun { .. }));
        assert!(matches!(error("99999999999999999999"), ChunkSetError::NotARun { .. }));
        assert!(matches!(error("1048576"), ChunkSetError::OutOfBounds { .. }));
    }

    #[test]
    fn a_set_is_complete_when_it_has_every_chunk_of_the_plan() {
        let plan =
            Plan::new(3 * crate::plan::CHUNK_LEN_MIN - 1, crate::plan::CHUNK_LEN_MIN).unwrap();
        assert!(ChunkSet::all(plan).is_complete(plan));
        let mut set = ChunkSet::all(plan);
        set.remove(ChunkIndex(2));
        assert!(!set.is_complete(plan));
        assert_eq!(set.bytes(plan), 2 * crate::plan::CHUNK_LEN_MIN);
        assert!(ChunkSet::new().is_complete(Plan::new(0, crate::plan::CHUNK_LEN_MIN).unwrap()));
    }
}
