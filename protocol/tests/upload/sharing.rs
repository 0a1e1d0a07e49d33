//! Several files that share lanes and buffers.

use longhaul_protocol::plan::ChunkIndex;
use longhaul_protocol::upload::{Action, BufferId, Call, Input};
use longhaul_protocol::wire::Holding;

use super::bench::{Bench, call, calls, held, reads, sends};

#[test]
fn files_that_move_together_share_the_buffers_and_lanes_of_one() {
    for (files, lanes, buffers) in [(1, 5, 8), (2, 2, 4), (5, 1, 1)] {
        let mut bench = Bench::new(20);
        bench.upload.handle(bench.now, Input::Sharing { files });
        let (mut sending, mut read) = (0, 0);
        for _ in 0..5 {
            let actions = bench.actions();
            bench.read_all(&actions);
            calls(&actions).into_iter().for_each(|(ticket, asked)| match asked {
                Call::Create { .. } => bench.answer(ticket, Holding::default()),
                _ => bench.offered(ticket),
            });
            sending += sends(&actions).len();
            read += reads(&actions);
        }
        assert_eq!((sending, read), (lanes, buffers), "{files}");
    }
}

#[test]
fn a_file_gives_up_lanes_to_another_that_comes_and_has_them_back_when_it_ends() {
    let (mut bench, sent) = Bench::sending(20);
    for (ticket, chunk) in &sent {
        bench.tell(Input::Moved { ticket: *ticket, bytes: 100 * (chunk.0 + 1) });
    }
    let stopped = bench.tell(Input::Sharing { files: 2 });
    let least = [0, 1].map(|buffer| Action::Stop { buffer: BufferId(buffer) });
    assert_eq!(stopped, least, "the newcomer has two lanes; of these two the least had gone");
    for (ticket, _) in &sent[2..4] {
        let actions = bench.tell(Input::Sent { ticket: *ticket, result: Ok(()) });
        let begun = sends(&actions).len();
        assert_eq!(begun, usize::from(*ticket == sent[3].0), "half of five lanes are two");
    }
    let status = bench.wait(20_000);
    let (ticket, asked) = call(&status);
    assert!(matches!(asked, Call::Status(_)), "what came of the first is not known: {asked:?}");
    bench.answer(ticket, held("2-3"));
    bench.actions();
    let actions = bench.tell(Input::Sent { ticket: sent[4].0, result: Ok(()) });
    assert_eq!(sends(&actions).first().map(|(_, chunk)| *chunk), Some(ChunkIndex(0)));
    let actions = bench.tell(Input::Sharing { files: 1 });
    assert_eq!((reads(&actions), sends(&actions).len()), (2, 3), "all lanes are its own again");
}
