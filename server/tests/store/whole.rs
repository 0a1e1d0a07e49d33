//! The SHA-256 of whole files: right, in nobody's way, through restarts, and not of rotten bytes.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use longhaul_protocol::Digest;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_server::store::disk::work::{Job, Repeat, Step, Threads, Work};
use longhaul_server::store::disk::{Config, DiskStore};
use longhaul_server::store::{Store as _, StoreError};

use super::fixture::{CHUNK, Place, Sent, alice, begin, read, sealed, status};

/// Threads, of which the one that hashes whole files does as many pieces as it is allowed.
#[derive(Clone, Debug, Default)]
struct Gate(Arc<Allowed>);

#[derive(Debug, Default)]
struct Allowed {
    pieces: AtomicI64,
    /// The thread found nothing to do, or nothing that it is allowed to.
    is_idle: AtomicBool,
    /// The last piece found nothing to do.
    is_over: AtomicBool,
    pauses: AtomicI64,
}

impl Gate {
    /// Lets it do so many pieces more, and waits until it has, or has nothing left to do: whether
    /// that is so.
    async fn allow(&self, pieces: i64) -> bool {
        self.0.is_idle.store(false, Ordering::SeqCst);
        self.0.pieces.fetch_add(pieces, Ordering::SeqCst);
        while !self.0.is_idle.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.0.is_over.load(Ordering::SeqCst)
    }
}

impl Work for Gate {
    fn run(&self, job: Job) {
        Threads.run(job);
    }

    fn pause(&self, _time: Duration) {
        self.0.pauses.fetch_add(1, Ordering::SeqCst);
    }

    fn repeat(&self, name: &str, mut step: Step) -> io::Result<Box<dyn Repeat>> {
        if name != "longhaul-whole" {
            return Threads.repeat(name, step);
        }
        let allowed = Arc::clone(&self.0);
        let gated = move || {
            if allowed.pieces.load(Ordering::SeqCst) <= 0 {
                allowed.is_idle.store(true, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
                return true;
            }
            let is_over = !step();
            allowed.is_over.store(is_over, Ordering::SeqCst);
            if is_over {
                allowed.pieces.store(0, Ordering::SeqCst);
            }
            allowed.pieces.fetch_sub(1, Ordering::SeqCst);
            true
        };
        Threads.repeat(name, Box::new(gated))
    }
}

fn open(place: &Place, gate: &Gate) -> DiskStore {
    let work = Arc::new(gate.clone());
    let config = Config { work, whole_save_bytes: CHUNK, ..place.config() };
    DiskStore::open(place.dir.path(), config).unwrap()
}

async fn info(store: &DiskStore, file: FileId) -> FileInfo {
    (**store.open(&alice(), file).await.unwrap().0).clone()
}

/// The digest, once it is there.
pub(super) async fn whole(store: &DiskStore, file: FileId) -> Digest {
    for _ in 0..4000 {
        if let Some(digest) = info(store, file).await.sha256 {
            return digest;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("file {file} is never hashed")
}

fn damage(place: &Place, blob: UploadId, offset: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(place.blob_path(blob));
    let (file, mut byte) = (file.unwrap(), [0]);
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
}

#[tokio::test]
async fn every_file_comes_to_have_the_digest_of_its_bytes_everywhere_it_is_told() {
    let place = Place::new();
    let store = place.open();
    let mut files = Vec::new();
    for (len, seed) in [(0, 1), (1, 2), (CHUNK, 3), (CHUNK + 1, 4), (20 * CHUNK + 77, 5)] {
        let sent = Sent::new(len, seed);
        let (upload, file) = sent.upload(&store).await;
        if len <= CHUNK {
            assert_eq!(file.sha256, Some(Digest::of(&sent.data)), "at once");
        }
        assert_eq!(whole(&store, file.id).await, Digest::of(&sent.data), "{len}");
        files.push((upload, file.id, Digest::of(&sent.data)));
    }
    let told = |info: &FileInfo| (info.id, info.sha256);
    let listed = store.files(&alice(), None, 10).await.unwrap().rows;
    for (upload, file, digest) in files {
        assert!(listed.iter().any(|info| told(info) == (file, Some(digest))));
        let (info, _) =
            store.manifest(&alice(), file, longhaul_protocol::ChunkIndex(0), 1).await.unwrap();
        assert_eq!(told(&info), (file, Some(digest)));
        assert_eq!(status(&store, upload).await.file.unwrap().sha256, Some(digest));
    }
}

#[tokio::test]
async fn a_seal_and_a_download_wait_for_no_hashing() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = open(&place, &gate);
    let sent = Sent::new(5 * CHUNK, 1);
    let (_, file) = sent.upload(&store).await;
    assert_eq!(info(&store, file.id).await.sha256, None);
    assert_eq!(read(&store, file.id).await, sent.data);
    gate.allow(2).await;
    assert_eq!(info(&store, file.id).await.sha256, None, "not before the last byte");
    gate.allow(9).await;
    assert_eq!(info(&store, file.id).await.sha256, Some(Digest::of(&sent.data)));
}

#[tokio::test]
async fn hashing_is_slow_while_a_body_is_on_its_way_and_only_then() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = open(&place, &gate);
    let (_, file) = Sent::new(6 * CHUNK, 1).upload(&store).await;
    gate.allow(1).await;
    assert_eq!(gate.0.pauses.load(Ordering::SeqCst), 0);
    let other = Sent::new(CHUNK, 2);
    let id = other.create(&store).await;
    let writer = begin(&store, id, other.headers(0)).await;
    gate.allow(2).await;
    assert_eq!(gate.0.pauses.load(Ordering::SeqCst), 2, "one for each piece");
    drop(writer);
    gate.allow(1).await;
    assert_eq!(gate.0.pauses.load(Ordering::SeqCst), 2);
    let reader = store.open(&alice(), file.id).await.unwrap();
    gate.allow(1).await;
    assert_eq!(gate.0.pauses.load(Ordering::SeqCst), 3, "for who downloads too");
    drop(reader);
}

#[tokio::test]
async fn a_restart_goes_on_where_hashing_was_saved() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = open(&place, &gate);
    let sent = Sent::new(6 * CHUNK + 5, 1);
    let (upload, file) = sent.upload(&store).await;
    gate.allow(3).await;
    store.shutdown().await;
    drop(store);
    // Whoever begins anew comes by here.
    damage(&place, upload, 5);
    let store = open(&place, &Gate::default());
    assert_eq!(info(&store, file.id).await.sha256, None);
    drop(store);
    let store = place.open();
    assert_eq!(whole(&store, file.id).await, Digest::of(&sent.data));
    drop(store);
    assert_eq!(info(&place.open(), file.id).await.sha256, Some(Digest::of(&sent.data)));
}

