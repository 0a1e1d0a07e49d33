//! What the same owner's files already have is not sent again.

use longhaul_protocol::ChunkIndex;
use longhaul_protocol::wire::DifferingChunk;
use longhaul_server::store::{Store as _, StoreError};

use super::fixture::*;

#[tokio::test]
async fn a_known_file_is_filled_without_a_byte_being_sent() {
    let (place, sent) = (Place::new(), Sent::new(5 * CHUNK + 9, 1));
    let store = place.open();
    let (_, first) = sent.upload(&store).await;
    let id = sent.create(&store).await;
    let offered = store.offer(&alice(), id, sent.run()).await.unwrap();
    assert!(offered.differs.is_empty());
    assert!(!offered.holding.filling.is_empty() || !offered.holding.held.is_empty());
    assert_eq!(held(&store, id).await, "0-5");
    let second = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_ne!(first.id, second.id);
    store.delete(&alice(), first.id).await.unwrap();
    assert_eq!(read(&store, second.id).await, sent.data, "a copy of its own");
}

#[tokio::test]
async fn only_chunks_that_changed_are_left_to_be_sent() {
    let (place, sent) = (Place::new(), Sent::new(4 * CHUNK, 1));
    let store = place.open();
    sent.upload(&store).await;
    let mut changed = Sent::new(4 * CHUNK, 1);
    changed.data[2 * CHUNK as usize] ^= 1;
    let id = changed.create(&store).await;
    store.offer(&alice(), id, changed.run()).await.unwrap();
    assert_eq!(held(&store, id).await, "0-1,3");
    changed.put(&store, id, 2).await.unwrap();
    let info = store.seal(&alice(), id, changed.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, changed.data);
}

#[tokio::test]
async fn nothing_is_filled_from_another_owner_or_from_what_is_not_sealed() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let unsealed = sent.create(&store).await;
    sent.put_all(&store, unsealed).await;
    settled(&store, unsealed).await;
    let id = sent.create(&store).await;
    store.offer(&alice(), id, sent.run()).await.unwrap();
    assert_eq!(held(&store, id).await, "");
    store.seal(&alice(), unsealed, sent.root()).await.unwrap();
    let bobs = store.create(&bob(), named("his", 2 * CHUNK)).await.unwrap().id;
    let offered = store.offer(&bob(), bobs, sent.run()).await.unwrap();
    assert!(offered.holding.filling.is_empty());
    store.shutdown().await;
    assert!(store.upload(&bob(), bobs).await.unwrap().holding.held.is_empty());
}

#[tokio::test]
async fn rotten_bytes_are_not_copied_and_the_chunk_is_asked_for_again() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    let (source, _) = sent.upload(&store).await;
    let mut rotten = std::fs::read(place.blob_path(source)).unwrap();
    rotten[CHUNK as usize + 5] ^= 1;
    std::fs::write(place.blob_path(source), rotten).unwrap();
    let id = sent.create(&store).await;
    store.offer(&alice(), id, sent.run()).await.unwrap();
    assert_eq!(held(&store, id).await, "0");
    sent.put(&store, id, 1).await.unwrap();
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test]
async fn an_offer_tells_what_is_held_with_other_digests() {
    let (place, old, new) = (Place::new(), Sent::new(3 * CHUNK, 1), Sent::new(3 * CHUNK, 2));
    let store = place.open();
    let id = old.create(&store).await;
    old.put(&store, id, 1).await.unwrap();
    let offered = store.offer(&alice(), id, new.run()).await.unwrap();
    let differing = DifferingChunk { index: ChunkIndex(1), digest: old.digests()[1] };
    assert_eq!(offered.differs, [differing]);
    let mut past = new.run();
    past.start = ChunkIndex(1);
    let refused = store.offer(&alice(), id, past).await;
    assert!(matches!(refused, Err(StoreError::ChunkOutOfRange { .. })));
}
