//! What is asked. Every case is given a ground of its own.

use longhaul_protocol::Digest;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_server::store::{ChunkBegin, ChunkWriter as _, FileReader as _, NewUpload};
use longhaul_server::store::{Result, Store as _, StoreError, Upload};

use super::{Ground, chunk};
use crate::store::fixture::{CHUNK, Sent, alice, bob, bytes, headers, named, set};

macro_rules! refused {
    ($result:expr, $($error:pat_param)|+) => {
        match $result {
            $(Err($error))|+ => {}
            Err(other) => panic!("refused as {other}"),
            Ok(_) => panic!("done"),
        }
    };
}

pub(super) async fn what_is_sent_is_served_at_every_edge_of_a_chunk(ground: &mut impl Ground) {
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
        let sent = Sent::new(len, len);
        let id = ground.create(&sent).await;
        ground.fill(id, &sent).await;
        ground.interrupt();
        let info = ground.finish(id, &sent).await;
        assert_eq!((info.size, info.root), (len, sent.root()));
        ground.interrupt();
        assert_eq!(ground.read(info.id).await, sent.data, "{len} bytes");
    }
}

pub(super) async fn any_range_and_any_page_of_digests_is_served(ground: &mut impl Ground) {
    let sent = Sent::new(4 * CHUNK + 1, 1);
    let info = ground.upload(&sent).await;
    ground.interrupt();
    for (offset, len) in [(CHUNK - 5, 10), (0, 1), (4 * CHUNK, 1), (4 * CHUNK + 1, 0)] {
        let read = ground.insist(async |store| {
            let (_, reader) = store.open(&alice(), info.id).await?;
            reader.read_at(offset, len).await
        });
        assert_eq!(read.await.unwrap(), sent.data[offset as usize..][..len]);
    }
    for (start, count, expected) in [(1, 2, 1..3), (3, 100, 3..5), (99, 9, 5..5)] {
        let page = ground.store().manifest(&alice(), info.id, chunk(start), count).await.unwrap();
        assert_eq!(page.1.digests, sent.digests()[expected]);
    }
}

pub(super) async fn a_chunk_is_verified_and_a_bad_one_costs_nothing(ground: &mut impl Ground) {
    let sent = Sent::new(2 * CHUNK, 1);
    let id = ground.create(&sent).await;
    let mut wrong = sent.chunk(0).to_vec();
    wrong[77] ^= 1;
    refused!(ground.put(id, sent.headers(0), &wrong).await, StoreError::DigestMismatch { .. });
    let short = &sent.chunk(0)[1..];
    refused!(ground.put(id, sent.headers(0), short).await, StoreError::Length { .. });
    let past = ChunkHeaders { index: chunk(2), ..sent.headers(0) };
    refused!(ground.put(id, past, sent.chunk(0)).await, StoreError::ChunkOutOfRange { .. });
    assert!(ground.held(id).await.is_empty());
    ground.fill(id, &sent).await;
    refused!(ground.put(id, headers(0, &wrong), &wrong).await, StoreError::ChunkHeld { .. });
    ground.interrupt();
    let info = ground.finish(id, &sent).await;
    assert_eq!(ground.read(info.id).await, sent.data);
}

pub(super) async fn a_held_chunk_is_replaced_by_naming_it(ground: &mut impl Ground) {
    let (old, new) = (Sent::new(2 * CHUNK, 1), bytes(CHUNK, 9));
    let id = ground.create(&old).await;
    ground.fill(id, &old).await;
    let replace = ChunkHeaders { replace: Some(old.digests()[0]), ..headers(0, &new) };
    let replaced = ground.put(id, replace, &new).await;
    if let Err(StoreError::ChunkHeld { .. }) = replaced {
        panic!("it was named");
    }
    let mut changed = old;
    changed.data[..CHUNK as usize].copy_from_slice(&new);
    ground.fill(id, &changed).await;
    ground.interrupt();
    let info = ground.finish(id, &changed).await;
    assert_eq!(ground.read(info.id).await, changed.data);
}

