//! The receiver's state machine: one edge at a time, and whole runs in virtual time with faults that a
//! seed chooses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests say so by failing"
)]

use std::collections::VecDeque;

use longhaul_protocol::download::{
    Action, CHECKS_MAX, End, Fault, FetchError, Input, ManifestError, Phase, RECORD_INTERVAL,
    Record, TargetError,
};
use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, ChunkIndex};
use longhaul_protocol::upload::{
    CALL_TIMEOUT, Failure, READ_TIMEOUT, SAVE_INTERVAL, STALL_TIMEOUT,
};
use longhaul_protocol::wire::{DIGESTS_PER_PAGE_MAX, Manifest};
use longhaul_protocol::{Digest, Millis, ProblemCode, digest};

mod download {
    pub mod bench;
    mod runs;
}

use download::bench::{Bench, checks, chunk_digest, fetches, lost, manifest, refusal};

const CHUNK: u64 = CHUNK_LEN_DEFAULT;

fn fault(bench: &Bench) -> Fault {
    match bench.download.phase() {
        Phase::Ended(End::Failed(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_manifest_is_asked_for_page_by_page_and_the_target_made_once_it_holds_together() {
    let count = DIGESTS_PER_PAGE_MAX + 3;
    let mut bench = Bench::new(count);
    let actions = bench.actions();
    let [Action::Page { ticket, start: ChunkIndex(0) }] = actions[..] else {
        panic!("{actions:?}")
    };
    let actions = bench.page(ticket, manifest(count, 0..DIGESTS_PER_PAGE_MAX));
    let [Action::Page { ticket, start }] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(start.0, DIGESTS_PER_PAGE_MAX);
    let actions = bench.page(ticket, manifest(count, DIGESTS_PER_PAGE_MAX..count));
    let [Action::Prepare { plan, keep, .. }] = actions[..] else { panic!("{actions:?}") };
    assert_eq!((plan.chunk_count(), keep), (count, false));
}

/// What makes a lie of a page.
type Lie = fn(&mut Manifest);

#[test]
fn a_manifest_that_contradicts_itself_ends_the_download_before_anything_is_made() {
    let lies: [(&str, Lie); 7] = [
        ("another digest", |page| page.digests.digests[2] = Digest::of(b"another")),
        ("a digest less", |page| page.digests.digests.truncate(4)),
        ("a digest more", |page| page.digests.digests.push(Digest::of(b"more"))),
        ("a page from elsewhere", |page| page.digests.start = ChunkIndex(1)),
        ("another count", |page| page.file.chunk_count = 9),
        ("no chunk size", |page| page.file.chunk_size = 0),
        ("another file", |page| page.file.id.0 = [9; 16]),
    ];
    for (what, lie) in lies {
        let mut bench = Bench::new(5);
        let actions = bench.actions();
        let [Action::Page { ticket, .. }] = actions[..] else { panic!("{actions:?}") };
        let mut page = manifest(5, 0..5);
        lie(&mut page);
        let mut actions = bench.page(ticket, page);
        // One that is too short is asked on, and never becomes whole.
        if let [Action::Page { ticket, .. }] = actions[..] {
            actions = bench.page(ticket, manifest(5, 0..0));
        }
        assert!(actions.is_empty(), "{what}: {actions:?}");
        assert!(matches!(fault(&bench), Fault::Manifest(_)), "{what}");
    }
}

#[test]
fn a_file_that_changes_between_two_pages_is_not_mixed() {
    let count = DIGESTS_PER_PAGE_MAX + 1;
    let mut bench = Bench::new(count);
    let actions = bench.actions();
    let [Action::Page { ticket, .. }] = actions[..] else { panic!("{actions:?}") };
    let actions = bench.page(ticket, manifest(count, 0..DIGESTS_PER_PAGE_MAX));
    let [Action::Page { ticket, .. }] = actions[..] else { panic!("{actions:?}") };
    let mut second = manifest(count, DIGESTS_PER_PAGE_MAX..count);
    second.file.root = Digest::of(b"another");
    bench.page(ticket, second);
    assert_eq!(fault(&bench), Fault::Manifest(ManifestError::Changed));
}

#[test]
fn a_root_that_the_user_did_not_ask_for_is_refused() {
    let mut bench = Bench::with(3, |config| config.root = Some(Digest::of(b"wanted")));
    let actions = bench.actions();
    let [Action::Page { ticket, .. }] = actions[..] else { panic!("{actions:?}") };
    bench.page(ticket, manifest(3, 0..3));
    assert!(matches!(fault(&bench), Fault::Manifest(ManifestError::Unwanted { .. })));
}

#[test]
fn an_empty_file_is_made_and_named_without_a_request_for_bytes() {
    let mut bench = Bench::new(0);
    let actions = bench.actions();
    let [Action::Page { ticket, .. }] = actions[..] else { panic!("{actions:?}") };
    let actions = bench.page(ticket, manifest(0, 0..0));
    let [Action::Prepare { ticket, .. }] = actions[..] else { panic!("{actions:?}") };
    let actions = bench.tell(Input::Prepared { ticket, result: Ok(()) });
    let [Action::Finish { ticket }] = actions[..] else { panic!("{actions:?}") };
    let actions = bench.tell(Input::Finished { ticket, result: Ok(()) });
    assert_eq!(actions, [Action::Forget]);
    assert!(matches!(bench.download.phase(), Phase::Ended(End::Done(_))));
}

#[test]
fn as_many_chunks_are_fetched_as_there_are_lanes_and_a_write_leaves_its_lane_to_the_next() {
    let (mut bench, begun) = Bench::fetching(20);
    assert_eq!(begun.len(), 4, "the lanes of the bench");
    let actions = bench.arrives(&begun[0]);
    assert!(matches!(actions[0], Action::Write { .. }), "{actions:?}");
    assert_eq!(fetches(&actions).len(), 1, "{actions:?}");
}

#[test]
fn what_broke_off_is_gone_on_with_from_the_byte_where_it_broke() {
    let (mut bench, begun) = Bench::fetching(3);
    bench.tell(Input::Moved { ticket: begun[0].ticket, bytes: 1000 });
    assert!(bench.fails(&begun[0], lost()).is_empty(), "not at once");
    let again = fetches(&bench.wait(1000));
    assert_eq!((again[0].chunk, again[0].kept), (begun[0].chunk, 1000));
    bench.tell(Input::Moved { ticket: again[0].ticket, bytes: 500 });
    bench.fails(&again[0], lost());
    assert_eq!(fetches(&bench.wait(2000))[0].kept, 1500);
}

#[test]
fn a_chunk_with_other_bytes_is_not_written_and_fetched_again_whole() {
    let (mut bench, begun) = Bench::fetching(3);
    bench.tell(Input::Moved { ticket: begun[1].ticket, bytes: CHUNK });
    let damaged = Ok(Digest::of(b"damaged"));
    let actions = bench.tell(Input::Fetched { ticket: begun[1].ticket, result: damaged });
    assert!(matches!(actions[..], [Action::Free { .. }]), "{actions:?}");
    let again = fetches(&bench.wait(1000));
    assert_eq!((again[0].chunk, again[0].kept), (begun[1].chunk, 0));
}

#[test]
fn a_chunk_that_is_damaged_again_and_again_ends_the_download_and_resuming_tries_once_more() {
    let (mut bench, begun) = Bench::fetching(1);
    let mut ticket = begun[0].ticket;
    for _ in 0..4 {
        bench.tell(Input::Fetched { ticket, result: Ok(Digest::of(b"damaged")) });
        ticket = fetches(&bench.wait(30_000))[0].ticket;
    }
    bench.tell(Input::Fetched { ticket, result: Ok(Digest::of(b"damaged")) });
    assert_eq!(fault(&bench), Fault::Damaged { chunk: ChunkIndex(0), times: 5 });
    assert_eq!(fetches(&bench.tell(Input::Resume)).len(), 1);
}

#[test]
fn a_chunk_that_the_server_cannot_read_is_not_asked_for_for_ever() {
    let (mut bench, begun) = Bench::fetching(1);
    let mut fetch = begun[0].clone();
    for _ in 0..4 {
        bench.fails(&fetch, refusal(ProblemCode::Internal));
        fetch = fetches(&bench.wait(30_000))[0].clone();
    }
    bench.fails(&fetch, refusal(ProblemCode::Internal));
    assert!(matches!(fault(&bench), Fault::Unserved { times: 5, .. }));
}

#[test]
fn a_server_that_stops_is_waited_for_and_one_that_has_no_such_file_is_not() {
    let (mut bench, begun) = Bench::fetching(9);
    for _ in 0..50 {
        bench.fails(&begun[0], refusal(ProblemCode::Unavailable));
        bench.wait(60_000);
    }
    assert!(!matches!(bench.download.phase(), Phase::Ended(_)));
    let (mut bench, begun) = Bench::fetching(9);
    bench.fails(&begun[0], refusal(ProblemCode::NotFound));
    assert!(matches!(fault(&bench), Fault::Refused(_)));
}

#[test]
fn a_whole_file_in_answer_to_a_range_ends_the_download() {
    let (mut bench, begun) = Bench::fetching(2);
    let result = Err(FetchError::RangeIgnored);
    bench.tell(Input::Fetched { ticket: begun[1].ticket, result });
    assert_eq!(fault(&bench), Fault::RangeIgnored);
}

#[test]
fn a_body_that_stands_still_is_given_up_and_its_beginning_kept() {
    let (mut bench, begun) = Bench::fetching(1);
    bench.tell(Input::Moved { ticket: begun[0].ticket, bytes: 77 });
    let actions = bench.wait(STALL_TIMEOUT.0);
    assert!(matches!(actions[..], [Action::Stop { .. }]), "{actions:?}");
    assert_eq!(fetches(&bench.wait(1000))[0].kept, 77);
}

#[test]
fn a_page_that_does_not_come_is_asked_for_again() {
    let mut bench = Bench::new(3);
    bench.actions();
    let actions = bench.wait(CALL_TIMEOUT.0);
    assert!(matches!(actions[..], [Action::HangUp { .. }]), "{actions:?}");
    assert!(matches!(bench.wait(1000)[..], [Action::Page { .. }]));
}

#[test]
fn a_target_that_is_full_ends_the_download_and_keeps_what_was_written() {
    let (mut bench, begun) = Bench::fetching(9);
    let first = bench.writes(&begun[0]);
    bench.tell(Input::Written { ticket: first, result: Ok(()) });
    let second = bench.writes(&begun[1]);
    let full = Err(TargetError::Full("x".to_owned()));
    let actions = bench.tell(Input::Written { ticket: second, result: full });
    let saved = actions.iter().find_map(|action| match action {
        Action::Save(record) => Some(record.held.to_string()),
        _ => None,
    });
    assert_eq!(saved.or(bench.saved.clone()).as_deref(), Some("0"));
    assert!(matches!(fault(&bench), Fault::Target(TargetError::Full(_))));
    let actions = bench.tell(Input::Resume);
    assert_eq!(fetches(&actions)[0].chunk, ChunkIndex(1), "what is there is not fetched again");
}

#[test]
fn what_was_written_to_a_target_that_is_lost_is_looked_for_and_only_what_is_missing_fetched() {
    let (mut bench, begun) = Bench::fetching(9);
    for fetch in &begun[..2] {
        let ticket = bench.writes(fetch);
        bench.tell(Input::Written { ticket, result: Ok(()) });
    }
    let full = Err(TargetError::Full("x".to_owned()));
    let third = bench.writes(&begun[2]);
    bench.tell(Input::Written { ticket: third, result: full });
    assert_eq!(bench.tell(Input::Lost), [], "it rests, and has nothing to do for it later");
    assert_eq!(bench.download.next_timeout(), None);
    assert_eq!(bench.download.progress(bench.now).acknowledged, 0);
    let actions = bench.tell(Input::Resume);
    let [Action::Prepare { ticket, keep: true, .. }] = actions[..] else { panic!("{actions:?}") };
    let actions = bench.tell(Input::Prepared { ticket, result: Ok(()) });
    let looked: Vec<_> = checks(&actions).into_iter().map(|(_, chunk)| chunk.0).collect();
    assert_eq!(looked, [0, 1]);
    assert!(fetches(&actions).iter().all(|fetch| fetch.chunk.0 > 1), "{actions:?}");
}

#[test]
fn a_target_that_is_lost_while_it_is_written_is_made_anew_at_once() {
    let (mut bench, begun) = Bench::fetching(3);
    let ticket = bench.writes(&begun[0]);
    bench.tell(Input::Written { ticket, result: Ok(()) });
    let actions = bench.tell(Input::Lost);
    let is_prepared = |action: &Action| matches!(action, Action::Prepare { keep: true, .. });
    assert!(actions.iter().any(is_prepared), "{actions:?}");
}

#[test]
fn a_target_that_never_answers_ends_the_download() {
    let (mut bench, begun) = Bench::fetching(1);
    bench.writes(&begun[0]);
    bench.wait(READ_TIMEOUT.0);
    assert_eq!(fault(&bench), Fault::Target(TargetError::Silent));
}

fn record(held: &str, count: u64) -> Record {
    let root = digest::root((0..count).map(chunk_digest));
    Record { root, size: count * CHUNK, chunk_size: CHUNK, held: held.parse().unwrap() }
}

#[test]
fn what_an_earlier_session_wrote_is_looked_at_before_it_is_believed_and_not_fetched() {
    let mut bench = Bench::with(6, |config| config.resume = Some(record("0-3", 6)));
    let (keep, actions) = bench.prepared();
    assert!(keep);
    let looked = checks(&actions);
    assert_eq!(looked.len(), CHECKS_MAX);
    let missing: Vec<_> = fetches(&actions).iter().map(|fetch| fetch.chunk.0).collect();
    assert_eq!(missing, [4, 5], "beside the checks");
    let (ticket, chunk) = looked[0];
    let actions = bench.tell(Input::Checked { ticket, result: Ok(chunk_digest(chunk.0)) });
    assert!(fetches(&actions).is_empty(), "it is there: {actions:?}");
    let (ticket, chunk) = looked[1];
    let actions = bench.tell(Input::Checked { ticket, result: Ok(Digest::of(b"torn")) });
    assert_eq!(fetches(&actions)[0].chunk, chunk, "it is not what it should be");
    assert_eq!(bench.download.progress(bench.now).reused, CHUNK);
}

#[test]
fn a_record_that_is_made_while_chunks_are_looked_at_keeps_them() {
    let mut bench = Bench::with(9, |config| config.resume = Some(record("0-3", 9)));
    let (_, actions) = bench.prepared();
    assert_eq!(checks(&actions).len(), CHECKS_MAX);
    let fetch = &fetches(&actions)[0];
    let ticket = bench.writes(fetch);
    bench.tell(Input::Written { ticket, result: Ok(()) });
    bench.wait(RECORD_INTERVAL.0);
    assert_eq!(bench.saved.as_deref(), Some("0-4"), "though two of them are read just now");
    let (ticket, chunk) = checks(&actions)[0];
    bench.tell(Input::Checked { ticket, result: Ok(Digest::of(b"torn")) });
    bench.wait(SAVE_INTERVAL.0);
    assert_eq!((chunk.0, bench.saved.as_deref()), (0, Some("1-4")), "it is not what it should be");
}

#[test]
fn sessions_shorter_than_a_second_get_further_each_time_without_a_record_a_chunk() {
    let (count, run) = (1000, Millis(950));
    let (mut resume, mut before) = (None, 0);
    for session in 1..=3 {
        let mut bench = Bench::with(count, |config| config.resume = resume.take());
        let (_, begun) = bench.prepared();
        let (mut todo, end) = (VecDeque::from(begun), bench.now + run);
        while bench.now < end {
            let mut actions = match todo.pop_front().expect("something to do") {
                Action::Fetch { ticket, chunk, .. } => {
                    let result = Ok(chunk_digest(chunk.start / CHUNK));
                    bench.tell(Input::Fetched { ticket, result })
                }
                Action::Check { ticket, range, .. } => {
                    let result = Ok(chunk_digest(range.start / CHUNK));
                    bench.tell(Input::Checked { ticket, result })
                }
                Action::Write { ticket, .. } => {
                    bench.tell(Input::Written { ticket, result: Ok(()) })
                }
                _ => vec![],
            };
            actions.extend(bench.wait(2));
            todo.extend(actions.into_iter().filter(|to_do| !matches!(to_do, Action::Free { .. })));
        }
        let held = bench.saved.as_deref().map_or(0, |held| record(held, count).held.count());
        assert!(held >= before + 15, "session {session}: {held} chunks, after {before}");
        assert!(bench.saves <= 10, "{}", bench.saves);
        before = held;
        resume = bench.saved.map(|held| record(&held, count));
    }
}

#[test]
fn what_an_earlier_session_wrote_of_another_file_is_of_no_use() {
    for other in [
        Record { root: Digest::of(b"another"), ..record("0-3", 6) },
        Record { size: 5 * CHUNK, ..record("0-3", 6) },
        Record { chunk_size: 2 * CHUNK, ..record("0-3", 6) },
    ] {
        let mut bench = Bench::with(6, |config| config.resume = Some(other));
        let (keep, actions) = bench.prepared();
        assert!(!keep);
        assert_eq!(fetches(&actions)[0].chunk, ChunkIndex(0));
        assert!(checks(&actions).is_empty());
    }
}

#[test]
fn a_record_that_claims_chunks_that_the_file_does_not_have_is_no_harm() {
    let mut bench = Bench::with(2, |config| config.resume = Some(record("1-900", 2)));
    let (_, actions) = bench.prepared();
    let looked = checks(&actions);
    assert_eq!(looked.iter().map(|(_, chunk)| chunk.0).collect::<Vec<_>>(), [1]);
}

#[test]
fn leaving_keeps_what_is_here_and_giving_up_removes_it() {
    let (mut bench, begun) = Bench::fetching(9);
    let ticket = bench.writes(&begun[2]);
    bench.tell(Input::Written { ticket, result: Ok(()) });
    let mut other = bench.clone();
    bench.tell(Input::Leave);
    assert_eq!(bench.saved.as_deref(), Some("2"));
    assert!(matches!(bench.download.phase(), Phase::Ended(End::Cancelled)));
    let actions = other.tell(Input::Cancel);
    assert!(actions.ends_with(&[Action::Discard, Action::Forget]), "{actions:?}");
}

#[test]
fn a_pause_stops_everything_and_going_on_fetches_what_is_missing() {
    let (mut bench, begun) = Bench::fetching(9);
    let ticket = bench.writes(&begun[0]);
    bench.tell(Input::Written { ticket, result: Ok(()) });
    bench.tell(Input::Pause);
    assert!(bench.tell(Input::Moved { ticket: begun[1].ticket, bytes: 5 }).is_empty());
    assert!(bench.wait(600_000).is_empty());
    let missing: Vec<_> =
        fetches(&bench.tell(Input::Resume)).iter().map(|fetch| fetch.chunk.0).collect();
    assert_eq!(missing, [1, 2, 3, 4]);
}

#[test]
fn a_rate_spreads_the_chunks_over_time_and_goes_with_each_request() {
    let (mut bench, begun) = Bench::fetching(9);
    bench.tell(Input::Moved { ticket: begun[0].ticket, bytes: 9 });
    let actions = bench.tell(Input::RateMax { bytes_per_second: Some(CHUNK) });
    let again = fetches(&actions);
    assert_eq!((again.len(), again[0].rate_max, again[0].kept), (1, Some(CHUNK), 9));
    assert_eq!(fetches(&bench.wait(900)).len(), 0);
    assert_eq!(fetches(&bench.wait(200)).len(), 1);
}

#[test]
fn a_refused_token_is_renewed_once_and_nothing_is_begun_meanwhile() {
    let (mut bench, begun) = Bench::fetching(9);
    let actions = bench.fails(&begun[0], refusal(ProblemCode::Unauthorized));
    let [.., Action::Renew { ticket, refused }] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(refused, begun[0].ticket);
    assert!(bench.fails(&begun[1], refusal(ProblemCode::Unauthorized)).len() < 2);
    assert_eq!(bench.download.phase(), Phase::Renewing);
    let again = fetches(&bench.tell(Input::Renewed { ticket, is_fresh: true }));
    assert_eq!(again.len(), 2);
    bench.fails(&again[0], refusal(ProblemCode::Unauthorized));
    assert!(matches!(fault(&bench), Fault::Refused(_)), "the fresh one is refused too");
}

#[test]
fn what_comes_late_changes_nothing() {
    let (mut bench, begun) = Bench::fetching(2);
    bench.tell(Input::Pause);
    bench.tell(Input::Resume);
    let late = Input::Fetched { ticket: begun[0].ticket, result: Ok(chunk_digest(0)) };
    assert!(bench.tell(late).is_empty());
    assert_eq!(bench.download.progress(Millis(0)).in_flight, 0);
    let late =
        Input::Page { ticket: begun[0].ticket, result: Err(Failure::Network(String::new())) };
    assert!(bench.tell(late).is_empty());
}
