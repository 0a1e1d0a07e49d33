//! HTTP/2, for whom `--http2` offers it: many requests at once on one connection, each with bounds of its own.
//!
//! HTTP/1.1 has one request on a connection and times its head; here a connection may be silent because nothing is
//! asked, or because its other side takes nothing of what was asked. Either way it is ended when nothing has moved
//! for a while ([`Pulse`]). What keeps a connection alive, another request say, does not keep an answer on it that nobody
//! takes: its stream is reset by itself ([`Streams`]).

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::app::App;
use crate::arriving::Told;
use crate::channel::Channel;
use crate::converse::{tell, within};
use crate::crew::elsewhere;
use crate::handle::{Unheard, handle};
use crate::log::{Followed, told};
use crate::store::Store;

mod moving;
mod pulse;

use moving::{Moving, counted_by_head};
use pulse::{Busy, Pulse, Pulses};

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

/// What h2 may have of an answer, bytes: what is sent while the next is read. It has it also where its reader has made room
/// and takes nothing.
const QUEUED_BYTES: usize = 64 << 10;

/// How long who was told that a connection ends may take to hear it: a round trip, whatever the line.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// A body that another thread takes in, bytes at least: to hash fewer takes less time than to hand them over.
const LONG_BYTES_MIN: u64 = 64 << 10;

/// Serves one connection to its end.
pub(crate) async fn serve_http2<S: Store>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    channel: Channel,
    app: Arc<App<S>>,
    watcher: Watcher,
) {
    let (limits, _connected) = (app.config.limits, app.metrics.connected());
    let mut closing = app.closing.subscribe();
    let io = Told::new(io, &channel.line);
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
            let (busy, path) = (Busy::of(&pulses), told(request.uri().path()).to_owned());
            let of = Arc::clone(&channel);
            let response = if is_long(&request) {
                elsewhere(async move { handle(&app, &of, request).await }).await?
            } else {
                handle(&app, &of, request).await?
            };
            drop(busy);
            let response = if is_head { with_length(response) } else { response };
            let is_bare = is_head || response.body().is_end_stream();
            let response = if is_bare { counted_by_head(response) } else { response };
            Ok::<_, Unheard>(Moving::new(response, (path, is_head), channel, pulses))
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
        .max_send_buf_size(QUEUED_BYTES)
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
