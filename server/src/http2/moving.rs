//! A body on its way to hyper, which keeps what it is given until it is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use longhaul_protocol::wire::header::REQUEST_ID;

use super::pulse::{Busy, Pulses};
use crate::channel::Channel;
use crate::converse::tell_cause;
use crate::log::Followed;
use crate::shares::Held;

/// What hyper gets of an answer at once, bytes: a frame as browsers take them (RFC 9113, section 6.5.2). What it has, it
/// keeps until it is sent, also when its stream has ended for us.
const HANDED_BYTES: usize = 16 << 10;

/// The rest of an answer that hyper gets as it is, bytes: of a longer one the last byte goes alone, and hyper takes it only
/// once there is room for it. Before that nothing is over, and what nobody takes can be reset; of what is so short the
/// hundred of a connection are 100 KiB, a few frames.
const SMALL_BYTES: usize = 1 << 10;

/// A body that is asked for its next bytes when the other side has room for them.
pub(super) struct Moving {
    body: Followed,
    /// Of the request.
    path: String,
    channel: Arc<Channel>,
    pulses: Pulses,
    waiting: Option<Busy>,
    /// Of what was read, for hyper to have in its turn.
    left: Bytes,
    /// With that, what is still to come, bytes; as many as there are numbers where nobody knows.
    rest: u64,
    /// Its place among the answers of its address, from the first bytes that hyper is handed.
    held: Option<Arc<Held>>,
    /// Whether it has only a length (RFC 9110, section 9.3.2): of HTTP/1.1 hyper sees to that itself.
    is_head: bool,
}

/// Bytes that hyper has, and what their address has for them for as long as anybody keeps them.
struct Handed<T> {
    bytes: T,
    _held: Arc<Held>,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Handed<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Counts an answer that is no more than a head until that is sent: hyper is done with it as soon as h2 has it, and drops
/// the body. So it goes with a header, one that the encoder keeps nothing of for the answers after it.
pub(super) fn counted_by_head(mut response: Response<Followed>) -> Response<Followed> {
    let id = response.headers().get(REQUEST_ID).cloned();
    let held = id.and_then(|id| Some((id, response.body_mut().release()?)));
    if let Some((id, held)) = held {
        let id = Bytes::from_owner(Handed { bytes: id, _held: Arc::new(held) });
        if let Ok(mut id) = HeaderValue::from_maybe_shared(id) {
            id.set_sensitive(true);
            response.headers_mut().insert(HeaderName::from_static(REQUEST_ID), id);
        }
    }
    response
}

impl Moving {
    /// An answer to what was asked for by `path`.
    pub(super) fn new(
        response: Response<Followed>,
        (path, is_head): (String, bool),
        channel: Arc<Channel>,
        pulses: Pulses,
    ) -> Response<Self> {
        let told = response
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|told| told.to_str().ok()?.parse().ok());
        let rest = told.or_else(|| response.body().size_hint().exact()).unwrap_or(u64::MAX);
        let (waiting, held, left) = (None, None, Bytes::new());
        response.map(|body| Self {
            body,
            path,
            channel,
            pulses,
            waiting,
            left,
            rest,
            held,
            is_head,
        })
    }

    /// The next bytes of what was read: what hyper has, it keeps.
    fn hand(&mut self) -> Frame<Bytes> {
        let is_last = self.rest == self.left.len() as u64;
        let len = match self.left.len() {
            len if len > HANDED_BYTES => HANDED_BYTES,
            len if is_last && len > SMALL_BYTES => len - 1,
            len => len,
        };
        let handed = self.left.split_to(len);
        self.rest = self.rest.saturating_sub(len as u64);
        Frame::data(self.counted(handed))
    }

    /// Counts it as on its way until h2 has sent or forgotten it: hyper is done with an answer that h2 has all of, and one
    /// that is ended is forgotten only when its turn comes to be sent.
    fn counted(&mut self, handed: Bytes) -> Bytes {
        if self.held.is_none() {
            self.held = self.body.release().map(Arc::new);
        }
        match (self.held.clone(), &*handed) {
            // Copied: as a part it would keep all that was read at once.
            (Some(held), &[byte]) => Bytes::from_owner(Handed { bytes: [byte], _held: held }),
            (Some(held), _) => Bytes::from_owner(Handed { bytes: handed, _held: held }),
            (None, _) => handed,
        }
    }
}

impl Body for Moving {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let this = &mut *self;
        if !this.left.is_empty() {
            this.pulses.beat();
            return Poll::Ready(Some(Ok(this.hand())));
        }
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if frame.is_pending() {
            this.waiting.get_or_insert_with(|| Busy::of(&this.pulses));
        }
        let frame = ready!(frame);
        (this.waiting, ()) = (None, this.pulses.beat());
        if let Some(Err(error)) = &frame {
            // Only its stream is reset, of which the connection tells nobody.
            tell_cause(&this.channel, &this.path, error, &"it is reset");
        }
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| match frame.into_data() {
                Ok(bytes) => {
                    this.left = bytes;
                    this.hand()
                }
                Err(trailers) => trailers,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.is_head || self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, left) = (self.body.size_hint(), self.left.len() as u64);
        match hint.exact() {
            Some(exact) => SizeHint::with_exact(exact.saturating_add(left)),
            None => hint,
        }
    }
}
