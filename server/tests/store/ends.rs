//! How uploads and files end: cancelled, deleted, expired.

use std::sync::Arc;

use bytes::Bytes;
use longhaul_server::store::disk::Config;
use longhaul_server::store::{ChunkWriter as _, FileReader as _, Store as _, StoreError};

use super::fixture::*;

#[tokio::test]
async fn a_cancel_stops_the_request_that_is_writing_and_frees_the_space() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    sent.put(&store, id, 0).await.unwrap();
    let mut writer = begin(&store, id, sent.headers(1)).await;
    writer.write(Bytes::copy_from_slice(&sent.chunk(1)[..10])).await.unwrap();
    store.cancel(&alice(), id).await.unwrap();
    let late = writer.write(Bytes::copy_from_slice(&sent.chunk(1)[10..])).await;
    assert!(matches!(late, Err(StoreError::NotFound)));
    assert!(matches!(writer.finish().await, Err(StoreError::Length { .. })));
    assert!(matches!(store.upload(&alice(), id).await, Err(StoreError::NotFound)));
    assert!(matches!(store.cancel(&alice(), id).await, Err(StoreError::NotFound)));
    assert_eq!(place.blob_count(), 0);
}

#[tokio::test]
async fn a_chunk_that_came_whole_is_not_kept_once_its_upload_is_cancelled() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let mut writer = begin(&store, id, sent.headers(0)).await;
    writer.write(Bytes::copy_from_slice(&sent.data)).await.unwrap();
    store.cancel(&alice(), id).await.unwrap();
    assert!(matches!(writer.finish().await, Err(StoreError::NotFound)));
    store.shutdown().await;
    drop(store);
    let store = place.open();
    assert!(matches!(store.upload(&alice(), id).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn a_reader_reads_to_the_end_of_a_file_that_is_deleted() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let (id, info) = sent.upload(&store).await;
    let (_, reader) = store.open(&alice(), info.id).await.unwrap();
    store.delete(&alice(), info.id).await.unwrap();
    assert_eq!(place.blob_count(), 0);
    assert_eq!(reader.read_at(0, sent.data.len()).await.unwrap(), sent.data);
    assert!(matches!(store.open(&alice(), info.id).await, Err(StoreError::NotFound)));
    assert!(matches!(store.delete(&alice(), info.id).await, Err(StoreError::NotFound)));
    assert!(store.files(&alice(), None, 10).await.unwrap().rows.is_empty());
    assert!(matches!(store.upload(&alice(), id).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn an_upload_to_which_nothing_came_expires_after_an_hour() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    assert_eq!(store.sweep(place.pass(HOUR - 1)).await.unwrap().uploads, 0);
    status(&store, id).await;
    place.pass(1);
    assert!(matches!(store.upload(&alice(), id).await, Err(StoreError::Expired)));
    let chunk = store.begin_chunk(&alice(), id, sent.headers(0)).await;
    assert!(matches!(chunk, Err(StoreError::Expired)));
    assert_eq!(store.sweep(place.now()).await.unwrap().uploads, 1);
    assert_eq!(place.blob_count(), 0);
}

#[tokio::test]
async fn an_upload_whose_time_ran_out_while_the_server_was_away_is_kept_for_six_hours() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let (id, empty) = (sent.create(&store).await, sent.create(&store).await);
    sent.put(&store, id, 0).await.unwrap();
    assert_eq!(held(&store, id).await, "0");
    drop(store);
    place.pass(100 * HOUR);
    let store = place.open();
    assert_eq!(store.sweep(place.now()).await.unwrap().uploads, 0);
    assert_eq!(held(&store, id).await, "0");
    assert_eq!(store.sweep(place.pass(HOUR)).await.unwrap().uploads, 1);
    assert!(matches!(store.upload(&alice(), empty).await, Err(StoreError::Expired)));
    assert_eq!(store.sweep(place.pass(5 * HOUR - 1)).await.unwrap().uploads, 0);
    assert_eq!(store.sweep(place.pass(1)).await.unwrap().uploads, 1);
    assert!(matches!(store.upload(&alice(), id).await, Err(StoreError::Expired)));
}

#[tokio::test]
async fn that_an_upload_expired_is_told_for_two_weeks_and_to_its_owner_only() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    assert_eq!(store.sweep(place.pass(HOUR)).await.unwrap().uploads, 1);
    drop(store);
    let store = place.open();
    for days in 0..14 {
        assert!(matches!(store.upload(&alice(), id).await, Err(StoreError::Expired)), "{days}");
        assert!(matches!(store.cancel(&alice(), id).await, Err(StoreError::Expired)));
        assert!(matches!(store.upload(&bob(), id).await, Err(StoreError::NotFound)));
        store.sweep(place.pass(24 * HOUR)).await.unwrap();
    }
    assert!(matches!(store.upload(&alice(), id).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn a_chunk_gives_an_upload_another_day_and_the_index_knows_it() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    place.pass(HOUR / 2);
    sent.put(&store, id, 0).await.unwrap();
    let upload = settled(&store, id).await;
    assert_eq!(upload.last_activity, place.now());
    assert_eq!(upload.expires_at.0, place.now().0 + 24 * HOUR);
    drop(store);
    let store = place.open();
    assert_eq!(store.sweep(place.pass(24 * HOUR - 1)).await.unwrap().uploads, 0);
    assert_eq!(held(&store, id).await, "0");
    assert_eq!(store.sweep(place.pass(1)).await.unwrap().uploads, 1);
}

#[tokio::test]
async fn an_upload_with_a_request_in_flight_is_not_swept() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let mut writer = begin(&store, id, sent.headers(0)).await;
    assert_eq!(store.sweep(place.pass(48 * HOUR)).await.unwrap().uploads, 0);
    writer.write(Bytes::copy_from_slice(&sent.data)).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(held(&store, id).await, "0");
}

#[tokio::test]
async fn a_request_that_broke_off_counts_as_activity_even_after_a_sweep() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    place.pass(HOUR - 1);
    drop(begin(&store, id, sent.headers(0)).await);
    store.shutdown().await;
    store.sweep(place.now()).await.unwrap();
    assert_eq!(store.sweep(place.pass(HOUR - 1)).await.unwrap().uploads, 0);
    status(&store, id).await;
}

#[tokio::test]
async fn a_sealed_upload_is_forgotten_and_its_file_stays() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let (id, info) = sent.upload(&store).await;
    assert_eq!(store.sweep(place.pass(24 * HOUR)).await.unwrap().uploads, 1);
    assert!(matches!(store.upload(&alice(), id).await, Err(StoreError::Expired)));
    assert_eq!(read(&store, info.id).await, sent.data);
    store.delete(&alice(), info.id).await.unwrap();
    assert_eq!(place.blob_count(), 0);
}

#[tokio::test]
async fn a_deletion_that_has_to_wait_is_logged_once_and_not_at_every_sweep() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open_with(&Config { work: Arc::new(AtOnce), ..place.config() });
    let (_, lender) = sent.upload(&store).await;
    let borrower = sent.create(&store).await;
    store.offer(&alice(), borrower, sent.run()).await.unwrap();
    store.delete(&alice(), lender.id).await.unwrap();
    let log = Log::start();
    for _ in 0..3 {
        store.sweep(place.now()).await.unwrap();
    }
    assert_eq!(log.text().matches("finishing deletions").count(), 1, "{}", log.text());
    let (_, other) = Sent::new(CHUNK, 2).upload(&store).await;
    let reader = store.open(&alice(), other.id).await.unwrap();
    store.delete(&alice(), other.id).await.unwrap();
    store.sweep(place.now()).await.unwrap();
    assert_eq!(log.text().matches("finishing deletions").count(), 2, "another one waits");
    drop(reader);
}
