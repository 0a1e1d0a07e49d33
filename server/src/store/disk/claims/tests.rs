//! Sequences of requests, syncs and seals, and what is known of the chunks after each.

use super::*;
use longhaul_protocol::plan::CHUNK_LEN_MIN;
use longhaul_protocol::wire::header::ChunkHeaders;

const INDEX: ChunkIndex = ChunkIndex(1);

fn three_chunks(held: &str) -> Chunks {
    let plan = Plan::new(3 * CHUNK_LEN_MIN, CHUNK_LEN_MIN).unwrap();
    Chunks::new(plan, held.parse().unwrap(), ChunkSet::new(), None)
}

/// One of three chunks is the upload's own, the others are references.
fn two_borrowed() -> Chunks {
    let plan = Plan::new(3 * CHUNK_LEN_MIN, CHUNK_LEN_MIN).unwrap();
    Chunks::new(plan, "0".parse().unwrap(), "1-2".parse().unwrap(), None)
}

fn copying(chunks: &mut Chunks) -> Grant {
    match chunks.begin_copying(INDEX) {
        Some(Copying::Go(grant)) => grant,
        other => panic!("{other:?}"),
    }
}

fn request(bytes: &[u8], replace: Option<&[u8]>) -> ChunkHeaders {
    let (digest, replace) = (Digest::of(bytes), replace.map(Digest::of));
    ChunkHeaders { index: INDEX, offset: 0, digest, replace }
}

fn begin(chunks: &mut Chunks, request: ChunkHeaders, row: Option<&[u8]>) -> Result<Begin> {
    let seen = Seen { digest: row.map(Digest::of), removals: chunks.removals() };
    chunks.begin(&request, seen)
}

