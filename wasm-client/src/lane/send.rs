//! Sending one body: `XMLHttpRequest`, because `fetch` tells nothing of a body's progress.

use js_sys::{Array, Function, Reflect, Uint8Array};
use longhaul_protocol::upload::{Failure, Ticket};
use longhaul_protocol::wire::answer::{RETRY_AFTER, Raw};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ProgressEvent, XmlHttpRequest};

use super::Reporter;
use crate::clock;
use crate::number::whole;
use crate::order::Report;

/// A body on its way. Dropping it stops it, and nothing more is told of it.
pub(super) struct Sending {
    request: XmlHttpRequest,
    _moved: Closure<dyn FnMut(ProgressEvent)>,
    _ended: Closure<dyn FnMut()>,
}

impl Sending {
    /// Sends the bytes in view and reports on them.
    pub(super) fn start(
        upload: u32,
        ticket: Ticket,
        url: &str,
        headers: &[(String, String)],
        body: &Uint8Array,
        report: Reporter,
    ) -> Result<Self, Failure> {
        let request = opened(url, headers).map_err(|error| unsendable(&error))?;
        let sending = Self {
            _moved: on_moved(&request, upload, ticket, Reporter::clone(&report)),
            _ended: on_ended(&request, upload, ticket, body.length(), report),
            request,
        };
        sending
            .request
            .send_with_opt_js_u8_array(Some(body))
            .map_err(|error| unsendable(&error))?;
        Ok(sending)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.request.set_onloadend(None);
        if let Ok(upload) = self.request.upload() {
            upload.set_onprogress(None);
        }
        // Only fails before `open`, when there is nothing to stop.
        drop(self.request.abort());
    }
}

fn opened(url: &str, headers: &[(String, String)]) -> Result<XmlHttpRequest, JsValue> {
    let request = XmlHttpRequest::new()?;
    request.open("POST", url)?;
    request.set_request_header("content-type", "application/octet-stream")?;
    for (name, value) in headers {
        request.set_request_header(name, value)?;
    }
    Ok(request)
}

fn on_moved(
    request: &XmlHttpRequest,
    upload: u32,
    ticket: Ticket,
    report: Reporter,
) -> Closure<dyn FnMut(ProgressEvent)> {
    let moved = Closure::new(move |event: ProgressEvent| {
        report(Report::Moved { upload, ticket, bytes: whole(event.loaded()) });
    });
    if let Ok(upload) = request.upload() {
        upload.set_onprogress(Some(moved.as_ref().unchecked_ref()));
    }
    moved
}

fn on_ended(
    request: &XmlHttpRequest,
    upload: u32,
    ticket: Ticket,
    bytes: u32,
    report: Reporter,
) -> Closure<dyn FnMut()> {
    let ended = Closure::new({
        let request = request.clone();
        move || {
            report(Report::Sent { upload, ticket, result: outcome(&request) });
            press_collector(bytes);
        }
    });
    request.set_onloadend(Some(ended.as_ref().unchecked_ref()));
    ended
}

/// How much is shown to the collector for each byte sent: with 4, Chromium's renderer took 0.5 GB at
/// most while it sent 4 GiB, without 1.4 GB.
const PRESSURE: u32 = 4;

/// A browser keeps its own copy of a body until the request is collected, but does not count it in
/// what makes the collector run. An array that is dropped unused is counted, and costs no memory:
/// no page of it is ever touched.
fn press_collector(bytes: u32) {
    let length = Array::of1(&bytes.saturating_mul(PRESSURE).into());
    let global = js_sys::global();
    let array = Reflect::get(&global, &"ArrayBuffer".into())
        .and_then(|kind| Reflect::construct(kind.unchecked_ref::<Function>(), &length));
    // Where there is no room for it, the collector is running anyway.
    drop(array);
}

/// Status 0 is the browser's word for no answer; it tells no script why.
fn outcome(request: &XmlHttpRequest) -> Result<(), Failure> {
    match request.status() {
        Ok(0) | Err(_) => Err(Failure::Network("the connection failed or was cut".to_owned())),
        Ok(status) => {
            let body = request.response_text().ok().flatten().unwrap_or_default();
            let retry_after = request.get_response_header(RETRY_AFTER).ok().flatten();
            Raw { status, body, retry_after, came_at: clock::since_1970() }.nothing()
        }
    }
}

fn unsendable(error: &JsValue) -> Failure {
    Failure::Local(format!("the browser would not send: {error:?}"))
}
