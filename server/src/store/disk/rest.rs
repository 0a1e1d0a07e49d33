//! Opening a store on which no server runs, for who looks after it: to look, or to change something.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::DiskStore;
use super::config::Config;
use super::layout::Layout;
use super::lock::{DirLock, LockError};
use super::open_error::{OpenError, lost_index};
use super::still::StillDisk;
use super::work::{Job, Repeat, Step, Threads, Work};
use crate::store::Result;

impl DiskStore {
    /// Opens a data directory of which nothing changes: whatever the store writes is gone with it. Every page of
    /// the index is compared if it is `checked`. While it is open no server starts on the directory.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_to_look(dir: &Path, checked: bool) -> Result<Self, OpenError> {
        let (dir, config) = (absolute(dir)?, config());
        let path = Layout::new(&dir).lock();
        let lock = DirLock::take_to_look(&path).map_err(|error| match error {
            LockError::Taken { holder } => OpenError::InUse { dir: dir.clone(), holder },
            LockError::Io(source) => OpenError::Disk { path, source },
        })?;
        let trusted = if checked { 0 } else { u64::MAX };
        // What is kept for the index on the disk is of no use to who writes nothing there.
        let config = Config { index_trusted_ms: trusted, index_spare_bytes: 0, ..config };
        let has_blobs = lost_index(&Layout::new(&dir))?;
        Self::open_locked(Arc::new(StillDisk), &dir, config, lock, has_blobs)
    }

    /// Opens one to end an upload, to delete a file or to sweep.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_to_change(dir: &Path) -> Result<Self, OpenError> {
        Self::open(dir, config())
    }
}

fn absolute(dir: &Path) -> Result<std::path::PathBuf, OpenError> {
    std::path::absolute(dir).map_err(|source| OpenError::Disk { path: dir.to_owned(), source })
}

/// Whoever asks for it wants what is over gone. What the server was told does not matter here, but whom it tells.
fn config() -> Config {
    Config {
        is_sparing: false,
        tells_as_before: true,
        work: Arc::new(OnlyWhatIsAsked),
        ..Config::default()
    }
}

/// Does what is asked, and nothing of what goes on beside it in a server.
#[derive(Debug)]
struct OnlyWhatIsAsked;

impl Work for OnlyWhatIsAsked {
    fn run(&self, job: Job) {
        Threads.run(job);
    }

    fn repeat(&self, _name: &str, _step: Step) -> io::Result<Box<dyn Repeat>> {
        Ok(Box::new(Never))
    }
}

/// Repeats nothing.
#[derive(Debug)]
struct Never;

impl Repeat for Never {
    fn wake(&self) {}
}
