//! On a disk that fails when it is told to, and that remembers in which order it was used.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_server::store::disk::medium::{Disk, DiskFile, OpenHow};
use longhaul_server::store::disk::{Config, DiskStore, RealDisk};
use longhaul_server::store::{ChunkWriter as _, Store as _, StoreError};

use super::fixture::*;

/// What is done to the disk, as far as the order matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    BlobWritten,
    BlobSynced,
    IndexWritten,
    IndexSynced,
    Unlinked,
}

#[derive(Debug, Default)]
struct Faults {
    done: Mutex<Vec<Done>>,
    blob_sync_fails: AtomicBool,
    blob_sync_panics: AtomicBool,
    blob_reads_fail: AtomicBool,
    blob_writes_fail: AtomicBool,
    index_sync_fails: AtomicBool,
    cannot_reserve: AtomicBool,
    cannot_unlink: AtomicBool,
    reserving_waits: AtomicBool,
    unlinking_waits: AtomicBool,
    is_full: AtomicBool,
    /// Bytes that the index may still write, once the disk is full; it gets what the spare lets go of.
    index_room: Mutex<Option<u64>>,
    blob_writes_wait: AtomicBool,
    waiting: AtomicBool,
}

impl Faults {
    fn did(&self, done: Done) {
        self.done.lock().unwrap().push(done);
    }

    fn take_room(&self, bytes: u64) -> io::Result<()> {
        if let Some(room) = self.index_room.lock().unwrap().as_mut() {
            *room = room.checked_sub(bytes).ok_or(io::ErrorKind::StorageFull)?;
        }
        Ok(())
    }

    fn take(&self) -> Vec<Done> {
        std::mem::take(&mut *self.done.lock().unwrap())
    }
}

#[derive(Clone, Debug)]
struct FaultyDisk(Arc<Faults>);

#[derive(Debug)]
struct FaultyFile {
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
            self.file.preallocate(self.file.size()?.midpoint(len))?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.faults.cannot_reserve.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.file.preallocate(len)
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if !self.is_index && self.faults.blob_reads_fail.load(Ordering::SeqCst) {
            return Err(io::Error::other("the cable is loose"));
        }
        self.file.read_exact_at(offset, out)
    }

    fn write_all_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.is_index {
            self.faults.take_room(bytes.len() as u64)?;
            self.faults.did(Done::IndexWritten);
            return self.file.write_all_at(offset, bytes);
        }
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

fn faulty() -> (Place, Arc<Faults>, DiskStore) {
    let (place, faults) = (Place::new(), Arc::new(Faults::default()));
    let disk = Arc::new(FaultyDisk(faults.clone()));
    let store = DiskStore::open_on(disk, place.dir.path(), place.config()).unwrap();
    (place, faults, store)
}

/// An upload that has a chunk of its own and borrows forty, with what breaks the disk before any of
/// them is copied.
async fn borrows_forty(
    faults: &Faults,
    store: &DiskStore,
    breaks: &AtomicBool,
) -> (Sent, UploadId) {
    let (old, mut new) = (Sent::new(41 * CHUNK, 1), Sent::new(41 * CHUNK, 1));
    new.data[40 * CHUNK as usize] ^= 1;
    old.upload(store).await;
    let id = new.create(store).await;
    new.put(store, id, 40).await.unwrap();
    assert_eq!(held(store, id).await, "40");
    faults.take();
    breaks.store(true, Ordering::SeqCst);
    store.offer(&alice(), id, new.run()).await.unwrap();
    (new, id)
}

/// Asks for longer than the disk is broken how far the filling is, as a client does; what he is told.
async fn asks_for(place: &Place, store: &DiskStore, id: UploadId, seconds: u64) -> Vec<StoreError> {
    asks(place, store, id, seconds, 1000).await
}

