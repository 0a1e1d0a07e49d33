//! Uploads that are given up.

use longhaul_protocol::upload::{
    Action, Answer, CANCEL_TRIES, Call, End, Input, Phase, SourceError, Ticket,
};
use longhaul_protocol::wire::Holding;
use longhaul_protocol::{Digest, Millis, ProblemCode};

use super::bench::{Bench, ID, call, calls, held, lost, refusal};

#[test]
fn a_cancel_deletes_what_the_server_holds_and_gives_up_after_some_tries() {
    let (mut bench, _) = Bench::sending(9);
    let mut actions = bench.tell(Input::Cancel);
    for _ in 0..CANCEL_TRIES {
        let (ticket, asked) = call(&actions);
        assert_eq!(asked, Call::Cancel(ID));
        bench.tell(Input::Answer { ticket, result: Err(lost()) });
        actions = bench.wait(30_000);
    }
    assert_eq!(bench.upload.phase(), Phase::Ended(End::Cancelled));
    assert!(actions.contains(&Action::Forget));
}

#[test]
fn an_upload_that_is_given_up_while_it_is_begun_is_deleted_once_it_is_known() {
    let mut bench = Bench::new(9);
    let actions = bench.actions();
    bench.read_all(&actions);
    let (create, _) = call(&bench.actions());
    assert_eq!(calls(&bench.tell(Input::Cancel)), []);
    bench.answer(create, Holding::default());
    let (ticket, asked) = call(&bench.actions());
    assert_eq!(asked, Call::Cancel(ID));
    bench.tell(Input::Answer { ticket, result: Ok(Answer::Gone) });
    assert_eq!(bench.upload.phase(), Phase::Ended(End::Cancelled));
}

/// A sender that was told to begin, and heard no answer.
fn unheard(end: impl Fn(&mut Bench, Ticket)) -> Bench {
    let mut bench = Bench::new(9);
    let actions = bench.actions();
    bench.read_all(&actions);
    let (create, _) = call(&bench.actions());
    end(&mut bench, create);
    bench
}

#[test]
fn what_was_begun_without_an_answer_that_was_heard_is_asked_for_by_its_key_and_deleted() {
    let paused = unheard(|bench, _| drop(bench.tell(Input::Pause)));
    let lost = unheard(|bench, ticket| {
        bench.tell(Input::Answer { ticket, result: Err(lost()) });
    });
    let unread = unheard(|bench, _| {
        let read = bench.wait(1000).into_iter().find_map(|action| match action {
            Action::Read { ticket, .. } => Some(ticket),
            _ => None,
        });
        let result = Err(SourceError::Changed);
        bench.tell(Input::Read { ticket: read.expect("more is read early"), result });
        assert!(matches!(bench.upload.phase(), Phase::Ended(End::Failed(_))));
    });
    for mut bench in [paused, lost, unread] {
        let (again, asked) = call(&bench.tell(Input::Cancel));
        assert!(matches!(&asked, Call::Create { key, .. } if key == "key-0"), "{asked:?}");
        bench.answer(again, Holding::default());
        let (ticket, asked) = call(&bench.actions());
        assert_eq!(asked, Call::Cancel(ID));
        bench.tell(Input::Answer { ticket, result: Ok(Answer::Gone) });
        assert_eq!(bench.upload.phase(), Phase::Ended(End::Cancelled));
    }
}

#[test]
fn what_may_have_been_begun_is_asked_for_some_times_and_not_at_all_where_it_was_refused() {
    let mut bench = unheard(|bench, _| drop(bench.tell(Input::Pause)));
    let mut actions = bench.tell(Input::Cancel);
    for _ in 0..CANCEL_TRIES {
        let (ticket, _) = call(&actions);
        bench.tell(Input::Answer { ticket, result: Err(lost()) });
        actions = bench.wait(30_000);
    }
    assert_eq!(bench.upload.phase(), Phase::Ended(End::Cancelled));
    let mut refused = unheard(|bench, ticket| {
        let result = Err(refusal(ProblemCode::ForeignOrigin, None));
        bench.tell(Input::Answer { ticket, result });
    });
    assert_eq!(calls(&refused.tell(Input::Cancel)), []);
    assert_eq!(refused.upload.phase(), Phase::Ended(End::Cancelled));
}

