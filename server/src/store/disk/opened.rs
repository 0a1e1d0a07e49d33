//! The sealed files that were read lately, kept open: who asks for many ranges of one asks the index and
//! the disk for it once.
//!
//! What is remembered is what the index said, so whatever changes that forgets it. An answer of the
//! index from before such a change may still be on its way here; it is known by the [`Moment`] that it
//! was asked at, and not remembered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use longhaul_protocol::wire::ids::FileId;

use super::live::lock;
use super::reader::Sealed;
use crate::store::Owner;
use crate::told::Told;

/// How many files nobody reads just now are kept open: a page full of pictures. Each has a descriptor,
/// of which a process often has 1024, and a KiB of memory.
const OPENED_MAX: usize = 64;

/// The files that were read lately.
#[derive(Debug, Default)]
pub(super) struct Opened(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    /// How often something was forgotten.
    changes: u64,
    /// How often something was asked for.
    uses: u64,
    known: BTreeMap<FileId, Known>,
}

#[derive(Debug)]
struct Known {
    owner: Owner,
    told: Arc<Told>,
    sealed: Arc<Sealed>,
    used: u64,
}

/// When the index was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(u64);

impl Opened {
    /// Now, before the index is asked.
    pub(super) fn moment(&self) -> Moment {
        Moment(lock(&self.0).changes)
    }

    /// A file as the index told it when asked at a moment.
    pub(super) fn insert(
        &self,
        asked: Moment,
        owner: &Owner,
        told: &Arc<Told>,
        sealed: &Arc<Sealed>,
    ) {
        let mut files = lock(&self.0);
        if asked != Moment(files.changes) {
            return;
        }
        let oldest = files.oldest().filter(|_| files.known.len() >= OPENED_MAX);
        let oldest = oldest.and_then(|id| files.known.remove(&id));
        let (owner, told, sealed) = (owner.clone(), Arc::clone(told), Arc::clone(sealed));
        let used = files.next_use();
        let same = files.known.insert(told.id, Known { owner, told, sealed, used });
        // What is mapped of a file takes long to take away: closed when nobody waits for the lock.
        drop(files);
        drop((oldest, same));
    }

    /// One of the owner's; of others' he hears nothing.
    pub(super) fn get(&self, owner: &Owner, id: FileId) -> Option<(Arc<Told>, Arc<Sealed>)> {
        let mut files = lock(&self.0);
        let used = files.next_use();
        let known = files.known.get_mut(&id).filter(|known| known.owner == *owner)?;
        known.used = used;
        Some((Arc::clone(&known.told), Arc::clone(&known.sealed)))
    }

    /// Whose one of them is.
    pub(super) fn owner_of(&self, id: FileId) -> Option<Owner> {
        lock(&self.0).known.get(&id).map(|known| known.owner.clone())
    }

    /// It is deleted.
    pub(super) fn remove(&self, id: FileId) {
        let mut files = lock(&self.0);
        files.changes += 1;
        let known = files.known.remove(&id);
        drop(files);
        drop(known);
    }

    /// More is known of some of them than was, or nobody may have needed them for long.
    pub(super) fn forget(&self) {
        let mut files = lock(&self.0);
        files.changes += 1;
        let known = std::mem::take(&mut files.known);
        drop(files);
        drop(known);
    }
}

impl Files {
    fn oldest(&self) -> Option<FileId> {
        self.known.iter().min_by_key(|(_, known)| known.used).map(|(id, _)| *id)
    }

    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}
