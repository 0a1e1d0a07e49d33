//! What others have here is given to those who prove that they have it too, and to nobody else.

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::proof::{Nonce, Proof};
use longhaul_protocol::{ChunkIndex, Digest};
use longhaul_server::store::disk::{Config, DiskStore, PROOFS_OPEN_MAX, PROOFS_WRONG_MAX, Reuse};
use longhaul_server::store::{
    ChunkBegin, ChunkWriter as _, FileReader as _, Offered, Store as _, StoreError,
};
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition,
};

use super::fixture::*;

const DIGESTS: TableDefinition<'_, ([u8; 32], &str, [u8; 16]), u64> =
    TableDefinition::new("digests");

fn open(place: &Place) -> DiskStore {
    place.open_with(&Config { reuse: Reuse::Everyone, ..place.config() })
}

/// Bob begins what Alice may have.
async fn begin_as_bob(store: &DiskStore, sent: &Sent) -> UploadId {
    store.create(&bob(), named("his", sent.plan.len())).await.unwrap().id
}

async fn offer_as_bob(store: &DiskStore, id: UploadId, sent: &Sent) -> Offered {
    store.offer(&bob(), id, sent.run()).await.unwrap()
}

async fn put_as_bob(store: &DiskStore, id: UploadId, sent: &Sent, index: u64) {
    let begun = store.begin_chunk(&bob(), id, sent.headers(index)).await.unwrap();
    let ChunkBegin::Write(mut writer) = begun else { panic!("it is missing") };
    writer.write(sent.chunk(index).to_vec().into()).await.unwrap();
    writer.finish().await.unwrap();
}

async fn held_by_bob(store: &DiskStore, id: UploadId) -> String {
    store.shutdown().await;
    store.upload(&bob(), id).await.unwrap().holding.held.to_string()
}

#[tokio::test]
async fn who_proves_every_chunk_is_given_a_copy_of_his_own() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK + 5, 1));
    let store = open(&place);
    let (_, hers) = sent.upload(&store).await;
    let id = begin_as_bob(&store, &sent).await;
    let Offered { holding, challenge, .. } = offer_as_bob(&store, id, &sent).await;
    assert!(holding.held.is_empty() && holding.filling.is_empty(), "a digest grants nothing");
    let challenge = challenge.unwrap();
    assert_eq!(challenge.chunks, set("0-3"));
    let proofs = (0..4).map(|index| sent.proof(challenge.nonce, index));
    store.prove(&bob(), id, proofs.collect()).await.unwrap();
    assert_eq!(held_by_bob(&store, id).await, "0-3");
    let his = store.seal(&bob(), id, sent.root()).await.unwrap();
    store.delete(&alice(), hers.id).await.unwrap();
    let (_, reader) = store.open(&bob(), his.id).await.unwrap();
    assert_eq!(reader.read_at(0, sent.data.len()).await.unwrap(), sent.data);
}

#[tokio::test]
async fn a_wrong_proof_grants_nothing_and_after_some_the_chunks_are_to_be_sent() {
    let (place, sent) = (Place::new(), Sent::new(8 * CHUNK, 1));
    let store = open(&place);
    sent.upload(&store).await;
    let id = begin_as_bob(&store, &sent).await;
    let nonce = offer_as_bob(&store, id, &sent).await.challenge.unwrap().nonce;
    let right = sent.proof(nonce, 7);
    // Each is something that is known without the bytes.
    let guesses = [
        Proof { index: ChunkIndex(0), proof: sent.digests()[0] },
        Proof { index: ChunkIndex(1), proof: nonce.0 },
        Proof { index: ChunkIndex(2), proof: nonce.proof(&sent.digests()[2].0) },
    ];
    assert_eq!(guesses.len(), PROOFS_WRONG_MAX as usize);
    for guess in guesses {
        let refused = store.prove(&bob(), id, vec![guess]).await;
        let Err(StoreError::WrongProof { index }) = refused else { panic!("{refused:?}") };
        assert_eq!(index, guess.index);
    }
    store.prove(&bob(), id, vec![right]).await.unwrap();
    assert_eq!(held_by_bob(&store, id).await, "", "it comes too late");
    assert_eq!(offer_as_bob(&store, id, &sent).await.challenge, None, "he is asked no more");
}

