//! A disk that changes a bit and says nothing.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{ChunkIndex, Digest};
use longhaul_server::store::disk::{Config, DiskStore};
use longhaul_server::store::{FileReader as _, Store as _, StoreError};
use redb::{Database, ReadableTable as _, TableDefinition};

use super::fixture::*;
use super::whole::whole;

/// Flips one bit of a file.
fn flip(path: &Path, byte: u64, bit: u8) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut read = [0];
    file.read_exact_at(&mut read, byte).unwrap();
    file.write_all_at(&[read[0] ^ (1 << bit)], byte).unwrap();
}

/// A bit of a sealed file flips, some time after everybody has looked at the file.
async fn rots(place: &Place, store: &DiskStore, (blob, file): (UploadId, FileId), byte: u64) {
    whole(store, file).await;
    flip(&place.blob_path(blob), byte, 3);
    store.sweep(place.now()).await.unwrap();
}

/// An upload of three chunks that were told held, of which a disk that was switched off since has
/// changed a bit in the second.
async fn staged_and_rotten(place: &Place, sent: &Sent) -> UploadId {
    let store = place.open();
    let id = sent.create(&store).await;
    sent.put_all(&store, id).await;
    assert_eq!(held(&store, id).await, "0-2");
    drop(store);
    flip(&place.blob_path(id), CHUNK + 70, 3);
    id
}

#[tokio::test]
async fn a_rotten_chunk_of_a_file_is_never_served_and_the_others_are() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let (id, info) = sent.upload(&store).await;
    rots(&place, &store, (id, info.id), CHUNK + 70).await;
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    for (offset, len) in [(CHUNK, 1), (2 * CHUNK - 1, 1), (CHUNK - 1, 2), (0, 3 * CHUNK)] {
        let refused = reader.read_at(offset, len as usize).await.unwrap_err();
        assert!(matches!(refused, StoreError::Damaged(_)), "{refused}");
        let named = format!("chunk 1 of file {}", info.id);
        assert!(refused.to_string().contains(&named), "{refused}");
    }
    for index in [0, 2] {
        let read = reader.read_at(index * CHUNK, CHUNK as usize).await.unwrap();
        assert_eq!(read, sent.chunk(index));
    }
    flip(&place.blob_path(id), CHUNK + 70, 3);
    assert_eq!(read(&store, info.id).await, sent.data, "what was restored is served again");
}

#[tokio::test]
async fn what_rots_after_it_was_read_is_found_after_the_next_sweep() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let (id, info) = sent.upload(&store).await;
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    reader.read_at(0, sent.data.len()).await.unwrap();
    rots(&place, &store, (id, info.id), 0).await;
    assert!(matches!(reader.read_at(5, 1).await, Err(StoreError::Damaged(_))));
    assert!(reader.read_at(CHUNK, 1).await.is_ok());
}

#[tokio::test]
async fn a_file_that_is_deleted_while_it_is_read_is_still_verified() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let (id, info) = sent.upload(&store).await;
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    rots(&place, &store, (id, info.id), CHUNK + 70).await;
    store.delete(&alice(), info.id).await.unwrap();
    store.sweep(place.now()).await.unwrap();
    assert!(matches!(reader.read_at(CHUNK, 1).await, Err(StoreError::Damaged(_))));
    assert_eq!(reader.read_at(2 * CHUNK, 9).await.unwrap(), sent.chunk(2)[..9]);
    drop(reader);
    store.sweep(place.now()).await.unwrap();
    drop(store);
    assert_eq!(super::opening::rows_of_chunks(&place), 0, "its rows go when nobody reads it");
}

#[tokio::test]
async fn a_rotten_chunk_of_an_upload_is_asked_for_again_when_its_sender_comes_back() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let id = staged_and_rotten(&place, &sent).await;
    let store = place.open();
    store.offer(&alice(), id, sent.run()).await.unwrap();
    until_held(&store, id, "0,2").await;
    let sealed = store.seal(&alice(), id, sent.root()).await;
    assert!(matches!(sealed, Err(StoreError::ChunksMissing { missing }) if missing == set("1")));
    sent.put(&store, id, 1).await.unwrap();
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

/// What memory has of an upload is seen by what it believes: a chunk is compared again once it was let go of.
#[tokio::test]
async fn uploads_to_which_nothing_comes_make_room_in_memory_where_there_are_too_many() {
    for (idle_ms, is_let_go) in [(9_000, false), (11_000, true)] {
        let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
        let store = place.open_with(&Config { live_max: 2, ..place.config() });
        let id = sent.create(&store).await;
        sent.put_all(&store, id).await;
        assert_eq!(held(&store, id).await, "0-2");
        flip(&place.blob_path(id), CHUNK + 70, 3);
        place.pass(idle_ms);
        for seed in 2..5 {
            Sent::new(3 * CHUNK, seed).create(&store).await;
        }
        store.offer(&alice(), id, sent.run()).await.unwrap();
        if is_let_go {
            until_held(&store, id, "0,2").await;
        } else {
            // It is looked at in the background: long enough that it would have been.
            for _ in 0..50 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                assert_eq!(held(&store, id).await, "0-2");
            }
        }
    }
}

