//! Uploads that are read while they are still coming.

use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use longhaul_protocol::wire::ids::UploadId;
use longhaul_server::store::disk::{DiskGrowing, DiskStore};
use longhaul_server::store::{FileReader as _, Growing, Store as _, StoreError};

use super::faults::disk::faulty;
use super::fixture::*;

async fn reader(store: &DiskStore, id: UploadId, wait: Duration) -> DiskGrowing {
    match store.growing(&alice(), id, wait).await.unwrap() {
        Growing::Open(_, reader) => reader,
        Growing::Sealed(_) => panic!("it is sealed"),
    }
}

#[tokio::test]
async fn a_chunk_is_compared_for_all_its_readers_once_until_the_next_sweep() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    sent.put(&store, id, 0).await.unwrap();
    let wait = Duration::from_secs(30);
    assert_eq!(reader(&store, id, wait).await.read_at(5, 9).await.unwrap(), sent.chunk(0)[5..14]);
    // What was compared is believed: this is how one notices that it is not done again.
    let blob = std::fs::OpenOptions::new().write(true).open(place.blob_path(id)).unwrap();
    blob.write_all_at(&[!sent.data[70]], 70).unwrap();
    let other = reader(&store, id, wait).await;
    assert_eq!(other.read_at(5, 9).await.unwrap(), sent.chunk(0)[5..14]);
    store.sweep(place.now()).await.unwrap();
    assert!(matches!(other.read_at(5, 9).await, Err(StoreError::Damaged(_))));
}

#[tokio::test]
async fn who_waits_for_the_disk_does_not_wait_for_the_sender() {
    let (_place, faults, store) = faulty();
    let sent = Sent::new(2 * CHUNK, 1);
    let id = sent.create(&store).await;
    sent.put(&store, id, 0).await.unwrap();
    let impatient = reader(&store, id, Duration::from_millis(50)).await;
    faults.blob_reads_wait.store(true, Ordering::SeqCst);
    // More than the disk is asked for at once.
    let ranges = std::iter::repeat_n(impatient.clone(), 100);
    let ranges: Vec<_> =
        ranges.map(|reader| tokio::spawn(async move { reader.read_at(0, 100).await })).collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    faults.blob_reads_wait.store(false, Ordering::SeqCst);
    for range in ranges {
        assert_eq!(range.await.unwrap().unwrap(), sent.chunk(0)[..100]);
    }
    let late = impatient.read_at(CHUNK, 1).await;
    assert!(matches!(late, Err(StoreError::NotYet { .. })), "{late:?}");
}
