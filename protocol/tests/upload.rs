//! The sender's state machine, one edge at a time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests say so by failing"
)]

use longhaul_protocol::plan::{CHUNK_LEN_SHORT, ChunkIndex};
use longhaul_protocol::upload::{
    Action, Answer, Call, End, Failure, Fault, Input, Phase, READ_TIMEOUT, READ_TRIES, Record,
    STALL_TIMEOUT, SourceError,
};
use longhaul_protocol::wire::{DigestsAnswer, Holding};
use longhaul_protocol::{Digest, Millis, Problem, ProblemCode, digest};

mod upload {
    pub mod bench;
    mod cancel;
    mod early;
    mod lanes;
    mod liars;
    mod look;
    mod map;
    mod rate;
    mod sharing;
    mod store;
    mod tokens;
    mod unasked;
    mod verify;
}

use upload::bench::{Bench, ID, call, calls, held, lost, reads, refusal, sends};

#[test]
fn the_first_digest_travels_with_create_and_nothing_else_is_read_before() {
    let mut bench = Bench::new(100);
    let actions = bench.actions();
    assert_eq!((reads(&actions), actions.len()), (1, 1));
    bench.read_all(&actions);
    let (_, asked) = call(&bench.actions());
    let Call::Create { request, .. } = asked else { panic!("{asked:?}") };
    assert_eq!(request.digests.unwrap().digests, [Digest::of(b"chunk")]);
}

#[test]
fn reading_ahead_stays_within_the_memory_budget_and_sending_within_the_lanes() {
    let (mut bench, sent) = Bench::sending(100);
    assert_eq!(sent.len(), 5);
    assert_eq!(reads(&bench.wait(10)), 0, "eight buffers are full");
    let actions = bench.tell(Input::Sent { ticket: sent[0].0, result: Ok(()) });
    assert_eq!((sends(&actions).len(), reads(&actions)), (1, 1), "one more of each");
}

#[test]
fn the_memory_that_was_freed_last_is_read_into_first() {
    let (mut bench, sent) = Bench::sending(60);
    for (ticket, _) in &sent[..4] {
        bench.upload.handle(bench.now, Input::Sent { ticket: *ticket, result: Ok(()) });
    }
    let actions = bench.actions();
    let freed = actions.iter().rfind(|action| matches!(action, Action::Free { .. }));
    let Some(Action::Free { buffer: freed }) = freed else { panic!("{actions:?}") };
    let read = actions.iter().find(|action| matches!(action, Action::Read { .. }));
    assert!(matches!(read, Some(Action::Read { buffer, .. }) if buffer == freed), "{actions:?}");
}

#[test]
fn an_empty_file_is_created_and_sealed_with_the_digest_of_nothing() {
    let mut bench = Bench::new(0);
    let (create, _) = call(&bench.actions());
    bench.answer(create, Holding::default());
    let (_, seal) = call(&bench.actions());
    let Call::Seal(id, request) = seal else { panic!("{seal:?}") };
    assert_eq!((id, request.root), (ID, Digest::of(b"")));
}

#[test]
fn a_pause_stops_every_send_at_once_and_going_on_asks_the_server_first() {
    let (mut bench, sent) = Bench::sending(20);
    let actions = bench.tell(Input::Pause);
    let freed = actions.iter().filter(|action| matches!(action, Action::Free { .. })).count();
    assert_eq!(freed, 8, "{actions:?}");
    assert_eq!(bench.upload.phase(), Phase::Paused);
    assert!(bench.tell(Input::Sent { ticket: sent[0].0, result: Ok(()) }).is_empty(), "too late");
    assert!(calls(&bench.wait(600_000)).is_empty());
    let (ticket, asked) = call(&bench.tell(Input::Resume));
    assert_eq!(asked, Call::Status(ID));
    bench.answer(ticket, held("0-18"));
    assert_eq!(bench.upload.progress(bench.now).acknowledged, 19 * CHUNK_LEN_SHORT);
}

