//! HTTP/2, for whom `--http2` offers it: many requests at once on one connection, each with bounds of its own.
//!
//! HTTP/1.1 has one request on a connection and times its head; here a connection may be silent because nothing is
//! asked, or because its other side takes nothing of what was asked. Either way it is ended when nothing has moved
//! for a while ([`Pulse`]). What keeps a connection alive, another request say, does not keep an answer on it that nobody
//! takes: its stream is reset by itself ([`Streams`]).

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::channel::Channel;
use crate::converse::{tell, tell_cause, within};
use crate::crew::elsewhere;
use crate::listen::{App, handle};
use crate::log::Followed;
use crate::store::Store;

/// Requests at once on a connection: fewer are not recommended (RFC 9113, section 6.5.2), and each may have a piece of
/// a file on its way out.
const STREAMS_MAX: u32 = 100;
/// What may come of one body before we have taken it, bytes: a path of 80 ms at 100 Mbit/s holds as much.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// The same of all bodies of a connection, bytes: four lanes of them, and all that a connection can make us keep.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// How many requests may have been taken back before we have looked at them (the rapid reset of
/// CVE-2023-44487); a browser that leaves a page takes back what it had asked for. One more ends the connection.
const RESETS_PENDING_MAX: usize = 100;
/// How many streams we may have to reset for what is wrong with them; one more ends the connection.
const FAULTY_STREAMS_MAX: usize = 32;

/// How long who was told that a connection ends may take to hear it: a round trip, whatever the line.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// A body that another thread takes in, bytes at least: to hash fewer takes less time than to hand them over.
const LONG_BYTES_MIN: u64 = 64 << 10;

/// What hyper gets of an answer at once, bytes: a frame as browsers take them (RFC 9113, section 6.5.2). What it has, it
/// keeps until it is sent, also when its stream has ended for us.
const HANDED_BYTES: usize = 16 << 10;

/// Serves one connection to its end.
pub(crate) async fn serve_http2<S: Store>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    channel: Channel,
    app: Arc<App<S>>,
    watcher: Watcher,
) {
    let (limits, _connected) = (app.config.limits, app.metrics.connected());
    let mut closing = app.closing.subscribe();
    let (channel, pulse) = (Arc::new(channel.shared()), Arc::new(Pulse::default()));
    let streams = Streams { next: Arc::default(), idle: limits.idle_answer_timeout };
    let begun = Arc::clone(&streams.next);
    let (lasts, idle) = (channel.seat.lasts(), limits.header_timeout);
    let of = (Arc::clone(&channel), Arc::clone(&pulse));
    let service = service_fn(move |request: Request<Incoming>| {
        let (app, (channel, pulse)) = (Arc::clone(&app), of.clone());
        let pulses = Pulses { connection: pulse, stream: Arc::default() };
        // hyper hands it to `Streams` before it asks for the next one.
        *begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&pulses.stream));
        async move {
            let is_head = request.method() == Method::HEAD;
            let (busy, path) = (Busy::of(&pulses), request.uri().path().to_owned());
            let of = Arc::clone(&channel);
            let response = if is_long(&request) {
                elsewhere(async move { handle(&app, &of, request).await }).await
            } else {
                handle(&app, &of, request).await
            };
            drop(busy);
            let response = if is_head { with_length(response) } else { response };
            Ok::<_, Infallible>(response.map(|body| Moving {
                body,
                path,
                channel,
                pulses,
                waiting: None,
                left: Bytes::new(),
                is_head,
            }))
        }
    });
    let connection = http2::Builder::new(streams)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(FAULTY_STREAMS_MAX)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .max_send_buf_size(limits.buffer_bytes_max)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    let late = tokio::select! {
        ended = within(lasts, connection.as_mut()) => return tell_of(&channel, ended),
        _ = closing.wait_for(|closing| *closing) => None,
        () = pulse.stops(idle) => {
            tracing::debug!(peer = %channel.peer, "a connection is ended on which nothing moved");
            Some(FAREWELL_TIMEOUT)
        }
    };
    // GOAWAY: whoever is about to ask something hears that it will not be answered here.
    connection.as_mut().graceful_shutdown();
    let late = async {
        match late {
            Some(late) => tokio::time::sleep(late).await,
            None => pulse.stops(idle).await,
        }
    };
    tokio::select! {
        ended = connection => tell_of(&channel, ended),
        () = late => {}
    }
    // Whoever stops the server has waited for this.
    drop(watcher);
}