fn granted(chunks: &mut Chunks, bytes: &[u8]) -> Grant {
    match begin(chunks, request(bytes, None), None).unwrap() {
        Begin::Write(grant) => grant,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_newer_request_takes_the_chunk_over_and_the_write_in_flight_stays_visible() {
    let mut chunks = three_chunks("");
    let older = granted(&mut chunks, b"a");
    chunks.start_write(older).unwrap();
    let newer = granted(&mut chunks, b"b");
    assert!(chunks.is_writing(INDEX), "the newer one has to wait");
    assert!(matches!(chunks.check(older), Err(StoreError::Superseded { .. })));
    chunks.release(older);
    assert!(chunks.is_writing(INDEX), "dropping the older one stops no write");
    chunks.end_write(INDEX, None);
    chunks.start_write(newer).unwrap();
    chunks.end_write(INDEX, None);
    assert!(chunks.receive(older, Digest::of(b"a")).is_err());
    chunks.receive(newer, Digest::of(b"b")).unwrap();
    assert_eq!(chunks.pending_digest(INDEX), Some(Digest::of(b"b")));
}

#[test]
fn a_claim_outlives_its_request_while_its_write_is_in_flight() {
    let mut chunks = three_chunks("");
    let grant = granted(&mut chunks, b"a");
    chunks.start_write(grant).unwrap();
    chunks.release(grant);
    assert!(chunks.is_busy());
    let next = granted(&mut chunks, b"a");
    assert!(chunks.is_writing(INDEX), "the write of the request that is gone");
    chunks.end_write(INDEX, None);
    chunks.release(next);
    assert!(!chunks.is_busy());
}

#[test]
fn a_held_chunk_is_replaced_only_by_naming_its_digest() {
    let mut chunks = three_chunks("1");
    let mut ask = |replace| begin(&mut chunks, request(b"new", replace), Some(b"old"));
    assert!(matches!(ask(None), Err(StoreError::ChunkHeld { .. })));
    assert!(matches!(ask(Some(b"other")), Err(StoreError::ChunkHeld { .. })));
    assert!(matches!(ask(Some(b"old")), Ok(Begin::Replace(_, _))));
    assert!(!chunks.is_held(INDEX), "a seal must not find it");
}

#[test]
fn nobody_begins_a_chunk_while_the_commit_that_takes_its_row_out_is_under_way() {
    let mut chunks = three_chunks("1");
    let replace = request(b"new", Some(b"old"));
    let Begin::Replace(older, _) = begin(&mut chunks, replace, Some(b"old")).unwrap() else {
        panic!()
    };
    chunks.release(older);
    let newer = request(b"newer", None);
    let begun = begin(&mut chunks, newer, None).unwrap();
    assert_eq!(begun, Begin::Wait, "the row names what lies there");
    assert_eq!(chunks.is_settled(INDEX), None);
    chunks.end_removal(INDEX, true);
    assert_eq!(chunks.is_settled(INDEX), Some(()));
    granted(&mut chunks, b"newer");
}

#[test]
fn a_rotten_chunk_is_taken_out_only_if_it_is_still_the_one_that_was_looked_at() {
    let mut chunks = three_chunks("0-1");
    let seen = chunks.removals();
    assert!(!chunks.begin_removal(ChunkIndex(2), seen), "it is not held");
    begin(&mut chunks, request(b"new", Some(b"old")), Some(b"old")).unwrap();
    assert!(!chunks.begin_removal(ChunkIndex(0), seen), "something was replaced since");
    assert!(chunks.begin_removal(ChunkIndex(0), chunks.removals()));
    assert!(!chunks.is_held(ChunkIndex(0)));
    assert!(matches!(chunks.begin_seal(), Err(StoreError::ChunksMissing { .. })));
    chunks.end_removal(ChunkIndex(0), false);
    assert!(chunks.is_held(ChunkIndex(0)), "its row could not be taken out");
}

#[test]
fn a_rotten_chunk_that_a_seal_counts_on_or_that_is_borrowed_is_left_alone() {
    let mut chunks = three_chunks("0-2");
    assert_eq!(chunks.begin_seal().unwrap(), SealStep::Go);
    assert!(!chunks.begin_removal(INDEX, chunks.removals()));
    let mut chunks = two_borrowed();
    assert!(!chunks.begin_removal(INDEX, chunks.removals()));
}

#[test]
fn a_chunk_that_is_there_already_is_not_written() {
    let mut chunks = three_chunks("1");
    let again = begin(&mut chunks, request(b"a", None), Some(b"a")).unwrap();
    assert_eq!(again, Begin::Already);
    let mut chunks = three_chunks("");
    let grant = granted(&mut chunks, b"a");
    chunks.receive(grant, Digest::of(b"a")).unwrap();
    assert_eq!(begin(&mut chunks, request(b"a", None), None).unwrap(), Begin::Already);
    assert!(matches!(
        begin(&mut chunks, request(b"b", None), None),
        Err(StoreError::ChunkHeld { .. })
    ));
}

#[test]
fn what_was_read_before_a_removal_is_looked_at_again() {
    let mut chunks = three_chunks("1");
    let seen = Seen { digest: Some(Digest::of(b"old")), removals: chunks.removals() };
    begin(&mut chunks, request(b"new", Some(b"old")), Some(b"old")).unwrap();
    chunks.end_removal(INDEX, true);
    assert_eq!(chunks.begin(&request(b"old", None), seen).unwrap(), Begin::LookAgain);
}

#[test]
fn after_a_failed_sync_nothing_unsynced_is_believed() {
    let mut chunks = three_chunks("0");
    let pending = granted(&mut chunks, b"a");
    chunks.receive(pending, Digest::of(b"a")).unwrap();
    let written = chunks.claim(ChunkIndex(2));
    chunks.sync_failed();
    assert_eq!(chunks.pending_digest(INDEX), None);
    assert!(matches!(chunks.receive(written, Digest::of(b"b")), Err(StoreError::Disk { .. })));
    assert!(chunks.is_held(ChunkIndex(0)), "what was synced before stays");
    let again = granted(&mut chunks, b"a");
    chunks.receive(again, Digest::of(b"a")).unwrap();
    chunks.synced(pending);
    assert!(!chunks.is_held(INDEX), "a later success does not bring it back");
    chunks.synced(again);
    assert!(chunks.is_held(INDEX));
}

#[test]
fn a_seal_waits_for_what_is_pending_and_names_what_is_missing() {
    let mut chunks = three_chunks("0,2");
    let missing = "1".parse().unwrap();
    match chunks.begin_seal() {
        Err(StoreError::ChunksMissing { missing: told }) => assert_eq!(told, missing),
        other => panic!("{other:?}"),
    }
    let grant = granted(&mut chunks, b"a");
    chunks.receive(grant, Digest::of(b"a")).unwrap();
    assert_eq!(chunks.begin_seal().unwrap(), SealStep::Wait);
    chunks.synced(grant);
    assert_eq!(chunks.begin_seal().unwrap(), SealStep::Go);
    assert_eq!(chunks.begin_seal().unwrap(), SealStep::Wait, "one at a time");
    assert_eq!(begin(&mut chunks, request(b"b", None), Some(b"a")).unwrap(), Begin::Wait);
    assert!(!chunks.end(), "not while its commit is under way");
    chunks.end_seal(None);
    assert_eq!(begin(&mut chunks, request(b"a", None), Some(b"a")).unwrap(), Begin::Already);
}

#[test]
fn a_chunk_that_is_looked_for_is_begun_by_nobody_and_held_once_it_is_lent() {
    let mut chunks = three_chunks("0");
    let looked_for = chunks.begin_lending([0, 1, 3].map(ChunkIndex));
    assert_eq!(looked_for.to_string(), "1", "not what is held, nor past the end");
    assert!(chunks.begin_lending([INDEX]).is_empty(), "once is enough");
    assert_eq!(begin(&mut chunks, request(b"a", None), None).unwrap(), Begin::Wait);
    assert_eq!(chunks.is_settled(INDEX), None);
    assert_eq!(chunks.begin_seal().unwrap(), SealStep::Wait, "it may be complete in a moment");
    chunks.end_lending(&looked_for, &[INDEX]);
    assert_eq!(begin(&mut chunks, request(b"a", None), Some(b"a")).unwrap(), Begin::Already);
    assert_eq!(chunks.holding().held.to_string(), "0-1");
    assert_eq!(chunks.holding().filling.to_string(), "1", "chunk 0 is its own");
}

#[test]
fn a_claimed_chunk_is_not_looked_for() {
    let mut chunks = three_chunks("");
    granted(&mut chunks, b"a");
    assert!(chunks.begin_lending([INDEX]).is_empty());
}

#[test]
fn a_borrowed_chunk_stays_held_until_its_copy_is_durable() {
    let mut chunks = two_borrowed();
    let grant = copying(&mut chunks);
    assert_eq!(chunks.begin_copying(INDEX), None, "one at a time");
    chunks.receive(grant, Digest::of(b"a")).unwrap();
    let holding = chunks.holding();
    assert_eq!((holding.held.to_string(), holding.pending.count()), ("0-2".to_owned(), 0));
    chunks.sync_failed();
    assert_eq!(chunks.holding().filling.to_string(), "1-2", "the reference is still there");
    let grant = copying(&mut chunks);
    chunks.receive(grant, Digest::of(b"a")).unwrap();
    chunks.synced(grant);
    assert_eq!(chunks.begin_copying(INDEX), Some(Copying::Over));
    assert_eq!(chunks.begin_seal().unwrap(), SealStep::Filling, "chunk 2");
}

#[test]
fn a_borrowed_chunk_is_to_be_copied_until_it_was_tried_or_waits_for_its_sync() {
    let mut chunks = two_borrowed();
    let none = ChunkSet::new();
    assert!(chunks.wants_copies());
    assert_eq!(chunks.next_to_copy(&none), Some(INDEX));
    assert_eq!(chunks.next_to_copy(&[ChunkIndex(2)].into_iter().collect()), Some(INDEX));
    let grant = copying(&mut chunks);
    chunks.receive(grant, Digest::of(b"a")).unwrap();
    assert_eq!(chunks.next_to_copy(&none), Some(ChunkIndex(2)));
    chunks.sync_failed();
    assert_eq!(chunks.next_to_copy(&none), Some(INDEX));
    assert_eq!(chunks.next_to_copy(&(1..3).map(ChunkIndex).collect()), None);
}

#[test]
fn a_replacement_takes_a_borrowed_chunk_from_its_copier() {
    let mut chunks = two_borrowed();
    let copy = copying(&mut chunks);
    let begun = begin(&mut chunks, request(b"b", Some(b"a")), Some(b"a")).unwrap();
    let Begin::Replace(grant, _) = begun else { panic!("{begun:?}") };
    assert!(chunks.check(copy).is_err());
    assert_eq!(
        begin(&mut chunks, request(b"c", None), None).unwrap(),
        Begin::Wait,
        "nobody writes before the row is out"
    );
    chunks.end_removal(INDEX, true);
    assert_eq!(chunks.holding().filling.to_string(), "2");
    chunks.check(grant).unwrap();
}

#[test]
fn a_chunk_whose_row_stays_is_held_as_before() {
    let mut chunks = three_chunks("0-2");
    let begun = begin(&mut chunks, request(b"b", Some(b"a")), Some(b"a")).unwrap();
    assert!(matches!(begun, Begin::Replace(..)));
    chunks.end_removal(INDEX, false);
    assert_eq!(chunks.holding().held.to_string(), "0-2");
}

/// A request that writes `bytes` of the chunk and breaks off.
fn breaks_off(chunks: &mut Chunks, digest_of: &[u8], bytes: u64) {
    let grant = granted(chunks, digest_of);
    chunks.begin_body(grant, Digest::of(digest_of), 0).unwrap();
    chunks.start_write(grant).unwrap();
    chunks.end_write(INDEX, Some(bytes));
    chunks.release(grant);
}

fn kept(chunks: &Chunks) -> Vec<u64> {
    chunks.holding().partial.iter().map(|kept| kept.offset).collect()
}

fn at(offset: u64, bytes: &[u8]) -> ChunkHeaders {
    ChunkHeaders { offset, ..request(bytes, None) }
}

#[test]
fn what_an_older_request_still_writes_counts_for_the_newer_one_that_waits_for_it() {
    let mut chunks = three_chunks("");
    let older = granted(&mut chunks, b"a");
    chunks.begin_body(older, Digest::of(b"a"), 0).unwrap();
    chunks.start_write(older).unwrap();
    chunks.end_write(INDEX, Some(10));
    chunks.start_write(older).unwrap();
    let Begin::Write(newer) = begin(&mut chunks, at(20, b"a"), None).unwrap() else { panic!() };
    chunks.end_write(INDEX, Some(20));
    chunks.begin_body(newer, Digest::of(b"a"), 20).unwrap();
    assert!(chunks.start_write(older).is_err(), "and nothing more of it");
}

#[test]
fn a_newer_request_that_counted_on_more_is_refused_and_what_is_kept_stays() {
    let mut chunks = three_chunks("");
    let older = granted(&mut chunks, b"a");
    chunks.begin_body(older, Digest::of(b"a"), 0).unwrap();
    chunks.start_write(older).unwrap();
    chunks.end_write(INDEX, Some(10));
    let Begin::Write(newer) = begin(&mut chunks, at(20, b"a"), None).unwrap() else { panic!() };
    let refused = chunks.begin_body(newer, Digest::of(b"a"), 20);
    assert!(matches!(refused, Err(StoreError::Offset { kept: 10, .. })));
    chunks.release(newer);
    assert_eq!(kept(&chunks), [10]);
}

#[test]
fn a_copy_leaves_nothing_that_a_client_could_go_on_from() {
    let mut chunks = three_chunks("");
    breaks_off(&mut chunks, b"a", 10);
    let looked_for = chunks.begin_lending([INDEX]);
    chunks.end_lending(&looked_for, &[INDEX]);
    let fill = copying(&mut chunks);
    chunks.begin_copy(fill).unwrap();
    chunks.start_write(fill).unwrap();
    chunks.end_write(INDEX, Some(30));
    chunks.release(fill);
    assert!(chunks.begin_loss(INDEX));
    chunks.end_removal(INDEX, true);
    assert!(kept(&chunks).is_empty());
    assert!(matches!(
        begin(&mut chunks, at(30, b"a"), None),
        Err(StoreError::Offset { kept: 0, .. })
    ));
}

#[test]
fn what_was_only_proved_leaves_nothing_that_could_be_gone_on_from() {
    let mut chunks = three_chunks("");
    breaks_off(&mut chunks, b"a", 10);
    let grant = chunks.begin_granting(INDEX).unwrap();
    chunks.begin_copy(grant).unwrap();
    chunks.start_write(grant).unwrap();
    chunks.end_write(INDEX, Some(30));
    chunks.release(grant);
    assert!(kept(&chunks).is_empty());
}

#[test]
fn what_begins_past_the_end_takes_the_chunk_from_nobody() {
    let mut chunks = three_chunks("");
    breaks_off(&mut chunks, b"a", 10);
    let Begin::Write(sender) = begin(&mut chunks, at(10, b"a"), None).unwrap() else { panic!() };
    let past = begin(&mut chunks, at(CHUNK_LEN_MIN + 1, b"a"), None);
    assert!(matches!(past, Err(StoreError::Offset { kept: 10, .. })));
    chunks.check(sender).unwrap();
}

#[test]
fn what_begins_past_the_end_of_a_held_chunk_is_not_that_chunk() {
    let mut chunks = three_chunks("0-2");
    let begun = begin(&mut chunks, at(CHUNK_LEN_MIN, b"a"), Some(b"a")).unwrap();
    assert_eq!(begun, Begin::Already, "nothing is left to send of it");
    let past = begin(&mut chunks, at(CHUNK_LEN_MIN + 1, b"a"), Some(b"a"));
    assert!(matches!(past, Err(StoreError::Offset { kept: CHUNK_LEN_MIN, .. })));
}

#[test]
fn a_replacement_that_begins_midway_takes_nothing_out() {
    let mut chunks = three_chunks("0-2");
    let midway = ChunkHeaders { offset: 5, ..request(b"b", Some(b"a")) };
    let refused = begin(&mut chunks, midway, Some(b"a"));
    assert!(matches!(refused, Err(StoreError::Offset { kept: 0, .. })));
    assert!(chunks.is_held(INDEX));
}

#[test]
fn after_a_failed_sync_no_beginning_is_kept() {
    let mut chunks = three_chunks("");
    breaks_off(&mut chunks, b"a", 10);
    chunks.sync_failed();
    assert!(kept(&chunks).is_empty());
}

#[test]
fn of_too_many_beginnings_the_shortest_makes_way() {
    let mut partials = Partials::default();
    let max = partial::PARTIAL_CHUNKS_MAX as u64;
    for index in (0..max).map(ChunkIndex) {
        partials.begin(index, Digest::of(b""));
        partials.wrote(index, if index.0 == 5 { 1 } else { 100 });
    }
    partials.begin(ChunkIndex(max), Digest::of(b""));
    partials.wrote(ChunkIndex(5), 200);
    partials.wrote(ChunkIndex(max), 1);
    let kept: Vec<_> = partials.list().iter().map(|kept| kept.index.0).collect();
    assert_eq!(kept.len() as u64, max);
    assert!(!kept.contains(&5) && kept.contains(&max));
}
