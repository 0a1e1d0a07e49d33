use js_sys::{Function, Reflect};
use wasm_bindgen_test::wasm_bindgen_test;

use super::*;
use crate::in_browser::file;

/// As a message comes out at a worker's.
fn posted(message: &JsValue) -> JsValue {
    let clone = Reflect::get(&js_sys::global(), &"structuredClone".into()).unwrap();
    clone.unchecked_ref::<Function>().call1(&JsValue::UNDEFINED, message).unwrap()
}

#[wasm_bindgen_test]
fn an_order_comes_to_a_worker_as_it_was_given() {
    let slot = Slot { upload: 1, buffer: BufferId(2) };
    let (ticket, file) = (Ticket(1 << 60), Some(file("big", b"abcd", 0.0)));
    let order = Order::Read { slot, ticket, start: 1 << 33, end: (1 << 53) + 1, file };
    let came = Order::read(&posted(&order.write().unwrap())).ok().unwrap();
    let Order::Read { slot: to, ticket: as_ticket, start, end, file } = came else {
        panic!("{came:?}")
    };
    assert_eq!((to, as_ticket, start, end), (slot, ticket, 1 << 33, (1 << 53) + 1));
    let file = file.expect("it comes with the order");
    assert_eq!((file.name(), file.size()), ("big".to_owned(), 4.0));
    let other = Order::Stop { slot };
    let came = Order::read(&posted(&other.write().unwrap())).ok().unwrap();
    assert!(matches!(came, Order::Stop { slot: to } if to == slot));
    assert!(Order::read(&JsValue::from(js_sys::Array::of1(&"{".into()))).is_err());
}

#[wasm_bindgen_test]
fn a_report_comes_back_as_it_was_told() {
    let digest = Digest::of(b"abcd");
    for report in [
        Report::Ready,
        Report::Read { upload: 1, ticket: Ticket(9), result: Ok(digest) },
        Report::Read { upload: 1, ticket: Ticket(9), result: Err(SourceError::Changed) },
        Report::Moved { upload: 1, ticket: Ticket(9), bytes: 1 << 40 },
    ] {
        let back = Report::read(&posted(&report.write().unwrap())).ok().unwrap();
        assert_eq!(back, report);
    }
}
