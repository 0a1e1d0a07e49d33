//! Opening a directory: after a kill, after a newer server, beside another server.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use longhaul_protocol::wire::ids::UploadId;
use longhaul_server::store::disk::{Config, DiskStore, OpenError, SCHEMA_VERSION};
use longhaul_server::store::{Store as _, StoreError};
use redb::{Database, TableDefinition};

use super::everyone::take_back_to_schema;
use super::fixture::*;
use super::sim::{Fault, SimDisk};

#[tokio::test]
async fn after_a_kill_exactly_what_was_held_is_held() {
    let (place, sent) = (Place::new(), Sent::new(40 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    for index in (0..40).step_by(2) {
        sent.put(&store, id, index).await.unwrap();
    }
    let told = status(&store, id).await.holding;
    drop(store);
    let store = place.open();
    let now = status(&store, id).await.holding;
    assert!(now.held.without(&told.held).without(&told.pending).is_empty());
    assert!(told.held.without(&now.held).is_empty(), "{told:?} then {now:?}");
    assert!(now.pending.is_empty());
    for index in 0..40 {
        sent.put(&store, id, index).await.unwrap();
    }
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test]
async fn after_a_shutdown_everything_received_is_held() {
    let (place, sent) = (Place::new(), Sent::new(20 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    sent.put_all(&store, id).await;
    store.shutdown().await;
    drop(store);
    assert_eq!(status(&place.open(), id).await.holding.held.to_string(), "0-19");
}

#[tokio::test]
async fn a_second_server_is_told_who_has_the_directory_and_what_to_do() {
    let place = Place::new();
    let store = place.open();
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }));
    let text = error.to_string();
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert!(text.contains("stop that one, or give this one another directory"), "{text}");
    drop(store);
    place.open();
}

/// What a start says of the index.
fn said_at_a_start(place: &Place) -> String {
    let log = Log::start();
    drop(place.open());
    log.text()
}

#[tokio::test]
async fn after_a_clean_stop_the_pages_of_the_index_are_compared_once_a_day() {
    let place = Place::new();
    assert_eq!(said_at_a_start(&place), "", "there are none");
    assert_eq!(said_at_a_start(&place), "", "they just were");
    place.pass(24 * HOUR - 1);
    assert_eq!(said_at_a_start(&place), "");
    place.pass(1);
    let told = said_at_a_start(&place);
    assert!(told.contains("checking the index: it has not been for a day"), "{told}");
    assert_eq!(said_at_a_start(&place), "", "they just were");
    place.now.fetch_sub(HOUR, Ordering::SeqCst);
    let told = said_at_a_start(&place);
    assert!(told.contains("checking the index"), "the clock was set back: {told}");
}

#[tokio::test]
async fn after_an_unclean_stop_the_pages_of_the_index_are_compared_at_any_time() {
    let (place, crashed) = (Place::new(), Place::new());
    drop(crashed.open());
    let store = place.open();
    Sent::new(CHUNK, 1).create(&store).await;
    let index = |place: &Place| place.dir.path().join("index.redb");
    std::fs::copy(index(&place), index(&crashed)).unwrap();
    let told = said_at_a_start(&crashed);
    assert!(told.contains("checking the index after an unclean stop"), "{told}");
    assert_eq!(said_at_a_start(&crashed), "", "and then it was closed");
}

#[tokio::test]
async fn after_a_close_that_failed_the_pages_of_the_index_are_compared_once() {
    let place = Place::new();
    assert_eq!(said_at_a_start(&place), "", "there are none");
    std::fs::write(place.dir.path().join("index.redb.unclean"), b"").unwrap();
    let told = said_at_a_start(&place);
    assert!(told.contains("checking the index"), "{told}");
    assert_eq!(said_at_a_start(&place), "", "they just were");
}

#[tokio::test]
async fn a_full_disk_is_called_full_and_not_damaged() {
    let (place, disk) = (Place::new(), SimDisk::new(1));
    let open = || DiskStore::open_on(Arc::new(disk.clone()), Path::new("/data"), place.config());
    drop(open().unwrap());
    // So that there is something to write at a start.
    place.pass(24 * HOUR);
    disk.fail(0..10_000, Fault::Full);
    let text = open().unwrap_err().to_string();
    assert!(text.contains("The disk is full: free space on this file system"), "{text}");
    assert!(!text.contains("backup"), "{text}");
    disk.fail(0..0, Fault::Full);
    open().unwrap();
}

#[tokio::test]
async fn the_directory_of_a_newer_server_is_refused_untouched() {
    let place = Place::new();
    drop(place.open());
    let index = place.dir.path().join("index.redb");
    let meta: TableDefinition<&str, u64> = TableDefinition::new("meta");
    let db = Database::open(&index).unwrap();
    let txn = db.begin_write().unwrap();
    txn.open_table(meta).unwrap().insert("schema", SCHEMA_VERSION + 1).unwrap();
    txn.commit().unwrap();
    drop(db);
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, OpenError::Newer { found, .. } if found == SCHEMA_VERSION + 1));
    assert!(error.to_string().contains("newer server"), "{error}");
    let db = Database::open(&index).unwrap();
    let txn = redb::ReadableDatabase::begin_read(&db).unwrap();
    let schema = txn.open_table(meta).unwrap();
    assert_eq!(schema.get("schema").unwrap().unwrap().value(), SCHEMA_VERSION + 1);
}