#[test]
fn nobody_watches_a_cancel_for_as_long_as_a_server_asks_to_wait() {
    let mut bench = unheard(|bench, _| drop(bench.tell(Input::Pause)));
    let (ticket, _) = call(&bench.tell(Input::Cancel));
    let busy = refusal(ProblemCode::Unavailable, Some(Millis(86_400_000)));
    bench.tell(Input::Answer { ticket, result: Err(busy) });
    assert_eq!(bench.upload.phase(), Phase::Ended(End::Cancelled));
}

/// A sender whose seal of a file of one chunk was under way as it was given up; the server refuses the
/// cancel, as that seal or another's came first, and is asked what there is.
fn given_up_while_it_was_sealed() -> (Bench, Ticket, Digest) {
    let mut bench = Bench::new(1);
    let actions = bench.actions();
    bench.read_all(&actions);
    let (create, _) = call(&bench.actions());
    bench.answer(create, held("0"));
    let (_, Call::Seal(_, request)) = call(&bench.actions()) else { panic!("no seal") };
    let (cancel, _) = call(&bench.tell(Input::Cancel));
    let sealed = Err(refusal(ProblemCode::Sealed, None));
    let (status, asked) = call(&bench.tell(Input::Answer { ticket: cancel, result: sealed }));
    assert_eq!(asked, Call::Status(ID));
    (bench, status, request.root)
}

#[test]
fn a_cancel_that_comes_after_the_seal_ends_with_the_file() {
    let (mut bench, ticket, root) = given_up_while_it_was_sealed();
    bench.sealed(ticket, root);
    assert!(matches!(bench.upload.phase(), Phase::Ended(End::Done(file)) if file.root == root));
}

#[test]
fn a_cancel_that_comes_after_the_seal_of_another_file_begins_nothing_anew() {
    let (mut bench, ticket, _) = given_up_while_it_was_sealed();
    bench.sealed(ticket, Digest::of(b"another"));
    assert_eq!(bench.upload.phase(), Phase::Ended(End::Cancelled));
    assert_eq!(calls(&bench.actions()), []);
}

#[test]
fn a_cancel_after_the_seal_whose_status_is_lost_is_tried_again() {
    let (mut bench, ticket, _) = given_up_while_it_was_sealed();
    bench.tell(Input::Answer { ticket, result: Err(lost()) });
    assert_eq!(call(&bench.wait(30_000)).1, Call::Cancel(ID));
}

#[test]
fn what_another_tab_goes_on_with_is_left_without_a_word_to_the_server() {
    for begun in [true, false] {
        let mut bench = if begun { Bench::sending(9).0 } else { Bench::with(9, Some(ID)) };
        let actions = bench.tell(Input::Leave);
        assert_eq!(calls(&actions), []);
        assert!(!actions.contains(&Action::Forget), "the other one's record is not ours");
        assert_eq!(bench.upload.phase(), Phase::Ended(End::Cancelled));
    }
}

#[test]
fn who_gives_up_once_more_after_a_try_failed_waits_no_longer() {
    let (mut bench, _) = Bench::sending(9);
    let (ticket, _) = call(&bench.tell(Input::Cancel));
    bench.tell(Input::Cancel);
    assert_eq!(bench.upload.phase(), Phase::Cancelling, "the first try is under way");
    bench.tell(Input::Answer { ticket, result: Err(lost()) });
    let actions = bench.tell(Input::Cancel);
    assert_eq!(bench.upload.phase(), Phase::Ended(End::Cancelled));
    assert!(actions.contains(&Action::Forget));
}
