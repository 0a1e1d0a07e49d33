//! One chunk: claims, takeover, what is kept of it and what is not.

use bytes::Bytes;
use longhaul_protocol::wire::DigestRun;
use longhaul_protocol::{ChunkIndex, Digest};
use longhaul_server::store::disk::WRITE_BYTES;
use longhaul_server::store::{ChunkBegin, ChunkWriter as _, Store as _, StoreError};

use super::fixture::*;

#[tokio::test]
async fn what_is_received_is_pending_and_then_held() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    sent.put(&store, id, 1).await.unwrap();
    let now = status(&store, id).await.holding;
    assert!(now.pending == set("1") || now.held == set("1"), "{now:?}");
    assert_eq!(held(&store, id).await, "1");
    let digests = store.held_digests(&alice(), id, ChunkIndex(0), 100).await.unwrap();
    assert_eq!(digests, [None, Some(Digest::of(sent.chunk(1))), None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_offered_while_its_chunk_becomes_held_is_compared_all_the_same() {
    let (place, sent) = (Place::new(), Sent::new(400 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    for index in 0..400 {
        sent.put(&store, id, index).await.unwrap();
        let other = DigestRun { start: ChunkIndex(index), digests: vec![Digest::of(b"other")] };
        let offered = store.offer(&alice(), id, other).await.unwrap();
        assert_eq!(offered.differs.len(), 1, "chunk {index}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_newer_request_takes_the_chunk_over_and_bytes_never_mix() {
    let place = Place::new();
    let store = place.open();
    // Larger than a gathering, so that writes are in flight while others take over.
    let len = 4 * WRITE_BYTES as u64;
    let mut new = named("raced", len);
    new.chunk_size = Some(len);
    let id = store.create(&alice(), new).await.unwrap().id;
    let bodies: Vec<_> = (0..3).map(|seed| Bytes::from(bytes(len, seed))).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for body in bodies.clone() {
        let store = store.clone();
        tasks.spawn(async move {
            let begun = store.begin_chunk(&alice(), id, headers(0, &body)).await;
            let Ok(ChunkBegin::Write(mut writer)) = begun else { return false };
            for at in (0..body.len()).step_by(50_000) {
                let piece = body.slice(at..body.len().min(at + 50_000));
                if writer.write(piece).await.is_err() {
                    return false;
                }
                tokio::task::yield_now().await;
            }
            writer.finish().await.is_ok()
        });
    }
    let finished = tasks.join_all().await.into_iter().filter(|finished| *finished).count();
    assert_eq!(finished, 1, "the newest of them");
    settled(&store, id).await;
    let digest = store.held_digests(&alice(), id, ChunkIndex(0), 1).await.unwrap()[0].unwrap();
    let info = store.seal(&alice(), id, longhaul_protocol::digest::root([digest])).await.unwrap();
    let stored = read(&store, info.id).await;
    assert_eq!(Digest::of(&stored), digest);
    assert!(bodies.iter().any(|body| body[..] == stored[..]));
}

#[tokio::test]
async fn the_older_request_is_told_that_it_was_superseded() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let mut older = begin(&store, id, sent.headers(0)).await;
    older.write(Bytes::copy_from_slice(&sent.data[..100])).await.unwrap();
    let mut newer = begin(&store, id, sent.headers(0)).await;
    let late = older.write(Bytes::copy_from_slice(&sent.data[100..])).await;
    assert!(matches!(late, Err(StoreError::Superseded { .. })));
    drop(older);
    newer.write(Bytes::copy_from_slice(&sent.data)).await.unwrap();
    newer.finish().await.unwrap();
    assert_eq!(held(&store, id).await, "0");
}

#[tokio::test]
async fn a_request_whose_sender_fell_silent_hears_that_it_was_superseded() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let older = begin(&store, id, sent.headers(0)).await;
    let (stopped, newer) = tokio::join!(older.stopped(), begin(&store, id, sent.headers(0)));
    assert!(matches!(stopped, StoreError::Superseded { .. }));
    let owner = alice();
    let (stopped, cancelled) = tokio::join!(newer.stopped(), store.cancel(&owner, id));
    assert!(matches!((stopped, cancelled), (StoreError::NotFound, Ok(()))));
}

#[tokio::test]
async fn an_older_request_that_is_done_writing_is_superseded_too() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let mut older = begin(&store, id, sent.headers(0)).await;
    older.write(Bytes::copy_from_slice(&sent.data)).await.unwrap();
    let newer = begin(&store, id, sent.headers(0)).await;
    assert!(matches!(older.finish().await, Err(StoreError::Superseded { .. })));
    assert_eq!(newer.remaining(), CHUNK);
    drop(newer);
    assert_eq!(held(&store, id).await, "");
}

#[tokio::test]
async fn other_bytes_than_announced_are_not_kept_and_cost_nothing_that_is_held() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    sent.put(&store, id, 0).await.unwrap();
    let wrong = put(&store, id, sent.headers(1), sent.chunk(0)).await;
    assert!(matches!(wrong, Err(StoreError::DigestMismatch { index: ChunkIndex(1) })));
    assert_eq!(held(&store, id).await, "0");
    sent.put(&store, id, 1).await.unwrap();
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test]
async fn fewer_or_more_bytes_than_the_chunk_has_are_refused() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK - 1, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let short = put(&store, id, sent.headers(1), &sent.chunk(1)[1..]).await;
    let Err(StoreError::Length { expected, actual, .. }) = short else { panic!("{short:?}") };
    assert_eq!((expected, actual), (CHUNK - 1, CHUNK - 2));
    let long = put(&store, id, sent.headers(1), sent.chunk(0)).await;
    let Err(StoreError::Length { expected, actual, .. }) = long else { panic!("{long:?}") };
    assert_eq!((expected, actual), (CHUNK - 1, CHUNK));
    assert_eq!(held(&store, id).await, "");
}

#[tokio::test]
async fn a_chunk_that_is_held_is_not_written_again() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    for _ in 0..2 {
        sent.put(&store, id, 0).await.unwrap();
        let again = store.begin_chunk(&alice(), id, sent.headers(0)).await.unwrap();
        assert!(matches!(again, ChunkBegin::Already));
        settled(&store, id).await;
    }
}

