//! Bytes in, the same bytes out.

use longhaul_server::store::Store as _;

use super::fixture::*;

#[tokio::test]
async fn what_is_sent_is_served_at_every_edge_of_a_chunk() {
    let place = Place::new();
    let store = place.open();
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 7] {
        let sent = Sent::new(len, len);
        let (id, info) = sent.upload(&store).await;
        assert_eq!((info.size, info.root), (len, sent.root()));
        assert_eq!(read(&store, info.id).await, sent.data, "{len} bytes");
        assert_eq!(place.blob_path(id).exists(), len > 0, "no blob for nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_chunks_at_once_in_any_order_make_the_file() {
    let place = Place::new();
    let store = place.open();
    let sent = std::sync::Arc::new(Sent::new(64 * CHUNK - 3, 2));
    let id = sent.create(&store).await;
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..64 {
        let (store, sent) = (store.clone(), sent.clone());
        tasks.spawn(async move { sent.put(&store, id, (at * 37) % 64).await.unwrap() });
    }
    tasks.join_all().await;
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_wait_when_too_much_is_unsynced_and_all_arrives_still() {
    let place = Place::new();
    let config =
        longhaul_server::store::disk::Config { unsynced_bytes_max: CHUNK / 2, ..place.config() };
    let store = longhaul_server::store::disk::DiskStore::open(place.dir.path(), config).unwrap();
    let sent = std::sync::Arc::new(Sent::new(20 * CHUNK, 4));
    let id = sent.create(&store).await;
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..20 {
        let (store, sent) = (store.clone(), sent.clone());
        tasks.spawn(async move { sent.put(&store, id, at).await.unwrap() });
    }
    tasks.join_all().await;
    let info = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}
