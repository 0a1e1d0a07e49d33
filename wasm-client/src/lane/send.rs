//! Sending one body: `XMLHttpRequest`, because `fetch` tells nothing of a body's progress.

use std::cell::Cell;

use js_sys::ArrayBuffer;
use longhaul_protocol::Millis;
use longhaul_protocol::upload::{Failure, Ticket};
use longhaul_protocol::wire::answer::{RETRY_AFTER, Raw};
use longhaul_protocol::wire::header::UPLOAD_TOKEN;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, ProgressEvent, XmlHttpRequest};

use super::{Reporter, local, read};
use crate::clock;
use crate::json::{self, Js};
use crate::number::whole;
use crate::order::{Headers, Report, Stored};
use crate::thrown;

/// How often a body's way is told: more often than a page shows it. Browsers tell a lane every 50 ms, which of
/// five lanes is a hundred messages a second.
const MOVED_INTERVAL: Millis = Millis(200);

/// What a body is, and so what it is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Chunk,
    File,
}

/// What is sent.
pub(super) enum Body {
    Bytes(ArrayBuffer),
    Slice(Blob),
}

impl Body {
    /// What of the file the browser reads, if it does.
    fn slice(&self) -> Option<&Blob> {
        match self {
            Self::Bytes(_) => None,
            Self::Slice(slice) => Some(slice),
        }
    }
}

/// Which request it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) upload: u32,
    pub(super) ticket: Ticket,
    pub(super) kind: Kind,
}

impl Request {
    /// What is told when it failed.
    pub(super) fn failed(self, failure: Failure) -> Report {
        let Self { upload, ticket, kind } = self;
        match kind {
            Kind::Chunk => Report::Sent { upload, ticket, result: Err(failure) },
            Kind::File => Report::Stored { upload, ticket, result: Err(failure) },
        }
    }

    /// What is told of the answer; or that there is none. Status 0 is the browser's word for that; it tells
    /// no script why.
    fn ended(self, xhr: &XmlHttpRequest) -> Result<Report, Failure> {
        let Self { upload, ticket, kind } = self;
        let raw = match xhr.status() {
            Ok(0) | Err(_) => {
                return Err(Failure::Network("the connection failed or was cut".to_owned()));
            }
            Ok(status) => answer(xhr, status),
        };
        Ok(match kind {
            Kind::Chunk => Report::Sent { upload, ticket, result: raw.nothing() },
            Kind::File => {
                let given = header(xhr, UPLOAD_TOKEN);
                let result = raw.json().map(|file| Stored { file, given });
                Report::Stored { upload, ticket, result }
            }
        })
    }
}

/// A body on its way. Dropping it stops it, and nothing more is told of it.
pub(super) struct Sending {
    xhr: XmlHttpRequest,
    _moved: Closure<dyn FnMut(ProgressEvent)>,
    _ended: Closure<dyn FnMut()>,
}

impl Sending {
    /// Sends the body and reports on it.
    pub(super) fn start(
        request: Request,
        url: &str,
        headers: &Headers,
        body: Body,
        report: Reporter,
    ) -> Result<Self, Failure> {
        let xhr = opened(url, headers).map_err(|error| unsendable(&error))?;
        let sending = Self {
            _moved: on_moved(&xhr, request, Reporter::clone(&report)),
            _ended: on_ended(&xhr, request, body.slice().cloned(), report),
            xhr,
        };
        let xhr = &sending.xhr;
        let sent = match &body {
            Body::Bytes(bytes) => xhr.send_with_opt_buffer_source(Some(bytes)),
            Body::Slice(slice) => xhr.send_with_opt_blob(Some(slice)),
        };
        sent.map_err(|error| unsendable(&error))?;
        Ok(sending)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.xhr.set_onloadend(None);
        if let Ok(upload) = self.xhr.upload() {
            upload.set_onprogress(None);
        }
        // Only fails before `open`, when there is nothing to stop.
        drop(self.xhr.abort());
    }
}

fn opened(url: &str, headers: &Headers) -> Result<XmlHttpRequest, JsValue> {
    let request = XmlHttpRequest::new()?;
    request.open("POST", url)?;
    request.set_request_header("content-type", "application/octet-stream")?;
    for (name, value) in headers.iter() {
        request.set_request_header(name, value)?;
    }
    Ok(request)
}

fn on_moved(
    xhr: &XmlHttpRequest,
    Request { upload, ticket, .. }: Request,
    report: Reporter,
) -> Closure<dyn FnMut(ProgressEvent)> {
    let next = Cell::new(Millis(0));
    let moved = Closure::new(move |event: ProgressEvent| {
        // Told at once: the lane takes its next chunk then.
        let has_left = event.loaded() >= event.total();
        if clock::now() < next.get() && !has_left {
            return;
        }
        next.set(clock::now() + MOVED_INTERVAL);
        report(Report::Moved { upload, ticket, bytes: whole(event.loaded()) });
    });
    if let Ok(upload) = xhr.upload() {
        upload.set_onprogress(Some(moved.as_ref().unchecked_ref()));
    }
    moved
}

fn on_ended(
    xhr: &XmlHttpRequest,
    request: Request,
    slice: Option<Blob>,
    report: Reporter,
) -> Closure<dyn FnMut()> {
    let ended = Closure::new({
        let xhr = xhr.clone();
        move || match (&slice, request.ended(&xhr)) {
            (Some(slice), Err(unanswered)) => {
                let (slice, report) = (slice.clone(), Reporter::clone(&report));
                spawn_local(async move {
                    let failure = read::check(&slice).await.map_or_else(local, |()| unanswered);
                    report(request.failed(failure));
                });
            }
            (_, ended) => report(ended.unwrap_or_else(|failure| request.failed(failure))),
        }
    });
    xhr.set_onloadend(Some(ended.as_ref().unchecked_ref()));
    ended
}

fn answer(xhr: &XmlHttpRequest, status: u16) -> Raw<Js> {
    let body = xhr.response_text().ok().flatten().unwrap_or_default();
    json::answer(status, &body, header(xhr, RETRY_AFTER))
}

fn header(xhr: &XmlHttpRequest, name: &str) -> Option<String> {
    xhr.get_response_header(name).ok().flatten()
}

fn unsendable(error: &JsValue) -> Failure {
    Failure::Local(format!("the browser would not send: {}", thrown::words(error)))
}