#[tokio::test]
async fn the_others_are_looked_at_though_one_proof_is_wrong() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = open(&place);
    sent.upload(&store).await;
    let id = begin_as_bob(&store, &sent).await;
    let nonce = offer_as_bob(&store, id, &sent).await.challenge.unwrap().nonce;
    let mut mixed = [0, 1, 2].map(|index| sent.proof(nonce, index));
    mixed[1].proof = mixed[0].proof;
    let refused = store.prove(&bob(), id, mixed.to_vec()).await;
    assert!(matches!(refused, Err(StoreError::WrongProof { index: ChunkIndex(1) })));
    assert_eq!(held_by_bob(&store, id).await, "0,2");
}

#[tokio::test]
async fn a_nonce_is_good_for_one_try_and_for_the_upload_that_it_was_told_to() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = open(&place);
    sent.upload(&store).await;
    let (first, second) = (begin_as_bob(&store, &sent).await, begin_as_bob(&store, &sent).await);
    let nonce = offer_as_bob(&store, first, &sent).await.challenge.unwrap().nonce;
    let other = offer_as_bob(&store, second, &sent).await.challenge.unwrap().nonce;
    assert_ne!(nonce, other);
    let wrong = Proof { index: ChunkIndex(0), proof: Digest::of(b"") };
    let right = sent.proof(nonce, 0);
    assert!(store.prove(&bob(), second, vec![right]).await.is_err(), "another upload's");
    assert!(store.prove(&bob(), first, vec![wrong]).await.is_err());
    store.prove(&bob(), first, vec![right]).await.unwrap();
    assert_eq!(held_by_bob(&store, first).await, "", "it was tried");
    assert_eq!(held_by_bob(&store, second).await, "");
    let nonce = offer_as_bob(&store, first, &sent).await.challenge.unwrap().nonce;
    store.prove(&bob(), first, vec![sent.proof(nonce, 0)]).await.unwrap();
    assert_eq!(held_by_bob(&store, first).await, "0");
}

#[tokio::test]
async fn rotten_bytes_are_granted_to_nobody_and_the_chunk_can_be_sent() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = open(&place);
    let (source, _) = sent.upload(&store).await;
    let mut rotten = sent.data.clone();
    rotten[5] ^= 1;
    std::fs::write(place.blob_path(source), &rotten).unwrap();
    let id = begin_as_bob(&store, &sent).await;
    let mut nonce = offer_as_bob(&store, id, &sent).await.challenge.unwrap().nonce;
    // Whatever he shows: that it has rotten is no fault of his.
    for _ in 0..=PROOFS_WRONG_MAX {
        store.prove(&bob(), id, vec![sent.proof(nonce, 0)]).await.unwrap();
        let challenge = offer_as_bob(&store, id, &sent).await.challenge.unwrap();
        assert_eq!(challenge.chunks, set("1"), "and it is not asked for any more");
        nonce = challenge.nonce;
    }
    let rotten = Proof { index: ChunkIndex(0), proof: nonce.proof(&rotten[..CHUNK as usize]) };
    store.prove(&bob(), id, vec![rotten, sent.proof(nonce, 1)]).await.unwrap();
    put_as_bob(&store, id, &sent, 0).await;
    assert_eq!(held_by_bob(&store, id).await, "0-1");
}

#[tokio::test]
async fn who_looks_after_the_server_is_told_of_a_source_that_cannot_be_read() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let store = open(&place);
    let (source, _) = sent.upload(&store).await;
    std::fs::write(place.blob_path(source), b"cut off").unwrap();
    let id = begin_as_bob(&store, &sent).await;
    let nonce = offer_as_bob(&store, id, &sent).await.challenge.unwrap().nonce;
    let log = Log::start();
    store.prove(&bob(), id, vec![sent.proof(nonce, 0)]).await.unwrap();
    let told = log.text();
    assert!(told.contains("chunk not copied") && told.contains(&id.to_string()), "{told}");
    assert!(told.contains(&format!("source={source}")), "{told}");
    put_as_bob(&store, id, &sent, 0).await;
    assert_eq!(held_by_bob(&store, id).await, "0", "it is left to be sent");
}

