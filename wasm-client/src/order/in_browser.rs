use js_sys::{Function, Reflect};
use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::FileMeta;
use longhaul_protocol::wire::ids::FileId;
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
    // Numbers of JavaScript are exact as far as this, a thousand times the largest file.
    let (ticket, end) = (Ticket((1 << 53) - 1), (1 << 53) - 1);
    let file = file("big", b"abcd", 0.0);
    let order = Order::Read { slot, ticket, start: 1 << 33, end, file };
    let came = Order::read(&posted(&order.write())).ok().unwrap();
    let Order::Read { slot: to, ticket: as_ticket, start, end: until, file } = came else {
        panic!("{came:?}")
    };
    assert_eq!((to, as_ticket, start, until), (slot, ticket, 1 << 33, end));
    assert_eq!((file.name(), file.size()), ("big".to_owned(), 4.0));
    let headers: Headers =
        [("a".to_owned(), "b".to_owned()), ("c".to_owned(), String::new())].into_iter().collect();
    let (url, nonce) = ("/v1/files".to_owned(), Nonce(Digest::of(b"")));
    for other in [
        Order::Send { slot, ticket, url: url.clone(), headers: headers.clone(), offset: 7 },
        Order::Store { slot, ticket, url, headers },
        Order::Prove { slot, ticket, nonce },
        Order::Stop { slot },
        Order::Free { slot },
    ] {
        let came = Order::read(&posted(&other.write())).ok().unwrap();
        assert_eq!(format!("{came:?}"), format!("{other:?}"));
    }
    assert!(Order::read(&JsValue::from(js_sys::Array::of1(&"{".into()))).is_err());
}

#[wasm_bindgen_test]
fn an_order_to_read_is_none_without_its_file() {
    let slot = Slot { upload: 1, buffer: BufferId(2) };
    let file = file("lost", b"abcd", 0.0);
    let order = Order::Read { slot, ticket: Ticket(1), start: 0, end: 4, file };
    let message = Array::from(&order.write());
    message.set(1, JsValue::UNDEFINED);
    assert!(Order::read(&message).is_err());
}

#[wasm_bindgen_test]
fn a_report_comes_back_as_it_was_told() {
    let (upload, ticket, digest) = (1, Ticket(9), Digest::of(b"abcd"));
    let read = |result| Report::Read { upload, ticket, result };
    let sent = |result| Report::Sent { upload, ticket, result };
    let problem = Box::new(ProblemCode::TooLarge.problem("5 bytes"));
    let refused = Failure::Refused { problem, retry_after: Some(Millis(7)) };
    let (id, meta, sealed_at) = (FileId([3; 16]), FileMeta::default(), Millis(1));
    let (size, chunk_size, chunk_count) = (4, 1 << 23, 1);
    let file =
        FileInfo { id, meta, size, root: digest, chunk_size, chunk_count, sealed_at, sha256: None };
    let stored = Stored { file: Box::new(file), given: Some("token".to_owned()) };
    for report in [
        Report::Ready,
        read(Ok(digest)),
        read(Err(SourceError::Changed)),
        read(Err(SourceError::Unreadable("it is gone".to_owned()))),
        read(Err(SourceError::Silent { tries: 3 })),
        Report::Proved { upload, ticket, result: Ok(digest) },
        Report::Proved { upload, ticket, result: Err(Failure::Local("no".to_owned())) },
        Report::Moved { upload, ticket, bytes: 1 << 40 },
        sent(Ok(())),
        sent(Err(Failure::Network(String::new()))),
        sent(Err(refused)),
        Report::Stored { upload, ticket, result: Ok(stored) },
    ] {
        let back = Report::read(&posted(&report.write())).ok().unwrap();
        assert_eq!(back, report);
    }
}
