//! The counts: what is promised to whom.

use std::collections::HashMap;

use longhaul_protocol::wire::ids::FileId;

use super::{Bounds, Need};
use crate::store::{Lack, Result, StoreError};

#[derive(Debug, Default)]
pub(super) struct Promised {
    pub(super) owners: HashMap<String, Owned>,
    /// To guests, of all.
    guests: u64,
    pub(super) total: u64,
    /// Of the index.
    pub(super) index: u64,
    /// How many uploads are open, and how many files there are.
    pub(super) uploads: u64,
    pub(super) files: u64,
    /// To blobs that are not made yet: the disk does not know of it.
    pub(super) unmade: u64,
    /// Of the files that are being read.
    pub(super) read: HashMap<FileId, Read>,
}

/// What one owner has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owned {
    /// Of blobs.
    pub(super) bytes: u64,
    /// Of rows.
    row_bytes: u64,
    /// Uploads that are not sealed.
    pub(super) uploads: u64,
}

#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) readers: usize,
    /// What it was, once it is deleted.
    pub(super) deleted: Option<Need>,
}

impl Promised {
    /// Of what the disk has free, `spare` bytes more are to be kept for the index.
    pub(super) fn check(&self, need: &Need, bounds: Bounds, free: u64, spare: u64) -> Result<()> {
        let (owned, needed) = (self.of(&need.owner), need.kept());
        let used = owned.bytes.saturating_add(owned.row_bytes);
        if owned.uploads >= bounds.owner_uploads_max {
            return Err(StoreError::TooManyUploads { max: bounds.owner_uploads_max });
        }
        if let Some(max) = bounds.owner_max.filter(|&max| used.saturating_add(needed) > max) {
            return Err(StoreError::OwnerFull { needed, used, max });
        }
        let has_no_room = |promised: u64, max: Option<u64>| {
            max.is_some_and(|max| promised.saturating_add(needed) > max)
        };
        let parts = [need.bytes, self.unmade, bounds.free_min, spare];
        let wanted = parts.into_iter().fold(0, u64::saturating_add);
        let of = match () {
            () if has_no_room(self.total, bounds.total_max) => Lack::Total,
            () if need.is_guests() && has_no_room(self.guests, bounds.guests_max) => Lack::Guests,
            () if wanted > free => Lack::Disk,
            () => return Ok(()),
        };
        Err(StoreError::NoSpace { needed: need.bytes, of })
    }

    pub(super) fn of(&self, owner: &str) -> Owned {
        self.owners.get(owner).copied().unwrap_or_default()
    }

    /// Changes what an owner has. Owners of nothing are forgotten: guests come and go.
    pub(super) fn owner(&mut self, need: &Need, change: impl FnOnce(&mut Owned)) {
        if !self.owners.contains_key(&need.owner) {
            self.owners.insert(need.owner.clone(), Owned::default());
        }
        let Some(owned) = self.owners.get_mut(&need.owner) else { return };
        change(owned);
        if *owned == Owned::default() {
            self.owners.remove(&need.owner);
        }
    }

    pub(super) fn add(&mut self, need: &Need) {
        *self.count_of(need) += 1;
        self.total = self.total.saturating_add(need.kept());
        self.guests = self.guests.saturating_add(need.guests_bytes());
        self.index = self.index.saturating_add(need.index_bytes);
        self.owner(need, |owned| {
            owned.bytes = owned.bytes.saturating_add(need.bytes);
            owned.row_bytes = owned.row_bytes.saturating_add(need.row_bytes);
            owned.uploads += need.uploads();
        });
    }

    /// Only what is no file yet needs rows.
    fn count_of(&mut self, need: &Need) -> &mut u64 {
        if need.index_bytes == 0 { &mut self.files } else { &mut self.uploads }
    }

    pub(super) fn subtract(&mut self, need: &Need) {
        let count = self.count_of(need);
        *count = count.saturating_sub(1);
        self.total = self.total.saturating_sub(need.kept());
        self.guests = self.guests.saturating_sub(need.guests_bytes());
        self.index = self.index.saturating_sub(need.index_bytes);
        self.owner(need, |owned| {
            owned.bytes = owned.bytes.saturating_sub(need.bytes);
            owned.row_bytes = owned.row_bytes.saturating_sub(need.row_bytes);
            owned.uploads = owned.uploads.saturating_sub(need.uploads());
        });
    }
}
