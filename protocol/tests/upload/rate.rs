//! How much is sent at once, and how fast.

use longhaul_protocol::plan::{CHUNK_LEN_SHORT, RATE_MIN};
use longhaul_protocol::upload::{Action, Answer, Call, Input};
use longhaul_protocol::wire::DigestsAnswer;

use super::bench::{Bench, Sent, call, calls, held, lost, sends};

const MIB: u64 = 1 << 20;

fn limit(bytes_per_second: u64) -> Input {
    Input::RateMax { bytes_per_second: Some(bytes_per_second) }
}

fn rates(actions: &[Action]) -> Vec<Option<u64>> {
    let rate = |action: &Action| match action {
        Action::Send { rate_max, .. } => Some(*rate_max),
        _ => None,
    };
    actions.iter().filter_map(rate).collect()
}

/// A sender that was sending as it was told a rate of a chunk in eight seconds.
fn limited() -> (Bench, Vec<Sent>, Vec<Action>) {
    let (mut bench, sent) = Bench::sending(20);
    let stopped = bench.tell(limit(CHUNK_LEN_SHORT / 8));
    let stops = stopped.iter().filter(|action| matches!(action, Action::Stop { .. })).count();
    assert_eq!(stops, sent.len(), "they were begun at another rate");
    let (ticket, asked) = call(&stopped);
    assert!(matches!(asked, Call::Status(_)), "how much came of them is not known: {asked:?}");
    bench.answer(ticket, held(""));
    let begun = bench.actions();
    (bench, sends(&begun), begun)
}

#[test]
fn a_chunk_begins_no_sooner_than_those_before_it_may_be_through() {
    let (mut bench, sent, begun) = limited();
    assert_eq!(sent.len(), 1);
    assert_eq!(rates(&begun), [Some(CHUNK_LEN_SHORT / 8)]);
    assert_eq!(sends(&bench.tell(Input::Sent { ticket: sent[0].0, result: Ok(()) })), []);
    assert_eq!(sends(&bench.wait(7_999)), []);
    assert_eq!(bench.upload.next_timeout().map(|at| at.since(bench.now).0), Some(1));
    assert_eq!(sends(&bench.wait(1)).len(), 1);
}

#[test]
fn chunks_that_wait_for_the_rate_go_in_their_order() {
    let (mut bench, mut sent, _) = limited();
    let mut order = Vec::new();
    for _ in 0..8 {
        let [(ticket, chunk)] = sent[..] else { panic!("one at a time: {sent:?}") };
        order.push(chunk.0);
        let mut actions = bench.tell(Input::Sent { ticket, result: Ok(()) });
        // The next is read into its buffer, and wanted, before another may go.
        for _ in 0..3 {
            bench.read_all(&actions);
            actions = bench.actions();
            for (ticket, call) in calls(&actions) {
                assert!(matches!(call, Call::Offer(..)), "{call:?}");
                let holding = held(&order.iter().map(u64::to_string).collect::<Vec<_>>().join(","));
                let answer = Answer::Digests(DigestsAnswer { holding, ..Default::default() });
                bench.upload.handle(bench.now, Input::Answer { ticket, result: Ok(answer) });
            }
        }
        sent = sends(&bench.wait(8_000));
    }
    assert_eq!(order, (order[0]..).take(8).collect::<Vec<_>>());
}

#[test]
fn a_network_that_is_slower_than_the_rate_gets_another_lane() {
    let (mut bench, sent, _) = limited();
    bench.tell(Input::Moved { ticket: sent[0].0, bytes: 1000 });
    assert_eq!(sends(&bench.wait(8_000)).len(), 1, "beside the first, which goes on");
}

#[test]
fn a_limit_that_is_lifted_has_all_lanes_sending_again() {
    let (mut bench, ..) = limited();
    let stopped = bench.tell(Input::RateMax { bytes_per_second: None });
    assert_eq!(
        stopped.first(),
        Some(&Action::Stop { buffer: longhaul_protocol::upload::BufferId(0) })
    );
    bench.answer(call(&stopped).0, held(""));
    let begun = bench.actions();
    assert_eq!((sends(&begun).len(), rates(&begun)[0]), (5, None));
}

#[test]
fn the_same_limit_again_disturbs_nothing() {
    let (mut bench, ..) = limited();
    assert_eq!(bench.tell(limit(CHUNK_LEN_SHORT / 8)), []);
}

#[test]
fn files_share_a_limit_and_one_too_low_to_be_kept_is_raised() {
    for (asked, of_a_body, apart) in [(4 * MIB, MIB, 1_000), (1, RATE_MIN, 4 * 16_000)] {
        let (mut bench, _) = Bench::sending(20);
        let stopped = bench.tell(limit(asked));
        bench.answer(call(&stopped).0, held(""));
        let sent = bench.tell(Input::Sharing { files: 4 });
        assert_eq!(rates(&sent), [Some(of_a_body)]);
        bench.tell(Input::Sent { ticket: sends(&sent)[0].0, result: Ok(()) });
        assert_eq!(sends(&bench.wait(apart - 1)), []);
        assert_eq!(sends(&bench.wait(1)).len(), 1);
    }
}

#[test]
fn an_outage_halves_the_lanes() {
    let (mut bench, sent) = Bench::sending(20);
    assert_eq!(sent.len(), 5);
    for (ticket, _) in &sent {
        bench.tell(Input::Sent { ticket: *ticket, result: Err(lost()) });
    }
    let (status, _) = call(&bench.wait(30_000));
    bench.answer(status, held(""));
    assert_eq!(sends(&bench.actions()).len(), 3);
}
