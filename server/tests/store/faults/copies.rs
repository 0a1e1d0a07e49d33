//! Copies of what was lent, on a disk that fails for a while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use longhaul_protocol::wire::ids::UploadId;
use longhaul_server::store::disk::DiskStore;
use longhaul_server::store::{Store as _, StoreError};

use super::disk::{Done, Faults, faulty};
use crate::store::fixture::*;

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
    faults.tries.store(0, Ordering::SeqCst);
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

/// Whether what an upload borrows is its own at last, for who asks a second after the other: on a machine that has much
/// else to do the copies of one take longer than the answer.
async fn is_filled(place: &Place, store: &DiskStore, id: UploadId) -> bool {
    for _ in 0..3000 {
        asks_for(place, store, id, 1).await;
        if status(store, id).await.holding.filling.is_empty() {
            return true;
        }
    }
    false
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
        let tries = faults.tries.swap(0, Ordering::SeqCst);
        println!("{tries} reads and writes in no time");
        assert!((1..=80).contains(&tries), "in no time {tries} reads and writes, for nothing");
        let written = faults.take().into_iter().filter(|done| *done == Done::BlobWritten).count();
        assert!(written <= 40, "in no time {written} chunks were copied, for nothing");
        told.extend(asks_for(&place, &store, id, 50).await);
        assert_eq!(!told.is_empty(), is_here, "{told:?}");
        assert_eq!(status(&store, id).await.holding.held.to_string(), "0-40");
        breaks(&faults).store(false, Ordering::SeqCst);
        assert!(is_filled(&place, &store, id).await);
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
