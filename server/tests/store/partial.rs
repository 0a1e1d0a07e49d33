//! Chunks that broke off: what is kept of them, and who may go on from there.

use bytes::Bytes;
use longhaul_protocol::wire::PartialChunk;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, Digest};
use longhaul_server::store::disk::{DiskStore, WRITE_BYTES};
use longhaul_server::store::{ChunkWriter as _, Result, Store as _, StoreError};

use super::fixture::*;

/// How far the first try gets, bytes: an odd place in the second chunk.
const KEPT: usize = 40_007;

/// An upload of two chunks whose second broke off after `kept` bytes.
async fn broken_off(store: &DiskStore, sent: &Sent, kept: usize) -> UploadId {
    let id = sent.create(store).await;
    let mut writer = begin(store, id, sent.headers(1)).await;
    writer.write(Bytes::copy_from_slice(&sent.chunk(1)[..kept])).await.unwrap();
    writer.break_off().await;
    id
}

async fn kept(store: &DiskStore, id: UploadId) -> Vec<(u64, u64)> {
    let partial = status(store, id).await.holding.partial;
    partial.iter().map(|kept| (kept.index.0, kept.offset)).collect()
}

/// Sends what is left of a chunk from `offset` on.
async fn send_rest(store: &DiskStore, id: UploadId, sent: &Sent, offset: usize) -> Result<()> {
    let headers = ChunkHeaders { offset: offset as u64, ..sent.headers(1) };
    put(store, id, headers, &sent.chunk(1)[offset..]).await
}

fn refused_at(result: Result<()>) -> u64 {
    match result {
        Err(StoreError::Offset { index: ChunkIndex(1), kept }) => kept,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_chunk_that_broke_off_goes_on_at_the_very_byte() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    assert!(store.capabilities().partial_chunks);
    let id = broken_off(&store, &sent, KEPT).await;
    let told = status(&store, id).await.holding.partial;
    let digest = Digest::of(sent.chunk(1));
    assert_eq!(told, [PartialChunk { index: ChunkIndex(1), offset: KEPT as u64, digest }]);
    send_rest(&store, id, &sent, KEPT).await.unwrap();
    assert_eq!(kept(&store, id).await, []);
    sent.put(&store, id, 0).await.unwrap();
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test]
async fn a_chunk_that_breaks_off_again_and_again_gets_there() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let step = 9_001;
    for at in (0..CHUNK as usize).step_by(step) {
        let headers = ChunkHeaders { offset: at as u64, ..sent.headers(1) };
        let mut writer = begin(&store, id, headers).await;
        assert_eq!(writer.remaining(), CHUNK - at as u64);
        let end = CHUNK.min((at + step) as u64) as usize;
        writer.write(Bytes::copy_from_slice(&sent.chunk(1)[at..end])).await.unwrap();
        match end == CHUNK as usize {
            true => writer.finish().await.unwrap(),
            false => writer.break_off().await,
        }
    }
    assert_eq!(held(&store, id).await, "1");
}

#[tokio::test]
async fn any_other_offset_than_where_the_kept_bytes_end_is_refused_and_costs_nothing() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = broken_off(&store, &sent, KEPT).await;
    for offset in [1, KEPT - 1, KEPT + 1, CHUNK as usize] {
        assert_eq!(refused_at(send_rest(&store, id, &sent, offset).await), KEPT as u64);
    }
    for offset in [CHUNK + 1, u64::MAX] {
        let headers = ChunkHeaders { offset, ..sent.headers(1) };
        let past = store.begin_chunk(&alice(), id, headers).await;
        assert!(matches!(past, Err(StoreError::Offset { kept, .. }) if kept == KEPT as u64));
    }
    send_rest(&store, id, &sent, KEPT).await.unwrap();
}

#[tokio::test]
async fn bytes_sent_under_another_digest_are_not_gone_on_from() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = broken_off(&store, &sent, KEPT).await;
    let other = Sent::new(2 * CHUNK, 2);
    assert_eq!(refused_at(send_rest(&store, id, &other, KEPT).await), 0);
    other.put(&store, id, 1).await.unwrap();
    assert_eq!(held(&store, id).await, "1");
    let digests = store.held_digests(&alice(), id, ChunkIndex(1), 1).await.unwrap();
    assert_eq!(digests, [Some(Digest::of(other.chunk(1)))]);
}

#[tokio::test]
async fn a_request_from_the_first_byte_drops_what_was_kept() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = broken_off(&store, &sent, KEPT).await;
    drop(begin(&store, id, sent.headers(1)).await);
    assert_eq!(kept(&store, id).await, []);
    assert_eq!(refused_at(send_rest(&store, id, &sent, KEPT).await), 0);
    sent.put(&store, id, 1).await.unwrap();
}