#[test]
fn a_body_that_stands_still_is_given_up_and_sent_again_from_the_same_buffer() {
    let (mut bench, sent) = Bench::sending(5);
    for (ticket, _) in &sent[1..] {
        bench.upload.handle(bench.now, Input::Sent { ticket: *ticket, result: Ok(()) });
    }
    bench.wait(STALL_TIMEOUT.0 / 2);
    bench.tell(Input::Moved { ticket: sent[0].0, bytes: 1 });
    assert!(!stops(&bench.wait(STALL_TIMEOUT.0 - 1)), "it moved in between");
    assert!(stops(&bench.wait(1)));
    assert!(matches!(bench.upload.phase(), Phase::Waiting { .. }));
    let (status, _) = call(&bench.wait(1000));
    bench.answer(status, Holding { held: "1-4".parse().unwrap(), ..Holding::default() });
    let actions = bench.actions();
    assert_eq!((sends(&actions)[0].1, reads(&actions)), (ChunkIndex(0), 0));
}

fn stops(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Stop { .. }))
}

#[test]
fn lanes_that_fail_together_are_one_outage_and_one_question() {
    let (mut bench, sent) = Bench::sending(20);
    for (ticket, _) in &sent {
        assert_eq!(sends(&bench.tell(Input::Sent { ticket: *ticket, result: Err(lost()) })), []);
    }
    let actions = bench.wait(1000);
    assert_eq!(calls(&actions).len(), 1);
    bench.answer(call(&actions).0, held("0,2"));
    let again: Vec<_> = sends(&bench.actions()).into_iter().map(|(_, chunk)| chunk.0).collect();
    assert_eq!(again, [1, 3, 4], "those that arrived are not sent again, and fewer at once");
}

#[test]
fn a_network_that_comes_back_is_tried_at_once() {
    let (mut bench, sent) = Bench::sending(9);
    bench.tell(Input::Sent { ticket: sent[0].0, result: Err(lost()) });
    assert_eq!(calls(&bench.tell(Input::Online)).len(), 1);
}

#[test]
fn retry_after_is_obeyed() {
    let (mut bench, sent) = Bench::sending(9);
    let busy = refusal(ProblemCode::TooManyRequests, Some(Millis(60_000)));
    bench.tell(Input::Sent { ticket: sent[0].0, result: Err(busy) });
    for (ticket, _) in &sent[1..] {
        bench.tell(Input::Sent { ticket: *ticket, result: Ok(()) });
    }
    assert!(calls(&bench.wait(59_999)).is_empty());
    assert_eq!(calls(&bench.wait(1)).len(), 1);
}

#[test]
fn a_network_that_comes_back_does_not_shorten_a_wait_that_the_server_asked_for() {
    let (mut bench, sent) = Bench::sending(9);
    let busy = refusal(ProblemCode::TooManyRequests, Some(Millis(60_000)));
    bench.tell(Input::Sent { ticket: sent[0].0, result: Err(busy) });
    for (ticket, _) in &sent[1..] {
        bench.tell(Input::Sent { ticket: *ticket, result: Ok(()) });
    }
    assert!(calls(&bench.tell(Input::Online)).is_empty());
    assert_eq!(calls(&bench.wait(60_000)).len(), 1);
}

#[test]
fn of_a_file_that_is_picked_again_everything_is_compared_again() {
    for picked in [true, false] {
        let (mut bench, sent) = Bench::sending(6);
        for (ticket, _) in &sent {
            bench.tell(Input::Sent { ticket: *ticket, result: Ok(()) });
        }
        bench.tell(Input::Pause);
        if picked {
            assert_eq!(bench.tell(Input::Picked), []);
        }
        let (status, _) = call(&bench.tell(Input::Resume));
        bench.answer(status, held("0-5"));
        assert_eq!(reads(&bench.actions()), if picked { 6 } else { 1 }, "{picked}");
    }
}

