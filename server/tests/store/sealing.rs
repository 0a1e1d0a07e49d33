//! From an upload to a file.

use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::{ChunkIndex, Digest};
use longhaul_server::store::{ChunkWriter as _, Store as _, StoreError};

use super::fixture::*;

#[tokio::test]
async fn a_seal_waits_for_what_is_pending_and_again_answers_the_same() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let (id, info) = sent.upload(&store).await;
    assert_eq!(store.seal(&alice(), id, sent.root()).await.unwrap(), info);
    assert_eq!(status(&store, id).await.file.unwrap().id, info.id);
    drop(store);
    let store = place.open();
    // The digest of the whole comes in its own time.
    let again = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(FileInfo { sha256: None, ..again }, info, "after a restart");
    let listed = store.files(&alice(), None, 10).await.unwrap().rows;
    assert_eq!(listed.iter().map(|file| file.id).collect::<Vec<_>>(), [info.id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_seals_at_once_make_one_file() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    sent.put_all(&store, id).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (store, root) = (store.clone(), sent.root());
        tasks.spawn(async move { store.seal(&alice(), id, root).await.unwrap().id });
    }
    let ids: std::collections::BTreeSet<_> = tasks.join_all().await.into_iter().collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(store.files(&alice(), None, 10).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_seal_names_what_is_missing() {
    let (place, sent) = (Place::new(), Sent::new(5 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    for index in [0, 3] {
        sent.put(&store, id, index).await.unwrap();
    }
    let sealed = store.seal(&alice(), id, sent.root()).await;
    let Err(StoreError::ChunksMissing { missing }) = sealed else { panic!("{sealed:?}") };
    assert_eq!(missing, set("1-2,4"));
}

#[tokio::test]
async fn another_root_keeps_the_chunks_and_makes_no_file() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    sent.put_all(&store, id).await;
    let sealed = store.seal(&alice(), id, Digest::of(b"another")).await;
    assert!(matches!(sealed, Err(StoreError::RootMismatch)));
    assert_eq!(held(&store, id).await, "0-1");
    assert!(store.files(&alice(), None, 10).await.unwrap().rows.is_empty());
    store.seal(&alice(), id, sent.root()).await.unwrap();
    let again = store.seal(&alice(), id, Digest::of(b"another")).await;
    assert!(matches!(again, Err(StoreError::RootMismatch)));
}

#[tokio::test]
async fn a_sealed_upload_takes_no_more_and_is_not_listed() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let (id, info) = sent.upload(&store).await;
    let chunk = store.begin_chunk(&alice(), id, sent.headers(0)).await;
    assert!(matches!(chunk, Err(StoreError::Sealed { file }) if file == info.id));
    let cancelled = store.cancel(&alice(), id).await;
    assert!(matches!(cancelled, Err(StoreError::Sealed { file }) if file == info.id));
    assert!(store.uploads(&alice(), None, 10).await.unwrap().rows.is_empty());
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test]
async fn an_upload_whose_bytes_are_gone_is_not_sealed() {
    for is_cut_off in [false, true] {
        let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
        let store = place.open();
        let id = sent.create(&store).await;
        sent.put_all(&store, id).await;
        assert_eq!(held(&store, id).await, "0-1");
        if is_cut_off {
            std::fs::write(place.blob_path(id), b"cut off").unwrap();
        } else {
            std::fs::remove_file(place.blob_path(id)).unwrap();
        }
        let refused = store.seal(&alice(), id, sent.root()).await;
        assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
        assert!(store.files(&alice(), None, 10).await.unwrap().rows.is_empty());
    }
}

#[tokio::test]
async fn a_chunk_in_flight_is_missing() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = place.open();
    let id = sent.create(&store).await;
    let writer = begin(&store, id, sent.headers(0)).await;
    let sealed = store.seal(&alice(), id, sent.root()).await;
    assert!(matches!(sealed, Err(StoreError::ChunksMissing { .. })));
    assert_eq!(writer.remaining(), CHUNK);
}

#[tokio::test]
async fn the_digests_of_a_sealed_upload_are_still_told() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let (id, _) = sent.upload(&store).await;
    let digests = store.held_digests(&alice(), id, ChunkIndex(0), 10).await.unwrap();
    assert_eq!(digests.into_iter().flatten().collect::<Vec<_>>(), sent.digests());
}
