//! What goes without being asked about.

use longhaul_protocol::upload::{Action, Answer, Call, Input};
use longhaul_protocol::wire::{DigestsAnswer, Holding};
use longhaul_protocol::{ChunkSet, Digest, Millis};

use super::bench::Bench;

const CHUNKS: u64 = 100;

/// How many digests a server is told before the seal, of a file it has nothing of, where a chunk takes so long.
fn told(each: Millis) -> usize {
    let mut bench = Bench::new(CHUNKS);
    let (mut told, mut held) = (0, ChunkSet::new());
    let mut actions = bench.actions();
    while let Some(action) = actions.pop() {
        match action {
            Action::Read { ticket, .. } => {
                let result = Ok(Digest::of(b"chunk"));
                bench.upload.handle(bench.now, Input::Read { ticket, result });
            }
            Action::Send { ticket, headers, .. } => {
                bench.now = bench.now + each;
                held.insert(headers.index);
                bench.upload.handle(bench.now, Input::Sent { ticket, result: Ok(()) });
            }
            Action::Call { ticket, call: Call::Create { request, .. } } => {
                told += request.digests.map_or(0, |run| run.digests.len());
                bench.answer(ticket, Holding::default());
            }
            Action::Call { ticket, call: Call::Offer(_, run) } => {
                told += run.digests.len();
                let holding = Holding { held: held.clone(), ..Holding::default() };
                let answer = Answer::Digests(DigestsAnswer { holding, ..DigestsAnswer::default() });
                bench.upload.handle(bench.now, Input::Answer { ticket, result: Ok(answer) });
            }
            Action::Call { call: Call::Seal(..), .. } => return told,
            _ => {}
        }
        actions.splice(0..0, bench.actions());
    }
    panic!("it ends without a seal")
}

#[test]
fn a_file_that_the_server_has_nothing_of_is_mostly_sent_unasked_where_chunks_leave_at_once() {
    let asked = told(Millis(10));
    assert!((8..=30).contains(&asked), "{asked} of {CHUNKS}");
}

#[test]
fn where_chunks_take_longer_than_asking_every_one_is_asked_about() {
    assert_eq!(told(Millis(500)) as u64, CHUNKS);
}
