//! What the same owner has here already is not sent again, nor stored again where it need not be.

use std::time::Duration;

use longhaul_protocol::ChunkIndex;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{DifferingChunk, DigestRun};
use longhaul_server::store::disk::{Config, DiskStore, Reuse};
use longhaul_server::store::{NewUpload, Offered, Owner, Store as _, StoreError};
use tokio::task::JoinSet;

use super::fixture::*;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

async fn offer(store: &DiskStore, id: UploadId, sent: &Sent) -> Offered {
    store.offer(&alice(), id, sent.run()).await.unwrap()
}

/// Begins an upload and offers all its digests: what is held then.
async fn offered(store: &DiskStore, sent: &Sent) -> (UploadId, String) {
    let id = sent.create(store).await;
    (id, offer(store, id, sent).await.holding.held.to_string())
}

/// Nothing is ever copied: references stay what they are.
fn open_without_copies(place: &Place) -> DiskStore {
    let config = Config { fills_max: 0, ..place.config() };
    place.open_with(&config)
}

/// A file and the same with one byte changed.
fn two_versions(len: u64, at: u64) -> (Sent, Sent) {
    let (old, mut new) = (Sent::new(len, 1), Sent::new(len, 1));
    new.data[at as usize] ^= 1;
    (old, new)
}

#[tokio::test]
async fn the_same_file_again_is_a_row_and_no_copy() {
    let (place, sent) = (Place::new(), Sent::new(5 * CHUNK + 9, 1));
    let store = place.open();
    let (_, first) = sent.upload(&store).await;
    let (id, at_once) = offered(&store, &sent).await;
    assert_eq!(at_once, "0-5");
    assert!(status(&store, id).await.holding.filling.is_empty());
    let second = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(store.seal(&alice(), id, sent.root()).await.unwrap(), second, "the same answer");
    assert_ne!(first.id, second.id);
    drop(store);
    let store = place.open();
    assert_eq!(place.blob_count(), 1);
    assert_eq!(status(&store, id).await.holding.held.to_string(), "0-5");
    let digests = store.held_digests(&alice(), id, ChunkIndex(4), 9).await.unwrap();
    assert_eq!(digests, [Some(sent.digests()[4]), Some(sent.digests()[5])]);
    store.delete(&alice(), first.id).await.unwrap();
    assert_eq!(read(&store, second.id).await, sent.data);
    store.delete(&alice(), second.id).await.unwrap();
    assert_eq!(place.blob_count(), 0, "the bytes go with the last file");
}

#[tokio::test]
async fn a_file_that_is_deleted_while_the_same_is_uploaded_again_lends_what_it_lent() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let (_, first) = sent.upload(&store).await;
    let (id, _) = offered(&store, &sent).await;
    store.delete(&alice(), first.id).await.unwrap();
    assert_eq!(offered(&store, &sent).await.1, "", "garbage lends nothing more");
    drop(store);
    let store = place.open();
    assert_eq!(held(&store, id).await, "0-2");
    let second = store.seal(&alice(), id, sent.root()).await.unwrap();
    assert_eq!(read(&store, second.id).await, sent.data);
    store.sweep(place.pass(25 * HOUR)).await.unwrap();
    assert_eq!(read(&store, second.id).await, sent.data);
    store.delete(&alice(), second.id).await.unwrap();
    assert_eq!(place.blob_count(), 0);
}

#[tokio::test]
async fn a_file_whose_bytes_are_gone_is_not_taken_for_the_same() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    // Sent twice, it lies there twice; the one that is looked at first goes.
    let mut both = [sent.upload(&store).await, sent.upload(&store).await];
    both.sort_by_key(|(upload, _)| *upload);
    let [(_, goes), (_, stays)] = &both;
    let (_, reader) = store.open(&alice(), goes.id).await.unwrap();
    store.delete(&alice(), goes.id).await.unwrap();
    assert_eq!(place.blob_count(), 1, "its rows stay for who reads it, its bytes go");
    let (id, at_once) = offered(&store, &sent).await;
    assert_eq!(at_once, "0-2");
    let again = store.seal(&alice(), id, sent.root()).await.unwrap();
    drop(reader);
    store.sweep(place.now()).await.unwrap();
    assert_eq!(read(&store, again.id).await, sent.data);
    assert_eq!(read(&store, stays.id).await, sent.data);
}

