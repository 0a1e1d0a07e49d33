//! Room that is kept for the index, on the disk itself: a file with nothing in it.
//!
//! Rows of chunks come long after the creation that promised their upload its room, and a deletion has
//! to be written down before it frees any. An index that cannot grow is read-only until somebody makes
//! room and starts the server again; so when the disk is full, the index takes from this file what it
//! needs. Nobody else can: counting alone would keep no other program from the room.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::live::lock;
use super::medium::{Disk, DiskFile, OpenHow};

/// By how much the file grows and shrinks, bytes: seldom, because the file system keeps a journal of it.
const SPARE_STEP: u64 = 4 << 20;

/// The file, as long as the room that it keeps.
#[derive(Debug, Default)]
pub(super) struct Spare {
    /// None where it cannot be opened or the file system cannot reserve: then room is only counted.
    file: Option<Arc<dyn DiskFile>>,
    /// What is kept beside what uploads are promised, bytes.
    base: u64,
    len: Mutex<u64>,
    /// Whether it was told that some is missing, since there last was none.
    told: AtomicBool,
}

impl Spare {
    /// What an earlier start left of it, or a new one. A server starts without as well.
    pub(super) fn open(disk: &dyn Disk, path: &Path, base: u64) -> Self {
        match open_kept(disk, path) {
            Ok((file, len)) => {
                Self { file: Some(file), base, len: Mutex::new(len), ..Self::default() }
            }
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "no room is kept for the index");
                Self { base, ..Self::default() }
            }
        }
    }

    /// How many bytes more than it has it is to have once uploads are promised so many bytes of the
    /// index.
    pub(super) fn lacks(&self, promised: u64) -> u64 {
        self.target(promised).saturating_sub(*lock(&self.len))
    }

    /// Grows to what it is to have.
    ///
    /// # Errors
    /// Whatever the system says of a full disk; it is as large as before then.
    pub(super) fn grow(&self, promised: u64) -> io::Result<()> {
        self.grow_within(promised, u64::MAX)
    }

    /// Grows towards what it is to have, by `room` bytes at most; what is missing then is told once.
    pub(super) fn fit(&self, promised: u64, room: u64) {
        let refused = self.grow_within(promised, room).err();
        let missing_bytes = self.lacks(promised);
        if missing_bytes == 0 {
            self.told.store(false, Ordering::Relaxed);
        } else if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                missing_bytes,
                refused = refused.map(tracing::field::display),
                "not all the room that the index may need is kept for it: no upload is begun until \
                 so much more of the disk is free"
            );
        }
    }

    fn grow_within(&self, promised: u64, room: u64) -> io::Result<()> {
        let mut len = lock(&self.len);
        let steps = room - room % SPARE_STEP;
        let target = self.target(promised).min(len.saturating_add(steps));
        let Some(file) = self.file.as_ref().filter(|_| *len < target) else { return Ok(()) };
        match file.preallocate(target) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
            Err(error) => {
                // Some file systems reserve as much as there is, and others need it.
                if let Err(error) = file.set_len(*len) {
                    tracing::warn!(%error, "room that was not enough for the index stays taken");
                }
                return Err(error);
            }
            Ok(()) => *len = target,
        }
        Ok(())
    }

    /// Gives back what it has and need not have.
    pub(super) fn trim(&self, promised: u64) {
        let (target, mut len) = (self.target(promised), lock(&self.len));
        if let Some(file) =
            self.file.as_ref().filter(|_| *len >= target.saturating_add(2 * SPARE_STEP))
        {
            match file.set_len(target) {
                Ok(()) => *len = target,
                Err(error) => tracing::warn!(%error, "room that was kept for the index stays so"),
            }
        }
    }

    /// Lets go of room for the index, which has found none for so many bytes. Whether there was any.
    pub(super) fn give(&self, bytes: u64) -> bool {
        let mut len = lock(&self.len);
        let Some(file) = self.file.as_ref().filter(|_| *len > 0) else { return false };
        let left = len.saturating_sub(bytes.max(SPARE_STEP));
        // File systems hand out again what was freed once that is durable.
        if let Err(error) = file.set_len(left).and_then(|()| file.sync_data()) {
            tracing::error!(%error, "the room that is kept for the index cannot be let go of");
            return false;
        }
        *len = left;
        tracing::warn!(
            bytes_left = left,
            "the disk is FULL: the index takes of the room kept for it"
        );
        true
    }

    fn target(&self, promised: u64) -> u64 {
        self.base.saturating_add(promised).checked_next_multiple_of(SPARE_STEP).unwrap_or(u64::MAX)
    }
}

/// The file, and how much it keeps, bytes. A copy of it may have become a file with holes, which keeps
/// nothing: it is begun anew.
fn open_kept(disk: &dyn Disk, path: &Path) -> io::Result<(Arc<dyn DiskFile>, u64)> {
    let file = disk.open(path, OpenHow::Create)?;
    let len = file.size()?;
    if file.allocated()? >= len {
        return Ok((file, len));
    }
    file.set_len(0)?;
    Ok((file, 0))
}

/// Whether an error says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
