//! How the index ends: whether its file failed, which the next start and who stopped the server hear of.
//!
//! redb closes the index when the store is dropped, and says nothing of what fails then. What it wrote
//! may be in memory only, whole to everybody who reads it, and gone with the power.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::layout::Layout;
use super::medium::{Disk, OpenHow};
use super::spare::is_full;

/// What became of the index of a store, to be asked for once the store is gone.
#[derive(Debug)]
pub struct Ending {
    disk: Arc<dyn Disk>,
    layout: Layout,
    failed: AtomicBool,
    full: AtomicBool,
    closed: AtomicBool,
}

impl Ending {
    pub(super) fn new(disk: Arc<dyn Disk>, layout: Layout) -> Self {
        let [failed, full, closed] = Default::default();
        Self { disk, layout, failed, full, closed }
    }

    /// Whether every clone of the store is gone, and its index was closed with nothing amiss before.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.closed.load(Ordering::Acquire) && !self.failed.load(Ordering::Acquire)
    }

    /// Whether the disk had no room for the index.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Takes note of what the file said.
    pub(super) fn note<T>(&self, said: io::Result<T>) -> io::Result<T> {
        said.inspect_err(|error| {
            self.full.fetch_or(is_full(error), Ordering::AcqRel);
            self.failed.store(true, Ordering::Release);
        })
    }

    /// Nothing more is asked of the file.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        if !self.failed.load(Ordering::Acquire) {
            return;
        }
        let mark = self.disk.open(&self.layout.unclean(), OpenHow::Create);
        let marked = mark.and_then(|_| self.disk.sync_dir(self.layout.dir()));
        tracing::error!(
            mark = marked.err().map(tracing::field::display),
            "the file of the index has FAILED, and the index could not be closed: the next start \
             compares all of its pages"
        );
    }

    /// Whether the last one was so bad that the index is to be compared. What cannot be told is.
    pub(super) fn was_unclean(&self) -> bool {
        let mark = self.disk.open(&self.layout.unclean(), OpenHow::Read);
        !mark.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// The index was compared.
    pub(super) fn forget(&self) {
        if let Err(error) = self.disk.unlink(&self.layout.unclean()) {
            tracing::warn!(%error, "the next start compares the index once more");
        }
    }
}