#[test]
fn a_chunk_that_was_taken_over_is_left_alone_for_ten_seconds() {
    let (mut bench, sent) = Bench::sending(6);
    let taken =
        Input::Sent { ticket: sent[0].0, result: Err(refusal(ProblemCode::Superseded, None)) };
    let mut later = bench.tell(taken);
    for (ticket, _) in &sent[1..] {
        later.extend(bench.tell(Input::Sent { ticket: *ticket, result: Ok(()) }));
    }
    later.extend(bench.wait(9_999));
    assert!(sends(&later).iter().all(|(_, chunk)| *chunk != sent[0].1));
    assert!(calls(&later).is_empty());
    assert!(matches!(call(&bench.wait(5_001)).1, Call::Status(_)));
}

#[test]
fn a_final_refusal_ends_the_upload_in_its_own_words_and_the_user_can_try_again() {
    let (mut bench, sent) = Bench::sending(9);
    let refused = refusal(ProblemCode::ForeignOrigin, None);
    bench.tell(Input::Sent { ticket: sent[0].0, result: Err(refused) });
    let Phase::Ended(End::Failed(Fault::Refused(problem))) = bench.upload.phase() else {
        panic!("{:?}", bench.upload.phase())
    };
    assert_eq!(problem.code, "foreign-origin");
    assert!(bench.wait(600_000).iter().all(|action| matches!(action, Action::Save(_))));
    assert!(matches!(call(&bench.tell(Input::Resume)).1, Call::Status(ID)));
}

#[test]
fn a_wrong_address_is_a_final_refusal_and_not_a_reason_to_begin_again() {
    let mut bench = Bench::new(0);
    let (ticket, _) = call(&bench.actions());
    let result = Err(refusal(ProblemCode::NotFound, None));
    bench.tell(Input::Answer { ticket, result });
    assert!(matches!(bench.upload.phase(), Phase::Ended(End::Failed(Fault::Refused(_)))));
}

#[test]
fn an_upload_that_is_gone_is_begun_anew_under_another_key() {
    let mut bench = Bench::with(0, Some(ID));
    let (ticket, asked) = call(&bench.actions());
    assert_eq!(asked, Call::Status(ID));
    let result = Err(refusal(ProblemCode::Expired, None));
    assert!(bench.tell(Input::Answer { ticket, result }).contains(&Action::Forget));
    let (_, create) = call(&bench.wait(1000));
    assert!(matches!(&create, Call::Create { key, .. } if key == "key-1"), "{create:?}");
}

#[test]
fn a_source_that_changes_ends_the_upload_and_says_what_to_do() {
    let mut bench = Bench::new(3);
    let Some(Action::Read { ticket, .. }) = bench.actions().pop() else { panic!() };
    bench.tell(Input::Read { ticket, result: Err(SourceError::Changed) });
    let Phase::Ended(End::Failed(fault)) = bench.upload.phase() else { panic!() };
    assert!(fault.to_string().contains("pick it again"));
}

#[test]
fn a_proxy_that_answers_without_a_problem_is_understood_by_its_status() {
    for (status, ends) in [
        (502, false),
        (504, false),
        (404, false),
        (410, false),
        (429, false),
        (413, true),
        (403, true),
    ] {
        let (mut bench, sent) = Bench::sending(2);
        let problem = Box::new(Problem::of_status(status));
        let result = Err(Failure::Refused { problem, retry_after: None });
        bench.tell(Input::Sent { ticket: sent[0].0, result });
        assert_eq!(matches!(bench.upload.phase(), Phase::Ended(_)), ends, "{status}");
    }
}

#[test]
fn a_source_that_gives_no_byte_is_asked_again_and_then_given_up_with_a_reason() {
    let mut bench = Bench::new(3);
    for tries in 1..=READ_TRIES {
        let read = bench.wait(60_000).pop();
        let Some(Action::Read { buffer, .. }) = read else { panic!("{read:?}") };
        assert!(bench.wait(READ_TIMEOUT.0).contains(&Action::Free { buffer }), "{tries}");
    }
    let silent = Fault::Source(SourceError::Silent { tries: READ_TRIES });
    assert_eq!(bench.upload.phase(), Phase::Ended(End::Failed(silent)));
    assert!(bench.tell(Input::Resume).iter().any(|action| matches!(action, Action::Read { .. })));
}

