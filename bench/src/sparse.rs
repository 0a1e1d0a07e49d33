//! A disk that is larger than the one it lies on: ext4 in a sparse file, from which what a blob was
//! written to is taken away again while more is written. Needs to be root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::FallocateFlags;

use crate::error::{Result, io};
use crate::process;

/// The unit in which `filefrag` is asked to count, bytes.
const BLOCK: u64 = 4096;

/// The disk; unmounted and removed when dropped.
#[derive(Debug)]
pub struct SparseDisk {
    image: PathBuf,
    file: File,
    mounted: PathBuf,
}

impl SparseDisk {
    /// Makes one of `len` bytes in a folder.
    ///
    /// # Errors
    /// [`crate::error::Error::Command`]: not root, or no loop devices here.
    pub fn new(dir: &Path, len: u64) -> Result<Self> {
        let (image, mounted) = (dir.join("sparse.img"), dir.join("sparse"));
        let making = || io(format!("making {}", image.display()));
        let file = File::options().write(true).create_new(true).open(&image).map_err(making())?;
        file.set_len(len).map_err(making())?;
        fs::create_dir_all(&mounted).map_err(making())?;
        let options = ["-q", "-m", "0", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1"];
        process::output(Command::new("mkfs.ext4").args(options).arg(&image))?;
        process::output(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&mounted))?;
        Ok(Self { image, file, mounted })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.mounted
    }

    /// Takes away what the files below a folder were written to: they read as zeroes from then on.
    ///
    /// # Errors
    /// [`crate::error::Error`].
    pub fn take_away(&self, dir: &Path) -> Result<()> {
        let listing = || io(format!("listing {}", dir.display()));
        for entry in fs::read_dir(dir).map_err(listing())? {
            let path = entry.map_err(listing())?.path();
            if path.is_dir() { self.take_away(&path)? } else { self.take_away_file(&path)? }
        }
        Ok(())
    }

    fn take_away_file(&self, path: &Path) -> Result<()> {
        let listed = process::output(Command::new("filefrag").args(["-v", "-b4096"]).arg(path))?;
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        for (start, count) in listed.lines().filter_map(written_extent) {
            rustix::fs::fallocate(&self.file, hole, start * BLOCK, count * BLOCK)
                .map_err(|error| io("taking away what was written")(error.into()))?;
        }
        Ok(())
    }
}

impl Drop for SparseDisk {
    fn drop(&mut self) {
        let unmounted = process::output(Command::new("umount").arg(&self.mounted));
        if let Err(error) = unmounted.and(fs::remove_file(&self.image).map_err(io("removing it"))) {
            eprintln!("bench: {} stays: {error}", self.image.display());
        }
    }
}

/// A line of `filefrag -v`: the first block on the disk of an extent that was written, and how many.
fn written_extent(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split(':');
    fields.next()?.trim().parse::<u64>().ok()?;
    let physical = fields.nth(1)?.split("..").next()?;
    let count = fields.next()?;
    let is_written = !fields.next_back()?.contains("unwritten");
    let extent = (physical.trim().parse().ok()?, count.trim().parse().ok()?);
    is_written.then_some(extent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_that_were_written_are_found_in_what_filefrag_prints() {
        let printed = "Filesystem type is: ef53\n\
            File size of f is 68719476736 (16777216 blocks of 4096 bytes)\n \
            ext:     logical_offset:        physical_offset: length:   expected: flags:\n   \
            0:        0..   63487:      34816..     98303:  63488:             unwritten\n   \
            1:    63488..  126975:     100352..    163839:  63488:      98304:\n   \
            2:   126976..  190463:     165888..    229375:  63488:     163840: last,eof\n\
            f: 3 extents found";
        let found: Vec<_> = printed.lines().filter_map(written_extent).collect();
        assert_eq!(found, [(100_352, 63_488), (165_888, 63_488)]);
    }
}
