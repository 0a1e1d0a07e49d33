//! Room: what is promised to whom, and that it comes back.

use std::os::unix::fs::MetadataExt as _;

use longhaul_server::store::disk::{Config, DiskStore};
use longhaul_server::store::{FileReader as _, Owner, Result, Store as _, StoreError};

use super::fixture::*;

fn open(place: &Place, change: impl FnOnce(&mut Config)) -> DiskStore {
    let mut config = place.config();
    change(&mut config);
    DiskStore::open(place.dir.path(), config).unwrap()
}

async fn ask(store: &DiskStore, owner: &Owner, size: u64) -> Result<()> {
    store.create(owner, named("a file", size)).await.map(drop)
}

#[tokio::test]
async fn an_owner_may_begin_as_much_as_they_may_keep_and_not_a_byte_more() {
    let place = Place::new();
    let limited = |config: &mut Config| config.bytes_per_owner_max = Some(3 * CHUNK + ROWS);
    let store = open(&place, limited);
    let sent = Sent::new(2 * CHUNK, 1);
    let (_, info) = sent.upload(&store).await;
    let refused = ask(&store, &alice(), CHUNK + ROWS).await;
    assert!(matches!(
        refused,
        Err(StoreError::OwnerFull { used, max, .. }) if (used / CHUNK, max) == (2, 3 * CHUNK + ROWS)
    ));
    ask(&store, &bob(), 3 * CHUNK).await.unwrap();
    let begun = store.create(&alice(), named("the rest", CHUNK)).await.unwrap();
    assert!(ask(&store, &alice(), ROWS).await.is_err(), "what is begun counts");
    drop(store);
    let store = open(&place, limited);
    assert!(ask(&store, &alice(), ROWS).await.is_err(), "it is counted anew at a start");
    store.cancel(&alice(), begun.id).await.unwrap();
    ask(&store, &alice(), CHUNK).await.unwrap();
    store.delete(&alice(), info.id).await.unwrap();
    ask(&store, &alice(), 2 * CHUNK).await.unwrap();
    assert!(ask(&store, &alice(), ROWS).await.is_err());
    store.sweep(place.pass(HOUR)).await.unwrap();
    ask(&store, &alice(), 3 * CHUNK).await.unwrap();
}

#[tokio::test]
async fn all_owners_together_may_keep_so_much() {
    let place = Place::new();
    let store = open(&place, |config| config.bytes_total_max = Some(3 * CHUNK + ROWS));
    ask(&store, &alice(), 2 * CHUNK).await.unwrap();
    assert!(matches!(ask(&store, &bob(), CHUNK + ROWS).await, Err(StoreError::NoSpace { .. })));
    ask(&store, &bob(), CHUNK).await.unwrap();
    assert_eq!(place.blob_count(), 2);
}

#[tokio::test]
async fn a_file_that_is_deleted_while_it_is_read_counts_until_the_last_reader_is_gone() {
    let place = Place::new();
    let store = open(&place, |config| {
        config.bytes_per_owner_max = Some(3 * CHUNK + ROWS);
        config.bytes_total_max = Some(4 * CHUNK + ROWS);
    });
    let sent = Sent::new(2 * CHUNK, 1);
    let (_, info) = sent.upload(&store).await;
    let (_, first) = store.open(&alice(), info.id).await.unwrap();
    let (_, second) = store.open(&alice(), info.id).await.unwrap();
    store.delete(&alice(), info.id).await.unwrap();
    assert!(store.open(&alice(), info.id).await.is_err());
    drop(first);
    let refused = ask(&store, &alice(), 2 * CHUNK).await;
    assert!(matches!(refused, Err(StoreError::OwnerFull { .. })), "the disk has its bytes");
    assert!(matches!(ask(&store, &bob(), 3 * CHUNK).await, Err(StoreError::NoSpace { .. })));
    assert_eq!(second.read_at(0, 2 * CHUNK as usize).await.unwrap(), sent.data);
    drop(second);
    ask(&store, &alice(), 2 * CHUNK).await.unwrap();
    ask(&store, &bob(), 2 * CHUNK).await.unwrap();
}

#[tokio::test]
async fn a_piece_of_a_deleted_file_counts_for_longer_than_its_reader() {
    let place = Place::new();
    let store = open(&place, |config| config.bytes_per_owner_max = Some(4 * CHUNK + ROWS));
    let sent = Sent::new(4 * CHUNK, 1);
    let (_, info) = sent.upload(&store).await;
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    let piece = reader.read_at(0, 4 * CHUNK as usize).await.unwrap();
    let second = piece.slice(..1);
    store.delete(&alice(), info.id).await.unwrap();
    drop((reader, piece));
    assert!(ask(&store, &alice(), ROWS).await.is_err(), "a socket has it still");
    drop(second);
    ask(&store, &alice(), 4 * CHUNK).await.unwrap();
}

#[tokio::test]
async fn new_uploads_leave_some_of_the_disk_free() {
    let place = Place::new();
    let stat = rustix::fs::statvfs(place.dir.path()).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    // Others use the disk too: the bound is put far from either answer.
    let store = open(&place, |config| config.disk_free_min = free / 2);
    assert!(matches!(ask(&store, &alice(), free / 4 * 3).await, Err(StoreError::NoSpace { .. })));
    ask(&store, &alice(), CHUNK).await.unwrap();
    drop(store);
    let store = open(&place, |config| config.disk_free_min = free * 2);
    assert!(ask(&store, &alice(), 0).await.is_err(), "not even a row");
}