#[test]
fn a_read_that_answers_makes_up_for_those_before_and_those_that_end_together_count_once() {
    let mut bench = Bench::new(9);
    for _ in 1..READ_TRIES {
        assert_eq!(reads(&bench.wait(60_000)), 1);
        bench.wait(READ_TIMEOUT.0);
    }
    let actions = bench.wait(60_000);
    bench.read_all(&actions);
    let early = bench.actions();
    bench.answer(call(&early).0, Holding::default());
    assert_eq!(reads(&early) + reads(&bench.actions()), 7);
    bench.wait(READ_TIMEOUT.0);
    assert!(!matches!(bench.upload.phase(), Phase::Ended(_)), "{:?}", bench.upload.phase());
}

#[test]
fn bytes_that_this_device_lost_are_read_again() {
    let (mut bench, sent) = Bench::sending(2);
    let gone = Err(Failure::Local("its worker ended".to_owned()));
    let freed = bench.tell(Input::Sent { ticket: sent[0].0, result: gone });
    assert!(freed.iter().any(|action| matches!(action, Action::Free { .. })), "{freed:?}");
    let (ticket, asked) = call(&bench.wait(1000));
    assert_eq!(asked, Call::Status(ID));
    bench.answer(ticket, Holding::default());
    let read = |action: &Action| matches!(action, Action::Read { range, .. } if range.start == 0);
    assert!(bench.actions().iter().any(read));
}

#[test]
fn the_record_names_the_upload_and_is_written_at_most_once_a_second() {
    let (mut bench, sent) = Bench::sending(9);
    let mut records = saved(&bench.wait(1000));
    records.clear();
    for (ticket, _) in &sent[..3] {
        records.extend(saved(&bench.tell(Input::Sent { ticket: *ticket, result: Ok(()) })));
    }
    assert!(records.len() <= 1);
    let last = saved(&bench.wait(1000)).pop().unwrap();
    assert_eq!(last.id, ID);
}

fn saved(actions: &[Action]) -> Vec<Record> {
    let record = |action: &Action| match action {
        Action::Save(record) => Some(record.clone()),
        _ => None,
    };
    actions.iter().filter_map(record).collect()
}

#[test]
fn waiting_costs_nothing_and_is_never_for_the_past() {
    let (mut bench, sent) = Bench::sending(9);
    bench.tell(Input::Sent { ticket: sent[0].0, result: Err(lost()) });
    for _ in 0..50 {
        let Some(at) = bench.upload.next_timeout() else { break };
        assert!(at > bench.now, "a timer for the past would spin");
        bench.now = at;
        bench.actions();
    }
}

#[test]
fn a_chunk_that_could_not_be_filled_is_sent_unoffered_but_not_if_it_came_to_be_held() {
    for (now_held, sent) in [("", true), ("0", false)] {
        let mut bench = Bench::with(1, Some(ID));
        let (ticket, _) = call(&bench.actions());
        bench.answer(ticket, Holding { filling: "0".parse().unwrap(), ..Holding::default() });
        let (ticket, _) = call(&bench.wait(1000));
        bench.answer(ticket, held(""));
        let reading = bench.actions();
        bench.upload.handle(bench.now, Input::Pause);
        let (ticket, _) = call(&bench.tell(Input::Resume));
        bench.answer(ticket, held(now_held));
        assert_eq!(reads(&reading), 1);
        let reading = bench.actions();
        bench.read_all(&reading);
        let actions = bench.actions();
        assert_eq!(!sends(&actions).is_empty(), sent, "{actions:?}");
        assert_eq!(calls(&actions).is_empty(), sent, "{actions:?}");
    }
}

/// A sender that goes on with an upload of three chunks and hears that it is a file of this root; and what it reads
/// then.
fn sealed_before_a_reload(root: Digest) -> (Bench, Vec<Action>) {
    let mut bench = Bench::with(3, Some(ID));
    let (ticket, _) = call(&bench.actions());
    let reading = bench.sealed(ticket, root);
    assert_eq!((reads(&reading), calls(&reading).len()), (3, 0), "{reading:?}");
    assert_eq!(bench.upload.phase(), Phase::Verifying);
    (bench, reading)
}

