//! Requests that race. Who goes on when is a seed's choice, between any two touches of the disk, so
//! each race is run in many orders, and whatever the order only these outcomes may come of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fastrand::Rng;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{Digest, digest};
use longhaul_server::store::disk::medium::Disk as _;
use longhaul_server::store::disk::{Config, DiskStore};
use longhaul_server::store::{
    ChunkBegin, ChunkWriter as _, FileReader as _, Result, Store as _, StoreError,
};

use super::fixture::*;
use super::sim::{SimDisk, Stage};

const DIR: &str = "/data";
/// In how many orders a race is run.
const ORDERS: u64 = 200;

/// A store whose threads take turns, and whoever races on it.
struct Race {
    store: DiskStore,
    disk: SimDisk,
    rng: Rng,
}

impl Race {
    /// Sends a chunk in pieces, letting others go on between them.
    fn put(&mut self, id: UploadId, headers: ChunkHeaders, body: &[u8]) -> Task<Result<()>> {
        let (store, mut rng) = (self.store.clone(), self.rng.fork());
        let mut body = Bytes::copy_from_slice(body);
        tokio::spawn(async move {
            step_back(&mut rng).await;
            let begun = store.begin_chunk(&alice(), id, headers).await?;
            let ChunkBegin::Write(mut writer) = begun else { return Ok(()) };
            while !body.is_empty() {
                let piece = body.split_to(rng.usize(1..=body.len()));
                writer.write(piece).await?;
                step_back(&mut rng).await;
            }
            writer.finish().await
        })
    }

    fn seal(&mut self, id: UploadId, root: Digest) -> Task<Result<FileInfo>> {
        let (store, mut rng) = (self.store.clone(), self.rng.fork());
        tokio::spawn(async move {
            step_back(&mut rng).await;
            store.seal(&alice(), id, root).await
        })
    }

    /// Seals once everything that is borrowed is copied.
    async fn sealed(&self, id: UploadId, root: Digest) -> Result<FileInfo> {
        loop {
            match self.store.seal(&alice(), id, root).await {
                Err(StoreError::StillFilling { .. }) => tokio::task::yield_now().await,
                other => return other,
            }
        }
    }

    fn blobs(&self) -> Vec<String> {
        self.disk.files(&Path::new(DIR).join("blobs"))
    }
}

type Task<T> = tokio::task::JoinHandle<T>;

async fn step_back(rng: &mut Rng) {
    for _ in 0..rng.u8(..6) {
        tokio::task::yield_now().await;
    }
}

/// Runs a race in many orders; says in which it came out wrong.
fn in_every_order(orders: u64, race: impl AsyncFn(&mut Race)) {
    for seed in 0..orders {
        let disk = SimDisk::new(seed);
        disk.create_dir(Path::new(DIR)).unwrap();
        let stage = Stage::new(seed);
        let now = Arc::new(AtomicU64::new(1_800_000_000_000));
        let ids = std::sync::Mutex::new(Rng::with_seed(seed));
        let config = Config {
            chunk_len: CHUNK,
            index_cache_bytes: 1 << 20,
            clock: longhaul_server::store::disk::Clock::new(move || {
                longhaul_protocol::Millis(now.load(Ordering::SeqCst))
            }),
            ids: longhaul_server::store::disk::Ids::new(move || {
                Ok(ids.lock().unwrap().u128(..).to_le_bytes())
            }),
            work: Arc::new(stage.clone()),
            ..Config::default()
        };
        let store = DiskStore::open_on(Arc::new(disk.clone()), Path::new(DIR), config).unwrap();
        let mut running = Race { store, disk, rng: Rng::with_seed(seed) };
        let said = std::panic::AssertUnwindSafe(|| stage.run(race(&mut running)));
        if let Err(panic) = std::panic::catch_unwind(said) {
            println!("in order {seed}:");
            std::panic::resume_unwind(panic);
        }
    }
}

/// The bytes of a whole file.
async fn read_all(store: &DiskStore, info: &FileInfo) -> Vec<u8> {
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    reader.read_at(0, info.size as usize).await.unwrap().to_vec()
}