#[tokio::test]
async fn the_same_bytes_under_another_plan_are_copied() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK - 9, 1));
    let store = open_without_copies(&place);
    sent.upload(&store).await;
    // One chunk is that chunk, whatever the size of further ones would be.
    let new = NewUpload { chunk_size: Some(2 * CHUNK), ..named("a file", sent.plan.len()) };
    let id = store.create(&alice(), new).await.unwrap().id;
    assert_eq!(offer(&store, id, &sent).await.holding.held.to_string(), "0");
    drop(store);
    // It knows that there are references, and not that they were to be copied.
    let store = place.open();
    let info = sealed(&store, id, sent.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
    // Whatever became garbage is gone after a start.
    drop(store);
    drop(place.open());
    assert_eq!(place.blob_count(), 2);
}

#[tokio::test]
async fn only_the_chunk_that_changed_is_left_to_be_sent() {
    let (place, (old, new)) = (Place::new(), two_versions(4 * CHUNK, 2 * CHUNK));
    let store = place.open();
    let (_, first) = old.upload(&store).await;
    let (id, at_once) = offered(&store, &new).await;
    assert_eq!(at_once, "0-1,3");
    new.put(&store, id, 2).await.unwrap();
    let second = sealed(&store, id, new.root()).await.unwrap();
    store.delete(&alice(), first.id).await.unwrap();
    assert_eq!(read(&store, second.id).await, new.data, "copies of its own");
    assert_eq!(place.blob_count(), 1);
}

#[tokio::test]
async fn a_file_that_grew_lacks_its_tail_and_its_last_old_chunk() {
    let (place, mut old) = (Place::new(), Sent::new(5 * CHUNK, 1));
    let new = Sent::new(5 * CHUNK, 1);
    old.data.truncate(3 * CHUNK as usize + 7);
    old.plan = longhaul_protocol::Plan::new(3 * CHUNK + 7, CHUNK).unwrap();
    let store = place.open();
    old.upload(&store).await;
    let (id, at_once) = offered(&store, &new).await;
    assert_eq!(at_once, "0-2");
    new.put(&store, id, 3).await.unwrap();
    new.put(&store, id, 4).await.unwrap();
    let info = sealed(&store, id, new.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, new.data);
}

#[tokio::test]
async fn the_newer_of_two_versions_again_is_a_row_too_whichever_is_found_first() {
    let (place, (old, new)) = (Place::new(), two_versions(4 * CHUNK, 3 * CHUNK));
    let store = place.open();
    old.upload(&store).await;
    new.upload(&store).await;
    for version in [&old, &new] {
        let id = version.create(&store).await;
        for index in 0..4 {
            let mut run = version.run();
            run.start = ChunkIndex(index);
            run.digests = vec![version.digests()[index as usize]];
            store.offer(&alice(), id, run).await.unwrap();
        }
        assert!(status(&store, id).await.holding.filling.is_empty());
        let info = store.seal(&alice(), id, version.root()).await.unwrap();
        assert_eq!(read(&store, info.id).await, version.data);
    }
    store.shutdown().await;
    drop(store);
    drop(place.open());
    assert_eq!(place.blob_count(), 2);
}

