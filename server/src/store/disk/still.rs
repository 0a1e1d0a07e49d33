//! A disk that stays as it is: what is written there is kept in memory, and gone with the program.
//!
//! So an index that was not closed is put right, and one of an older server brought up to date, before it is
//! read, and nothing of a folder changes because somebody looked into it: a backup, a snapshot, or what only
//! root may read and another user serves.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::live::lock;
use super::medium::{Disk, DiskFile, OpenHow};
use super::real::RealDisk;

/// What is kept at once of what was written, bytes: a page of the index.
const KEPT_BYTES: usize = 4096;

/// The system's disk, of which nothing changes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StillDisk;

impl Disk for StillDisk {
    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let below = match RealDisk.open(path, OpenHow::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && how == OpenHow::Create => None,
            opened => Some(opened?),
        };
        match below {
            Some(file) if how == OpenHow::Read => Ok(file),
            below => Ok(Arc::new(StillFile::over(below)?)),
        }
    }

    fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Ok(())
    }

    fn unlink(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        RealDisk.free_bytes(path)
    }
}

/// A file, and over it what was written.
#[derive(Debug)]
struct StillFile {
    below: Option<Arc<dyn DiskFile>>,
    over: Mutex<Over>,
}

#[derive(Debug)]
struct Over {
    /// Bytes.
    len: u64,
    /// How much of the file below still counts, bytes.
    below_len: u64,
    /// What was written, by its place in whole [`KEPT_BYTES`].
    kept: BTreeMap<u64, Box<[u8]>>,
}

impl StillFile {
    fn over(below: Option<Arc<dyn DiskFile>>) -> io::Result<Self> {
        let len = below.as_ref().map_or(Ok(0), |file| file.size())?;
        let over = Over { len, below_len: len, kept: BTreeMap::new() };
        Ok(Self { below, over: Mutex::new(over) })
    }

    /// What lies there in the file below, and zeroes where it has nothing.
    fn read_below(&self, over: &Over, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(over.below_len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (read, rest) = out.split_at_mut(there.min(out.len()));
        rest.fill(0);
        match &self.below {
            Some(file) if !read.is_empty() => file.read_exact_at(offset, read),
            _ => Ok(()),
        }
    }
}

/// The pieces of some bytes at `offset`: of which kept place, where in it, and which of the bytes.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let place = offset + at as u64;
        let within = usize::try_from(place % KEPT_BYTES as u64).unwrap_or(0);
        let count = (len - at).min(KEPT_BYTES - within);
        let range = at..at + count;
        at += count;
        (count > 0).then_some((place / KEPT_BYTES as u64, within, range))
    })
}

impl DiskFile for StillFile {
    fn size(&self) -> io::Result<u64> {
        Ok(lock(&self.over).len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = lock(&self.over);
        (over.len, over.below_len) = (len, over.below_len.min(len));
        let (last, within) = (len / KEPT_BYTES as u64, usize::try_from(len % KEPT_BYTES as u64));
        over.kept.retain(|&place, _| place <= last);
        if let Some(kept) = over.kept.get_mut(&last) {
            kept.iter_mut().skip(within.unwrap_or(0)).for_each(|byte| *byte = 0);
        }
        Ok(())
    }

    fn allocated(&self) -> io::Result<u64> {
        self.size()
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        let mut over = lock(&self.over);
        over.len = over.len.max(len);
        Ok(())
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = lock(&self.over);
        if offset.saturating_add(out.len() as u64) > over.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_below(&over, offset, out)?;
        for (place, within, range) in pieces(offset, out.len()) {
            let kept =
                over.kept.get(&place).and_then(|kept| kept.get(within..within + range.len()));
            if let (Some(kept), Some(out)) = (kept, out.get_mut(range)) {
                out.copy_from_slice(kept);
            }
        }
        Ok(())
    }

    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut over = lock(&self.over);
        for (place, within, range) in pieces(offset, bytes.len()) {
            let mut kept = match over.kept.remove(&place) {
                Some(kept) => kept,
                None => {
                    let mut kept = vec![0; KEPT_BYTES];
                    self.read_below(&over, place * KEPT_BYTES as u64, &mut kept)?;
                    kept.into()
                }
            };
            let to = kept.get_mut(within..within + range.len());
            if let (Some(to), Some(bytes)) = (to, bytes.get(range)) {
                to.copy_from_slice(bytes);
            }
            over.kept.insert(place, kept);
        }
        over.len = over.len.max(offset.saturating_add(bytes.len() as u64));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What may be asked of a file.
    #[derive(Clone, Debug)]
    enum Asked {
        Write(u64, Vec<u8>),
        SetLen(u64),
        Read(u64, usize),
    }

    fn asked() -> impl Strategy<Value = Asked> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..9000);
        prop_oneof![
            (0..20_000_u64, bytes).prop_map(|(at, bytes)| Asked::Write(at, bytes)),
            (0..20_000_u64).prop_map(Asked::SetLen),
            (0..20_000_u64, 0..9000_usize).prop_map(|(at, len)| Asked::Read(at, len)),
        ]
    }

    proptest! {
        #[test]
        fn it_reads_as_a_file_that_was_written_and_the_file_below_stays(
            first in proptest::collection::vec(any::<u8>(), 0..12_000),
            asked in proptest::collection::vec(asked(), 0..20),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let paths = ["still", "written"].map(|name| dir.path().join(name));
            paths.iter().for_each(|path| std::fs::write(path, &first).unwrap());
            let still = StillDisk.open(&paths[0], OpenHow::Write).unwrap();
            let written = RealDisk.open(&paths[1], OpenHow::Write).unwrap();
            for asked in asked {
                match asked {
                    Asked::Write(at, bytes) => {
                        still.write_all_at(at, &bytes).unwrap();
                        if !bytes.is_empty() {
                            written.write_all_at(at, &bytes).unwrap();
                        }
                    }
                    Asked::SetLen(len) => {
                        still.set_len(len).unwrap();
                        written.set_len(len).unwrap();
                    }
                    Asked::Read(at, len) => {
                        let (mut one, mut other) = (vec![1; len], vec![1; len]);
                        let read = still.read_exact_at(at, &mut one);
                        let expected = written.read_exact_at(at, &mut other);
                        if len > 0 {
                            prop_assert_eq!(read.is_ok(), expected.is_ok());
                        }
                        prop_assert!(expected.is_err() || one == other);
                    }
                }
            }
            prop_assert!(std::fs::read(&paths[0]).unwrap() == first);
        }
    }

    #[test]
    fn nothing_is_made_and_nothing_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new");
        StillDisk.open(&path, OpenHow::Create).unwrap().write_all_at(0, b"new").unwrap();
        assert!(StillDisk.open(&path, OpenHow::Write).is_err() && !path.exists());
        std::fs::write(&path, "old").unwrap();
        StillDisk.unlink(&path).unwrap();
        StillDisk.create_dir(&dir.path().join("folder")).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
