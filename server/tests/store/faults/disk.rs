//! A disk that fails when it is told to, and that remembers in which order it was used.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use longhaul_server::store::disk::medium::{Disk, DiskFile, OpenHow};
use longhaul_server::store::disk::{DiskStore, RealDisk};
use longhaul_server::stream::FRAME_BYTES;

use crate::store::fixture::*;

/// What a full disk still has for who asks for much more, bytes.
const ROOM_LEFT: u64 = 16 << 20;

/// What is done to the disk, as far as the order matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    BlobWritten,
    BlobSynced,
    IndexWritten,
    IndexSynced,
    Unlinked,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) done: Mutex<Vec<Done>>,
    /// Reads and writes of blobs, those that failed among them.
    pub(crate) tries: AtomicUsize,
    /// What was to be fetched of a blob last, bytes.
    pub(crate) ahead: AtomicU64,
    pub(crate) blob_sync_fails: AtomicBool,
    pub(crate) blob_sync_panics: AtomicBool,
    pub(crate) blob_reads_fail: AtomicBool,
    /// Reads of whole frames.
    pub(crate) streams_wait: AtomicBool,
    /// All reads of blobs.
    pub(crate) blob_reads_wait: AtomicBool,
    pub(crate) blob_writes_fail: AtomicBool,
    pub(crate) index_sync_fails: AtomicBool,
    pub(crate) cannot_reserve: AtomicBool,
    pub(crate) cannot_unlink: AtomicBool,
    pub(crate) reserving_waits: AtomicBool,
    pub(crate) unlinking_waits: AtomicBool,
    pub(crate) is_full: AtomicBool,
    /// Bytes that the index may still write, once the disk is full; it gets what the spare lets go of.
    pub(crate) index_room: Mutex<Option<u64>>,
    pub(crate) blob_writes_wait: AtomicBool,
    pub(crate) waiting: AtomicBool,
}

impl Faults {
    pub(crate) fn did(&self, done: Done) {
        self.done.lock().unwrap().push(done);
    }

    pub(crate) fn take_room(&self, bytes: u64) -> io::Result<()> {
        if let Some(room) = self.index_room.lock().unwrap().as_mut() {
            *room = room.checked_sub(bytes).ok_or(io::ErrorKind::StorageFull)?;
        }
        Ok(())
    }

    pub(crate) fn take(&self) -> Vec<Done> {
        std::mem::take(&mut *self.done.lock().unwrap())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct FaultyDisk(pub(crate) Arc<Faults>);

#[derive(Debug)]
pub(crate) struct FaultyFile {
    faults: Arc<Faults>,
    file: Arc<dyn DiskFile>,
    is_index: bool,
    is_spare: bool,
}

impl Disk for FaultyDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }

    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        let is_spare = path.ends_with("index.redb.spare");
        let is_index = path.to_string_lossy().contains("index.redb");
        let file = RealDisk.open(path, how)?;
        Ok(Arc::new(FaultyFile { faults: self.0.clone(), file, is_index, is_spare }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        while self.0.unlinking_waits.load(Ordering::SeqCst) {
            self.0.waiting.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.0.cannot_unlink.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.0.did(Done::Unlinked);
        RealDisk.unlink(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        RealDisk.free_bytes(path)
    }
}

impl FaultyFile {
    fn tries(&self) {
        if !self.is_index {
            self.faults.tries.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl DiskFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if let Some(room) = self.faults.index_room.lock().unwrap().as_mut()
            && self.is_spare
        {
            *room += self.file.size()? - len;
        }
        self.file.set_len(len)
    }

    fn allocated(&self) -> io::Result<u64> {
        self.file.allocated()
    }

    fn preallocate(&self, len: u64) -> io::Result<()> {
        while self.faults.reserving_waits.load(Ordering::SeqCst) {
            self.faults.waiting.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.faults.is_full.load(Ordering::SeqCst) {
            // As ext4 does: what there is, and then it says so.
            let size = self.file.size()?;
            self.file.preallocate(size.midpoint(len).min(size + ROOM_LEFT))?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.faults.cannot_reserve.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.file.preallocate(len)
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.tries();
        while out.len() as u64 >= FRAME_BYTES && self.faults.streams_wait.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        while !self.is_index && self.faults.blob_reads_wait.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !self.is_index && self.faults.blob_reads_fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("the cable is loose"));
        }
        self.file.read_exact_at(offset, out)
    }

    fn fetched(&self, _offset: u64, _len: usize, ahead: u64) -> Option<Bytes> {
        self.faults.ahead.store(ahead, Ordering::SeqCst);
        None
    }

    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.is_index {
            self.faults.take_room(bytes.len() as u64)?;
            self.faults.did(Done::IndexWritten);
            return self.file.write_all_at(offset, bytes);
        }
        self.tries();
        while self.faults.blob_writes_wait.load(Ordering::SeqCst) {
            self.faults.waiting.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.faults.blob_writes_fail.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.faults.did(Done::BlobWritten);
        self.file.write_all_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (fails, done) = match self.is_index {
            true => (&self.faults.index_sync_fails, Done::IndexSynced),
            false => (&self.faults.blob_sync_fails, Done::BlobSynced),
        };
        assert!(
            self.is_index || !self.faults.blob_sync_panics.load(Ordering::SeqCst),
            "on purpose"
        );
        if fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk has gone"));
        }
        self.faults.did(done);
        self.file.sync_data()
    }
}

pub(crate) fn faulty() -> (Place, Arc<Faults>, DiskStore) {
    let (place, faults) = (Place::new(), Arc::new(Faults::default()));
    let disk = Arc::new(FaultyDisk(faults.clone()));
    let store = DiskStore::open_on(disk, place.dir.path(), place.config()).unwrap();
    (place, faults, store)
}