#[tokio::test]
async fn what_was_only_begun_is_begun_again() {
    let (place, gate) = (Place::new(), Gate::default());
    let work = Arc::new(gate.clone());
    let config = Config { work, whole_save_bytes: u64::MAX, ..place.config() };
    let store = DiskStore::open(place.dir.path(), config).unwrap();
    let sent = Sent::new(4 * CHUNK, 1);
    let (_, file) = sent.upload(&store).await;
    gate.allow(2).await;
    drop(store);
    assert_eq!(whole(&place.open(), file.id).await, Digest::of(&sent.data));
}

#[tokio::test]
async fn a_file_that_is_deleted_midway_is_left_alone_and_the_next_is_hashed() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = open(&place, &gate);
    let (_, gone) = Sent::new(4 * CHUNK, 1).upload(&store).await;
    gate.allow(2).await;
    store.delete(&alice(), gone.id).await.unwrap();
    let sent = Sent::new(3 * CHUNK, 2);
    let (_, file) = sent.upload(&store).await;
    gate.allow(9).await;
    assert_eq!(info(&store, file.id).await.sha256, Some(Digest::of(&sent.data)));
    assert!(matches!(store.open(&alice(), gone.id).await, Err(StoreError::NotFound)));
    assert_eq!(place.blob_count(), 1);
    drop(store);
    assert_eq!(rows(&place), (0, 1), "nothing is left of the one that is gone");
}

/// An upload of what is here already, all of it borrowed.
async fn borrowed(store: &DiskStore, sent: &Sent) -> UploadId {
    let id = sent.create(store).await;
    store.offer(&alice(), id, sent.run()).await.unwrap();
    id
}

#[tokio::test]
async fn files_on_one_blob_share_its_digest_and_the_deletion_of_one_costs_the_other_nothing() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = open(&place, &gate);
    let sent = Sent::new(5 * CHUNK + 3, 1);
    let (_, first) = sent.upload(&store).await;
    gate.allow(2).await;
    let again = borrowed(&store, &sent).await;
    let second = store.seal(&alice(), again, sent.root()).await.unwrap();
    store.delete(&alice(), first.id).await.unwrap();
    assert_eq!(info(&store, second.id).await.sha256, None);
    gate.allow(9).await;
    assert_eq!(info(&store, second.id).await.sha256, Some(Digest::of(&sent.data)));
    let again = borrowed(&store, &sent).await;
    let third = store.seal(&alice(), again, sent.root()).await.unwrap();
    assert_eq!(third.sha256, Some(Digest::of(&sent.data)), "known already");
}