#[tokio::test]
async fn kept_bytes_that_do_not_verify_are_dropped_and_the_next_try_starts_from_0() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = broken_off(&store, &sent, KEPT).await;
    let mut blob = std::fs::read(place.blob_path(id)).unwrap();
    blob[CHUNK as usize + 5] ^= 1;
    std::fs::write(place.blob_path(id), blob).unwrap();
    let wrong = send_rest(&store, id, &sent, KEPT).await;
    assert!(matches!(wrong, Err(StoreError::DigestMismatch { index: ChunkIndex(1) })));
    assert_eq!(kept(&store, id).await, []);
    assert_eq!(refused_at(send_rest(&store, id, &sent, KEPT).await), 0);
    sent.put(&store, id, 1).await.unwrap();
    assert_eq!(held(&store, id).await, "1");
}

#[tokio::test]
async fn kept_bytes_that_cannot_be_read_are_dropped() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = broken_off(&store, &sent, KEPT).await;
    let headers = ChunkHeaders { offset: KEPT as u64, ..sent.headers(1) };
    let mut writer = begin(&store, id, headers).await;
    let blob = std::fs::OpenOptions::new().write(true).open(place.blob_path(id)).unwrap();
    blob.set_len(CHUNK).unwrap();
    let written = writer.write(Bytes::copy_from_slice(&sent.chunk(1)[KEPT..])).await;
    assert!(matches!(written, Err(StoreError::Disk { .. })));
    drop(writer);
    assert_eq!(kept(&store, id).await, []);
}

#[tokio::test]
async fn a_chunk_that_came_whole_but_was_not_verified_is_verified_without_sending_it_again() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = broken_off(&store, &sent, CHUNK as usize).await;
    assert_eq!(kept(&store, id).await, [(1, CHUNK)]);
    send_rest(&store, id, &sent, CHUNK as usize).await.unwrap();
    assert_eq!(held(&store, id).await, "1");
}

#[tokio::test]
async fn a_newer_request_goes_on_from_what_the_older_had_written() {
    let place = Place::new();
    let store = place.open();
    let body = bytes(3 * WRITE_BYTES as u64, 1);
    let mut new = named("slow", body.len() as u64);
    new.chunk_size = Some(body.len() as u64);
    let id = store.create(&alice(), new).await.unwrap().id;
    let mut older = begin(&store, id, headers(0, &body)).await;
    older.write(Bytes::copy_from_slice(&body[..WRITE_BYTES])).await.unwrap();
    while kept(&store, id).await.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(kept(&store, id).await, [(0, WRITE_BYTES as u64)], "told while it is in flight");
    let rest = ChunkHeaders { offset: WRITE_BYTES as u64, ..headers(0, &body) };
    let mut newer = begin(&store, id, rest).await;
    let late = older.write(Bytes::copy_from_slice(&body[WRITE_BYTES..])).await;
    assert!(matches!(late, Err(StoreError::Superseded { .. })));
    older.break_off().await;
    newer.write(Bytes::copy_from_slice(&body[WRITE_BYTES..])).await.unwrap();
    newer.finish().await.unwrap();
    assert_eq!(held(&store, id).await, "0");
}

#[tokio::test]
async fn a_request_that_cannot_go_on_takes_the_chunk_from_nobody() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let mut older = begin(&store, id, sent.headers(1)).await;
    assert_eq!(refused_at(send_rest(&store, id, &sent, KEPT).await), 0);
    older.write(Bytes::copy_from_slice(sent.chunk(1))).await.unwrap();
    older.finish().await.unwrap();
}

#[tokio::test]
async fn a_chunk_being_replaced_can_break_off_too() {
    let (place, old, new) = (Place::new(), Sent::new(2 * CHUNK, 1), Sent::new(2 * CHUNK, 2));
    let store = place.open();
    let id = old.create(&store).await;
    old.put_all(&store, id).await;
    let replace = Some(Digest::of(old.chunk(1)));
    let headers = ChunkHeaders { replace, ..new.headers(1) };
    let mut writer = begin(&store, id, headers).await;
    writer.write(Bytes::copy_from_slice(&new.chunk(1)[..KEPT])).await.unwrap();
    writer.break_off().await;
    assert_eq!(kept(&store, id).await, [(1, KEPT as u64)]);
    let headers = ChunkHeaders { offset: KEPT as u64, ..headers };
    put(&store, id, headers, &new.chunk(1)[KEPT..]).await.unwrap();
    let digests = [Digest::of(old.chunk(0)), Digest::of(new.chunk(1))];
    let info = store.seal(&alice(), id, longhaul_protocol::digest::root(digests)).await.unwrap();
    assert_eq!(read(&store, info.id).await, [old.chunk(0), new.chunk(1)].concat());
}

#[tokio::test]
async fn a_sweep_does_not_forget_what_is_kept() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = broken_off(&store, &sent, KEPT).await;
    sent.put(&store, id, 0).await.unwrap();
    settled(&store, id).await;
    store.sweep(place.pass(HOUR)).await.unwrap();
    assert_eq!(kept(&store, id).await, [(1, KEPT as u64)]);
}
