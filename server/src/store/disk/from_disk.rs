//! Reads from the disk itself, around the system's memory: who looks whether a disk still has what was written there
//! is not told by what the system remembers of it, and takes no memory from what others read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::block::PAGE_BYTES;

/// A file that is read so.
#[derive(Debug)]
pub(super) struct FromDisk(pub(super) File);

impl FromDisk {
    /// Fills `out` with what lies at `offset`. The system reads whole pages so, into memory that begins at one.
    ///
    /// # Errors
    /// `InvalidInput` where the file system does not take it after all; `UnexpectedEof`; whatever else the system says.
    pub(super) fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let skipped = usize::try_from(offset % PAGE_BYTES as u64).unwrap_or(0);
        let (first, wanted) = (offset - skipped as u64, skipped + out.len());
        let room = wanted.next_multiple_of(PAGE_BYTES);
        let mut memory = vec![0; room + PAGE_BYTES];
        let start = memory.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
        let pages = memory.get_mut(start..start + room).unwrap_or_default();
        let mut read = 0;
        while read < wanted {
            let rest = pages.get_mut(read..).unwrap_or_default();
            match self.0.read_at(rest, first + read as u64) {
                Ok(count) if count % PAGE_BYTES == 0 && count > 0 => read += count,
                // The last page of a file is not whole.
                Ok(count) => {
                    read += count;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match pages.get(skipped..wanted).filter(|_| read >= wanted) {
            Some(found) => {
                out.copy_from_slice(found);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::RealDisk;
    use super::super::medium::{Disk as _, DiskFile, OpenHow};
    use super::*;

    const LEN: usize = 300 * PAGE_BYTES + 17;

    fn file(bytes: &[u8]) -> (tempfile::TempDir, Arc<dyn DiskFile>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("blob"), bytes).unwrap();
        let file = RealDisk.open(&dir.path().join("blob"), OpenHow::Read).unwrap();
        (dir, file)
    }

    #[test]
    fn it_is_read_as_it_is_read_otherwise() {
        let bytes: Vec<_> = (0..=250_u8).cycle().take(LEN).collect();
        let (_dir, file) = file(&bytes);
        for (at, len) in
            [(0, LEN), (0, 1), (4095, 2), (4096, 4096), (70_001, 300_000), (LEN - 1, 1), (LEN, 0)]
        {
            let mut read = vec![0; len];
            file.read_from_disk_at(at as u64, &mut read).unwrap();
            assert!(read == bytes[at..at + len], "{len} bytes at {at}");
        }
        for (at, len) in [(LEN, 1), (LEN - 1, 2), (0, LEN + 1), (LEN + 9000, 1)] {
            let ended = file.read_from_disk_at(at as u64, &mut vec![0; len]).unwrap_err();
            assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof, "{len} bytes at {at}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_read_so_comes_from_the_disk_and_stays_out_of_memory() {
        use std::os::unix::fs::OpenOptionsExt as _;

        let (dir, file) = file(&vec![7; LEN]);
        let path = dir.path().join("blob");
        let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap();
        if File::options().read(true).custom_flags(direct).open(&path).is_err() {
            // This file system has no such way.
            return;
        }
        let written = File::open(&path).unwrap();
        written.sync_all().unwrap();
        rustix::fs::fadvise(&written, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        let (half, mut read) = (LEN / 2, vec![0; LEN / 2]);
        file.read_from_disk_at(0, &mut read).unwrap();
        assert!(file.resident(0, half).is_none(), "it was not left in memory");
        file.read_exact_at(0, &mut read).unwrap();
        assert!(file.resident(0, half).is_some(), "as it is by who reads otherwise");
    }
}
