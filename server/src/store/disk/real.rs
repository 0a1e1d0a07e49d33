//! The real disk, through std and rustix.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Once, OnceLock};

use bytes::Bytes;
use rustix::fs::{Access, FallocateFlags, OFlags, copy_file_range};
use rustix::io::{Errno, ReadWriteFlags};

use super::block::whole_pages;
use super::from_disk::FromDisk;
use super::map::{MAPPED_MIN, Windows};
use super::medium::{Disk, DiskFile, OpenHow};

/// Only the server's own user may look into the folders and files: what is uploaded is private.
const DIR_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// What `st_blocks` counts in, bytes, whatever the file system's own blocks are.
const ST_BLOCK: u64 = 512;

/// What is copied out of the system's memory although it is mapped, bytes: up to here that costs no more
/// than to ask whether all of it is there.
#[cfg(target_os = "linux")]
const COPIED_MAX: usize = 16 * 1024;

/// The disk that the system has.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(DIR_MODE).create(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(how != OpenHow::Read)
            .create(how == OpenHow::Create)
            .mode(FILE_MODE)
            .open(path)?;
        Ok(Arc::new(RealFile::of(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn check_writable(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK)?)
    }
}

#[derive(Debug)]
struct RealFile {
    file: File,
    /// The same file around the page cache; opened when first wanted, `None` where the file system
    /// has no such way.
    direct: OnceLock<Option<File>>,
    /// The same, to be read.
    from_disk: OnceLock<Option<FromDisk>>,
    /// What readers have mapped of it.
    windows: Windows,
}

impl RealFile {
    fn of(file: File) -> Self {
        let (direct, from_disk) = (OnceLock::new(), OnceLock::new());
        Self { file, direct, from_disk, windows: Windows::default() }
    }

    fn direct(&self) -> Option<&File> {
        let opened = || told(open_direct(&self.file, OpenOptions::new().write(true)), &TOLD);
        self.direct.get_or_init(opened).as_ref()
    }

    /// Some bytes, if no page of them has to come from the disk.
    #[cfg(target_os = "linux")]
    fn copied(&self, offset: u64, len: usize) -> Option<Bytes> {
        let mut bytes = vec![0; len];
        let into = &mut [io::IoSliceMut::new(&mut bytes)];
        let read = rustix::io::preadv2(&self.file, into, offset, ReadWriteFlags::NOWAIT).ok()?;
        (read == len).then(|| bytes.into())
    }

    /// Some file systems open a file for this and then refuse the write.
    fn write_direct(&self, direct: &File, mut offset: u64, mut pages: &[u8]) -> io::Result<()> {
        while !pages.is_empty() {
            match direct.write_at(pages, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    pages = pages.get(written..).unwrap_or_default();
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    told(Err::<(), _>(error), &TOLD);
                    return self.file.write_all_at(pages, offset);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// By its descriptor, as its name may be gone.
fn open_direct(file: &File, how: &mut OpenOptions) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?;
    how.custom_flags(flags).open(path)
}

/// Whether it was told why files are written through the page cache: said for each it would fill
/// the log.
static TOLD: Once = Once::new();

/// What there is of it; why there is none is told once.
fn told<T>(direct: io::Result<T>, once: &Once) -> Option<T> {
    direct
        .inspect_err(|error| {
            once.call_once(|| {
                tracing::warn!(
                    %error,
                    "a file cannot be written around the page cache (O_DIRECT): such files are \
                     written through it, which takes more time and memory and loses nothing"
                );
            });
        })
        .ok()
}

impl DiskFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.blocks().saturating_mul(ST_BLOCK))
    }

    /// The system call itself: the C library's `posix_fallocate` would write zeroes where the file
    /// system cannot reserve, which is the whole upload written twice.
    ///
    /// XFS refuses unless as much is free as it is asked for, also for what the file has already, so it
    /// is asked for the rest only.
    fn preallocate(&self, len: u64) -> io::Result<()> {
        let (size, allocated) = (self.size()?, self.allocated()?);
        if allocated >= len {
            return if size < len { self.set_len(len) } else { Ok(()) };
        }
        // A file with holes is reserved from its beginning: nobody says where they are.
        let from = if allocated >= size { size } else { 0 };
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), from, len - from) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
            other => Ok(other?),
        }
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    #[cfg(target_os = "linux")]
    fn resident(&self, offset: u64, len: usize) -> Option<Bytes> {
        let mapped = || self.windows.resident(&self.file, offset, len);
        let mapped = if len > COPIED_MAX { mapped() } else { None };
        mapped.or_else(|| if len < MAPPED_MIN { self.copied(offset, len) } else { None })
    }

    fn fetched(&self, offset: u64, len: usize, ahead: u64) -> Option<Bytes> {
        if len < MAPPED_MIN {
            return None;
        }
        self.windows.fetched(&self.file, offset, len, ahead)
    }

    /// Not `DontNeed` after each piece: that takes the pages from whoever downloads meanwhile.
    #[cfg(target_os = "linux")]
    fn will_read_once(&self) {
        use rustix::fs::Advice;

        if let Err(error) = rustix::fs::fadvise(&self.file, 0, None, Advice::NoReuse) {
            tracing::debug!(%error, "the system takes no hints");
        }
    }

    fn read_from_disk_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let opened = || open_direct(&self.file, OpenOptions::new().read(true)).ok().map(FromDisk);
        let read = self.from_disk.get_or_init(opened).as_ref();
        match read.map(|file| file.read_exact_at(offset, out)) {
            // Some file systems open a file for this and then refuse the read.
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => {}
            Some(read) => return read,
            None => {}
        }
        self.read_exact_at(offset, out)
    }

    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// The page cache would cost a copy of every byte, and memory that the next sync has to write
    /// anyway. What is not a whole page goes through it; no page is ever written both ways at once.
    fn write_block_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let pages = whole_pages(offset, bytes);
        let Some(direct) = self.direct().filter(|_| !pages.is_empty()) else {
            return self.file.write_all_at(bytes, offset);
        };
        let (head, rest) = bytes.split_at(pages.start);
        let (middle, tail) = rest.split_at(pages.len());
        self.file.write_all_at(head, offset)?;
        self.write_direct(direct, offset + pages.start as u64, middle)?;
        self.file.write_all_at(tail, offset + pages.end as u64)
    }

    /// Shares extents on XFS and Btrfs; elsewhere the kernel copies, if it can on that file system.
    fn copy_from(&self, from: &dyn DiskFile, mut at: u64, mut to: u64, len: u64) -> bool {
        let Some(source) = from.descriptor() else { return false };
        let end = at.saturating_add(len);
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            match copy_file_range(source, Some(&mut at), &self.file, Some(&mut to), left) {
                Ok(0) => return false,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::debug!(%error, "the file system does not copy");
                    return false;
                }
            }
        }
        true
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests;
