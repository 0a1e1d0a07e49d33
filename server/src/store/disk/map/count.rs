//! How many maps the process has for readers: the system lets it have so many and no more, and gives the
//! next one no stack for a thread and no memory either.

use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::Mmap;

use super::seen::Seen;

/// The maps of the process at once, all files together: a quarter of the 65,530 that Linux lets it have
/// by default (`vm.max_map_count`), and 128 GiB of files. What is not mapped beyond is read and copied.
const MAPS_MAX: usize = 16_384;

/// What all files are mapped with.
pub(super) static MAPS: Count = Count::up_to(MAPS_MAX);

/// Counts maps.
#[derive(Debug)]
pub(super) struct Count {
    max: usize,
    taken: AtomicUsize,
}

/// A place for a map, until it is dropped.
#[derive(Debug)]
pub(super) struct Place(&'static Count);

/// A map in its place.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) bytes: Mmap,
    /// What of it was in memory lately.
    pub(super) seen: Seen,
    /// Dropped after it: until then the system counts it.
    _place: Place,
}

impl Map {
    pub(super) fn new(bytes: Mmap, place: Place) -> Self {
        Self { bytes, seen: Seen::default(), _place: place }
    }
}

impl Count {
    pub(super) const fn up_to(max: usize) -> Self {
        Self { max, taken: AtomicUsize::new(0) }
    }

    /// `None` when all are taken.
    pub(super) fn place(&'static self) -> Option<Place> {
        let more = |taken: usize| (taken < self.max).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then(|| Place(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