#[tokio::test]
async fn a_rotten_chunk_of_an_upload_that_a_copy_finds_is_asked_for_again() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let lender = sent.create(&store).await;
    sent.put_all(&store, lender).await;
    assert_eq!(held(&store, lender).await, "0-2");
    flip(&place.blob_path(lender), CHUNK + 70, 3);
    let mut other = Sent::new(3 * CHUNK, 1);
    other.data[0] ^= 1;
    let borrower = other.create(&store).await;
    store.offer(&alice(), borrower, other.run()).await.unwrap();
    until_held(&store, lender, "0,2").await;
    until_held(&store, borrower, "2").await;
    let sealed = store.seal(&alice(), lender, sent.root()).await;
    assert!(matches!(sealed, Err(StoreError::ChunksMissing { missing }) if missing == set("1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_chunk_is_rotten_is_remembered_over_a_restart() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let id = staged_and_rotten(&place, &sent).await;
    let store = place.open();
    sent.put(&store, id, 0).await.unwrap();
    until_held(&store, id, "0,2").await;
    drop(store);
    assert_eq!(held(&place.open(), id).await, "0,2");
}

#[tokio::test]
async fn a_rotten_chunk_that_is_sealed_before_anybody_looked_is_not_served() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let id = staged_and_rotten(&place, &sent).await;
    let store = place.open();
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    assert!(matches!(reader.read_at(CHUNK, 5).await, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn a_rotten_file_is_made_good_by_sending_it_once_more() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let (id, rotten) = sent.upload(&store).await;
    let before = sent.create(&store).await;
    assert_eq!(store.offer(&alice(), before, sent.run()).await.unwrap().holding.held, set("0-2"));
    rots(&place, &store, (id, rotten.id), CHUNK + 70).await;
    let (_, reader) = store.open(&alice(), rotten.id).await.unwrap();
    assert!(matches!(reader.read_at(CHUNK, 5).await, Err(StoreError::Damaged(_))));
    let after = sent.create(&store).await;
    store.offer(&alice(), after, sent.run()).await.unwrap();
    for upload in [before, after] {
        let refused = sealed(&store, upload, sent.root()).await;
        let missing =
            matches!(&refused, Err(StoreError::ChunksMissing { missing }) if *missing == set("1"));
        assert!(missing, "{refused:?}");
        sent.put(&store, upload, 1).await.unwrap();
        let info = sealed(&store, upload, sent.root()).await.unwrap();
        assert_eq!(read(&store, info.id).await, sent.data);
    }
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(info.id, rotten.id, "it is still there for whoever wants the rest of it");
}

#[tokio::test]
async fn a_rotten_chunk_of_an_upload_is_taken_from_those_who_borrow_it_too() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let id = staged_and_rotten(&place, &sent).await;
    let store = place.open();
    let borrower = sent.create(&store).await;
    store.offer(&alice(), borrower, sent.run()).await.unwrap();
    until_held(&store, borrower, "0,2").await;
    store.offer(&alice(), id, sent.run()).await.unwrap();
    until_held(&store, id, "0,2").await;
    sent.put(&store, borrower, 1).await.unwrap();
    let info = sealed(&store, borrower, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

async fn until_held(store: &DiskStore, id: UploadId, wanted: &str) {
    for _ in 0..2000 {
        if held(store, id).await == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{wanted} is not what is held: {}", held(store, id).await);
}

const CHUNKS: TableDefinition<'_, ([u8; 16], u64), [u8; 32]> = TableDefinition::new("chunks");
const FILES: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("files");
const UPLOADS: TableDefinition<'_, [u8; 16], &[u8]> = TableDefinition::new("uploads");

/// Does something to the index of a store that is closed.
fn in_index(place: &Place, change: impl FnOnce(&redb::WriteTransaction)) {
    let db = Database::open(place.dir.path().join("index.redb")).unwrap();
    let txn = db.begin_write().unwrap();
    change(&txn);
    txn.commit().unwrap();
}

/// A bit of a chunk's digest.
fn flip_digest(place: &Place, blob: UploadId, index: u64) {
    in_index(place, |txn| {
        let mut chunks = txn.open_table(CHUNKS).unwrap();
        let mut digest = chunks.get((blob.0, index)).unwrap().unwrap().value();
        digest[7] ^= 16;
        chunks.insert((blob.0, index), digest).unwrap();
    });
}

#[tokio::test]
async fn a_rotten_digest_is_as_bad_as_rotten_bytes() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let (sealed, info) = sent.upload(&store).await;
    let open = sent.create(&store).await;
    sent.put_all(&store, open).await;
    store.shutdown().await;
    drop(store);
    flip_digest(&place, sealed, 1);
    flip_digest(&place, open, 2);
    let store = place.open();
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    assert!(matches!(reader.read_at(CHUNK, 5).await, Err(StoreError::Damaged(_))));
    sent.put(&store, open, 0).await.unwrap();
    until_held(&store, open, "0-1").await;
    sent.put(&store, open, 2).await.unwrap();
    let again = store.seal(&alice(), open, sent.root()).await.unwrap();
    assert_eq!(read(&store, again.id).await, sent.data);
}

#[tokio::test]
async fn a_rotten_row_is_named_and_disturbs_no_other() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let (_, bad) = sent.upload(&store).await;
    let (_, good) = sent.upload(&store).await;
    let (upload, open) = (sent.create(&store).await, sent.create(&store).await);
    drop(store);
    in_index(&place, |txn| {
        for (table, key) in [(FILES, bad.id.0), (UPLOADS, upload.0)] {
            let mut table = txn.open_table(table).unwrap();
            let mut row = table.get(key).unwrap().unwrap().value().to_vec();
            // A letter of the owner's name, so that it is JSON still.
            let at = row.windows(5).position(|part| part == b"alice").unwrap();
            row[at] ^= 2;
            table.insert(key, row.as_slice()).unwrap();
        }
    });
    let store = place.open_with(&Config { work: Arc::new(AtOnce), ..place.config() });
    let damaged = |error: StoreError, what: &str| {
        assert!(matches!(error, StoreError::Damaged(_)) && error.to_string().contains(what));
    };
    damaged(store.open(&alice(), bad.id).await.unwrap_err(), "the row of a file");
    damaged(store.upload(&alice(), upload).await.unwrap_err(), "the row of an upload");
    damaged(store.offer(&alice(), upload, sent.run()).await.unwrap_err(), "the row of an upload");
    assert_eq!(read(&store, good.id).await, sent.data);
    let log = Log::start();
    let files = store.files(&alice(), None, 10).await.unwrap().rows;
    assert_eq!(files.iter().map(|file| file.id).collect::<Vec<_>>(), [good.id]);
    let uploads = store.uploads(&alice(), None, 10).await.unwrap().rows;
    assert_eq!(uploads.iter().map(|upload| upload.id).collect::<Vec<_>>(), [open]);
    for id in [bad.id.to_string(), upload.to_string()] {
        assert!(log.text().contains(&id), "{id}: {}", log.text());
    }
    drop(log);
    assert_eq!(Sent::new(CHUNK, 2).upload(&store).await.1.size, CHUNK);
}

#[tokio::test]
async fn a_bit_that_flips_anywhere_in_the_index_is_noticed_at_the_start_or_harms_nobody() {
    const FLIPS: u64 = 150;
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let (_, info) = sent.upload(&store).await;
    let open = sent.create(&store).await;
    sent.put(&store, open, 1).await.unwrap();
    store.shutdown().await;
    drop(store);
    let path = place.dir.path().join("index.redb");
    let whole = std::fs::read(&path).unwrap();
    let used: Vec<_> = (0..whole.len()).filter(|&at| whole[at] != 0).collect();
    let (mut rng, mut refused) = (fastrand::Rng::with_seed(5), 0);
    let anywhere = (0..FLIPS).map(|_| used[rng.usize(..used.len())]);
    // Some of them are in rows that are read below, the others in pages that nobody needs.
    let digest = Digest::of(sent.chunk(1));
    let in_rows = (0..whole.len() - 32).filter(|&at| whole[at..at + 32] == digest.0);
    let places: Vec<_> = anywhere.chain(in_rows).collect();
    let config = Config { index_trusted_ms: 0, ..place.config() };
    for &at in &places {
        std::fs::write(&path, &whole).unwrap();
        flip(&path, at as u64, rng.u8(..8));
        match DiskStore::open(place.dir.path(), config.clone()) {
            Err(error) => {
                assert!(error.to_string().contains("index.redb"), "byte {at}: {error}");
                refused += 1;
            }
            Ok(store) => {
                assert_eq!(read(&store, info.id).await, sent.data, "byte {at}");
                let digests = store.held_digests(&alice(), open, ChunkIndex(1), 1).await.unwrap();
                assert_eq!(digests, [Some(digest)], "byte {at}");
            }
        }
    }
    println!("{refused} of {} flips kept the store from starting", places.len());
    assert!(refused > 0);
}
