use longhaul_protocol::upload::BufferId;
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::in_browser::file;

const SLOT: Slot = Slot { upload: 3, buffer: BufferId(1) };

fn lane() -> (Lane, Rc<RefCell<Vec<Report>>>) {
    let told = Rc::new(RefCell::new(vec![]));
    let reports = Rc::clone(&told);
    (Lane::new(Rc::new(move |report| reports.borrow_mut().push(report))), told)
}

fn read(ticket: u64, file: &File) -> Order {
    Order::Read { slot: SLOT, ticket: Ticket(ticket), start: 0, end: 4, file: file.clone() }
}

/// Gives everything that has begun time to end.
async fn settle() {
    crate::in_browser::sleep(100).await;
}

#[wasm_bindgen_test]
async fn a_lane_tells_that_it_runs_and_what_it_has_read() {
    let (lane, told) = lane();
    lane.handle(read(1, &file("a", b"abcd", 0.0)));
    settle().await;
    let digest = Digest::of(b"abcd");
    let wanted = [Report::Ready, Report::Read { upload: 3, ticket: Ticket(1), result: Ok(digest) }];
    assert_eq!(*told.borrow(), wanted);
}

#[wasm_bindgen_test]
async fn a_read_whose_buffer_was_given_to_another_tells_nothing() {
    let (lane, told) = lane();
    let file = file("a", b"abcd", 0.0);
    lane.handle(read(1, &file));
    lane.handle(read(2, &file));
    lane.handle(read(3, &file));
    lane.handle(Order::Free { slot: SLOT });
    settle().await;
    assert_eq!(*told.borrow(), [Report::Ready], "it was freed");
    lane.handle(read(4, &file));
    lane.handle(read(5, &file));
    settle().await;
    assert!(matches!(told.borrow()[1..], [Report::Read { ticket: Ticket(5), .. }]), "{told:?}");
}

#[wasm_bindgen_test]
async fn what_is_not_there_is_neither_sent_nor_proved() {
    let (lane, told) = lane();
    let (ticket, nonce) = (Ticket(1), Nonce(Digest([0; 32])));
    let url = "/v1/nowhere".to_owned();
    lane.handle(Order::Send { slot: SLOT, ticket, url, headers: Headers::new(), offset: 0 });
    lane.handle(Order::Prove { slot: SLOT, ticket, nonce });
    settle().await;
    assert!(matches!(
        told.borrow()[1..],
        [Report::Sent { result: Err(_), .. }, Report::Proved { result: Err(_), .. }]
    ));
}
