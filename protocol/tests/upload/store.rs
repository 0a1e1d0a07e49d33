//! Small files: one request each.

use longhaul_protocol::upload::{
    Action, BufferId, Call, Config, End, Failure, Fault, Input, ONE_REQUEST_MAX, Phase, Ticket,
    Upload,
};
use longhaul_protocol::wire::header::StoreHeaders;
use longhaul_protocol::wire::{FileMeta, Holding};
use longhaul_protocol::{Digest, Plan, ProblemCode, digest};

use super::bench::{Bench, ID, call, calls, file_info, lost, reads, refusal};

fn stores(actions: &[Action]) -> Vec<(Ticket, BufferId, StoreHeaders)> {
    let stored = |action: &Action| match action {
        Action::Store { ticket, buffer, headers } => Some((*ticket, *buffer, headers.clone())),
        _ => None,
    };
    actions.iter().filter_map(stored).collect()
}

fn bench(size: u64, meta: FileMeta) -> Bench {
    let plan = Plan::of_file(size).unwrap();
    let config = Config { meta, size, key: "key".to_owned(), seed: 1, ..Config::default() };
    Bench { upload: Upload::new(config), now: longhaul_protocol::Millis(1000), plan }
}

/// A sender of a small file, whose one request is under way.
fn storing() -> (Bench, Ticket, StoreHeaders) {
    let mut bench = bench(ONE_REQUEST_MAX, FileMeta::default());
    let actions = bench.actions();
    assert_eq!(reads(&actions), 1);
    bench.read_all(&actions);
    let actions = bench.actions();
    assert_eq!(calls(&actions), []);
    let [(ticket, _, headers)] = stores(&actions).try_into().expect("one request");
    (bench, ticket, headers)
}

fn stored(ticket: Ticket, result: Result<Digest, Failure>) -> Input {
    let file = |of| Box::new(file_info(ONE_REQUEST_MAX, digest::root([of])));
    Input::Stored { ticket, result: result.map(file) }
}

#[test]
fn a_small_file_is_begun_sent_and_sealed_in_one_request() {
    let (mut bench, ticket, headers) = storing();
    assert_eq!(bench.upload.phase(), Phase::Uploading);
    bench.tell(Input::Moved { ticket, bytes: 1000 });
    assert_eq!(bench.upload.progress(bench.now).in_flight, 1000);
    bench.tell(stored(ticket, Ok(headers.digest)));
    assert!(matches!(bench.upload.phase(), Phase::Ended(End::Done(_))));
}

#[test]
fn a_file_that_is_longer_or_says_too_much_of_itself_goes_the_usual_way() {
    let much = [("note".to_owned(), "x".repeat(9000))].into_iter().collect();
    let talkative = FileMeta { metadata: much, ..FileMeta::default() };
    for (size, meta) in [(ONE_REQUEST_MAX + 1, FileMeta::default()), (1, talkative)] {
        let mut bench = bench(size, meta);
        let actions = bench.actions();
        bench.read_all(&actions);
        assert!(matches!(call(&bench.actions()).1, Call::Create { .. }));
    }
}

#[test]
fn a_lost_answer_is_asked_for_again_by_the_same_key_and_from_the_same_buffer() {
    let (mut bench, ticket, headers) = storing();
    assert_eq!(stores(&bench.tell(stored(ticket, Err(lost())))), []);
    let again = bench.wait(1000);
    assert_eq!(reads(&again), 0);
    assert_eq!(stores(&again)[0].2, headers);
}

#[test]
fn a_try_that_failed_at_a_low_rate_is_made_again_when_the_rate_allows_it() {
    let mut bench = bench(ONE_REQUEST_MAX, FileMeta::default());
    bench.upload.handle(bench.now, Input::RateMax { bytes_per_second: Some(64 * 1024) });
    let reading = bench.actions();
    bench.read_all(&reading);
    let (ticket, _, headers) = stores(&bench.actions()).pop().expect("one request");
    bench.tell(stored(ticket, Err(lost())));
    assert_eq!(stores(&bench.wait(1500)), [], "four seconds of the rate were taken");
    let due = bench.upload.next_timeout().expect("nothing would ever wake it");
    let again = bench.wait(due.since(bench.now).0);
    assert_eq!(stores(&again)[0].2, headers);
}

#[test]
fn another_rate_does_not_stop_what_a_cancel_waits_for() {
    let (mut bench, ticket, headers) = storing();
    bench.tell(Input::Cancel);
    assert_eq!(bench.tell(Input::RateMax { bytes_per_second: Some(1) }), []);
    assert_eq!(bench.tell(Input::Sharing { files: 5 }), []);
    bench.tell(stored(ticket, Ok(headers.digest)));
    assert!(matches!(bench.upload.phase(), Phase::Ended(End::Done(_))));
}