async fn asks(
    place: &Place,
    store: &DiskStore,
    id: UploadId,
    times: u64,
    every_ms: u64,
) -> Vec<StoreError> {
    let mut told = Vec::new();
    for _ in 0..times {
        place.pass(every_ms);
        told.extend(store.fill(&alice(), id).await.err());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    told
}

#[tokio::test]
async fn what_fails_for_a_while_costs_no_reference_and_what_fails_here_is_told() {
    type Breaks = fn(&Faults) -> &AtomicBool;
    let all: [(Breaks, bool); 3] = [
        (|faults| &faults.blob_reads_fail, false),
        (|faults| &faults.blob_writes_fail, true),
        (|faults| &faults.blob_sync_fails, true),
    ];
    for (breaks, is_here) in all {
        let (place, faults, store) = faulty();
        let (new, id) = borrows_forty(&faults, &store, breaks(&faults)).await;
        let mut told = asks(&place, &store, id, 100, 0).await;
        let written = faults.take().into_iter().filter(|done| *done == Done::BlobWritten).count();
        assert!(written <= 40, "in no time {written} chunks were copied, for nothing");
        told.extend(asks_for(&place, &store, id, 50).await);
        assert_eq!(!told.is_empty(), is_here, "{told:?}");
        assert_eq!(status(&store, id).await.holding.held.to_string(), "0-40");
        breaks(&faults).store(false, Ordering::SeqCst);
        asks_for(&place, &store, id, 130).await;
        assert!(status(&store, id).await.holding.filling.is_empty());
        let info = store.seal(&alice(), id, new.root()).await.unwrap();
        assert_eq!(read(&store, info.id).await, new.data);
    }
}

#[tokio::test]
async fn a_source_that_can_not_be_read_for_minutes_is_asked_of_the_client() {
    let (place, faults, store) = faulty();
    let (new, id) = borrows_forty(&faults, &store, &faults.blob_reads_fail).await;
    asks_for(&place, &store, id, 300).await;
    assert_eq!(held(&store, id).await, "40");
    faults.blob_reads_fail.store(false, Ordering::SeqCst);
    new.put_all(&store, id).await;
    let info = sealed(&store, id, new.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, new.data);
}

#[tokio::test]
async fn a_row_is_written_only_after_the_bytes_it_names_are_synced() {
    let (_place, faults, store) = faulty();
    let sent = Sent::new(8 * CHUNK, 1);
    let id = sent.create(&store).await;
    for index in 0..8 {
        faults.take();
        sent.put(&store, id, index).await.unwrap();
        store.shutdown().await;
        let done = faults.take();
        let last = |what| done.iter().rposition(|done| *done == what).unwrap();
        let first_row = done.iter().position(|done| *done == Done::IndexWritten).unwrap();
        assert!(last(Done::BlobWritten) < last(Done::BlobSynced), "{done:?}");
        assert!(last(Done::BlobSynced) < first_row, "{done:?}");
        assert!(first_row < last(Done::IndexSynced), "{done:?}");
    }
    faults.take();
    store.seal(&alice(), id, sent.root()).await.unwrap();
    let done = faults.take();
    assert!(!done.contains(&Done::BlobWritten), "a seal moves no byte: {done:?}");
    let first = |what| done.iter().position(|done| *done == what).unwrap();
    assert!(first(Done::IndexWritten) < first(Done::IndexSynced), "{done:?}");
}

#[tokio::test]
async fn a_sync_for_another_request_does_not_count_for_bytes_written_after_it() {
    let (_place, faults, store) = faulty();
    let sent = Sent::new(2 * CHUNK, 1);
    let id = sent.create(&store).await;
    faults.take();
    faults.blob_writes_wait.store(true, Ordering::SeqCst);
    let slow = tokio::spawn({
        let (store, headers) = (store.clone(), sent.headers(0));
        let body = Bytes::copy_from_slice(sent.chunk(0));
        async move {
            let mut writer = begin(&store, id, headers).await;
            writer.write(body).await?;
            writer.finish().await
        }
    });
    while !faults.waiting.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(begin(&store, id, sent.headers(1)).await);
    store.shutdown().await;
    let synced = faults.take();
    faults.blob_writes_wait.store(false, Ordering::SeqCst);
    assert_eq!(synced, [Done::BlobSynced], "for the request that broke off");
    slow.await.unwrap().unwrap();
    store.shutdown().await;
    let done = faults.take();
    assert_eq!(done[..2], [Done::BlobWritten, Done::BlobSynced], "{done:?}");
    assert_eq!(held(&store, id).await, "0");
}

#[tokio::test]
async fn a_blob_goes_after_the_commit_that_says_so() {
    let (_place, faults, store) = faulty();
    let (_, info) = Sent::new(CHUNK, 1).upload(&store).await;
    faults.take();
    store.delete(&alice(), info.id).await.unwrap();
    let done = faults.take();
    let synced = done.iter().position(|done| *done == Done::IndexSynced);
    assert!(synced < done.iter().position(|done| *done == Done::Unlinked), "{done:?}");
}

#[tokio::test]
async fn after_a_failed_sync_nothing_unsynced_is_believed_even_if_a_later_one_succeeds() {
    let (place, faults, store) = faulty();
    let sent = Sent::new(3 * CHUNK, 1);
    let id = sent.create(&store).await;
    sent.put(&store, id, 0).await.unwrap();
    assert_eq!(held(&store, id).await, "0");
    let mut midway = begin(&store, id, sent.headers(2)).await;
    midway.write(Bytes::copy_from_slice(&sent.chunk(2)[..10])).await.unwrap();
    faults.blob_sync_fails.store(true, Ordering::SeqCst);
    sent.put(&store, id, 1).await.unwrap();
    store.shutdown().await;
    faults.blob_sync_fails.store(false, Ordering::SeqCst);
    assert_eq!(held(&store, id).await, "0");
    let late = midway.write(Bytes::copy_from_slice(&sent.chunk(2)[10..])).await;
    assert!(matches!(late, Err(StoreError::Disk { .. })), "its first bytes may be lost");
    drop(midway);
    for index in [1, 2] {
        sent.put(&store, id, index).await.unwrap();
    }
    store.shutdown().await;
    drop(store);
    assert_eq!(status(&place.open(), id).await.holding.held, set("0-2"));
}

#[tokio::test]
async fn a_failed_commit_makes_the_store_read_only() {
    let (place, faults, store) = faulty();
    let sent = Sent::new(2 * CHUNK, 1);
    let (_, info) = Sent::new(CHUNK, 7).upload(&store).await;
    let id = sent.create(&store).await;
    sent.put(&store, id, 0).await.unwrap();
    store.shutdown().await;
    faults.index_sync_fails.store(true, Ordering::SeqCst);
    sent.put(&store, id, 1).await.unwrap();
    store.shutdown().await;
    faults.index_sync_fails.store(false, Ordering::SeqCst);
    assert!(store.is_read_only());
    assert_eq!(held(&store, id).await, "0", "what was not committed is not believed");
    let read_only = |error: StoreError| assert!(matches!(error, StoreError::ReadOnly), "{error}");
    read_only(store.create(&alice(), named("new", 1)).await.unwrap_err());
    read_only(store.begin_chunk(&alice(), id, sent.headers(1)).await.unwrap_err());
    read_only(store.cancel(&alice(), id).await.unwrap_err());
    read_only(store.delete(&alice(), info.id).await.unwrap_err());
    status(&store, id).await;
    drop(store);
    let store = place.open();
    let now = status(&store, id).await.holding.held;
    assert!(now == set("0") || now == set("0-1"), "the commit was made or not: {now}");
    sent.put(&store, id, 1).await.unwrap();
    store.seal(&alice(), id, sent.root()).await.unwrap();
}

#[tokio::test]
async fn a_panic_of_the_syncing_thread_makes_the_store_read_only_and_nobody_waits_for_it() {
    let (place, faults, store) = faulty();
    let sent = Sent::new(3 * CHUNK, 1);
    let id = sent.create(&store).await;
    sent.put(&store, id, 0).await.unwrap();
    assert_eq!(held(&store, id).await, "0");
    faults.blob_sync_panics.store(true, Ordering::SeqCst);
    sent.put(&store, id, 1).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), store.shutdown()).await.unwrap();
    assert!(store.is_read_only());
    assert_eq!(held(&store, id).await, "0");
    let refused = sent.put(&store, id, 2).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    drop(store);
    let store = place.open();
    assert_eq!(held(&store, id).await, "0");
    sent.put_all(&store, id).await;
    store.seal(&alice(), id, sent.root()).await.unwrap();
}