#[tokio::test]
async fn what_is_no_index_is_refused_by_name() {
    let place = Place::new();
    std::fs::write(place.dir.path().join("index.redb"), bytes(10_000, 1)).unwrap();
    let error = place.try_open().unwrap_err();
    assert!(matches!(error, OpenError::Index { .. }));
    assert!(error.to_string().contains("index.redb"), "{error}");
}

#[tokio::test]
async fn blobs_without_the_index_that_knows_them_are_not_taken_for_an_empty_store() {
    for lose in [
        |index: &Path| std::fs::remove_file(index).unwrap(),
        |index: &Path| {
            std::fs::write(index, b"").unwrap();
        },
    ] {
        let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
        let (id, _) = sent.upload(&place.open()).await;
        let index = place.dir.path().join("index.redb");
        let kept = std::fs::read(&index).unwrap();
        lose(&index);
        let error = place.try_open().unwrap_err();
        assert!(matches!(error, OpenError::IndexGone { .. }), "{error}");
        assert!(error.to_string().contains("Restore both from the same backup"), "{error}");
        std::fs::write(&index, kept).unwrap();
        drop(place.open());
        assert_eq!(std::fs::read(place.blob_path(id)).unwrap(), sent.data);
    }
}

#[tokio::test]
async fn an_index_without_the_blobs_that_it_knows_is_not_taken_for_a_store() {
    for is_sealed in [false, true] {
        for lose in [
            |blobs: &Path| std::fs::rename(blobs, blobs.with_extension("kept")).unwrap(),
            |blobs: &Path| {
                std::fs::rename(blobs, blobs.with_extension("kept")).unwrap();
                std::fs::create_dir(blobs).unwrap();
            },
        ] {
            let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
            let store = place.open();
            let id = sent.create(&store).await;
            sent.put_all(&store, id).await;
            if is_sealed {
                store.seal(&alice(), id, sent.root()).await.unwrap();
            }
            store.shutdown().await;
            drop(store);
            let blobs = place.dir.path().join("blobs");
            lose(&blobs);
            let left = std::fs::read_dir(place.dir.path()).unwrap().count();
            let error = place.try_open().unwrap_err();
            assert!(matches!(error, OpenError::BlobsGone { .. }), "{error}");
            assert!(error.to_string().contains("restore both from the same backup"), "{error}");
            assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), left, "untouched");
            let _ = std::fs::remove_dir(&blobs);
            std::fs::rename(blobs.with_extension("kept"), &blobs).unwrap();
            assert_eq!(held(&place.open(), id).await, "0-1");
        }
    }
}

#[tokio::test]
async fn an_index_that_needs_no_blob_gets_the_folders_again() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let (deleted, _) = sent.upload(&store).await;
    store.shutdown().await;
    drop(store);
    put_into_garbage(&place, deleted.0);
    let blobs = place.dir.path().join("blobs");
    std::fs::remove_dir_all(&blobs).unwrap();
    drop(place.open());
    assert_eq!(rows_of_chunks(&place), 0, "the deletion is finished");
    let store = place.open();
    let id = sent.create(&store).await;
    drop(store);
    std::fs::remove_dir_all(&blobs).unwrap();
    let store = place.open();
    sent.put_all(&store, id).await;
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test]
async fn a_directory_that_cannot_be_had_is_told_with_what_to_do() {
    let place = Place::new();
    let file = place.dir.path().join("a file");
    std::fs::write(&file, b"").unwrap();
    let error = DiskStore::open(&file, Config::default()).unwrap_err().to_string();
    assert!(error.contains("a file") && error.contains("give --data another"), "{error}");
}

#[tokio::test]
async fn a_deletion_that_a_crash_interrupted_is_finished_at_the_start() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let (id, info) = sent.upload(&store).await;
    let blob = std::fs::read(place.blob_path(id)).unwrap();
    drop(store);
    put_into_garbage(&place, id.0);
    drop(place.open());
    assert!(!place.blob_path(id).exists());
    assert_eq!(blob, sent.data);
    assert_eq!(rows_of_chunks(&place), 0);
    let store = place.open();
    assert_eq!(store.files(&alice(), None, 10).await.unwrap().rows, [info], "not asked for");
}