#[test]
fn sixty_four_requests_at_once_for_the_chunks_of_one_upload_all_come_through() {
    in_every_order(12, async |race: &mut Race| {
        let sent = Sent::new(64 * CHUNK - 5, 1);
        let id = sent.create(&race.store).await;
        let mut tasks: Vec<_> =
            (0..64).map(|index| race.put(id, sent.headers(index), sent.chunk(index))).collect();
        race.rng.shuffle(&mut tasks);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let info = race.store.seal(&alice(), id, sent.root()).await.unwrap();
        assert_eq!(read_all(&race.store, &info).await, sent.data);
    });
}

#[test]
fn of_three_requests_with_other_bytes_for_one_chunk_exactly_one_is_taken_and_never_a_mixture() {
    in_every_order(ORDERS, async |race: &mut Race| {
        let id = Sent::new(CHUNK, 1).create(&race.store).await;
        let bodies: Vec<_> = (1..=3).map(|seed| bytes(CHUNK, seed)).collect();
        let tasks: Vec<_> =
            bodies.iter().map(|body| race.put(id, headers(0, body), body)).collect();
        let mut taken = Vec::new();
        for (task, body) in tasks.into_iter().zip(&bodies) {
            match task.await.unwrap() {
                Ok(()) => taken.push(body),
                Err(StoreError::Superseded { .. } | StoreError::ChunkHeld { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(taken.len(), 1);
        let root = digest::root([Digest::of(taken[0])]);
        let info = race.store.seal(&alice(), id, root).await.unwrap();
        assert_eq!(&read_all(&race.store, &info).await, taken[0]);
    });
}

#[test]
fn of_three_requests_with_the_same_bytes_for_one_chunk_the_last_one_is_answered_well() {
    in_every_order(ORDERS, async |race: &mut Race| {
        let sent = Sent::new(CHUNK, 1);
        let id = sent.create(&race.store).await;
        let tasks: Vec<_> = (0..3).map(|_| race.put(id, sent.headers(0), sent.chunk(0))).collect();
        let mut taken = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(()) => taken += 1,
                Err(StoreError::Superseded { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert!(taken >= 1);
        let info = race.store.seal(&alice(), id, sent.root()).await.unwrap();
        assert_eq!(read_all(&race.store, &info).await, sent.data);
    });
}

#[test]
fn a_newer_request_writes_nothing_before_the_write_of_an_older_one_has_landed() {
    in_every_order(ORDERS, async |race: &mut Race| {
        let id = Sent::new(CHUNK, 1).create(&race.store).await;
        let (old, new) = (bytes(CHUNK, 1), bytes(CHUNK, 2));
        let mut older = begin(&race.store, id, headers(0, &old)).await;
        older.write(Bytes::copy_from_slice(&old)).await.unwrap();
        let older = tokio::spawn(older.finish());
        // Polled once, it has handed its write to a thread, and waits.
        tokio::task::yield_now().await;
        let newer = put(&race.store, id, headers(0, &new), &new).await;
        let taken = match (older.await.unwrap(), newer) {
            (Err(StoreError::Superseded { .. }), Ok(())) => new,
            (Ok(()), Err(StoreError::ChunkHeld { .. })) => old,
            other => panic!("{other:?}"),
        };
        let root = digest::root([Digest::of(&taken)]);
        let info = race.store.seal(&alice(), id, root).await.unwrap();
        assert_eq!(read_all(&race.store, &info).await, taken);
    });
}

#[test]
fn a_cancel_during_a_put_ends_both_and_leaves_nothing() {
    in_every_order(ORDERS, async |race: &mut Race| {
        let sent = Sent::new(2 * CHUNK, 1);
        let id = sent.create(&race.store).await;
        let put = race.put(id, sent.headers(0), sent.chunk(0));
        step_back(&mut race.rng).await;
        race.store.cancel(&alice(), id).await.unwrap();
        let put = put.await.unwrap();
        assert!(matches!(put, Ok(()) | Err(StoreError::NotFound)), "{put:?}");
        let status = race.store.upload(&alice(), id).await;
        assert!(matches!(status, Err(StoreError::NotFound)), "{status:?}");
        race.store.shutdown().await;
        assert!(race.blobs().is_empty(), "{:?}", race.blobs());
    });
}

#[test]
fn a_seal_during_a_put_makes_the_file_or_names_the_chunk_and_the_put_comes_through() {
    in_every_order(ORDERS, async |race: &mut Race| {
        let sent = Sent::new(2 * CHUNK, 1);
        let id = sent.create(&race.store).await;
        sent.put(&race.store, id, 0).await.unwrap();
        let put = race.put(id, sent.headers(1), sent.chunk(1));
        let sealed = race.seal(id, sent.root()).await.unwrap();
        put.await.unwrap().unwrap();
        let again = race.store.seal(&alice(), id, sent.root()).await.unwrap();
        match sealed {
            Ok(info) => assert_eq!(info.id, again.id),
            Err(StoreError::ChunksMissing { missing }) => assert_eq!(missing, set("1")),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(read_all(&race.store, &again).await, sent.data);
    });
}

#[test]
fn of_a_seal_and_a_replacement_one_comes_first_and_the_other_hears_it() {
    in_every_order(ORDERS, async |race: &mut Race| {
        let (old, new) = (Sent::new(2 * CHUNK, 1), bytes(CHUNK, 9));
        let id = old.create(&race.store).await;
        old.put_all(&race.store, id).await;
        race.store.shutdown().await;
        let replace = ChunkHeaders { replace: Some(old.digests()[0]), ..headers(0, &new) };
        let put = race.put(id, replace, &new);
        let sealed = race.seal(id, old.root()).await.unwrap();
        match (sealed, put.await.unwrap()) {
            (Ok(info), Err(StoreError::Sealed { file })) => {
                assert_eq!(info.id, file);
                assert_eq!(read_all(&race.store, &info).await, old.data);
            }
            (Err(StoreError::ChunksMissing { .. } | StoreError::RootMismatch), Ok(())) => {
                let root = digest::root([Digest::of(&new), old.digests()[1]]);
                let info = race.store.seal(&alice(), id, root).await.unwrap();
                assert_eq!(read_all(&race.store, &info).await, [&new[..], old.chunk(1)].concat());
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_chunk_that_is_lent_while_it_is_replaced_stays_for_who_borrows_it() {
    in_every_order(ORDERS / 4, async |race: &mut Race| {
        // The last of some, so that it is written over before the copies have come to it.
        let (old, mut new, last) = (Sent::new(5 * CHUNK, 1), Sent::new(5 * CHUNK, 1), 4);
        new.data[4 * CHUNK as usize] ^= 1;
        let source = old.create(&race.store).await;
        old.put_all(&race.store, source).await;
        race.store.shutdown().await;
        let borrower = old.create(&race.store).await;
        let replace = Some(old.digests()[last]);
        let headers = ChunkHeaders { replace, ..new.headers(last as u64) };
        let put = race.put(source, headers, new.chunk(last as u64));
        step_back(&mut race.rng).await;
        let offered = race.store.offer(&alice(), borrower, old.run()).await.unwrap();
        put.await.unwrap().unwrap();
        let replaced = race.sealed(source, new.root()).await.unwrap();
        assert_eq!(read_all(&race.store, &replaced).await, new.data);
        if offered.holding.held == set("0-4") {
            let info = race.sealed(borrower, old.root()).await.expect("all was told to be held");
            assert_eq!(read_all(&race.store, &info).await, old.data);
        }
    });
}

#[test]
fn a_download_reads_to_its_end_whenever_the_file_is_deleted() {
    in_every_order(ORDERS, async |race: &mut Race| {
        let sent = Sent::new(3 * CHUNK, 1);
        let (_, info) = sent.upload(&race.store).await;
        let (_, reader) = race.store.open(&alice(), info.id).await.unwrap();
        let (store, id, mut rng) = (race.store.clone(), info.id, race.rng.fork());
        let delete = tokio::spawn(async move {
            step_back(&mut rng).await;
            store.delete(&alice(), id).await
        });
        let mut read = Vec::new();
        while read.len() < sent.data.len() {
            let len = race.rng.usize(1..=sent.data.len() - read.len());
            read.extend(reader.read_at(read.len() as u64, len).await.unwrap());
            step_back(&mut race.rng).await;
        }
        assert_eq!(read, sent.data);
        delete.await.unwrap().unwrap();
        let opened = race.store.open(&alice(), info.id).await;
        assert!(matches!(opened, Err(StoreError::NotFound)));
        drop(reader);
        assert!(race.blobs().is_empty(), "{:?}", race.blobs());
    });
}
