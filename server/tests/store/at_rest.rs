//! What whoever looks after a server asks of its store, where the program shows too little of it.

use std::sync::atomic::Ordering;

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_server::store::disk::{Clock, Config, DiskStore, Wrong};
use longhaul_server::store::event::Tells;

use super::fixture::*;

/// Looks through everything; what is wrong, and with which chunk.
async fn verify(store: &DiskStore) -> Vec<(Wrong, u64)> {
    let (mut wrong, mut last) = (Vec::new(), None);
    while let Some(blob) = store.blob_after(last).await.unwrap() {
        last = Some(blob);
        let mut looked = store.look_into(blob).await.unwrap();
        loop {
            wrong.extend(looked.damage.map(|it| (it.what, it.chunk)));
            let Some(rest) = looked.rest else { break };
            looked = store.look_on(rest).await.unwrap();
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_is_replaced_while_it_is_looked_at_is_not_damaged() {
    let place = Place::new();
    let store = place.open();
    let versions = [Sent::new(2 * CHUNK, 1), Sent::new(2 * CHUNK, 2)];
    let id = versions[0].create(&store).await;
    versions[0].put_all(&store, id).await;
    settled(&store, id).await;
    let replacing = {
        let store = store.clone();
        tokio::spawn(async move {
            for turn in 1..300 {
                let (old, new) = (&versions[(turn + 1) % 2], &versions[turn % 2]);
                let replace = Some(old.headers(1).digest);
                let headers = ChunkHeaders { replace, ..new.headers(1) };
                put(&store, id, headers, new.chunk(1)).await.unwrap();
            }
        })
    };
    let mut rounds = 0;
    while !replacing.is_finished() {
        assert_eq!(verify(&store).await, [], "round {rounds}");
        rounds += 1;
    }
    replacing.await.unwrap();
    assert!(rounds > 10, "they met: {rounds}");
    assert_eq!(settled(&store, id).await.holding.held, set("0-1"));
}

/// The digests of some chunks are read ahead: this one is another by the time that its bytes are.
#[tokio::test]
async fn a_chunk_that_was_replaced_since_its_digest_was_read_is_not_damaged() {
    let (place, old, new) = (Place::new(), Sent::new(2 * CHUNK, 1), Sent::new(2 * CHUNK, 2));
    let store = place.open();
    let id = old.create(&store).await;
    old.put_all(&store, id).await;
    settled(&store, id).await;
    let begun = store.look_into(id).await.unwrap();
    let first = store.look_on(begun.rest.unwrap()).await.unwrap();
    let headers = ChunkHeaders { replace: Some(old.headers(1).digest), ..new.headers(1) };
    put(&store, id, headers, new.chunk(1)).await.unwrap();
    settled(&store, id).await;
    let second = store.look_on(first.rest.unwrap()).await.unwrap();
    assert_eq!((first.chunks, second.chunks, second.damage), (1, 1, None));
    assert_eq!(held(&store, id).await, "0-1");
}

#[tokio::test]
async fn digests_that_the_index_has_lost_are_told() {
    let (place, sent) = (Place::new(), Sent::new(4 * CHUNK, 1));
    let store = place.open();
    let (id, _) = sent.upload(&store).await;
    assert_eq!(verify(&store).await, []);
    drop(store);
    super::opening::lose_rows_of_chunks(&place, id, [1, 2, 3]);
    let store = DiskStore::open_to_look(place.dir.path(), true).unwrap();
    assert_eq!(verify(&store).await, [(Wrong::Unknown, 1)]);
}

#[tokio::test]
async fn what_expires_in_a_sweep_at_rest_is_told_to_whom_the_server_told_it() {
    for expired in [true, false] {
        let place = Place::new();
        let tells = Tells { expired, sealed: false };
        // It is swept by the system's clock.
        place.now.store(Clock::system().now().0 - 48 * HOUR, Ordering::SeqCst);
        let store = place.open_with(&Config { tells, ..place.config() });
        let id = Sent::new(CHUNK, 1).create(&store).await;
        drop(store);
        let store = DiskStore::open_to_change(place.dir.path()).unwrap();
        let (gone, swept) = store.sweep_and_tell().await.unwrap();
        assert_eq!((gone[0].upload.id, swept.uploads), (id, 1));
        drop(store);
        let waiting = place.open().events(9, |_| true).await.unwrap();
        assert_eq!(waiting.events.len(), usize::from(expired));
    }
}
