//! When a lane takes its next chunk.

use longhaul_protocol::Millis;
use longhaul_protocol::plan::CHUNK_LEN_SHORT;
use longhaul_protocol::upload::{Action, Input, Ticket};

use super::bench::{Bench, Sent, call, calls, sends};

/// The network took all of a body.
fn left(ticket: Ticket) -> Input {
    Input::Moved { ticket, bytes: CHUNK_LEN_SHORT }
}

fn arrived(ticket: Ticket) -> Input {
    Input::Sent { ticket, result: Ok(()) }
}

fn begun(bench: &mut Bench, input: Input) -> Vec<Sent> {
    sends(&bench.tell(input))
}

/// A sender to a server that is far, and what it sends just now.
fn far() -> (Bench, Vec<Sent>) {
    let (mut bench, mut sent) = Bench::sending_over(Millis(100), 20);
    let freed = bench.tell(arrived(sent.remove(0).0));
    sent.extend(sends(&freed));
    bench.read_all(&freed);
    let (offer, _) = call(&bench.actions());
    bench.wait(100);
    bench.offered(offer);
    assert_eq!(sends(&bench.actions()), []);
    (bench, sent)
}

#[test]
fn a_lane_sends_on_while_the_answer_to_its_last_chunk_is_on_its_way() {
    let (mut bench, sent) = far();
    let all_but_one = Input::Moved { ticket: sent[0].0, bytes: CHUNK_LEN_SHORT - 1 };
    assert_eq!(begun(&mut bench, all_but_one), []);
    assert_eq!(begun(&mut bench, left(sent[0].0)).len(), 1);
    assert_eq!(begun(&mut bench, left(sent[1].0)), [], "one connection is there for this, not two");
    assert_eq!(begun(&mut bench, arrived(sent[0].0)).len(), 1, "the second lane's turn");
}

#[test]
fn where_the_server_is_near_or_answers_come_late_the_last_connection_is_left_to_others() {
    let (mut near, sent) = Bench::sending(20);
    near.tell(arrived(sent[0].0));
    assert_eq!(begun(&mut near, left(sent[1].0)), []);
    let (mut late, sent) = far();
    late.upload.handle(late.now, left(sent[0].0));
    late.now = late.now + Millis(5000);
    late.tell(arrived(sent[0].0));
    assert_eq!(begun(&mut late, left(sent[1].0)), []);
}

#[test]
fn a_call_has_the_connection_that_lanes_wait_on() {
    let (mut bench, sent) = far();
    let freed = bench.tell(arrived(sent[0].0));
    assert_eq!(sends(&freed).len(), 1);
    bench.read_all(&freed);
    let actions = bench.actions();
    let offer = call(&actions).0;
    assert_eq!(begun(&mut bench, left(sent[1].0)), []);
    bench.now = bench.now + Millis(100);
    bench.offered(offer);
    let actions = bench.actions();
    assert_eq!(sends(&actions).len(), 1, "{actions:?}");
}

#[test]
fn an_offer_goes_before_another_body_takes_its_connection() {
    let (mut bench, sent) = far();
    let freed = bench.tell(arrived(sent[0].0));
    bench.read_all(&freed);
    bench.upload.handle(bench.now, left(sent[1].0));
    let actions = bench.actions();
    assert_eq!((calls(&actions).len(), sends(&actions).len()), (1, 0), "{actions:?}");
}

#[test]
fn an_offer_waits_while_six_are_under_way() {
    let (mut bench, sent) = far();
    assert_eq!(begun(&mut bench, left(sent[0].0)).len(), 1, "nothing is to be offered");
    let freed = bench.tell(arrived(sent[1].0));
    bench.read_all(&freed);
    let six = bench.actions();
    assert_eq!(calls(&six), [], "it would wait in the browser for one of six");
    let actions = bench.tell(arrived(sent[0].0));
    assert_eq!((calls(&actions).len(), sends(&actions).len()), (1, 0), "{actions:?}");
}

#[test]
fn a_file_that_comes_has_its_lanes_although_every_body_has_left() {
    let (mut bench, sent) = Bench::sending(20);
    sent.iter().for_each(|(ticket, _)| bench.upload.handle(bench.now, left(*ticket)));
    bench.actions();
    let stopped = bench.tell(Input::Sharing { files: 2 });
    let stops = stopped.iter().filter(|it| matches!(it, Action::Stop { .. })).count();
    assert_eq!(stops, 2, "six connections are all there are: {stopped:?}");
}

#[test]
fn files_that_move_together_keep_to_their_lanes() {
    let (mut bench, sent) = far();
    let stopped = bench.tell(Input::Sharing { files: 2 });
    let stops = stopped.iter().filter(|it| matches!(it, Action::Stop { .. })).count();
    let (first, rest) = sent[stops..].split_first().expect("some go on");
    assert_eq!(begun(&mut bench, arrived(first.0)), [], "two lanes are its share");
    for (ticket, _) in rest {
        assert_eq!(begun(&mut bench, left(*ticket)), []);
    }
}
