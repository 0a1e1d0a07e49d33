//! One line per request, on standard error, and its place in the metrics.
//!
//! The end-to-end tests count in it which chunk bodies were sent, so its form is fixed: the target
//! is `longhaul::request`, the message `answered`, or `unanswered` when the connection went before
//! there was an answer, or the request was so many too many that it gets none, and these fields follow, in this order:
//!
//! ```text
//! method=POST path=/v1/uploads/<id>/chunks status=204 in=8388608 out=0 ms=52 from=192.0.2.7 chunk=3 offset=0 received=8388608
//! ```
//!
//! `in` and `out` are bytes of the bodies, as they were read and written; `from` is the address of who asks, as a proxy that is
//! believed tells it; `chunk`, `offset` and
//! `received` (the same number as `in`) are there when the request was to send a chunk and said
//! which. A line is written once its answer is, or once its connection is gone.
//!
//! Each line that is about a request, those of the store too, ends with what its answer has in `Request-Id`
//! (`log/lines.rs`).

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, Method, Response};
use http_body::{Frame, SizeHint};
use longhaul_protocol::ChunkIndex;
use longhaul_protocol::wire::header::REQUEST_ID;
use tracing::Level;

use crate::metrics::{Metrics, Over};
use crate::request_id::{RequestId, about};
use crate::respond::Body;
use crate::route::Target;
use crate::shares::Held;

mod lines;

pub use lines::{Format, start};

/// What is told and kept of a path, bytes: a name of the site may have 1 KiB, and no path of the API has a tenth of that.
/// A request may have 64 KiB, for as long as nobody takes its answer.
const PATH_TOLD_BYTES: usize = 1 << 10;

/// As much of a path as is told.
#[must_use]
pub fn told(path: &str) -> &str {
    path.get(..path.floor_char_boundary(PATH_TOLD_BYTES)).unwrap_or_default()
}

/// As much of a method, which may be any word.
fn told_method(method: &Method) -> Method {
    match method.as_str().len() {
        ..=PATH_TOLD_BYTES => method.clone(),
        _ => Method::from_bytes(told(method.as_str()).as_bytes()).unwrap_or_default(),
    }
}

/// What a request's own code tells its line.
#[derive(Debug, Default)]
pub struct Tally {
    /// Bytes of the body that were read.
    pub received: AtomicU64,
    /// The chunk in it, and where in the chunk it starts.
    pub chunk: OnceLock<(ChunkIndex, u64)>,
}

/// The line of one request; written when it is dropped.
#[derive(Debug)]
pub struct RequestLine {
    id: RequestId,
    metrics: Arc<Metrics>,
    target: Target,
    method: Method,
    /// Only where its line is written.
    path: Option<Box<str>>,
    since: Instant,
    tally: Arc<Tally>,
    status: Option<u16>,
    out: u64,
    held: Option<Held>,
    from: Option<IpAddr>,
}

impl RequestLine {
    /// The line of a request that just came.
    #[must_use]
    pub fn new(head: &Parts, id: RequestId, metrics: &Arc<Metrics>) -> Self {
        Self {
            id,
            metrics: Arc::clone(metrics),
            target: Target::of(head.uri.path()),
            method: told_method(&head.method),
            path: tracing::enabled!(target: "longhaul::request", Level::INFO)
                // A path may have characters that a terminal would obey.
                .then(|| told(head.uri.path()).escape_default().to_string().into()),
            since: Instant::now(),
            tally: Arc::default(),
            status: None,
            out: 0,
            held: None,
            from: None,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// What it is about.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// Who asks, if not somebody on this machine.
    pub fn is_from(&mut self, address: Option<IpAddr>) {
        self.from = address;
    }

    /// Gives something back once all of the answer has been sent.
    pub fn hold(&mut self, held: Option<Held>) {
        self.held = held;
    }

    /// What is given back then.
    pub fn held(&mut self) -> Option<&mut Held> {
        self.held.as_mut()
    }

    /// Where the request's own code tells what it did.
    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// The answer, which writes the line when it has been sent.
    #[must_use]
    pub fn follow(mut self, mut response: Response<Body>) -> Response<Followed> {
        response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), self.id.header());
        self.status = Some(response.status().as_u16());
        response.map(|body| Followed { body, line: self })
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let chunk = self.tally.chunk.get();
        let received = self.tally.received.load(Ordering::Relaxed);
        let took = self.since.elapsed();
        self.metrics.over(Over {
            target: self.target,
            method: &self.method,
            status: self.status,
            received,
            sent: self.out,
            took,
        });
        let write = || {
            tracing::info!(
                target: "longhaul::request",
                method = %self.method,
                path = self.path.as_deref().map(tracing::field::display),
                status = self.status,
                in = received,
                out = self.out,
                ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                from = self.from.map(tracing::field::display),
                chunk = chunk.map(|(index, _)| index.0),
                offset = chunk.map(|(_, offset)| *offset),
                received = chunk.map(|_| received),
                "{}", if self.status.is_some() { "answered" } else { "unanswered" },
            );
        };
        about(Some(self.id), write);
    }
}

/// A body whose bytes are counted as they leave.
#[derive(Debug)]
pub struct Followed {
    body: Body,
    line: RequestLine,
}

impl Followed {
    /// What was to be given back with it, for who keeps any of it for longer.
    pub fn release(&mut self) -> Option<Held> {
        self.line.held.take()
    }
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.line.out += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_long_the_beginning_is_told() {
        assert_eq!(told("/v1/uploads"), "/v1/uploads");
        let long = format!("{}é{}", "x".repeat(PATH_TOLD_BYTES - 1), "y".repeat(60_000));
        assert_eq!(told(&long), "x".repeat(PATH_TOLD_BYTES - 1), "and no half of a letter");
        assert_eq!(told_method(&Method::GET), Method::GET);
        let long = Method::from_bytes("M".repeat(60_000).as_bytes()).unwrap();
        assert_eq!(told_method(&long).as_str(), "M".repeat(PATH_TOLD_BYTES));
    }
}
