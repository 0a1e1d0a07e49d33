//! A small disk that can be filled: a file system in a file, mounted on a data folder.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::files::Folder;

/// One that is mounted; unmounted when it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    data: PathBuf,
    _image: Folder,
}

impl SmallDisk {
    /// Mounts one of `bytes` on a folder.
    ///
    /// # Panics
    /// When it cannot be made or mounted: that takes `mkfs.ext4`, loop devices and root.
    #[must_use]
    pub fn mount_on(data: &Path, bytes: u64) -> Self {
        // No blocks that only root may use: the tests are root.
        Self::mount(data, bytes, Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]))
    }

    /// The same with XFS; `None`, and why, where it cannot be made.
    ///
    /// # Panics
    /// When it cannot be mounted.
    #[must_use]
    pub fn mount_xfs_on(data: &Path, bytes: u64) -> Option<Self> {
        if let Err(error) = Command::new("mkfs.xfs").arg("-V").output() {
            eprintln!("skipped: mkfs.xfs cannot be run ({error}); it is in xfsprogs");
            return None;
        }
        Some(Self::mount(data, bytes, Command::new("mkfs.xfs").arg("-q")))
    }

    fn mount(data: &Path, bytes: u64, make: &mut Command) -> Self {
        let folder = Folder::new();
        let image = folder.sparse("disk", bytes);
        run(make.arg(&image));
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(data));
        Self { data: data.to_owned(), _image: folder }
    }

    /// Somebody else's file takes all that is left but for so many bytes.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn leave(&self, bytes: u64) {
        let file = File::create(self.data.join("of-somebody-else")).expect("a new file");
        let all = rustix::fs::FallocateFlags::empty();
        rustix::fs::fallocate(file, all, 0, self.free() - bytes).expect("so much is free");
    }

    /// Somebody else's file takes all that is left, to the last block.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn fill(&self) {
        let mut file = File::create(self.data.join("of-somebody-else")).expect("a new file");
        let zeros = vec![0; 1 << 20];
        let mut piece = zeros.as_slice();
        while !piece.is_empty() {
            match file.write_all(piece).and_then(|()| file.sync_data()) {
                Ok(()) => {}
                Err(_) => piece = &piece[..piece.len() / 2],
            }
        }
    }

    /// What somebody else has taken of it is free again.
    ///
    /// # Panics
    /// When nobody has.
    pub fn give_back(&self) {
        std::fs::remove_file(self.data.join("of-somebody-else")).expect("somebody else's file");
    }

    /// Bytes that are free.
    ///
    /// # Panics
    /// When the system does not tell.
    #[must_use]
    pub fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.data).expect("its figures");
        stat.f_bavail * stat.f_frsize
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg("--lazy").arg(&self.data));
    }
}

fn run(command: &mut Command) {
    let output = command.output();
    let done = output.as_ref().is_ok_and(|output| output.status.success());
    assert!(done, "{command:?}: {output:?}; a disk of its own takes root, e2fsprogs and mount");
}
