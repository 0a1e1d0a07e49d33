//! How much room is promised: to each owner, in all, and to blobs that are just being made.
//!
//! An upload counts with its whole length from its creation on and goes on counting as a file, so
//! that what is begun can be finished. A file that is deleted while somebody reads it counts until
//! he is done: until then the disk has its bytes. The counts are rebuilt from the index at a start.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use longhaul_protocol::wire::ids::FileId;

use super::live::lock;
use crate::store::{Result, StoreError};

/// How much may be promised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// To one owner, bytes.
    pub(super) owner_max: Option<u64>,
    /// To all owners together, bytes.
    pub(super) total_max: Option<u64>,
    /// What is to stay free of the disk, bytes.
    pub(super) free_min: u64,
}

/// What is promised.
#[derive(Debug, Default)]
pub(super) struct Space(Mutex<Promised>);

#[derive(Debug, Default)]
struct Promised {
    owners: HashMap<String, u64>,
    total: u64,
    /// To blobs that are not made yet: the disk does not know of it.
    unmade: u64,
    /// Of the files that are being read.
    read: HashMap<FileId, Read>,
}

#[derive(Debug, Default)]
struct Read {
    readers: usize,
    /// Whose it was, and its length, bytes, once it is deleted.
    deleted: Option<(String, u64)>,
}

/// Somebody reads a file.
#[derive(Debug)]
pub(super) struct Reading {
    space: Arc<Space>,
    file: FileId,
}

/// Room for a blob that is being made. Dropped before it is [kept](Room::keep), it is given back.
#[derive(Debug)]
pub(super) struct Room<'a> {
    space: &'a Space,
    owner: String,
    bytes: u64,
    kept: bool,
}

impl Space {
    /// What the rows of the index say is promised: owners and bytes.
    pub(super) fn of(rows: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut promised = Promised::default();
        for (owner, bytes) in rows {
            promised.add(&owner, bytes);
        }
        Self(Mutex::new(promised))
    }

    /// Promises room for a blob, of what the disk has `free` by then, bytes: asked earlier it would not
    /// know of blobs that were made meanwhile.
    ///
    /// # Errors
    /// `OwnerFull`, `NoSpace`.
    pub(super) fn reserve(
        &self,
        owner: &str,
        bytes: u64,
        bounds: Bounds,
        free: impl FnOnce() -> Result<u64>,
    ) -> Result<Room<'_>> {
        let mut promised = lock(&self.0);
        promised.check(owner, bytes, bounds, free()?)?;
        promised.add(owner, bytes);
        promised.unmade += bytes;
        Ok(Room { space: self, owner: owner.to_owned(), bytes, kept: false })
    }

    /// An upload is gone.
    pub(super) fn give_back(&self, owner: &str, bytes: u64) {
        lock(&self.0).subtract(owner, bytes);
    }

    /// A file is deleted: its bytes come back with its last reader.
    pub(super) fn give_back_file(&self, file: FileId, owner: &str, bytes: u64) {
        let mut promised = lock(&self.0);
        match promised.read.get_mut(&file) {
            Some(read) => read.deleted = Some((owner.to_owned(), bytes)),
            None => promised.subtract(owner, bytes),
        }
    }

    /// Somebody is about to read a file, for as long as what is returned lives. To be told before
    /// its row is looked at, so that no deletion falls between.
    pub(super) fn reading(self: &Arc<Self>, file: FileId) -> Reading {
        lock(&self.0).read.entry(file).or_default().readers += 1;
        Reading { space: Arc::clone(self), file }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut promised = lock(&self.space.0);
        let Some(read) = promised.read.get_mut(&self.file) else { return };
        read.readers -= 1;
        if read.readers > 0 {
            return;
        }
        let deleted = promised.read.remove(&self.file).and_then(|read| read.deleted);
        if let Some((owner, bytes)) = deleted {
            promised.subtract(&owner, bytes);
        }
    }
}