/// Always with the same key.
async fn keyed(ground: &impl Ground, size: u64) -> Result<Upload> {
    let idempotency = Some(("key".to_owned(), Digest::of(&size.to_le_bytes())));
    let new = NewUpload { idempotency, ..named("a file", size) };
    ground.insist(async |store| store.create(&alice(), new.clone()).await).await
}

pub(super) async fn a_request_again_is_harmless(ground: &mut impl Ground) {
    let sent = Sent::new(2 * CHUNK, 1);
    let id = keyed(ground, 2 * CHUNK).await.unwrap().id;
    ground.interrupt();
    assert_eq!(keyed(ground, 2 * CHUNK).await.unwrap().id, id);
    refused!(keyed(ground, CHUNK).await, StoreError::KeyReused);
    ground.fill(id, &sent).await;
    let begun = ground.store().begin_chunk(&alice(), id, sent.headers(0)).await.unwrap();
    assert!(matches!(begun, ChunkBegin::Already));
    let info = ground.finish(id, &sent).await;
    ground.interrupt();
    assert_eq!(ground.finish(id, &sent).await.id, info.id, "the same answer");
    refused!(ground.put(id, sent.headers(0), sent.chunk(0)).await, StoreError::Sealed { .. });
    assert_eq!(ground.store().files(&alice(), None, 9).await.unwrap().rows.len(), 1);
}

pub(super) async fn a_seal_wants_every_chunk_and_its_root(ground: &mut impl Ground) {
    let sent = Sent::new(3 * CHUNK, 1);
    let id = ground.create(&sent).await;
    ground.put(id, sent.headers(1), sent.chunk(1)).await.unwrap();
    match ground.store().seal(&alice(), id, sent.root()).await {
        Err(StoreError::ChunksMissing { missing }) => {
            assert!(set("0,2").without(&missing).is_empty())
        }
        other => panic!("{other:?}"),
    }
    ground.fill(id, &sent).await;
    ground.interrupt();
    let another = ground.store().seal(&alice(), id, Digest::of(b"another")).await;
    refused!(another, StoreError::RootMismatch);
    let info = ground.finish(id, &sent).await;
    assert_eq!(ground.read(info.id).await, sent.data);
}

pub(super) async fn nobody_sees_or_touches_what_is_anothers(ground: &mut impl Ground) {
    let sent = Sent::new(2 * CHUNK, 1);
    let open = ground.create(&sent).await;
    let info = ground.upload(&Sent::new(CHUNK, 2)).await;
    ground.interrupt();
    let store = ground.store();
    refused!(store.upload(&bob(), open).await, StoreError::NotFound);
    refused!(store.held_digests(&bob(), open, chunk(0), 1).await, StoreError::NotFound);
    refused!(store.offer(&bob(), open, sent.run()).await, StoreError::NotFound);
    refused!(store.prove(&bob(), open, Vec::new()).await, StoreError::NotFound);
    refused!(store.begin_chunk(&bob(), open, sent.headers(0)).await, StoreError::NotFound);
    refused!(store.seal(&bob(), open, sent.root()).await, StoreError::NotFound);
    refused!(store.cancel(&bob(), open).await, StoreError::NotFound);
    refused!(store.open(&bob(), info.id).await, StoreError::NotFound);
    refused!(store.manifest(&bob(), info.id, chunk(0), 1).await, StoreError::NotFound);
    refused!(store.delete(&bob(), info.id).await, StoreError::NotFound);
    assert!(store.uploads(&bob(), None, 9).await.unwrap().rows.is_empty());
    assert!(store.files(&bob(), None, 9).await.unwrap().rows.is_empty());
}

pub(super) async fn what_is_ended_is_gone_for_good(ground: &mut impl Ground) {
    let sent = Sent::new(2 * CHUNK, 1);
    let id = ground.create(&sent).await;
    ground.put(id, sent.headers(1), sent.chunk(1)).await.unwrap();
    let info = ground.upload(&Sent::new(CHUNK + 5, 2)).await;
    // What the disk interrupted is done all the same, sooner or later: the second time it is gone.
    let ended = ground.insist(async |store| store.cancel(&alice(), id).await).await;
    assert!(matches!(ended, Ok(()) | Err(StoreError::NotFound)), "{ended:?}");
    let ended = ground.insist(async |store| store.delete(&alice(), info.id).await).await;
    assert!(matches!(ended, Ok(()) | Err(StoreError::NotFound)), "{ended:?}");
    for _ in 0..2 {
        refused!(ground.store().upload(&alice(), id).await, StoreError::NotFound);
        refused!(ground.store().open(&alice(), info.id).await, StoreError::NotFound);
        assert!(ground.store().uploads(&alice(), None, 9).await.unwrap().rows.is_empty());
        assert!(ground.store().files(&alice(), None, 9).await.unwrap().rows.is_empty());
        ground.interrupt();
    }
}