#[tokio::test]
async fn a_seal_while_copies_are_made_is_told_to_come_again() {
    let (place, (old, new)) = (Place::new(), two_versions(4 * CHUNK, 0));
    let store = open_without_copies(&place);
    old.upload(&store).await;
    let (id, _) = offered(&store, &new).await;
    new.put(&store, id, 0).await.unwrap();
    let Err(StoreError::StillFilling { filling }) = store.seal(&alice(), id, new.root()).await
    else {
        panic!("it cannot be sealed")
    };
    assert_eq!(filling.to_string(), "1-3");
    store.shutdown().await;
    let holding = status(&store, id).await.holding;
    assert_eq!((holding.held, holding.filling), (set("0-3"), set("1-3")));
    drop(store);
    let store = place.open();
    assert!(matches!(
        store.seal(&alice(), id, old.root()).await,
        Err(StoreError::StillFilling { .. })
    ));
    let info = sealed(&store, id, new.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, new.data);
}

#[tokio::test]
async fn a_file_that_only_looks_known_by_its_root_is_copied_after_all() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = place.open();
    let open = sent.create(&store).await;
    sent.put_all(&store, open).await;
    assert_eq!(held(&store, open).await, "0-2");
    let (id, at_once) = offered(&store, &sent).await;
    assert_eq!(at_once, "0-2", "from an open upload");
    let info = sealed(&store, id, sent.root()).await.unwrap();
    store.cancel(&alice(), open).await.unwrap();
    assert_eq!(read(&store, info.id).await, sent.data);
}

#[tokio::test]
async fn what_is_lent_stays_when_its_upload_is_cancelled_or_expires() {
    for expires in [false, true] {
        let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
        let store = open_without_copies(&place);
        let source = sent.create(&store).await;
        sent.put_all(&store, source).await;
        assert_eq!(held(&store, source).await, "0-2");
        place.pass(20 * HOUR);
        let (id, at_once) = offered(&store, &sent).await;
        assert_eq!(at_once, "0-2");
        if expires {
            assert_eq!(store.sweep(place.pass(5 * HOUR)).await.unwrap().uploads, 1);
        } else {
            store.cancel(&alice(), source).await.unwrap();
        }
        assert!(place.blob_path(source).exists(), "pinned");
        drop(store);
        let store = place.open();
        assert!(place.blob_path(source).exists(), "pinned");
        let info = sealed(&store, id, sent.root()).await.unwrap();
        store.shutdown().await;
        store.sweep(place.now()).await.unwrap();
        assert!(!place.blob_path(source).exists(), "nobody needs it any more");
        assert_eq!(read(&store, info.id).await, sent.data);
    }
}

#[tokio::test]
async fn a_borrower_that_ends_lets_its_source_go() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = open_without_copies(&place);
    let source = sent.create(&store).await;
    sent.put_all(&store, source).await;
    assert_eq!(held(&store, source).await, "0-2");
    let (id, _) = offered(&store, &sent).await;
    store.cancel(&alice(), source).await.unwrap();
    store.cancel(&alice(), id).await.unwrap();
    assert_eq!(place.blob_count(), 0);
}

#[tokio::test]
async fn a_chunk_that_is_replaced_is_copied_first_for_those_who_borrow_it() {
    let (place, (old, new)) = (Place::new(), two_versions(3 * CHUNK, CHUNK));
    let store = open_without_copies(&place);
    let source = old.create(&store).await;
    old.put_all(&store, source).await;
    assert_eq!(held(&store, source).await, "0-2");
    let (id, at_once) = offered(&store, &old).await;
    assert_eq!(at_once, "0-2");
    drop(store);
    let store = place.open();
    let replace = Some(old.digests()[1]);
    let headers = ChunkHeaders { replace, ..new.headers(1) };
    let put = put(&store, source, headers, new.chunk(1));
    tokio::time::timeout(PATIENCE, put).await.expect("an end").unwrap();
    let replaced = sealed(&store, source, new.root()).await.unwrap();
    let borrower = sealed(&store, id, old.root()).await.unwrap();
    assert_eq!(read(&store, replaced.id).await, new.data);
    assert_eq!(read(&store, borrower.id).await, old.data);
}