impl Room<'_> {
    /// The blob is made.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut promised = lock(&self.space.0);
        promised.unmade = promised.unmade.saturating_sub(self.bytes);
        if !self.kept {
            promised.subtract(&self.owner, self.bytes);
        }
    }
}

impl Promised {
    fn check(&self, owner: &str, bytes: u64, bounds: Bounds, free: u64) -> Result<()> {
        let used = self.owners.get(owner).copied().unwrap_or_default();
        if let Some(max) = bounds.owner_max.filter(|&max| used.saturating_add(bytes) > max) {
            return Err(StoreError::OwnerFull { needed: bytes, used, max });
        }
        let is_full = bounds.total_max.is_some_and(|max| self.total.saturating_add(bytes) > max);
        let wanted = bytes.saturating_add(self.unmade).saturating_add(bounds.free_min);
        if is_full || wanted > free { Err(StoreError::NoSpace { needed: bytes }) } else { Ok(()) }
    }

    fn add(&mut self, owner: &str, bytes: u64) {
        self.total = self.total.saturating_add(bytes);
        match self.owners.get_mut(owner) {
            Some(used) => *used = used.saturating_add(bytes),
            None => drop(self.owners.insert(owner.to_owned(), bytes)),
        }
    }

    /// Owners of nothing are forgotten: guests come and go.
    fn subtract(&mut self, owner: &str, bytes: u64) {
        self.total = self.total.saturating_sub(bytes);
        if let Some(used) = self.owners.get_mut(owner) {
            *used = used.saturating_sub(bytes);
            if *used == 0 {
                self.owners.remove(owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { owner_max: Some(100), total_max: Some(150), free_min: 10 };

    #[test]
    fn each_bound_refuses_the_first_byte_too_many() {
        let space = Space::of([("a".to_owned(), 60), ("b".to_owned(), 50)]);
        let reserve =
            |owner, bytes, free| space.reserve(owner, bytes, BOUNDS, || Ok(free)).map(drop);
        assert!(matches!(
            reserve("a", 41, 1000),
            Err(StoreError::OwnerFull { needed: 41, used: 60, max: 100 })
        ));
        reserve("a", 40, 1000).unwrap();
        assert!(matches!(reserve("c", 41, 1000), Err(StoreError::NoSpace { needed: 41 })));
        assert!(matches!(reserve("c", 40, 49), Err(StoreError::NoSpace { .. })));
        reserve("c", 40, 50).unwrap();
    }

    #[test]
    fn a_deleted_file_counts_until_its_last_reader_is_gone() {
        let (file, other) = (FileId([1; 16]), FileId([2; 16]));
        let space = Arc::new(Space::of([("a".to_owned(), 60), ("b".to_owned(), 30)]));
        let room = |owner| space.reserve(owner, 70, BOUNDS, || Ok(1000)).is_ok();
        let (first, second) = (space.reading(file), space.reading(file));
        space.give_back_file(other, "b", 30);
        assert!(room("b"), "nobody reads it");
        space.give_back_file(file, "a", 60);
        drop(first);
        assert!(!room("a"), "the other still reads");
        drop(second);
        assert!(room("a"));
        drop(space.reading(file));
        assert!(space.reserve("a", 101, BOUNDS, || Ok(1000)).is_err(), "given back once");
        assert!(lock(&space.0).read.is_empty());
    }

    #[test]
    fn room_for_a_blob_that_is_not_made_is_not_promised_twice_and_comes_back() {
        let space = Space::default();
        let first = space.reserve("a", 60, BOUNDS, || Ok(100)).unwrap();
        assert!(
            space.reserve("b", 60, BOUNDS, || Ok(100)).is_err(),
            "the disk does not show it yet"
        );
        first.keep();
        space.reserve("b", 60, BOUNDS, || Ok(100)).unwrap();
        assert!(space.reserve("a", 50, BOUNDS, || Ok(100)).is_err(), "it goes on counting");
        space.give_back("a", 60);
        assert!(lock(&space.0).owners.is_empty(), "who has nothing is forgotten");
        space.reserve("a", 90, BOUNDS, || Ok(100)).unwrap();
    }
}
