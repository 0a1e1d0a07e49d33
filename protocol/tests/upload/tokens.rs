//! Tokens that are refused.

use longhaul_protocol::ProblemCode;
use longhaul_protocol::upload::{Action, End, Fault, Input, Phase, RENEW_TIMEOUT, Ticket};
use longhaul_protocol::wire::Holding;

use super::bench::{Bench, ID, call, calls, refusal, sends};

fn renew(actions: &[Action]) -> Option<Ticket> {
    actions.iter().find_map(|action| match action {
        Action::Renew { ticket, .. } => Some(*ticket),
        _ => None,
    })
}

#[test]
fn a_refused_token_is_renewed_once_and_everything_goes_on() {
    let (mut bench, sent) = Bench::sending(9);
    let unauthorized = || Err(refusal(ProblemCode::Unauthorized, None));
    let asked = bench.tell(Input::Sent { ticket: sent[0].0, result: unauthorized() });
    let ticket = renew(&asked).expect("a fresh token is asked for");
    assert_eq!(bench.upload.phase(), Phase::Renewing);
    let more = bench.tell(Input::Sent { ticket: sent[1].0, result: unauthorized() });
    assert_eq!((renew(&more), calls(&more).len(), sends(&more).len()), (None, 0, 0));
    let (status, _) = call(&bench.tell(Input::Renewed { ticket, is_fresh: true }));
    let late = bench.tell(Input::Sent { ticket: sent[2].0, result: unauthorized() });
    assert_eq!(renew(&late), None, "it carried the old one");
    bench.answer(status, Holding::default());
    let again: Vec<_> = sends(&bench.actions()).into_iter().map(|(_, chunk)| chunk.0).collect();
    assert_eq!(again, [0, 1, 2]);
}

#[test]
fn a_fresh_token_that_is_refused_too_ends_the_upload() {
    let mut bench = Bench::with(9, Some(ID));
    let (ticket, _) = call(&bench.actions());
    let unauthorized = || Err(refusal(ProblemCode::Unauthorized, None));
    let asked = bench.tell(Input::Answer { ticket, result: unauthorized() });
    let fresh = Input::Renewed { ticket: renew(&asked).unwrap(), is_fresh: true };
    let (ticket, _) = call(&bench.tell(fresh));
    bench.tell(Input::Answer { ticket, result: unauthorized() });
    assert!(matches!(bench.upload.phase(), Phase::Ended(End::Failed(Fault::Refused(_)))));
    let (again, _) = call(&bench.tell(Input::Resume));
    assert!(renew(&bench.tell(Input::Answer { ticket: again, result: unauthorized() })).is_some());
}

#[test]
fn without_a_fresh_token_in_time_the_upload_ends_and_a_cancel_is_not_held_up() {
    for cancel in [false, true] {
        let (mut bench, sent) = Bench::sending(9);
        let result = Err(refusal(ProblemCode::Unauthorized, None));
        bench.tell(Input::Sent { ticket: sent[0].0, result });
        if cancel {
            bench.tell(Input::Cancel);
        }
        bench.wait(RENEW_TIMEOUT.0);
        bench.wait(1);
        let Phase::Ended(end) = bench.upload.phase() else { panic!("it waits for ever") };
        assert_eq!(matches!(end, End::Cancelled), cancel);
    }
}

#[test]
fn a_token_that_is_good_for_the_status_only_is_not_renewed_for_ever() {
    let (mut bench, sent) = Bench::sending(9);
    let unauthorized = || Err(refusal(ProblemCode::Unauthorized, None));
    let asked = bench.tell(Input::Sent { ticket: sent[0].0, result: unauthorized() });
    let ticket = renew(&asked).unwrap();
    let (status, _) = call(&bench.tell(Input::Renewed { ticket, is_fresh: true }));
    bench.answer(status, Holding::default());
    let again = sends(&bench.actions());
    bench.tell(Input::Sent { ticket: again[0].0, result: unauthorized() });
    assert!(matches!(bench.upload.phase(), Phase::Ended(End::Failed(Fault::Refused(_)))));
}