#[test]
fn a_file_whose_seal_was_answered_after_the_reload_is_read_and_taken_and_not_begun_a_second_time() {
    let (mut bench, reading) = sealed_before_a_reload(digest::root([Digest::of(b"chunk"); 3]));
    bench.read_all(&reading);
    assert_eq!(calls(&bench.actions()), []);
    assert!(matches!(bench.upload.phase(), Phase::Ended(End::Done(_))));
}

#[test]
fn a_file_that_was_sealed_before_a_reload_is_not_taken_for_the_one_picked_now() {
    let then = digest::root([Digest::of(b"what the file was then"); 3]);
    let (mut bench, reading) = sealed_before_a_reload(then);
    bench.read_all(&reading);
    let reading = bench.actions();
    bench.read_all(&reading);
    assert!(matches!(call(&bench.actions()).1, Call::Create { .. }));
    assert_eq!(bench.upload.id(), None);
}

#[test]
fn what_is_sealed_already_is_asked_about_again_after_a_pause() {
    let (mut bench, _) = sealed_before_a_reload(digest::root([Digest::of(b"chunk"); 3]));
    bench.tell(Input::Pause);
    let (ticket, asked) = call(&bench.tell(Input::Resume));
    assert_eq!(asked, Call::Status(ID));
    bench.answer(ticket, held("0"));
    let actions = bench.actions();
    assert_eq!(bench.upload.phase(), Phase::Uploading, "it never was: {actions:?}");
    bench.read_all(&actions);
    assert!(matches!(call(&bench.actions()).1, Call::Offer(..)));
}

#[test]
fn a_file_of_which_chunks_are_still_copied_is_sealed_when_none_is_and_asked_about_until_then() {
    let filling = || Holding { filling: "0".parse().unwrap(), ..held("0") };
    let mut bench = Bench::with(1, Some(ID));
    let (ticket, _) = call(&bench.actions());
    bench.answer(ticket, filling());
    let reading = bench.actions();
    bench.read_all(&reading);
    let (ticket, offer) = call(&bench.actions());
    assert!(matches!(offer, Call::Offer(..)));
    let answer = DigestsAnswer { holding: filling(), ..DigestsAnswer::default() };
    let result = Ok(Answer::Digests(answer));
    assert!(calls(&bench.tell(Input::Answer { ticket, result })).is_empty(), "nothing to ask yet");
    let mut asked = call(&bench.wait(1000));
    for _ in 0..3 {
        assert!(matches!(asked.1, Call::Status(_)), "{asked:?}");
        bench.answer(asked.0, filling());
        asked = call(&bench.wait(1000));
    }
    bench.answer(asked.0, held("0"));
    let (ticket, seal) = call(&bench.actions());
    assert!(matches!(seal, Call::Seal(..)), "{seal:?}");

    let result = Err(refusal(ProblemCode::StillFilling, None));
    bench.tell(Input::Answer { ticket, result });
    let (ticket, ask) = call(&bench.wait(60_000));
    assert!(matches!(ask, Call::Status(_)), "{ask:?}");
    bench.answer(ticket, held("0"));
    assert!(matches!(call(&bench.actions()).1, Call::Seal(..)));
}

#[test]
fn while_nothing_may_be_begun_nobody_is_woken_to_ask_how_far_copies_are() {
    let awaits = [
        refusal(ProblemCode::TooManyRequests, Some(Millis(60_000))),
        refusal(ProblemCode::Unauthorized, None),
    ];
    for failure in awaits {
        let (mut bench, sent) = Bench::sending(60);
        bench.tell(Input::Sent { ticket: sent[0].0, result: Err(lost()) });
        let (status, _) = call(&bench.wait(1000));
        bench.tell(Input::Sent { ticket: sent[1].0, result: Err(failure) });
        bench.answer(status, Holding { filling: "40-50".parse().unwrap(), ..Holding::default() });
        bench.actions();
        bench.wait(300);
        assert!(bench.upload.next_timeout() > Some(bench.now), "{:?}", bench.upload.phase());
    }
}