#[tokio::test]
async fn a_borrowed_chunk_can_be_replaced() {
    let (place, (old, new)) = (Place::new(), two_versions(3 * CHUNK, CHUNK));
    let store = place.open();
    let (_, first) = old.upload(&store).await;
    let (id, _) = offered(&store, &old).await;
    let differing = DifferingChunk { index: ChunkIndex(1), digest: old.digests()[1] };
    assert_eq!(offer(&store, id, &new).await.differs, [differing]);
    let headers = ChunkHeaders { replace: Some(old.digests()[1]), ..new.headers(1) };
    put(&store, id, headers, new.chunk(1)).await.unwrap();
    let info = sealed(&store, id, new.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, new.data);
    assert_eq!(read(&store, first.id).await, old.data);
}

#[tokio::test]
async fn nothing_is_lent_to_another_owner_or_where_reuse_is_off() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    sent.upload(&store).await;
    let open = sent.create(&store).await;
    sent.put_all(&store, open).await;
    let bobs = store.create(&bob(), named("his", 2 * CHUNK)).await.unwrap().id;
    let offered_to_bob = store.offer(&bob(), bobs, sent.run()).await.unwrap().holding;
    assert!(offered_to_bob.held.is_empty() && offered_to_bob.filling.is_empty());
    let refused = store.offer(&bob(), open, sent.run()).await;
    assert!(matches!(refused, Err(StoreError::NotFound)));
    // Whoever comes first in the table.
    for other in ["", "alic", "alicea", "zoe"].map(|name| Owner(name.to_owned())) {
        let id = store.create(&other, named("another's", 2 * CHUNK)).await.unwrap().id;
        let holding = store.offer(&other, id, sent.run()).await.unwrap().holding;
        assert!(holding.held.is_empty(), "{other:?}");
    }
    store.shutdown().await;
    drop(store);
    let config = Config { reuse: Reuse::Off, ..place.config() };
    let store = place.open_with(&config);
    assert_eq!(offered(&store, &sent).await.1, "");
}

