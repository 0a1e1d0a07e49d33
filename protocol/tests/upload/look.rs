//! A file that another tab may be sending, which is being found out.

use longhaul_protocol::upload::{Answer, Call, Input};

use super::bench::{Bench, ID, call, calls, held, reads};

#[test]
fn who_only_looks_asks_and_reads_and_begins_nothing() {
    let mut bench = Bench::seeking(9);
    let actions = bench.tell(Input::Look);
    let (list, asked) = call(&actions);
    assert_eq!((asked, reads(&actions)), (Call::List, 1));
    bench.read_all(&actions);
    assert_eq!(calls(&bench.listed(list)), []);
    assert_eq!(calls(&bench.wait(60_000)), []);
    let (_, asked) = call(&bench.tell(Input::Resume));
    assert!(matches!(asked, Call::Create { .. }), "{asked:?}");
}

#[test]
fn what_was_found_while_another_tab_had_the_file_is_looked_for_again() {
    let mut bench = Bench::seeking(9);
    let (list, _) = call(&bench.tell(Input::Look));
    let found = Answer::Uploads(vec![bench.status(held("0-3"))]);
    let looked = bench.tell(Input::Answer { ticket: list, result: Ok(found) });
    assert_eq!(calls(&looked), []);
    assert_eq!(bench.upload.id(), Some(ID));
    bench.tell(Input::Pause);
    assert_eq!(bench.upload.id(), None, "that tab may have sealed it or given it up");
    assert_eq!(call(&bench.tell(Input::Resume)).1, Call::List);
}

#[test]
fn who_looks_after_a_pause_keeps_the_upload_that_is_his() {
    let mut bench = Bench::seeking(9);
    let actions = bench.actions();
    bench.read_all(&actions);
    let (create, _) = call(&bench.listed(call(&actions).0));
    bench.answer(create, held("0-3"));
    for input in [Input::Pause, Input::Look, Input::Pause] {
        bench.tell(input);
    }
    let (_, asked) = call(&bench.tell(Input::Cancel));
    assert_eq!(asked, Call::Cancel(ID), "nobody else gives it up");
}