fn tell_of(channel: &Channel, ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tell(channel, "", &error);
    }
}

/// An answer to `HEAD` with the length of the body that hyper is not going to see.
fn with_length(mut response: Response<Followed>) -> Response<Followed> {
    if let Some(len) = response.body().size_hint().exact().filter(|len| *len > 0) {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(len.into());
    }
    response
}

/// Whether its body is worth another thread.
fn is_long(request: &Request<Incoming>) -> bool {
    request.body().size_hint().exact().is_none_or(|bytes| bytes >= LONG_BYTES_MIN)
}

/// Runs what answers each request, and ends it when its other side takes nothing of the answer: dropped, its stream is
/// reset, and what was left of it is forgotten.
#[derive(Clone)]
struct Streams {
    /// Of the request that came last.
    next: Arc<Mutex<Option<Arc<Pulse>>>>,
    idle: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, answered: F) {
        let pulse = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        let idle = self.idle;
        tokio::spawn(async move {
            let Some(pulse) = pulse else { return answered.await };
            tokio::select! {
                () = answered => {}
                () = pulse.stops(idle) => tracing::debug!("an answer is ended of which nobody took anything"),
            }
        });
    }
}

/// Whether anything moves on a connection, or on a stream of it.
#[derive(Debug)]
struct Pulse {
    /// Requests that are being answered, and answers that wait for their bytes.
    busy: AtomicUsize,
    /// When anything moved last.
    last: Mutex<Instant>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { busy: AtomicUsize::new(0), last: Mutex::new(Instant::now()) }
    }
}

impl Pulse {
    fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Once nothing has moved for so long, and nobody works on what is to move.
    async fn stops(&self, idle: Duration) {
        loop {
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let is_busy = self.busy.load(Ordering::Relaxed) > 0;
            let due = if is_busy { Instant::now() + idle } else { last + idle };
            if due <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}

/// Those that an answer has to do with.
#[derive(Clone, Debug, Default)]
struct Pulses {
    connection: Arc<Pulse>,
    stream: Arc<Pulse>,
}

impl Pulses {
    fn both(&self) -> [&Pulse; 2] {
        [&self.connection, &self.stream]
    }

    fn beat(&self) {
        self.both().into_iter().for_each(Pulse::beat);
    }
}

/// Somebody works on what is to move; how long that may take is bounded where it is done.
struct Busy(Pulses);

impl Busy {
    fn of(pulses: &Pulses) -> Self {
        for pulse in pulses.both() {
            pulse.busy.fetch_add(1, Ordering::Relaxed);
        }
        Self(pulses.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for pulse in self.0.both() {
            pulse.beat();
            pulse.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A body that is asked for its next bytes when the other side has room for them.
struct Moving {
    body: Followed,
    /// Of the request.
    path: String,
    channel: Arc<Channel>,
    pulses: Pulses,
    waiting: Option<Busy>,
    /// Of what was read, for hyper to have in its turn.
    left: Bytes,
    /// Whether it has only a length (RFC 9110, section 9.3.2): of HTTP/1.1 hyper sees to that itself.
    is_head: bool,
}

impl Moving {
    /// The next bytes of what was read: what hyper has, it keeps.
    fn hand(&mut self) -> Frame<Bytes> {
        let len = self.left.len().min(HANDED_BYTES);
        Frame::data(self.left.split_to(len))
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

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_connection_lives_while_something_moves_or_is_worked_on() {
        let (pulse, start) = (Arc::new(Pulse::default()), Instant::now());
        let other = Arc::clone(&pulse);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE / 2).await;
            other.beat();
            tokio::time::sleep(IDLE / 2).await;
            let busy = Busy::of(&Pulses { connection: other, stream: Arc::default() });
            tokio::time::sleep(10 * IDLE).await;
            drop(busy);
        });
        pulse.stops(IDLE).await;
        assert!(start.elapsed() >= 12 * IDLE, "{:?}", start.elapsed());
        assert!(start.elapsed() < 13 * IDLE, "{:?}", start.elapsed());
    }
}