/// Asks how far it is, as a client does, until nothing is being copied.
async fn is_filled(store: &DiskStore, id: UploadId) {
    let filled = async {
        while !status(store, id).await.holding.filling.is_empty() {
            store.fill(&alice(), id).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, filled).await.expect("an end of the copying");
}

#[tokio::test]
async fn chunks_that_are_lent_while_later_ones_are_copied_are_copied_too() {
    const COUNT: u64 = 64;
    let (place, (old, new)) = (Place::new(), two_versions(COUNT * CHUNK + CHUNK, COUNT * CHUNK));
    let store = place.open();
    old.upload(&store).await;
    let id = new.create(&store).await;
    new.put(&store, id, COUNT).await.unwrap();
    let mut offers = JoinSet::new();
    for index in (0..COUNT).rev() {
        let digests = vec![new.digests()[index as usize]];
        let run = DigestRun { start: ChunkIndex(index), digests };
        let store = store.clone();
        offers.spawn(async move { store.offer(&alice(), id, run).await.unwrap() });
    }
    offers.join_all().await;
    is_filled(&store, id).await;
    let info = store.seal(&alice(), id, new.root()).await.unwrap();
    assert_eq!(read(&store, info.id).await, new.data);
}

#[tokio::test]
async fn what_was_not_copied_before_the_server_ended_is_copied_by_the_next() {
    let (place, (old, new)) = (Place::new(), two_versions(6 * CHUNK, 5 * CHUNK));
    let store = open_without_copies(&place);
    old.upload(&store).await;
    let id = new.create(&store).await;
    new.put(&store, id, 5).await.unwrap();
    let filling = offer(&store, id, &new).await.holding.filling;
    assert_eq!(filling.to_string(), "0-4");
    store.shutdown().await;
    drop(store);
    let store = place.open();
    is_filled(&store, id).await;
    store.seal(&alice(), id, new.root()).await.unwrap();
}

#[tokio::test]
async fn a_file_whose_bytes_are_gone_is_sent_again_and_not_shared() {
    for (is_cut_off, is_offered_before) in
        [(false, false), (true, false), (false, true), (true, true)]
    {
        let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
        let store = place.open();
        let (source, file) = sent.upload(&store).await;
        super::whole::whole(&store, file.id).await;
        let id = sent.create(&store).await;
        if is_offered_before {
            assert_eq!(offer(&store, id, &sent).await.holding.held.to_string(), "0-2");
        }
        if is_cut_off {
            std::fs::write(place.blob_path(source), b"cut off").unwrap();
        } else {
            std::fs::remove_file(place.blob_path(source)).unwrap();
        }
        if is_offered_before {
            let refused = store.seal(&alice(), id, sent.root()).await;
            assert!(matches!(refused, Err(StoreError::StillFilling { .. })), "{refused:?}");
        } else {
            offer(&store, id, &sent).await;
        }
        is_filled(&store, id).await;
        assert!(held(&store, id).await.is_empty(), "what is gone is held");
        sent.put_all(&store, id).await;
        let again = sealed(&store, id, sent.root()).await.unwrap();
        assert_eq!(read(&store, again.id).await, sent.data);
        // Until then it is served to who reads it already.
        store.sweep(place.now()).await.unwrap();
        let refused = store.open(&alice(), file.id).await;
        assert!(is_cut_off || matches!(refused, Err(StoreError::Damaged(_))));
    }
}

#[tokio::test]
async fn rotten_and_unreadable_bytes_are_not_copied_and_the_chunk_is_asked_for_again() {
    for is_cut_off in [false, true] {
        let (place, (old, new)) = (Place::new(), two_versions(3 * CHUNK, 0));
        let store = place.open();
        let (source, file) = old.upload(&store).await;
        // Else it is found before anybody asks for it.
        super::whole::whole(&store, file.id).await;
        let mut rotten = std::fs::read(place.blob_path(source)).unwrap();
        rotten[CHUNK as usize * 2 + 5] ^= 1;
        if is_cut_off {
            rotten.truncate(CHUNK as usize * 2 + 5);
        }
        std::fs::write(place.blob_path(source), rotten).unwrap();
        let (id, at_once) = offered(&store, &new).await;
        assert_eq!(at_once, "1-2");
        new.put(&store, id, 0).await.unwrap();
        let missing = async {
            loop {
                match store.seal(&alice(), id, new.root()).await {
                    Err(StoreError::ChunksMissing { missing }) => break missing,
                    Err(StoreError::StillFilling { .. } | StoreError::Disk { .. }) => {}
                    other => panic!("{other:?}"),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let missing = tokio::time::timeout(PATIENCE, missing).await.expect("an end");
        assert_eq!(missing, set("2"));
        new.put(&store, id, 2).await.unwrap();
        let info = sealed(&store, id, new.root()).await.unwrap();
        assert_eq!(read(&store, info.id).await, new.data);
    }
}

#[tokio::test]
async fn an_upload_that_borrows_counts_with_its_whole_length_and_a_file_too() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let config = Config { bytes_per_owner_max: Some(5 * CHUNK + ROWS), ..place.config() };
    let store = place.open_with(&config);
    sent.upload(&store).await;
    let (id, _) = offered(&store, &sent).await;
    let second = store.seal(&alice(), id, sent.root()).await.unwrap();
    drop(store);
    let store = place.open_with(&config);
    let refused = store.create(&alice(), named("more", 2 * CHUNK)).await;
    assert!(matches!(refused, Err(StoreError::OwnerFull { used, .. }) if used / CHUNK == 4));
    store.delete(&alice(), second.id).await.unwrap();
    store.create(&alice(), named("more", 2 * CHUNK)).await.unwrap();
}

#[tokio::test]
async fn an_offer_tells_what_is_held_with_other_digests_and_none_goes_past_the_end() {
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
