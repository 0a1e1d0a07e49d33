//! redb on a [`DiskFile`].

use std::io;
use std::sync::Arc;

use redb::StorageBackend;

use crate::store::disk::medium::DiskFile;

/// One file of a disk as redb wants it. The directory's own lock keeps other processes out, so
/// redb's locks are not needed and left unsupported.
#[derive(Debug)]
pub(super) struct FileBackend(pub(super) Arc<dyn DiskFile>);

impl StorageBackend for FileBackend {
    fn len(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(offset, data)
    }
}
