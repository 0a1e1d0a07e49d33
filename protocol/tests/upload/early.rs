//! What is read before the server has answered.

use longhaul_protocol::plan::{ChunkIndex, Plan};
use longhaul_protocol::upload::{Action, Call, Config, Input, Ticket, Upload};
use longhaul_protocol::wire::Holding;
use longhaul_protocol::{Digest, Millis};

use super::bench::{Bench, call, calls, held, reads, sends};

#[test]
fn what_was_read_while_the_server_was_asked_goes_with_create_and_needs_no_offer() {
    let mut bench = Bench::seeking(60);
    let first = bench.actions();
    assert_eq!((reads(&first), call(&first).1), (1, Call::List));
    bench.read_all(&first);
    let early = bench.actions();
    assert_eq!((reads(&early), early.len()), (4, 4), "a chunk for each other lane");
    bench.read_all(&early);
    let (_, asked) = call(&bench.listed(call(&first).0));
    let Call::Create { request, .. } = asked else { panic!("{asked:?}") };
    let run = request.digests.unwrap();
    assert_eq!((run.start, run.digests.len()), (ChunkIndex(0), 5));
}

#[test]
fn a_server_that_is_near_is_not_made_to_wait_for_chunks_that_are_read_early() {
    let mut bench = Bench::new(60);
    let first = bench.actions();
    bench.read_all(&first);
    assert_eq!(calls(&bench.actions()).len(), 1);
    assert_eq!(bench.wait(49), []);
    assert_eq!(bench.upload.next_timeout(), Some(bench.now + Millis(1)));
    assert_eq!(reads(&bench.wait(1)), 4);
    assert!(bench.upload.next_timeout() > Some(bench.now), "nothing more is to be read early");
}

#[test]
fn a_long_file_has_its_room_reserved_while_its_first_chunk_is_still_read() {
    let mut bench = Bench::seeking(200);
    let first = bench.actions();
    let (_, asked) = call(&bench.listed(call(&first).0));
    let Call::Create { request, .. } = asked else { panic!("{asked:?}") };
    assert_eq!(request.digests, None);
    let mut short = Bench::seeking(60);
    let first = short.actions();
    assert_eq!(short.listed(call(&first).0), [], "waits for its first digest");
}

/// A long file's sender, whose list a server that is near has answered; and its first chunk is being sent.
fn near() -> (Bench, Ticket) {
    let mut bench = Bench::seeking(200);
    bench.plan = Plan::of_file(bench.plan.len()).unwrap();
    let first = bench.actions();
    let (create, _) = call(&bench.listed(call(&first).0));
    assert_eq!(bench.wait(100), [], "nothing beside the first chunk");
    for action in first {
        let Action::Read { ticket, .. } = action else { continue };
        assert_eq!(bench.tell(Input::Read { ticket, result: Ok(Digest::of(b"chunk")) }), []);
    }
    bench.answer(create, Holding::default());
    let offer = bench.actions();
    assert_eq!(reads(&offer), 0);
    let (offer, _) = call(&offer);
    bench.offered(offer);
    let sending = bench.actions();
    let [(first, chunk)] = sends(&sending)[..] else { panic!("{sending:?}") };
    assert_eq!((chunk, reads(&sending)), (ChunkIndex(0), 0));
    (bench, first)
}

#[test]
fn the_first_chunk_of_a_long_file_is_alone_until_it_leaves_for_a_server_that_is_near() {
    let (mut bench, first) = near();
    assert!(
        reads(&bench.tell(Input::Moved { ticket: first, bytes: 1 })) >= 4,
        "each other lane reads"
    );
    let (mut bench, _) = near();
    assert_eq!(reads(&bench.wait(149)), 0);
    assert_eq!(bench.upload.next_timeout(), Some(bench.now + Millis(1)));
    assert_eq!(reads(&bench.wait(1)), 7);
    assert!(bench.upload.next_timeout() > Some(bench.now));
}

#[test]
fn a_sender_of_one_lane_reads_no_further_while_the_server_is_asked() {
    let mut bench = Bench::new(60);
    let config = Config { size: bench.plan.len(), lanes: Some(1), ..Config::default() };
    bench.upload = Upload::new(config);
    let first = bench.actions();
    bench.read_all(&first);
    assert_eq!(calls(&bench.actions()).len(), 1);
    assert_eq!(bench.wait(1000), []);
}

#[test]
fn lanes_whose_digests_went_with_create_send_once_it_is_answered() {
    let mut bench = Bench::seeking(60);
    let first = bench.actions();
    bench.read_all(&first);
    let early = bench.actions();
    bench.read_all(&early);
    let (create, _) = call(&bench.listed(call(&first).0));
    bench.answer(create, held("1"));
    let chunks: Vec<u64> = sends(&bench.actions()).iter().map(|(_, chunk)| chunk.0).collect();
    assert_eq!(chunks, [0, 2, 3, 4], "what is here already is not sent");
}
