//! redb on a [`DiskFile`].

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use crate::store::disk::ending::Ending;
use crate::store::disk::medium::DiskFile;
use crate::store::disk::spare::{Spare, is_full};

/// One file of a disk as redb wants it. The directory's own lock keeps other processes out, so
/// redb's locks are not needed and left unsupported. redb gives up after the first error, so it hears
/// of a full disk only when what is kept for it is used up.
#[derive(Debug)]
pub(in crate::store::disk) struct FileBackend {
    pub(in crate::store::disk) file: Arc<dyn DiskFile>,
    pub(in crate::store::disk) spare: Arc<Spare>,
    pub(in crate::store::disk) ending: Arc<Ending>,
}

impl FileBackend {
    fn with_spare(&self, bytes: u64, write: impl Fn() -> io::Result<()>) -> io::Result<()> {
        loop {
            match write() {
                Err(error) if is_full(&error) && self.spare.give(bytes) => {}
                other => return self.ending.note(other),
            }
        }
    }
}

impl StorageBackend for FileBackend {
    fn len(&self) -> io::Result<u64> {
        self.ending.note(self.file.size())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.ending.note(self.file.read_exact_at(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with_spare(0, || self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.ending.note(self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.with_spare(data.len() as u64, || self.file.write_all_at(offset, data))
    }

    fn close(&self) -> io::Result<()> {
        self.ending.close();
        Ok(())
    }
}