pub(super) async fn lists_come_by_the_page_with_everything_once(ground: &mut impl Ground) {
    let mut ids = Vec::new();
    for seed in 0..5 {
        ids.push(ground.create(&Sent::new(1, seed)).await);
    }
    ground.interrupt();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = ground.store().uploads(&alice(), after, 2).await.unwrap();
        assert!(page.rows.len() <= 2);
        listed.extend(page.rows.into_iter().map(|upload| upload.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    listed.sort();
    ids.sort();
    assert_eq!(listed, ids);
    let unknown = Some("../../etc/passwd".to_owned());
    refused!(ground.store().uploads(&alice(), unknown, 2).await, StoreError::NotFound);
}

/// `partial_chunks`: what broke off goes on at the byte that the status tells. Without it, nothing is
/// told and only 0 is taken.
pub(super) async fn what_broke_off_goes_on_where_the_status_says(ground: &mut impl Ground) {
    let sent = Sent::new(2 * CHUNK, 1);
    let id = ground.create(&sent).await;
    let half = CHUNK as usize / 2;
    let broken = ground.insist(async |store| {
        match store.begin_chunk(&alice(), id, sent.headers(0)).await? {
            ChunkBegin::Already => panic!("it was never sent"),
            ChunkBegin::Write(mut writer) => {
                let piece = bytes::Bytes::copy_from_slice(&sent.chunk(0)[..half]);
                writer.write(piece).await?;
                writer.break_off().await;
                Ok(())
            }
        }
    });
    broken.await.unwrap();
    let kept = ground.store().upload(&alice(), id).await.unwrap().holding.partial;
    if !ground.store().capabilities().partial_chunks {
        assert!(kept.is_empty());
    }
    let offset = kept.first().map_or(0, |kept| kept.offset);
    assert!(offset <= half as u64);
    let other = ChunkHeaders { offset: offset + 1, ..sent.headers(0) };
    refused!(ground.put(id, other, sent.chunk(0)).await, StoreError::Offset { .. });
    let rest = ChunkHeaders { offset, ..sent.headers(0) };
    let gone_on =
        ground.insist(async |store| super::put_once(store, id, rest, sent.chunk(0)).await);
    let gone_on = gone_on.await;
    assert!(matches!(gone_on, Ok(()) | Err(StoreError::Offset { .. })), "{gone_on:?}");
    let info = ground.finish(id, &sent).await;
    ground.interrupt();
    assert_eq!(ground.read(info.id).await, sent.data);
}

/// `shared_blobs`: the same file again is held without being sent, and outlives the first. Without
/// it, nothing is held that was not sent.
pub(super) async fn the_same_file_again_is_not_sent_where_bytes_are_shared(
    ground: &mut impl Ground,
) {
    let sent = Sent::new(3 * CHUNK, 1);
    let first = ground.upload(&sent).await;
    let id = ground.create(&sent).await;
    ground.interrupt();
    let offered = ground.insist(async |store| store.offer(&alice(), id, sent.run()).await).await;
    let expected = if ground.store().capabilities().shared_blobs { set("0-2") } else { set("") };
    assert_eq!(offered.unwrap().holding.held, expected);
    ground.interrupt();
    assert_eq!(ground.held(id).await, expected, "what was told held");
    let second = ground.finish(id, &sent).await;
    assert_ne!(first.id, second.id);
    let deleted = ground.insist(async |store| store.delete(&alice(), first.id).await).await;
    assert!(matches!(deleted, Ok(()) | Err(StoreError::NotFound)), "{deleted:?}");
    ground.interrupt();
    assert_eq!(ground.read(second.id).await, sent.data);
}