#[tokio::test]
async fn a_proof_takes_no_chunk_from_a_request_that_is_sending_it() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = open(&place);
    sent.upload(&store).await;
    let id = begin_as_bob(&store, &sent).await;
    let nonce = offer_as_bob(&store, id, &sent).await.challenge.unwrap().nonce;
    let begun = store.begin_chunk(&bob(), id, sent.headers(0)).await.unwrap();
    let ChunkBegin::Write(mut writer) = begun else { panic!("it is missing") };
    store.prove(&bob(), id, vec![sent.proof(nonce, 0)]).await.unwrap();
    writer.write(sent.chunk(0).to_vec().into()).await.unwrap();
    writer.finish().await.unwrap();
    assert_eq!(offer_as_bob(&store, id, &sent).await.challenge.unwrap().chunks, set("1"));
    assert_eq!(held_by_bob(&store, id).await, "0");
}

#[tokio::test]
async fn what_is_granted_counts_for_who_was_given_it() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let bytes_per_owner_max = Some(2 * CHUNK + ROWS);
    let config = Config { reuse: Reuse::Everyone, bytes_per_owner_max, ..place.config() };
    let store = place.open_with(&config);
    sent.upload(&store).await;
    let id = begin_as_bob(&store, &sent).await;
    let nonce = offer_as_bob(&store, id, &sent).await.challenge.unwrap().nonce;
    let proofs = [0, 1].map(|index| sent.proof(nonce, index));
    store.prove(&bob(), id, proofs.to_vec()).await.unwrap();
    store.seal(&bob(), id, sent.root()).await.unwrap();
    let refused = store.create(&bob(), named("more", ROWS)).await;
    assert!(matches!(refused, Err(StoreError::OwnerFull { used, .. }) if used / CHUNK == 2));
}

