//! One connection, from its first byte to its last.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::app::App;
use crate::arriving::Told;
use crate::channel::{Channel, Peer, Scheme};
use crate::doors::Seat;
use crate::handle::handle;
use crate::http2::serve_http2;
use crate::log::told;
use crate::outbox::Outbox;
use crate::socket::Socket;
use crate::store::{Store, StoreError};
use crate::tls::{Tls, is_http2};
use crate::unix::Patient;

/// Serves one connection to its end.
pub(crate) async fn converse<S: Store>(
    socket: TcpStream,
    peer: Peer,
    seat: Seat,
    app: Arc<App<S>>,
    watcher: Watcher,
) {
    // Answers are small and written at once: to hold one back for more only delays it.
    let _ = socket.set_nodelay(true);
    bound_idle_answers(&socket, app.config.limits.idle_answer_timeout);
    if let Some(tls) = app.config.tls.clone() {
        // In memory of its own, which connections without it need not have.
        return Box::pin(encrypted(tls, socket, peer, seat, app, watcher)).await;
    }
    let outbox = Arc::new(Outbox::default());
    let io = Socket::new(socket, Arc::clone(&outbox));
    let channel = Channel::new(peer, Scheme::Http, Some(outbox), seat);
    serve_http1(io, &channel, &app, watcher).await;
}

/// The same over a Unix socket. What encrypts is before whoever is at the other end.
pub(crate) async fn converse_unix<S: Store>(
    socket: UnixStream,
    seat: Seat,
    app: Arc<App<S>>,
    watcher: Watcher,
) {
    let io = Patient::new(socket, app.config.limits.idle_answer_timeout);
    // Copies, for no more than this: nothing here reads what is sent, but a Unix socket takes it by copying anyhow.
    let channel = Channel::new(Peer::Unix, Scheme::Http, None, seat);
    serve_http1(io, &channel, &app, watcher).await;
}

async fn encrypted<S: Store>(
    tls: Arc<Tls>,
    socket: TcpStream,
    peer: Peer,
    seat: Seat,
    app: Arc<App<S>>,
    watcher: Watcher,
) {
    let stream = match tls.greet(socket, seat.lasts()).await {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%peer, "no connection came about: {error}"),
    };
    let channel = Channel::new(peer, Scheme::Https, None, seat);
    if is_http2(&stream) {
        serve_http2(stream, channel, app, watcher).await;
    } else {
        serve_http1(stream, &channel, &app, watcher).await;
    }
}

async fn serve_http1<S: Store>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    channel: &Channel,
    app: &Arc<App<S>>,
    watcher: Watcher,
) {
    let (limits, _connected) = (app.config.limits, app.metrics.connected());
    let last = Mutex::new(String::new());
    let service = service_fn(|request: Request<Incoming>| {
        // Not the address as it is: that would keep what was read, and hyper could not read into it again.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        told(request.uri().path()).clone_into(&mut last);
        drop(last);
        handle(app, channel, request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_header_size(limits.header_bytes_max)
        // Who has sent his request and says that he sends no more still gets his answer.
        .half_close(true)
        .max_buf_size(limits.buffer_bytes_max)
        // Never gathered in one buffer: bytes of a map must not be read here (`store/disk/map.rs`).
        .writev(true)
        .serve_connection(TokioIo::new(Told::new(io, &channel.line)), service);
    let Err(error) = within(channel.seat.lasts(), watcher.watch(connection)).await else {
        return;
    };
    let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
    tell(channel, &last, &error);
}

/// Serves no longer than it lasts, if somebody says how long.
pub(crate) async fn within<E>(
    lasts: Option<Duration>,
    served: impl Future<Output = Result<(), E>>,
) -> Result<(), E> {
    let served = pin!(served);
    match lasts {
        None => served.await,
        Some(lasts) => tokio::time::timeout(lasts, served).await.unwrap_or(Ok(())),
    }
}

/// What a connection that ended before its time came to.
pub(crate) fn tell(channel: &Channel, path: &str, error: &hyper::Error) {
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) => tell_cause(channel, path, source, error),
        None => tracing::debug!(peer = %channel.peer, "a connection ended early: {error}"),
    }
}

/// What an answer that broke off came to; whatever was the network's or the other side's is `error`.
pub(crate) fn tell_cause(
    channel: &Channel,
    path: &str,
    cause: &io::Error,
    error: &dyn std::fmt::Display,
) {
    let peer = channel.peer;
    // A path may have characters that a terminal would obey.
    let path = path.escape_default();
    // Bytes of a map could not be read when they were to be sent (`store/disk/map.rs`): nothing else that is
    // sent can be such an address.
    if cause.raw_os_error() == Some(Errno::FAULT.raw_os_error()) {
        tracing::error!(
            %peer,
            %path,
            "a download broke off: the disk did not give what was to be sent, or somebody cut the file \
             off. Look at the system's log for errors of the disk"
        );
        return;
    }
    // What the store said in the middle of an answer. All that was left then was to break off, which the
    // reader notices.
    match cause.get_ref().and_then(|inner| inner.downcast_ref::<StoreError>()) {
        Some(fault @ (StoreError::Disk { .. } | StoreError::Index(_) | StoreError::Damaged(_))) => {
            tracing::error!(%peer, %path, "a download broke off: {fault}");
        }
        // What its uploader did: it was deleted, or does not come.
        Some(end) => tracing::info!(%peer, %path, "a download broke off: {end}"),
        None => tracing::debug!(%peer, "a connection ended early: {error}"),
    }
}

/// Ends the connection when its other side takes no byte of what is to be sent. Only the system
/// knows: it may keep megabytes that count as written, and a slow reader who takes a while for them
/// is not one who takes none.
#[cfg(target_os = "linux")]
fn bound_idle_answers(socket: &TcpStream, idle: Duration) {
    let ms = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(socket, ms) {
        tracing::warn!(%error, "who does not read an answer is not cut off");
    }
}

#[cfg(not(target_os = "linux"))]
fn bound_idle_answers(_socket: &TcpStream, _idle: Duration) {}
