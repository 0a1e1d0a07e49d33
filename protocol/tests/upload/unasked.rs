//! What goes without being asked about.

use std::ops::Range;

use longhaul_protocol::plan::ChunkIndex;
use longhaul_protocol::upload::{Action, Answer, Call, Input};
use longhaul_protocol::wire::{DigestsAnswer, Holding, UploadStatus};
use longhaul_protocol::{ChunkSet, Digest, Millis, Plan};

use super::bench::{Bench, call, calls, sends};

const CHUNKS: u64 = 120;

/// What a chunk of 1 MiB takes on a line of more than 1 Gbit/s, and of less.
const FAST: Millis = Millis(5);
const SLOW: Millis = Millis(10);

/// What a server hears of a file.
struct Heard {
    /// How many digests it is told before the seal.
    digests: u64,
    /// How many chunks come that it knows.
    in_vain: u64,
}

/// The same of one of which it knows these, where a chunk takes so long.
fn heard(each: Millis, known: Range<u64>) -> Heard {
    let mut bench = Bench::new(CHUNKS);
    let mut held = ChunkSet::new();
    let mut heard = Heard { digests: 0, in_vain: 0 };
    let mut actions = bench.actions();
    while let Some(action) = actions.pop() {
        match action {
            Action::Read { ticket, .. } => {
                let result = Ok(Digest::of(b"chunk"));
                bench.upload.handle(bench.now, Input::Read { ticket, result });
            }
            Action::Send { ticket, headers, .. } => {
                bench.now = bench.now + each;
                heard.in_vain += u64::from(known.contains(&headers.index.0));
                held.insert(headers.index);
                bench.upload.handle(bench.now, Input::Sent { ticket, result: Ok(()) });
            }
            Action::Call { ticket, call: Call::Create { request, .. } } => {
                heard.digests += request.digests.map_or(0, |run| run.digests.len() as u64);
                bench.answer(ticket, Holding::default());
            }
            Action::Call { ticket, call: Call::Offer(_, run) } => {
                heard.digests += run.digests.len() as u64;
                let offered = (run.start.0..).take(run.digests.len());
                held.union_with(&offered.filter(|at| known.contains(at)).map(ChunkIndex).collect());
                let holding = Holding { held: held.clone(), ..Holding::default() };
                let answer = Answer::Digests(DigestsAnswer { holding, ..DigestsAnswer::default() });
                bench.upload.handle(bench.now, Input::Answer { ticket, result: Ok(answer) });
            }
            Action::Call { call: Call::Seal(..), .. } => return heard,
            _ => {}
        }
        actions.splice(0..0, bench.actions());
    }
    panic!("it ends without a seal")
}

#[test]
fn a_file_that_the_server_has_nothing_of_is_mostly_sent_unasked_on_a_fast_line() {
    let Heard { digests, .. } = heard(FAST, 0..0);
    assert!((8..=CHUNKS / 2).contains(&digests), "{digests} of {CHUNKS}");
}

#[test]
fn on_a_slower_line_every_chunk_is_asked_about() {
    assert_eq!(heard(SLOW, 0..0).digests, CHUNKS);
    assert_eq!(heard(SLOW, 30..CHUNKS).in_vain, 0);
}

#[test]
fn where_a_file_is_known_again_no_more_goes_in_vain_than_was_lacked_nor_than_two_runs() {
    assert_eq!(heard(FAST, 3..CHUNKS).in_vain, 0, "too few to guess by");
    let vain: Vec<_> = (4..60).map(|new| (new, heard(FAST, new..CHUNKS).in_vain)).collect();
    assert!(vain.iter().all(|(new, vain)| *vain <= 32.min(*new)), "{vain:?}");
    assert!(vain.iter().any(|(_, vain)| *vain > 0), "some are guessed wrongly");
}

/// What a long file's sender does when its first chunk has been read, after an upload was begun for it without a digest.
fn after_the_first_read(reusable: Option<bool>) -> (Bench, Vec<Action>) {
    let mut bench = Bench::seeking(200);
    bench.plan = Plan::of_file(bench.plan.len()).unwrap();
    let first = bench.actions();
    let (create, _) = call(&bench.listed(call(&first).0));
    let status = UploadStatus { reusable, ..bench.status(Holding::default()) };
    let answer = Answer::Upload(Box::new(status));
    bench.tell(Input::Answer { ticket: create, result: Ok(answer) });
    bench.read_all(&first);
    let then = bench.actions();
    (bench, then)
}

#[test]
fn the_first_chunk_goes_unasked_where_the_server_has_nothing_to_find_and_the_second_does_not() {
    let (mut bench, then) = after_the_first_read(Some(false));
    assert!(matches!(sends(&then)[..], [(_, ChunkIndex(0))]), "{then:?}");
    assert_eq!(calls(&then), []);
    bench.read_all(&then);
    let (_, asked) = call(&bench.actions());
    assert!(matches!(asked, Call::Offer(..)), "{asked:?}");
}

#[test]
fn the_first_chunk_is_asked_about_where_the_server_may_have_it() {
    for reusable in [Some(true), None] {
        let (_, then) = after_the_first_read(reusable);
        assert_eq!(sends(&then), []);
        assert!(matches!(call(&then).1, Call::Offer(..)), "{then:?}");
    }
}

/// The same, paused before its first chunk was read, and gone on with a day later.
#[test]
fn what_was_said_before_a_pause_is_asked_again_after_it() {
    let mut bench = Bench::seeking(200);
    bench.plan = Plan::of_file(bench.plan.len()).unwrap();
    let first = bench.actions();
    let (create, _) = call(&bench.listed(call(&first).0));
    let status = UploadStatus { reusable: Some(false), ..bench.status(Holding::default()) };
    let answer = Answer::Upload(Box::new(status));
    bench.tell(Input::Answer { ticket: create, result: Ok(answer) });
    bench.tell(Input::Pause);
    bench.wait(86_400_000);
    let (status, asked) = call(&bench.tell(Input::Resume));
    assert!(matches!(asked, Call::Status(_)), "{asked:?}");
    bench.answer(status, Holding::default());
    let reading = bench.actions();
    bench.read_all(&reading);
    let then = bench.actions();
    assert_eq!(sends(&then), [], "the same owner may have sent the file from elsewhere since");
    assert!(matches!(call(&then).1, Call::Offer(..)), "{then:?}");
}