#[tokio::test]
async fn where_reuse_is_the_owners_nobody_is_asked_to_prove_anything() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = place.open();
    sent.upload(&store).await;
    let id = begin_as_bob(&store, &sent).await;
    assert_eq!(offer_as_bob(&store, id, &sent).await.challenge, None);
    store.prove(&bob(), id, vec![sent.proof(Nonce(Digest::of(b"")), 0)]).await.unwrap();
    assert_eq!(held_by_bob(&store, id).await, "");
    let hers = sent.create(&store).await;
    let refused = store.prove(&bob(), hers, Vec::new()).await;
    assert!(matches!(refused, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn what_was_deleted_is_neither_asked_for_nor_granted() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = open(&place);
    let (_, hers) = sent.upload(&store).await;
    let id = begin_as_bob(&store, &sent).await;
    let nonce = offer_as_bob(&store, id, &sent).await.challenge.unwrap().nonce;
    store.delete(&alice(), hers.id).await.unwrap();
    store.prove(&bob(), id, vec![sent.proof(nonce, 0)]).await.unwrap();
    assert_eq!(held_by_bob(&store, id).await, "");
    assert_eq!(offer_as_bob(&store, id, &sent).await.challenge, None);
    drop(store);
    assert_eq!(rows_of_digests(&place), 0, "no row is left over");
}

#[tokio::test]
async fn what_was_deleted_and_is_only_kept_for_who_borrows_it_is_not_asked_for_either() {
    let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
    let store = open(&place);
    let (_, hers) = sent.upload(&store).await;
    let borrower = sent.create(&store).await;
    store.offer(&alice(), borrower, sent.run()).await.unwrap();
    store.delete(&alice(), hers.id).await.unwrap();
    assert_eq!(place.blob_count(), 2, "the borrower's, and what it borrows from");
    let id = begin_as_bob(&store, &sent).await;
    assert_eq!(offer_as_bob(&store, id, &sent).await.challenge, None);
}

/// Once the store before is over.
fn rows_of_digests(place: &Place) -> u64 {
    drop(place.open());
    let db = Database::open(place.dir.path().join("index.redb")).unwrap();
    let digests = db.begin_read().unwrap().open_table(DIGESTS).unwrap();
    digests.len().unwrap()
}

#[tokio::test]
async fn what_he_has_here_himself_is_lent_to_him_and_not_to_be_proved() {
    let (place, sent) = (Place::new(), Sent::new(3 * CHUNK, 1));
    let store = open(&place);
    sent.upload(&store).await;
    let first = begin_as_bob(&store, &sent).await;
    put_as_bob(&store, first, &sent, 1).await;
    while store.upload(&bob(), first).await.unwrap().holding.held.is_empty() {
        tokio::task::yield_now().await;
    }
    let id = begin_as_bob(&store, &sent).await;
    let Offered { holding, challenge, .. } = offer_as_bob(&store, id, &sent).await;
    assert_eq!((holding.held, challenge.unwrap().chunks), (set("1"), set("0,2")));
}

#[tokio::test]
async fn a_chunk_that_was_replaced_is_found_by_its_new_digest_only() {
    let (place, old, new) = (Place::new(), Sent::new(CHUNK, 1), Sent::new(CHUNK, 2));
    let store = open(&place);
    let hers = old.create(&store).await;
    old.put_all(&store, hers).await;
    let replace = Some(old.digests()[0]);
    put(&store, hers, ChunkHeaders { replace, ..new.headers(0) }, new.chunk(0)).await.unwrap();
    assert_eq!(held(&store, hers).await, "0");
    for (sent, is_here) in [(&old, false), (&new, true)] {
        let id = begin_as_bob(&store, sent).await;
        assert_eq!(offer_as_bob(&store, id, sent).await.challenge.is_some(), is_here);
    }
    store.shutdown().await;
    drop(store);
    assert_eq!(rows_of_digests(&place), 1, "the row of the old digest is gone");
}

#[tokio::test]
async fn chunks_that_were_sent_make_room_for_proofs_of_others() {
    let most = PROOFS_OPEN_MAX as u64;
    let (place, sent) = (Place::new(), Sent::new((most + 2) * CHUNK, 1));
    let store = open(&place);
    sent.upload(&store).await;
    let id = begin_as_bob(&store, &sent).await;
    let asked = |offered: Offered| offered.challenge.unwrap().chunks;
    let first = asked(offer_as_bob(&store, id, &sent).await);
    assert_eq!(first.to_string(), format!("0-{}", most - 1));
    put_as_bob(&store, id, &sent, 0).await;
    put_as_bob(&store, id, &sent, 1).await;
    let then = asked(offer_as_bob(&store, id, &sent).await);
    assert_eq!(then.to_string(), format!("2-{}", most + 1));
}

#[tokio::test]
async fn no_more_sources_are_read_at_once_than_may_be_copied() {
    let (place, sent) = (Place::new(), Sent::new(CHUNK, 1));
    let config = Config { reuse: Reuse::Everyone, fills_max: 0, ..place.config() };
    let store = place.open_with(&config);
    sent.upload(&store).await;
    let id = begin_as_bob(&store, &sent).await;
    let nonce = offer_as_bob(&store, id, &sent).await.challenge.unwrap().nonce;
    let proofs = vec![sent.proof(nonce, 0)];
    let bob = bob();
    let proving = store.prove(&bob, id, proofs);
    assert!(tokio::time::timeout(std::time::Duration::from_secs(1), proving).await.is_err());
    assert_eq!(held_by_bob(&store, id).await, "");
}

#[tokio::test]
async fn what_an_older_server_took_is_found_too() {
    for schema in [4, 5] {
        let (place, sent) = (Place::new(), Sent::new(2 * CHUNK, 1));
        let store = open(&place);
        sent.upload(&store).await;
        store.shutdown().await;
        drop(store);
        take_back_to_schema(schema, &place);
        let store = open(&place);
        let id = begin_as_bob(&store, &sent).await;
        assert_eq!(offer_as_bob(&store, id, &sent).await.challenge.unwrap().chunks, set("0-1"));
        let hers = sent.create(&store).await;
        let offered = store.offer(&alice(), hers, sent.run()).await.unwrap();
        assert_eq!(offered.holding.held, set("0-1"), "and by its owner");
    }
}

/// Makes an index what a server with that schema would have left.
pub(super) fn take_back_to_schema(schema: u64, place: &Place) {
    // Waits until the store before is over.
    drop(place.open());
    let db = Database::open(place.dir.path().join("index.redb")).unwrap();
    let txn = db.begin_write().unwrap();
    let old = TableDefinition::<(&str, [u8; 32], [u8; 16]), u64>::new("sources");
    let mut old = txn.open_table(old).unwrap();
    let holders = TableDefinition::<([u8; 32], [u8; 16]), u64>::new("holders");
    for row in txn.open_table(DIGESTS).unwrap().iter().unwrap() {
        let (key, index) = row.unwrap();
        let (digest, owner, blob) = key.value();
        old.insert((owner, digest, blob), index.value()).unwrap();
        if schema == 5 {
            txn.open_table(holders).unwrap().insert((digest, blob), index.value()).unwrap();
        }
    }
    drop(old);
    txn.delete_table(DIGESTS).unwrap();
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    txn.open_table(meta).unwrap().insert("schema", schema).unwrap();
    txn.commit().unwrap();
}
