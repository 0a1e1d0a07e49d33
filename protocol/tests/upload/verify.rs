//! Files that are read once more before they are sealed.

use longhaul_protocol::upload::{Action, Call, End, Fault, Input, Phase, SourceError};
use longhaul_protocol::wire::Holding;
use longhaul_protocol::{Digest, ProblemCode};

use super::bench::{Bench, call, calls, reads, refusal};

#[test]
fn every_chunk_is_read_once_more_and_only_then_is_the_file_sealed() {
    let mut bench = Bench::verifying(3);
    let reading = bench.actions();
    assert_eq!((reads(&reading), calls(&reading).len()), (3, 0));
    assert_eq!(bench.upload.phase(), Phase::Verifying);
    assert_eq!(bench.upload.progress(bench.now).checked, 0);
    bench.read_all(&reading);
    assert_eq!(bench.upload.progress(bench.now).checked, bench.plan.len());
    assert!(matches!(call(&bench.actions()).1, Call::Seal(..)));
}

#[test]
fn a_chunk_that_is_another_by_then_ends_the_upload_unsealed() {
    let mut bench = Bench::verifying(3);
    let reading = bench.actions();
    let ticket = reading.iter().rev().find_map(|action| match action {
        Action::Read { ticket, .. } => Some(*ticket),
        _ => None,
    });
    let changed = Input::Read { ticket: ticket.unwrap(), result: Ok(Digest::of(b"changed")) };
    assert_eq!(calls(&bench.tell(changed)), []);
    let changed = End::Failed(Fault::Source(SourceError::Changed));
    assert_eq!(bench.upload.phase(), Phase::Ended(changed));
}

#[test]
fn every_chunk_is_read_once_more_after_each_time_that_something_was_done_to_the_file() {
    let mut bench = Bench::arrived(3, false);
    for _ in 0..2 {
        let reading = bench.tell(Input::Verify);
        assert_eq!((reads(&reading), calls(&reading).len()), (3, 0));
        bench.read_all(&reading);
    }
    assert!(matches!(call(&bench.actions()).1, Call::Seal(..)));
}

#[test]
fn what_was_read_once_more_is_not_read_a_third_time_after_an_outage() {
    let mut bench = Bench::verifying(3);
    let reading = bench.actions();
    bench.read_all(&reading);
    let (seal, _) = call(&bench.actions());
    bench.tell(Input::Answer { ticket: seal, result: Err(super::bench::lost()) });
    let (status, _) = call(&bench.wait(1000));
    bench.answer(status, super::bench::held("0-2"));
    let actions = bench.actions();
    assert_eq!(reads(&actions), 0);
    assert!(matches!(call(&actions).1, Call::Seal(..)));
}

#[test]
fn a_chunk_that_was_refused_as_damaged_and_is_another_now_is_a_file_that_has_changed() {
    let (mut bench, sent) = Bench::sending(9);
    let (ticket, chunk) = sent[1];
    let damaged = Err(refusal(ProblemCode::DigestMismatch, None));
    bench.tell(Input::Sent { ticket, result: damaged });
    let asked = bench.wait(2000);
    bench.answer(call(&asked).0, Holding::default());
    let start = bench.plan.range(chunk).start;
    let again = bench.actions().into_iter().find_map(|action| match action {
        Action::Read { ticket, range, .. } if range.start == start => Some(ticket),
        _ => None,
    });
    let ticket = again.expect("it is read again");
    bench.tell(Input::Read { ticket, result: Ok(Digest::of(b"written to")) });
    let changed = End::Failed(Fault::Source(SourceError::Changed));
    assert_eq!(bench.upload.phase(), Phase::Ended(changed));
}