#[tokio::test]
async fn a_deleted_file_that_comes_back_from_whom_it_was_lent_to_is_hashed_then() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = open(&place, &gate);
    let sent = Sent::new(4 * CHUNK, 1);
    let (_, first) = sent.upload(&store).await;
    gate.allow(2).await;
    let again = borrowed(&store, &sent).await;
    store.delete(&alice(), first.id).await.unwrap();
    assert!(gate.allow(9).await, "nothing is left to do");
    let second = store.seal(&alice(), again, sent.root()).await.unwrap();
    assert_eq!(second.sha256, None, "what nobody needs is not hashed");
    gate.allow(9).await;
    assert_eq!(info(&store, second.id).await.sha256, Some(Digest::of(&sent.data)));
}

#[tokio::test]
async fn a_file_of_copied_chunks_has_the_digest_of_its_own_bytes() {
    let place = Place::new();
    let store = place.open();
    let (old, mut new) = (Sent::new(4 * CHUNK, 1), Sent::new(4 * CHUNK, 1));
    new.data[2 * CHUNK as usize] ^= 1;
    let (_, first) = old.upload(&store).await;
    let id = borrowed(&store, &new).await;
    store.delete(&alice(), first.id).await.unwrap();
    new.put(&store, id, 2).await.unwrap();
    let file = sealed(&store, id, new.root()).await.unwrap();
    assert_eq!(whole(&store, file.id).await, Digest::of(&new.data));
}

#[tokio::test]
async fn rotten_bytes_get_no_digest_and_stop_no_other_file() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = open(&place, &gate);
    let (upload, rotten) = Sent::new(4 * CHUNK, 1).upload(&store).await;
    damage(&place, upload, 2 * CHUNK + 9);
    let sent = Sent::new(3 * CHUNK, 2);
    let (_, sound) = sent.upload(&store).await;
    gate.allow(20).await;
    assert_eq!(info(&store, rotten.id).await.sha256, None);
    assert_eq!(info(&store, sound.id).await.sha256, Some(Digest::of(&sent.data)));
    drop(store);
    damage(&place, upload, 2 * CHUNK + 9);
    whole(&place.open(), rotten.id).await;
}

/// How many blobs wait to be hashed, and how many are.
fn rows(place: &Place) -> (u64, u64) {
    use redb::ReadableTableMetadata as _;
    let txn = index(place).begin_write().unwrap();
    let hashing = txn.open_table(HASHING).unwrap().len().unwrap();
    let wholes = txn.open_table(WHOLES).unwrap().len().unwrap();
    (hashing, wholes)
}

const HASHING: redb::TableDefinition<'_, [u8; 16], (u64, &[u8])> =
    redb::TableDefinition::new("hashing");
const WHOLES: redb::TableDefinition<'_, [u8; 16], [u8; 32]> = redb::TableDefinition::new("wholes");

const BLOBS: redb::TableDefinition<'_, [u8; 16], &[u8]> = redb::TableDefinition::new("blobs");

fn index(place: &Place) -> redb::Database {
    redb::Database::open(place.dir.path().join("index.redb")).unwrap()
}

#[tokio::test]
async fn a_damaged_row_of_one_blob_stops_the_hashing_of_no_other() {
    let (place, gate) = (Place::new(), Gate::default());
    let store = open(&place, &gate);
    let sent = [Sent::new(3 * CHUNK, 1), Sent::new(3 * CHUNK, 2), Sent::new(3 * CHUNK, 3)];
    let mut files = Vec::new();
    for sent in &sent {
        files.push((sent.upload(&store).await, Digest::of(&sent.data)));
    }
    drop(store);
    files.sort_unstable_by_key(|((upload, _), _)| upload.0);
    let ((damaged, _), _) = files.remove(0);
    let db = index(&place);
    let txn = db.begin_write().unwrap();
    txn.open_table(BLOBS).unwrap().insert(damaged.0, &b"no row"[..]).unwrap();
    txn.commit().unwrap();
    drop(db);
    let store = place.open();
    for ((_, file), digest) in files {
        assert_eq!(whole(&store, file.id).await, digest);
    }
}

#[tokio::test]
async fn files_from_before_files_were_hashed_are_hashed_too() {
    let place = Place::new();
    let store = place.open();
    let (small, large) = (Sent::new(9, 1), Sent::new(3 * CHUNK, 2));
    let (_, small_file) = small.upload(&store).await;
    let (_, large_file) = large.upload(&store).await;
    whole(&store, large_file.id).await;
    drop(store);
    let db = index(&place);
    let txn = db.begin_write().unwrap();
    txn.delete_table(HASHING).unwrap();
    txn.delete_table(WHOLES).unwrap();
    txn.open_table(BLOBS).unwrap().insert([9; 16], &b"no row"[..]).unwrap();
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    txn.open_table(meta).unwrap().insert("schema", 2).unwrap();
    txn.commit().unwrap();
    drop(db);
    let store = place.open();
    assert_eq!(whole(&store, small_file.id).await, Digest::of(&small.data));
    assert_eq!(whole(&store, large_file.id).await, Digest::of(&large.data));
}
