//! How much room is promised: to each owner, in all, and to blobs that are just being made.
//!
//! An upload counts with its whole length from its creation on and goes on counting as a file, so
//! that what is begun can be finished; and so do its rows, by what they take at most, or an owner of
//! empty files could fill the disk with them. A file that is deleted while somebody reads it counts until
//! he is done: until then the disk has its bytes. The counts are rebuilt from the index at a start.
//!
//! The rows that an upload still needs are promised with it, and kept for it on the disk (`spare`).
//! They count whole until it is a file, also those that are written already: a hundredth of the
//! smallest chunks at most, and nothing has to be told for each.

use std::io;
use std::sync::{Arc, Mutex};

use longhaul_protocol::wire::ids::FileId;

use super::disk_error;
use super::live::lock;
use super::spare::{Spare, is_full};
use crate::owner::is_guests;
use crate::store::{Figures, Lack, Result, StoreError};

mod promised;

use promised::Promised;

/// How much may be promised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// To one owner, bytes.
    pub(super) owner_max: Option<u64>,
    /// How many uploads one owner may have open.
    pub(super) owner_uploads_max: u64,
    /// To all guests together, bytes: each who comes without a token is another owner.
    pub(super) guests_max: Option<u64>,
    /// To all owners together, bytes.
    pub(super) total_max: Option<u64>,
    /// What is to stay free of the disk, bytes.
    pub(super) free_min: u64,
}

/// What is promised.
#[derive(Debug, Default)]
pub(super) struct Space {
    promised: Mutex<Promised>,
    spare: Arc<Spare>,
}

/// What is promised for one upload or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) owner: String,
    /// Of the blob.
    pub(super) bytes: u64,
    /// Of the index, for its own rows, which count as its owner's from the beginning to the end.
    pub(super) row_bytes: u64,
    /// Of the index, for rows to come.
    pub(super) index_bytes: u64,
}

impl Need {
    /// Only what is no file yet needs rows.
    fn uploads(&self) -> u64 {
        u64::from(self.index_bytes > 0)
    }

    fn is_guests(&self) -> bool {
        is_guests(&self.owner)
    }

    /// What counts as its owner's.
    fn kept(&self) -> u64 {
        self.bytes.saturating_add(self.row_bytes)
    }

    fn guests_bytes(&self) -> u64 {
        if self.is_guests() { self.kept() } else { 0 }
    }
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
    need: Need,
    kept: bool,
}

impl Space {
    /// What the rows of the index say is promised.
    pub(super) fn of(rows: impl IntoIterator<Item = Need>, spare: Arc<Spare>) -> Self {
        let mut promised = Promised::default();
        rows.into_iter().for_each(|need| promised.add(&need));
        Self { promised: Mutex::new(promised), spare }
    }

    /// Promises room for a blob and its rows, of what the disk has `free` by then, bytes: asked earlier it
    /// would not know of blobs that were made meanwhile.
    ///
    /// # Errors
    /// `TooManyUploads`, `OwnerFull`, `NoSpace`.
    pub(super) fn reserve(
        &self,
        need: Need,
        bounds: Bounds,
        free: impl FnOnce() -> Result<u64>,
    ) -> Result<Room<'_>> {
        let mut promised = lock(&self.promised);
        let index = promised.index.saturating_add(need.index_bytes);
        self.spare.trim(index);
        promised.check(&need, bounds, free()?, self.spare.lacks(index))?;
        self.spare.grow(index).map_err(|error| no_room(&need, error))?;
        promised.add(&need);
        promised.unmade += need.bytes;
        Ok(Room { space: self, need, kept: false })
    }

    /// Whether an upload of nothing has room on a disk with so many bytes `free`.
    pub(super) fn has_room(&self, bounds: Bounds, free: u64) -> bool {
        let promised = lock(&self.promised);
        let needs = [promised.unmade, bounds.free_min, self.spare.lacks(promised.index)];
        needs.into_iter().fold(0, u64::saturating_add) <= free
    }

    /// What one owner's uploads and files are promised for their bytes.
    pub(super) fn promised_to(&self, owner: &str) -> u64 {
        lock(&self.promised).of(owner).bytes
    }

    /// How many there are, and what they are promised.
    pub(super) fn figures(&self) -> Figures {
        let promised = lock(&self.promised);
        Figures {
            uploads_open: promised.uploads,
            files: promised.files,
            promised_bytes: promised.total,
            ..Figures::default()
        }
    }

    /// An upload is gone.
    pub(super) fn give_back(&self, need: &Need) {
        lock(&self.promised).subtract(need);
    }

    /// An upload has become a file: all its rows are there.
    pub(super) fn give_back_rows(&self, need: &Need) {
        let mut promised = lock(&self.promised);
        promised.index = promised.index.saturating_sub(need.index_bytes);
        promised.uploads = promised.uploads.saturating_sub(1);
        promised.files += 1;
        promised.owner(need, |owned| owned.uploads = owned.uploads.saturating_sub(1));
    }

    /// Makes what is kept for the index as large as it is to be: it was used, or what it was for is there
    /// or gone. It takes what the disk has `free` but for `free_min`, bytes, which is others'.
    pub(super) fn fit_spare(&self, free_min: u64, free: impl FnOnce() -> Result<u64>) {
        let promised = lock(&self.promised);
        self.spare.trim(promised.index);
        let free = match self.spare.lacks(promised.index) {
            0 => Ok(0),
            _ => free(),
        };
        match free {
            Ok(free) => {
                let taken = free_min.saturating_add(promised.unmade);
                self.spare.fit(promised.index, free.saturating_sub(taken));
            }
            Err(error) => tracing::warn!(%error, "what is kept for the index stays as it is"),
        }
    }

    /// A file is deleted: its bytes come back with its last reader and what a socket still has of it.
    pub(super) fn give_back_file(&self, file: FileId, need: Need) {
        let mut promised = lock(&self.promised);
        match promised.read.get_mut(&file) {
            Some(read) => read.deleted = Some(need),
            None => promised.subtract(&need),
        }
    }

    /// Somebody is about to read a file, for as long as what is returned lives. To be told before
    /// its row is looked at, so that no deletion falls between.
    pub(super) fn reading(self: &Arc<Self>, file: FileId) -> Reading {
        lock(&self.promised).read.entry(file).or_default().readers += 1;
        Reading { space: Arc::clone(self), file }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut promised = lock(&self.space.promised);
        let Some(read) = promised.read.get_mut(&self.file) else { return };
        read.readers -= 1;
        if read.readers > 0 {
            return;
        }
        let deleted = promised.read.remove(&self.file).and_then(|read| read.deleted);
        if let Some(need) = deleted {
            promised.subtract(&need);
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
        let mut promised = lock(&self.space.promised);
        promised.unmade = promised.unmade.saturating_sub(self.need.bytes);
        if !self.kept {
            promised.subtract(&self.need);
        }
    }
}

fn no_room(need: &Need, error: io::Error) -> StoreError {
    if is_full(&error) {
        StoreError::NoSpace { needed: need.bytes, of: Lack::Disk }
    } else {
        disk_error("reserving room for the index")(error)
    }
}

#[cfg(test)]
mod tests;