#[tokio::test]
async fn a_held_chunk_is_replaced_only_by_naming_its_digest() {
    let (place, old, new) = (Place::new(), Sent::new(2 * CHUNK, 1), Sent::new(2 * CHUNK, 2));
    let store = place.open();
    let id = old.create(&store).await;
    old.put_all(&store, id).await;
    let mut headers = new.headers(1);
    for replace in [None, Some(Digest::of(b"another"))] {
        headers.replace = replace;
        let refused = store.begin_chunk(&alice(), id, headers).await;
        assert!(matches!(refused, Err(StoreError::ChunkHeld { index: ChunkIndex(1) })));
    }
    headers.replace = Some(Digest::of(old.chunk(1)));
    let mut writer = begin(&store, id, headers).await;
    assert_eq!(held(&store, id).await, "0", "its row is gone before a byte is written over");
    let sealed = store.seal(&alice(), id, old.root()).await;
    assert!(matches!(sealed, Err(StoreError::ChunksMissing { missing }) if missing == set("1")));
    writer.write(Bytes::copy_from_slice(new.chunk(1))).await.unwrap();
    writer.finish().await.unwrap();
    let digests = [Digest::of(old.chunk(0)), Digest::of(new.chunk(1))];
    let info = store.seal(&alice(), id, longhaul_protocol::digest::root(digests)).await.unwrap();
    assert_eq!(read(&store, info.id).await, [old.chunk(0), new.chunk(1)].concat());
}

#[tokio::test]
async fn a_kill_while_a_chunk_is_replaced_leaves_it_missing() {
    let (place, old, new) = (Place::new(), Sent::new(2 * CHUNK, 1), Sent::new(2 * CHUNK, 2));
    let store = place.open();
    let id = old.create(&store).await;
    old.put_all(&store, id).await;
    store.shutdown().await;
    let mut headers = new.headers(1);
    headers.replace = Some(Digest::of(old.chunk(1)));
    drop(begin(&store, id, headers).await);
    drop(store);
    assert_eq!(held(&place.open(), id).await, "0");
}

#[tokio::test]
async fn a_chunk_the_plan_does_not_have_and_one_begun_midway_are_refused() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let mut headers = sent.headers(0);
    headers.offset = 1;
    let midway = store.begin_chunk(&alice(), id, headers).await;
    assert!(matches!(midway, Err(StoreError::Offset { kept: 0, .. })));
    headers.index = ChunkIndex(1);
    let past = store.begin_chunk(&alice(), id, headers).await;
    assert!(matches!(past, Err(StoreError::ChunkOutOfRange { chunk_count: 1, .. })));
}

#[tokio::test]
async fn a_request_that_breaks_off_leaves_the_chunk_to_the_next() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let mut broken = begin(&store, id, sent.headers(0)).await;
    broken.write(Bytes::copy_from_slice(&sent.data[..60_000])).await.unwrap();
    drop(broken);
    assert_eq!(held(&store, id).await, "");
    sent.put(&store, id, 0).await.unwrap();
    assert_eq!(held(&store, id).await, "0");
}
