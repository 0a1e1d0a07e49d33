//! What the store asks of a disk, so that a test can put one below it that crashes or fails.
//!
//! The index's file and the blobs go through the same [`Disk`], so both can be crashed at the same
//! instant. Everything here blocks and is called off the async threads. After a crash a disk has
//! what was synced, and of the rest anything.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

/// A disk, or what stands in for one.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Makes a folder; one that is there already is fine.
    ///
    /// # Errors
    /// Whatever the system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Opens a file.
    ///
    /// # Errors
    /// `NotFound` unless it is to be made; whatever else the system says.
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name in the same folder, atomically.
    ///
    /// # Errors
    /// Whatever the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name; its bytes go when nobody has it open any more.
    ///
    /// # Errors
    /// `NotFound`; whatever else the system says.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// How many bytes can still be written below `path`.
    ///
    /// # Errors
    /// Whatever the system says.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Whether something can be made in a folder.
    ///
    /// # Errors
    /// Whatever the system says.
    fn check_writable(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenHow {
    /// To read it.
    Read,
    /// To read and write it.
    Write,
    /// To read and write it; made, empty, if it is not there.
    Create,
}

/// A file open on a [`Disk`].
pub trait DiskFile: fmt::Debug + Send + Sync + 'static {
    /// Its length, bytes.
    ///
    /// # Errors
    /// Whatever the system says.
    fn size(&self) -> io::Result<u64>;

    /// Cuts it or fills it up with zeroes to `len` bytes.
    ///
    /// # Errors
    /// Whatever the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// How much room it takes on the disk, bytes: that of a file with holes is less than its length.
    ///
    /// # Errors
    /// Whatever the system says.
    fn allocated(&self) -> io::Result<u64>;

    /// Makes it at least `len` bytes long and reserves room for all of them. What it has already need
    /// not be free once more.
    ///
    /// # Errors
    /// `StorageFull`, some of it may have been reserved; `Unsupported` when the file system cannot
    /// reserve.
    fn preallocate(&self, len: u64) -> io::Result<()>;

    /// Fills `out` with what lies at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof`; whatever else the system says.
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// The same from the disk itself, whatever the system remembers of it, where the file system has such a way.
    ///
    /// # Errors
    /// As above.
    fn read_from_disk_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(offset, out)
    }

    /// What lies at `offset`, if all of it is in the system's memory and need not be copied out of it.
    /// Nobody may look at what comes: it is for a socket that sends what this process cannot see.
    fn resident(&self, offset: u64, len: usize) -> Option<Bytes> {
        let _ = (offset, len);
        None
    }

    /// The same, and what is not in memory comes from the disk first, which blocks: up to `ahead` bytes, for
    /// who will want them next. `None` also if the disk does not give it: to read it tells why.
    fn fetched(&self, offset: u64, len: usize, ahead: u64) -> Option<Bytes> {
        let _ = (offset, len, ahead);
        None
    }

    /// It is about to be read through once, by who has opened it: what is read need not push from
    /// memory what others use. Only a hint.
    fn will_read_once(&self) {}

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Whatever the system says; some of the bytes may have been written.
    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// The same for bytes that nobody reads soon; whole pages of them may go around the page cache.
    ///
    /// # Errors
    /// Whatever the system says; some of the bytes may have been written.
    fn write_block_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(offset, bytes)
    }

    /// Copies `len` bytes from `at` of another file to `to` without their coming through memory of
    /// ours: a file system that can lets both files share them.
    ///
    /// Whether it did. If not, for whatever reason, some may have been written, and the caller reads
    /// and writes them all.
    fn copy_from(&self, from: &dyn DiskFile, at: u64, to: u64, len: u64) -> bool {
        let _ = (from, at, to, len);
        false
    }

    /// What the system knows it by, if it is the system's.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Makes everything written so far durable, and the length with it. After an error nothing
    /// written since the last success may be believed, even if a later call succeeds.
    ///
    /// # Errors
    /// Whatever the system says.
    fn sync_data(&self) -> io::Result<()>;
}