#[tokio::test]
async fn an_index_that_finds_no_room_takes_what_is_kept_for_it_and_then_nothing_more() {
    let (place, faults, store) = faulty();
    let sent = Sent::new(3 * CHUNK, 1);
    let (_, first) = Sent::new(CHUNK, 7).upload(&store).await;
    let id = sent.create(&store).await;
    *faults.index_room.lock().unwrap() = Some(0);
    sent.put_all(&store, id).await;
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    store.delete(&alice(), first.id).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
    assert_eq!(place.blob_count(), 1);
    *faults.index_room.lock().unwrap() = Some(0);
    let full = async || store.delete(&alice(), info.id).await.is_err() || store.is_read_only();
    assert!(full().await, "nothing is left");
}

#[tokio::test]
async fn where_room_cannot_be_reserved_uploads_go_on_without() {
    let (_place, faults, store) = faulty();
    faults.cannot_reserve.store(true, Ordering::SeqCst);
    let sent = Sent::new(2 * CHUNK + 1, 1);
    let (_, info) = sent.upload(&store).await;
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test]
async fn a_full_disk_refuses_at_the_creation_and_leaves_nothing() {
    let (place, faults, store) = faulty();
    faults.is_full.store(true, Ordering::SeqCst);
    let refused = store.create(&alice(), named("large", CHUNK)).await;
    assert!(matches!(refused, Err(StoreError::NoSpace { needed: CHUNK })));
    assert!(store.uploads(&alice(), None, 10).await.unwrap().rows.is_empty());
    assert_eq!(place.blob_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_found_an_upload_that_then_could_not_be_begun_sends_nothing_to_it() {
    let (place, faults, store) = faulty();
    let (store, sent) = (Arc::new(store), Sent::new(CHUNK, 1));
    faults.reserving_waits.store(true, Ordering::SeqCst);
    let creating = {
        let store = store.clone();
        tokio::spawn(async move { store.create(&alice(), named("large", CHUNK)).await })
    };
    while !faults.waiting.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let found = store.uploads(&alice(), None, 10).await.unwrap().rows;
    faults.is_full.store(true, Ordering::SeqCst);
    faults.reserving_waits.store(false, Ordering::SeqCst);
    let refused = creating.await.unwrap();
    assert!(matches!(refused, Err(StoreError::NoSpace { .. })), "{refused:?}");
    faults.is_full.store(false, Ordering::SeqCst);
    let sent = sent.put(&store, found[0].id, 0).await;
    assert!(matches!(sent, Err(StoreError::NotFound)), "{sent:?}");
    assert_eq!(place.blob_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seal_makes_no_row_on_a_blob_that_is_about_to_be_unlinked() {
    let (_place, faults, store) = faulty();
    let (store, sent) = (Arc::new(store), Sent::new(2 * CHUNK, 1));
    // Each with bytes of its own: neither knew of the other. The seal looks at the lesser id first.
    let mut ids = [sent.create(&store).await, sent.create(&store).await];
    ids.sort_unstable();
    for id in ids {
        sent.put_all(&store, id).await;
    }
    let lesser = store.seal(&alice(), ids[0], sent.root()).await.unwrap();
    store.seal(&alice(), ids[1], sent.root()).await.unwrap();
    faults.unlinking_waits.store(true, Ordering::SeqCst);
    let deleting = {
        let store = store.clone();
        tokio::spawn(async move { store.delete(&alice(), lesser.id).await })
    };
    while !faults.waiting.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let again = sent.create(&store).await;
    store.offer(&alice(), again, sent.run()).await.unwrap();
    let info = store.seal(&alice(), again, sent.root()).await.unwrap();
    faults.unlinking_waits.store(false, Ordering::SeqCst);
    deleting.await.unwrap().unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test]
async fn a_blob_that_cannot_be_unlinked_keeps_no_store_from_starting_and_goes_later() {
    let (place, faults, store) = faulty();
    let sent = Sent::new(CHUNK, 1);
    let (_, first) = sent.upload(&store).await;
    let (_, second) = Sent::new(CHUNK, 2).upload(&store).await;
    faults.cannot_unlink.store(true, Ordering::SeqCst);
    store.delete(&alice(), first.id).await.unwrap();
    assert!(matches!(store.open(&alice(), first.id).await, Err(StoreError::NotFound)));
    store.sweep(place.now()).await.unwrap();
    drop(store);
    let disk = Arc::new(FaultyDisk(faults.clone()));
    let store = DiskStore::open_on(disk, place.dir.path(), place.config()).unwrap();
    store.open(&alice(), second.id).await.unwrap();
    assert_eq!(place.blob_count(), 2);
    faults.cannot_unlink.store(false, Ordering::SeqCst);
    store.sweep(place.now()).await.unwrap();
    assert_eq!(place.blob_count(), 1);
}

#[tokio::test]
async fn a_chunk_whose_row_may_be_out_is_not_told_to_be_held() {
    let (_place, faults, store) = faulty();
    let sent = Sent::new(2 * CHUNK, 1);
    let id = sent.create(&store).await;
    sent.put_all(&store, id).await;
    assert_eq!(held(&store, id).await, "0-1");
    faults.index_sync_fails.store(true, Ordering::SeqCst);
    let other = bytes(CHUNK, 9);
    let replace = ChunkHeaders { replace: Some(sent.digests()[0]), ..headers(0, &other) };
    let refused = put(&store, id, replace, &other).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly)), "{refused:?}");
    assert_eq!(held(&store, id).await, "1", "nobody knows what a failed commit did");
    let refused = put(&store, id, headers(0, &other), &other).await;
    assert!(
        matches!(refused, Err(StoreError::ReadOnly)),
        "and nobody may write there: {refused:?}"
    );
}

#[tokio::test]
async fn what_a_full_disk_had_of_the_room_for_the_index_is_given_back_and_told_once() {
    let (place, faults, store) = faulty();
    drop(store);
    let path = place.dir.path().join("index.redb.spare");
    let kept = || path.metadata().unwrap().len();
    let base = kept();
    faults.is_full.store(true, Ordering::SeqCst);
    let disk = Arc::new(FaultyDisk(faults.clone()));
    let mut config = place.config();
    config.index_spare_bytes = 4 * base;
    config.work = Arc::new(AtOnce);
    let log = Log::start();
    let store = DiskStore::open_on(disk, place.dir.path(), config).unwrap();
    assert_eq!(kept(), base);
    store.sweep(place.now()).await.unwrap();
    assert_eq!(kept(), base);
    let told = || log.text().matches("not all the room that the index may need").count();
    assert_eq!(told(), 1, "{}", log.text());
    assert!(log.text().contains(&format!("missing_bytes={}", 3 * base)), "{}", log.text());
    faults.is_full.store(false, Ordering::SeqCst);
    store.sweep(place.now()).await.unwrap();
    assert_eq!(kept(), 4 * base);
}

#[tokio::test]
async fn an_index_that_could_not_be_closed_is_told_and_compared_at_the_next_start() {
    let (place, faults, store) = faulty();
    drop(store);
    let disk = Arc::new(FaultyDisk(faults.clone()));
    let config = Config { work: Arc::new(AtOnce), ..place.config() };
    let store = DiskStore::open_on(disk, place.dir.path(), config.clone()).unwrap();
    let (_, info) = Sent::new(CHUNK, 1).upload(&store).await;
    store.shutdown().await;
    let ending = store.ending();
    assert!(!ending.is_clean(), "it is open");
    faults.index_sync_fails.store(true, Ordering::SeqCst);
    let log = Log::start();
    drop(store);
    assert!(!ending.is_clean());
    assert!(log.text().contains("the index could not be closed"), "{}", log.text());
    faults.index_sync_fails.store(false, Ordering::SeqCst);
    let mut last = None;
    for checks in [true, false] {
        let log = Log::start();
        let store = place.open_with(&config);
        assert_eq!(log.text().contains("checking the index"), checks, "{}", log.text());
        store.open(&alice(), info.id).await.unwrap();
        last = Some(store.ending());
        drop(store);
    }
    assert!(last.unwrap().is_clean());
}
