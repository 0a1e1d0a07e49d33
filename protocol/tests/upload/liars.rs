//! A server that says what cannot be.

use longhaul_protocol::retry::RetryPolicy;
use longhaul_protocol::upload::{Answer, Call, End, Fault, Input, Phase};
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{Holding, UploadStatus};
use longhaul_protocol::{Digest, Millis};

use super::bench::{Bench, call, calls, file_info, held, lost};

/// A sender that comes back to its upload and is told this.
fn told(status: impl Fn(UploadStatus) -> UploadStatus) -> Bench {
    let mut bench = Bench::with(2, Some(super::bench::ID));
    let (ticket, _) = call(&bench.actions());
    let status = Box::new(status(bench.status(Holding::default())));
    bench.upload.handle(bench.now, Input::Answer { ticket, result: Ok(Answer::Upload(status)) });
    bench
}

fn ends_in_nonsense(bench: &Bench) -> bool {
    matches!(bench.upload.phase(), Phase::Ended(End::Failed(Fault::Nonsense(_))))
}

#[test]
fn a_seal_that_is_answered_with_another_file_is_no_end() {
    let mut bench = Bench::new(1);
    let first = bench.actions();
    bench.read_all(&first);
    let (create, _) = call(&bench.actions());
    bench.answer(create, held("0"));
    let (ticket, asked) = call(&bench.actions());
    assert!(matches!(asked, Call::Seal(..)));
    let other = Answer::File(Box::new(file_info(5, Digest::of(b"another"))));
    bench.tell(Input::Answer { ticket, result: Ok(other) });
    assert!(ends_in_nonsense(&bench), "{:?}", bench.upload.phase());
}

#[test]
fn chunks_beyond_the_files_end_are_not_believed() {
    for holding in [held("0-1000000"), Holding { filling: "2".parse().unwrap(), ..held("0") }] {
        let bench = told(|status| UploadStatus { holding: holding.clone(), ..status });
        assert!(ends_in_nonsense(&bench), "{holding:?}: {:?}", bench.upload.phase());
    }
}

#[test]
fn an_upload_of_another_size_is_not_begun_over_and_over() {
    let mut bench = Bench::new(2);
    let actions = bench.actions();
    bench.read_all(&actions);
    let (ticket, _) = call(&bench.actions());
    let status = UploadStatus { size: 5, ..bench.status(Holding::default()) };
    let result = Ok(Answer::Upload(Box::new(status)));
    assert_eq!(calls(&bench.tell(Input::Answer { ticket, result })), []);
    assert!(ends_in_nonsense(&bench), "{:?}", bench.upload.phase());
}

#[test]
fn another_uploads_status_is_not_taken_for_ones_own() {
    let bench = told(|status| UploadStatus { id: UploadId([9; 16]), ..status });
    assert!(ends_in_nonsense(&bench), "{:?}", bench.upload.phase());
}

#[test]
fn nobody_waits_for_ages_because_a_policy_says_so() {
    let ages = RetryPolicy { base_ms: u64::MAX, max_ms: u64::MAX, ..RetryPolicy::default() };
    let mut bench = told(|status| UploadStatus { retry: ages, ..status });
    let reading = bench.actions();
    bench.read_all(&reading);
    let (ticket, _) = call(&bench.actions());
    bench.tell(Input::Answer { ticket, result: Err(lost()) });
    let Phase::Waiting { until, .. } = bench.upload.phase() else { panic!("it is to wait") };
    assert!(until <= bench.now + Millis(3_600_000), "{until:?}");
}