/// What the commit of a deletion leaves, if nothing comes after it.
fn put_into_garbage(place: &Place, blob: [u8; 16]) {
    let db = Database::open(place.dir.path().join("index.redb")).unwrap();
    let garbage: TableDefinition<[u8; 16], &str> = TableDefinition::new("garbage");
    let txn = db.begin_write().unwrap();
    txn.open_table(garbage).unwrap().insert(blob, "alice").unwrap();
    txn.commit().unwrap();
}

/// What no code of ours does: these chunks of a blob have no digests any more.
pub(super) fn lose_rows_of_chunks(place: &Place, blob: UploadId, lost: [u64; 3]) {
    let db = Database::open(place.dir.path().join("index.redb")).unwrap();
    let chunks: TableDefinition<([u8; 16], u64), [u8; 32]> = TableDefinition::new("chunks");
    let txn = db.begin_write().unwrap();
    for index in lost {
        txn.open_table(chunks).unwrap().remove((blob.0, index)).unwrap().expect("a row");
    }
    txn.commit().unwrap();
}

pub(super) fn rows_of_chunks(place: &Place) -> u64 {
    let db = Database::open(place.dir.path().join("index.redb")).unwrap();
    let chunks: TableDefinition<([u8; 16], u64), [u8; 32]> = TableDefinition::new("chunks");
    let txn = redb::ReadableDatabase::begin_read(&db).unwrap();
    let table = txn.open_table(chunks).unwrap();
    redb::ReadableTableMetadata::len(&table).unwrap()
}

#[tokio::test]
async fn an_upload_whose_blob_was_not_made_before_a_crash_gets_it_with_its_first_chunk() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    drop(store);
    std::fs::remove_file(place.blob_path(id)).unwrap();
    let store = place.open();
    sent.put_all(&store, id).await;
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test]
async fn a_blob_that_is_gone_is_not_taken_for_zeroes() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    sent.put(&store, id, 0).await.unwrap();
    Sent::new(CHUNK, 2).upload(&store).await;
    store.shutdown().await;
    drop(store);
    std::fs::remove_file(place.blob_path(id)).unwrap();
    let chunk = sent.put(&place.open(), id, 1).await;
    assert!(matches!(chunk, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_file_larger_than_the_disk_is_refused_before_its_first_byte() {
    let place = Place::new();
    let store = place.open();
    let mut new = named("huge", 1 << 45);
    new.chunk_size = Some(64 << 20);
    let refused = store.create(&alice(), new).await;
    assert!(matches!(refused, Err(StoreError::NoSpace { needed, .. }) if needed == 1 << 45));
    assert_eq!(place.blob_count(), 0);
    assert!(store.uploads(&alice(), None, 10).await.unwrap().rows.is_empty());
    let refused = store.create(&alice(), named("beyond any plan", u64::MAX)).await;
    assert!(matches!(refused, Err(StoreError::Plan(_))));
}

#[tokio::test]
async fn a_directory_from_before_blobs_were_shared_is_brought_up_to_date() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let (_, info) = sent.upload(&store).await;
    store.shutdown().await;
    drop(store);
    take_back_to_schema_2(&place);
    let store = place.open();
    let id = sent.create(&store).await;
    store.offer(&alice(), id, sent.run()).await.unwrap();
    let again = store.seal(&alice(), id, sent.root()).await.unwrap();
    store.delete(&alice(), info.id).await.unwrap();
    assert_eq!(read(&store, again.id).await, sent.data, "the root and the count are known");
    store.delete(&alice(), again.id).await.unwrap();
    store.shutdown().await;
    drop(store);
    drop(place.open());
    assert_eq!(place.blob_count(), 0);
}

/// Makes an index what a server with schema 2 would have left.
fn take_back_to_schema_2(place: &Place) {
    take_back_to_schema(4, place);
    let db = Database::open(place.dir.path().join("index.redb")).unwrap();
    let txn = db.begin_write().unwrap();
    txn.delete_table(TableDefinition::<([u8; 16], u64), ([u8; 32], [u8; 16], u64, u64)>::new(
        "refs",
    ))
    .unwrap();
    txn.delete_table(TableDefinition::<([u8; 16], u64, [u8; 16], u64), ()>::new("lent")).unwrap();
    txn.delete_table(TableDefinition::<(&str, [u8; 32], [u8; 16]), ()>::new("roots")).unwrap();
    let meta: TableDefinition<&str, u64> = TableDefinition::new("meta");
    txn.open_table(meta).unwrap().insert("schema", 2).unwrap();
    let blobs: TableDefinition<[u8; 16], &[u8]> = TableDefinition::new("blobs");
    let mut table = txn.open_table(blobs).unwrap();
    let rows: Vec<_> =
        redb::ReadableTable::iter(&table).unwrap().map(|row| row.unwrap().0.value()).collect();
    for blob in rows {
        let old = format!("\u{1}{{\"len\":{},\"chunk_len\":{CHUNK}}}", 2 * CHUNK);
        table.insert(blob, old.as_bytes()).unwrap();
    }
    drop(table);
    txn.commit().unwrap();
}
