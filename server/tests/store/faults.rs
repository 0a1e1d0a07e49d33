//! On a disk that fails when it is told to, and that remembers in which order it was used.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::plan::CHUNK_LEN_DEFAULT;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_server::store::disk::{Config, DiskStore};
use longhaul_server::store::{
    ChunkWriter as _, FileReader, Growing, NewUpload, Store as _, StoreError,
};
use longhaul_server::stream::{FRAME_BYTES, FileBody, Stretch};

mod copies;
pub(super) mod disk;

use super::fixture::*;
use disk::{Done, Faults, FaultyDisk, faulty};

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
    assert!(matches!(refused, Err(StoreError::NoSpace { needed: CHUNK, .. })));
    assert!(store.uploads(&alice(), None, 10).await.unwrap().rows.is_empty());
    assert_eq!(place.blob_count(), 0);
}

/// The room for it is made while the answer is on its way.
#[tokio::test]
async fn a_long_upload_is_begun_on_a_full_disk_which_its_first_chunk_is_told_until_there_is_room() {
    let (_place, faults, store) = faulty();
    faults.is_full.store(true, Ordering::SeqCst);
    let len = (4 << 30) + 1;
    // Few enough rows for what is kept for the index.
    let chunk_size = Some(CHUNK_LEN_DEFAULT);
    let new = NewUpload { chunk_size, ..named("long", len) };
    let begun = store.create(&alice(), new).await.unwrap();
    let first = bytes(begun.plan.chunk_len(), 1);
    let send = async || put(&store, begun.id, headers(0, &first), &first).await;
    for _ in 0..2 {
        let refused = send().await;
        let is_told = matches!(refused, Err(StoreError::NoSpace { needed, .. }) if needed == len);
        assert!(is_told, "{refused:?}");
    }
    assert_eq!(held(&store, begun.id).await, "");
    faults.is_full.store(false, Ordering::SeqCst);
    // Nobody needs 4 GiB here.
    faults.cannot_reserve.store(true, Ordering::SeqCst);
    send().await.unwrap();
    assert_eq!(held(&store, begun.id).await, "0");
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

/// To wait for each piece by itself would be a change of threads for each.
#[tokio::test]
async fn what_a_stream_wants_next_is_waited_for_with_a_piece_of_it_and_no_more() {
    let (_place, faults, store) = faulty();
    let (_, info) = Sent::new(64 * CHUNK, 1).upload(&store).await;
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    let mib = 1 << 20;
    for (wanted, fetched) in [(CHUNK, CHUNK), (3 * CHUNK, 3 * CHUNK), (64 * CHUNK, mib)] {
        let body = FileBody::new(reader.clone(), [Stretch::File(0..wanted)]);
        body.posting_to(Some(&Arc::default())).begun().await.unwrap();
        assert_eq!(faults.ahead.load(Ordering::SeqCst), fetched, "{wanted}");
    }
}

/// Tokio has 512 threads for what blocks.
#[tokio::test]
async fn a_small_range_does_not_wait_for_streams_that_wait_for_the_disk() {
    let (_place, faults, store) = faulty();
    let sent = Sent::new(8 * CHUNK, 1);
    let (_, info) = sent.upload(&store).await;
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    faults.streams_wait.store(true, Ordering::SeqCst);
    let frame = || (reader.clone(), FRAME_BYTES as usize);
    let streams = std::iter::repeat_with(frame).take(600);
    let streams: Vec<_> = streams
        .map(|(reader, len)| tokio::spawn(async move { reader.read_at(0, len).await }))
        .collect();
    // Until they all have asked.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let small = reader.read_at(6 * CHUNK, 100);
    let small = tokio::time::timeout(Duration::from_secs(20), small).await;
    faults.streams_wait.store(false, Ordering::SeqCst);
    assert_eq!(small.expect("it waits").unwrap(), sent.chunk(6)[..100]);
    for stream in streams {
        stream.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_upload_does_not_wait_for_small_ranges_that_wait_for_the_disk() {
    let (_place, faults, store) = faulty();
    let (_, info) = Sent::new(8 * CHUNK, 1).upload(&store).await;
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    goes_on_beside(&store, &faults, reader).await;
}

#[tokio::test]
async fn an_upload_does_not_wait_for_readers_of_another_one_that_wait_for_the_disk() {
    let (_place, faults, store) = faulty();
    let sent = Sent::new(2 * CHUNK, 1);
    let id = sent.create(&store).await;
    sent.put(&store, id, 0).await.unwrap();
    let growing = store.growing(&alice(), id, Duration::from_secs(30)).await.unwrap();
    let Growing::Open(_, reader) = growing else { panic!() };
    goes_on_beside(&store, &faults, reader).await;
}

/// Whether an upload is begun while more ask a reader for bytes than there are threads, and the disk gives none.
async fn goes_on_beside<R>(store: &DiskStore, faults: &Faults, reader: R)
where
    R: FileReader + Clone + Send + Sync + 'static,
{
    faults.blob_reads_wait.store(true, Ordering::SeqCst);
    let ranges = std::iter::repeat_n(reader, 600);
    let ranges: Vec<_> =
        ranges.map(|reader| tokio::spawn(async move { reader.read_at(0, 100).await })).collect();
    // Until they all have asked.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let other = Sent::new(CHUNK, 2);
    let begun = tokio::time::timeout(Duration::from_secs(20), other.create(store)).await;
    faults.blob_reads_wait.store(false, Ordering::SeqCst);
    begun.expect("it waits");
    for range in ranges {
        range.await.unwrap().unwrap();
    }
}
