//! Where each chunk is, as it is told.

use longhaul_protocol::upload::{Input, Whereabouts};

use super::bench::{Bench, call, held, lost, sends};

fn kinds(bench: &Bench) -> Vec<usize> {
    let chunks = bench.upload.chunks();
    (0..5).map(|kind| chunks.iter().filter(|chunk| usize::from(**chunk) == kind).count()).collect()
}

#[test]
fn each_chunk_is_told_to_be_where_it_is() {
    use Whereabouts::{Held, Missing, Moving, Retried, Reused};
    assert_eq!([Missing, Moving, Held, Reused, Retried].map(|kind| kind as u8), [0, 1, 2, 3, 4]);
    let (mut bench, sent) = Bench::sending(9);
    let lanes = sent.len();
    assert_eq!(kinds(&bench), [9 - lanes, lanes, 0, 0, 0], "as many are on their way as were sent");
    bench.tell(Input::Sent { ticket: sent[0].0, result: Ok(()) });
    assert_eq!(kinds(&bench)[2], 1, "one has arrived");

    let (mut bench, sent) = Bench::sending(9);
    for (ticket, _) in &sent {
        bench.tell(Input::Sent { ticket: *ticket, result: Err(lost()) });
    }
    let (status, _) = call(&bench.wait(30_000));
    bench.answer(status, held("8"));
    assert_eq!(kinds(&bench)[3], 1, "one was there");
    let again = sends(&bench.actions())[0].0;
    bench.tell(Input::Sent { ticket: again, result: Ok(()) });
    assert_eq!(kinds(&bench)[4], 1, "one took more than one try");
}