#[test]
fn damaged_bytes_are_read_again() {
    let (mut bench, ticket, _) = storing();
    let damaged = Err(refusal(ProblemCode::DigestMismatch, None));
    bench.tell(stored(ticket, damaged));
    assert_eq!(reads(&bench.wait(1000)), 1);
}

#[test]
fn what_one_request_cannot_do_is_left_to_the_usual_way() {
    for code in [ProblemCode::TooLarge, ProblemCode::StillFilling, ProblemCode::NotFound] {
        let (mut bench, ticket, headers) = storing();
        let actions = bench.tell(stored(ticket, Err(refusal(code, None))));
        let (_, Call::Create { key, .. }) = call(&actions) else { panic!("{actions:?}") };
        assert_ne!(key, headers.key, "what was begun by that one is gone");
    }
}

#[test]
fn a_file_that_another_request_of_its_key_is_sending_is_asked_for_again_by_that_key() {
    for code in [ProblemCode::Superseded, ProblemCode::Sealed] {
        let (mut bench, ticket, headers) = storing();
        let actions = bench.tell(stored(ticket, Err(refusal(code, None))));
        assert_eq!((calls(&actions), stores(&actions)), (vec![], vec![]), "{code:?}: not at once");
        let again = bench.wait(1000);
        let [(ticket, _, asked)] = stores(&again).try_into().expect("one request");
        assert_eq!(asked, headers, "{code:?}");
        bench.tell(stored(ticket, Ok(headers.digest)));
        assert!(matches!(bench.upload.phase(), Phase::Ended(End::Done(_))));
    }
}

#[test]
fn a_final_refusal_ends_it() {
    let (mut bench, ticket, _) = storing();
    bench.tell(stored(ticket, Err(refusal(ProblemCode::NoSpace, None))));
    assert!(matches!(bench.upload.phase(), Phase::Ended(End::Failed(Fault::Refused(_)))));
}

#[test]
fn a_file_of_other_bytes_under_the_key_of_one_that_was_sent_goes_the_usual_way() {
    let (mut bench, ticket, _) = storing();
    bench.tell(stored(ticket, Err(lost())));
    let (ticket, ..) = stores(&bench.wait(1000)).remove(0);
    let actions = bench.tell(stored(ticket, Err(refusal(ProblemCode::KeyReused, None))));
    let (_, asked) = call(&actions);
    assert!(matches!(asked, Call::Create { key, .. } if key.starts_with("key-1-")));
}

#[test]
fn the_answer_of_another_file_is_not_believed() {
    let (mut bench, ticket, _) = storing();
    bench.tell(stored(ticket, Ok(Digest::of(b"another"))));
    assert!(matches!(bench.upload.phase(), Phase::Ended(End::Failed(Fault::Nonsense(_)))));
}

#[test]
fn a_cancel_waits_for_the_answer_because_the_file_may_be_there_already() {
    let (mut bench, ticket, headers) = storing();
    assert_eq!(bench.tell(Input::Cancel), []);
    assert_eq!(bench.upload.phase(), Phase::Cancelling);
    bench.tell(stored(ticket, Ok(headers.digest)));
    assert!(matches!(bench.upload.phase(), Phase::Ended(End::Done(_))));

    let (mut bench, ticket, _) = storing();
    bench.tell(Input::Cancel);
    let refused = refusal(ProblemCode::NoSpace, None);
    bench.tell(stored(ticket, Err(refused)));
    assert_eq!(bench.upload.phase(), Phase::Ended(End::Cancelled));
}

#[test]
fn a_pause_stops_it_and_going_on_sends_it_again_by_the_same_key() {
    let (mut bench, _, headers) = storing();
    let actions = bench.tell(Input::Pause);
    assert!(actions.contains(&Action::Free { buffer: BufferId(0) }), "{actions:?}");
    let reading = bench.tell(Input::Resume);
    bench.read_all(&reading);
    assert_eq!(stores(&bench.actions())[0].2, headers);
}

#[test]
fn a_small_file_that_is_given_up_without_an_answer_is_asked_for_and_may_turn_out_to_be_there() {
    for is_there in [true, false] {
        for pauses in [true, false] {
            let (mut bench, ticket, headers) = storing();
            if pauses {
                bench.tell(Input::Pause);
            } else {
                bench.tell(stored(ticket, Err(lost())));
            }
            let mut actions = bench.tell(Input::Cancel);
            actions.extend(bench.wait(1000));
            let (ticket, asked) = call(&actions);
            assert!(matches!(asked, Call::Create { key, .. } if key == headers.key));
            if is_there {
                bench.sealed(ticket, digest::root([headers.digest]));
                assert!(matches!(bench.upload.phase(), Phase::Ended(End::Done(_))));
            } else {
                bench.answer(ticket, Holding::default());
                assert_eq!(call(&bench.actions()).1, Call::Cancel(ID));
            }
        }
    }
}