/// Length of the file that keeps room for the index, bytes.
fn kept(place: &Place) -> u64 {
    place.dir.path().join("index.redb.spare").metadata().unwrap().len()
}

#[tokio::test]
async fn room_for_the_rows_of_an_upload_is_kept_on_the_disk_until_it_is_a_file_or_gone() {
    let place = Place::new();
    let store = place.open();
    let base = kept(&place);
    // A long name is in a row of each chunk.
    let owner = Owner("o".repeat(255));
    let rows = 1022 * 10_000;
    let begun = store.create(&owner, named("large", 10_000 * CHUNK)).await.unwrap();
    assert!(kept(&place) >= rows, "{}", kept(&place));
    drop(store);
    std::fs::remove_file(place.dir.path().join("index.redb.spare")).unwrap();
    let store = place.open();
    assert!(kept(&place) >= rows, "{}", kept(&place));
    store.cancel(&owner, begun.id).await.unwrap();
    store.sweep(place.now()).await.unwrap();
    assert_eq!(kept(&place), base);
    for _ in 0..160 {
        let new = named(&"n".repeat(16 << 10), 0);
        let begun = store.create(&alice(), new).await.unwrap();
        store.seal(&alice(), begun.id, longhaul_protocol::digest::root([])).await.unwrap();
    }
    assert_eq!(kept(&place), base);
}

/// As a copy of the directory may be: `cp --sparse=always`, `rsync -S`, what restores a backup.
#[tokio::test]
async fn room_that_a_copy_of_the_directory_does_not_keep_any_more_is_kept_again() {
    let place = Place::new();
    drop(place.open());
    let (path, len) = (place.dir.path().join("index.redb.spare"), kept(&place));
    std::fs::remove_file(&path).unwrap();
    std::fs::File::create(&path).unwrap().set_len(len).unwrap();
    let allocated = || path.metadata().unwrap().blocks() * 512;
    assert!(allocated() < len, "it has a hole");
    let _store = place.open();
    assert_eq!(kept(&place), len);
    assert!(allocated() >= len, "{} of {len}", allocated());
}

#[tokio::test]
async fn room_for_the_index_is_kept_out_of_what_need_not_stay_free() {
    let (place, full) = (Place::new(), Place::new());
    drop(place.open());
    let stat = rustix::fs::statvfs(full.dir.path()).unwrap();
    let free = stat.f_bavail * stat.f_frsize;
    let log = Log::start();
    let store = open(&full, |config| config.disk_free_min = free * 2);
    assert_eq!(kept(&full), 0);
    let missing = format!("missing_bytes={}", kept(&place));
    assert!(log.text().contains(&missing), "{}", log.text());
    store.sweep(full.now()).await.unwrap();
    assert_eq!(kept(&full), 0);
    drop(store);
    drop(full.open());
    assert_eq!(kept(&full), kept(&place));
}

#[tokio::test]
async fn a_creation_that_is_repeated_needs_no_room_once_more() {
    let place = Place::new();
    let store = open(&place, |config| config.bytes_per_owner_max = Some(CHUNK + ROWS));
    let request = longhaul_protocol::Digest::of(b"the request");
    let mut new = named("a file", CHUNK);
    new.idempotency = Some(("key".to_owned(), request));
    let first = store.create(&alice(), new.clone()).await.unwrap();
    assert_eq!(store.create(&alice(), new).await.unwrap().id, first.id);
}

/// What blobs take of the disk, bytes: those that have a name, and those that somebody has open still. What is free on
/// the disk would tell of whatever else is written there.
fn taken(place: &Place) -> u64 {
    let opened = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let entry = entry.ok()?;
        let target = std::fs::read_link(entry.path()).ok()?;
        let is_unlinked = target.to_str()?.ends_with(" (deleted)");
        (is_unlinked && target.starts_with(place.dir.path())).then(|| entry.path())
    });
    let dirs = std::fs::read_dir(place.dir.path().join("blobs")).unwrap();
    let named = dirs.flat_map(|dir| std::fs::read_dir(dir.unwrap().path()).unwrap());
    let named = named.map(|entry| entry.unwrap().path());
    let blocks = |path| std::fs::metadata(path).map_or(0, |about| about.blocks());
    named.chain(opened).map(blocks).sum::<u64>() * 512
}

/// Whoever reads in the background closes a blob soon after it was unlinked.
async fn until_nothing_is_taken(place: &Place) {
    while taken(place) > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn room_is_taken_at_the_creation_and_a_deletion_frees_it() {
    let (place, sent) = (Place::new(), Sent::new(24 << 20, 1));
    let store = place.open();
    let is_taken = || (24 << 20..25 << 20).contains(&taken(&place));
    let id = sent.create(&store).await;
    assert!(is_taken(), "before a byte came");
    store.cancel(&alice(), id).await.unwrap();
    until_nothing_is_taken(&place).await;
    let (_, info) = sent.upload(&store).await;
    assert!(is_taken(), "sealed");
    store.delete(&alice(), info.id).await.unwrap();
    until_nothing_is_taken(&place).await;
}
