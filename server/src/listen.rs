//! Connections: accepted, served with hyper, and ended in good order.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use crate::access::UntoldProxies;
use crate::arriving::Arriving;
use crate::body::RequestBody;
use crate::channel::{Channel, Peer, Scheme};
use crate::config::Config;
use crate::converse::{converse, converse_unix};
use crate::crew::Crew;
use crate::doors::Doors;
use crate::gate::{Standing, check_encoding, check_host, check_origin, standing};
use crate::hooks::Calls;
use crate::link::{self, came_by_link};
use crate::log::{Followed, RequestLine};
use crate::metrics::Metrics;
use crate::outcome::{Answer, Outcome, Refusal};
use crate::permits::{Permits, Scope};
use crate::request_id::all_about;
use crate::route::{Call, Target};
use crate::store::{Owner, Store};
use crate::token::Grant;
use crate::tries::Tries;
use crate::unix::Bound;
use crate::{cors, respond, route};

/// How many connections may wait for being accepted: all pages that come back at once after a restart. The system
/// has a bound of its own, mostly the same (`net.core.somaxconn`).
pub(crate) const WAITING_MAX: u32 = 4096;

/// What all requests share.
#[derive(Debug)]
pub struct App<S> {
    /// Where uploads and files are kept.
    pub store: Arc<S>,
    /// What the HTTP side was told when it started.
    pub config: Config,
    /// Whether the server was told to stop.
    pub stopping: AtomicBool,
    /// Whether each connection is to end with what is asked on it now, for those that are not told otherwise.
    pub(crate) closing: watch::Sender<bool>,
    /// What has come, to know it when it comes again.
    pub tries: Tries,
    /// The chunks that are on their way in.
    pub arriving: Arriving,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who gets in.
    pub doors: Arc<Doors>,
    /// Whom nobody told it of.
    pub untold_proxies: UntoldProxies,
}

impl<S: Store> App<S> {
    /// A server that is not stopping.
    #[must_use]
    pub fn new(store: Arc<S>, config: Config) -> Self {
        let mut metrics = Metrics::new(store.meters());
        let none = Calls::default();
        metrics.watch_hooks(config.hooks.as_ref().map_or(&none, |hooks| hooks.calls()));
        let metrics = Arc::new(metrics);
        let stopping = AtomicBool::new(false);
        let doors = Arc::new(Doors::new(config.places));
        let closing = watch::Sender::default();
        let (tries, arriving) = (Tries::default(), Arriving::default());
        let untold_proxies = UntoldProxies::default();
        Self { store, config, stopping, closing, tries, arriving, metrics, doors, untold_proxies }
    }
}

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address can be reached from other machines.
    #[error(
        "{address} is not a loopback address, and whoever reaches a server that asks nobody who they \
         are may read and delete every file on it. Listen on 127.0.0.1 or [::1]; or let in those who \
         have a token (--token-key FILE), or anybody as a guest who sees only their own files \
         (--allow-anonymous)."
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// Another program has the port.
    #[error(
        "{address} is in use: stop the program that listens there, or choose another port with --listen."
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The system said no.
    #[error("cannot listen on {address}: {source}. Choose another address with --listen.")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// What a server listens on.
#[derive(Debug)]
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(Bound),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

/// From where a server may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From its own machine: it asks nobody who they are.
    Loopback,
    /// From anywhere.
    Anywhere,
}

impl Reach {
    /// Refuses an address that more can reach than may.
    ///
    /// # Errors
    /// [`ListenError::NotLoopback`].
    pub fn check(self, address: SocketAddr) -> Result<(), ListenError> {
        if self == Self::Loopback && !address.ip().is_loopback() {
            return Err(ListenError::NotLoopback { address });
        }
        Ok(())
    }
}

/// Listens; port 0 is any free port.
///
/// # Errors
/// [`ListenError`].
pub async fn bind(address: SocketAddr, reach: Reach) -> Result<TcpListener, ListenError> {
    reach.check(address)?;
    let listener = listener(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        _ => ListenError::Refused { address, source },
    })?;
    if address.ip().is_loopback() {
        unpace(&listener);
    }
    Ok(listener)
}

/// How much is on its way within a machine is for its reader to say. What paces by the rate of a path, as BBR does
/// where the system takes it for everything, halves what a proxy on this machine gets. Said of the listener,
/// because Linux still paces a connection that began with BBR. Reno is built in, and allowed to everybody unless an
/// administrator says otherwise (Linux, `ip-sysctl`: `tcp_allowed_congestion_control`).
#[cfg(target_os = "linux")]
fn unpace(listener: &TcpListener) {
    if let Err(error) = rustix::net::sockopt::set_tcp_congestion(listener, "reno") {
        tracing::debug!(%error, "connections of this machine are paced as those from elsewhere");
    }
}

#[cfg(not(target_os = "linux"))]
fn unpace(_listener: &TcpListener) {}

/// As tokio makes one, but for how many may wait: 128 there.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Whoever restarts a server gets its port at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

/// Serves until `stop` is done; then tells whoever asks `/readyz` so, accepts no more after
/// `drain_delay`, lets requests in flight finish within `shutdown_timeout`, and cuts off the rest.
///
/// # Errors
/// When there are no threads to serve with.
pub async fn serve<S: Store>(
    listener: impl Into<Listener>,
    app: Arc<App<S>>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let (mut crew, graceful) = (Crew::start()?, Arc::new(GracefulShutdown::new()));
    accept(listener.into(), &mut crew, (Arc::clone(&app), Arc::clone(&graceful)))?;
    stop.await;
    app.stopping.store(true, Ordering::Relaxed);
    tokio::time::sleep(app.config.limits.drain_delay).await;
    crew.close().await;
    app.closing.send_replace(true);
    let done = async {
        // Who accepted had it too, and has ended.
        if let Some(graceful) = Arc::into_inner(graceful) {
            graceful.shutdown().await;
        }
    };
    if tokio::time::timeout(app.config.limits.shutdown_timeout, done).await.is_err() {
        tracing::warn!("cut off {} connections that did not finish in time", crew.connections());
    }
    Ok(())
}

fn accept<S: Store>(
    listener: Listener,
    crew: &mut Crew,
    (app, graceful): (Arc<App<S>>, Arc<GracefulShutdown>),
) -> io::Result<()> {
    match listener {
        Listener::Tcp(listener) => crew.accept(listener, move |peer: SocketAddr| {
            let seat = app.doors.admit(peer.ip(), &app.config.proxies)?;
            let (app, watcher) = (Arc::clone(&app), graceful.watcher());
            Some(move |socket| converse(socket, Peer::Address(peer), seat, app, watcher))
        }),
        Listener::Unix(bound) => {
            crew.accept_unix(bound, move || {
                let seat = app.doors.admit_unix(&app.config.proxies)?;
                let (app, watcher) = (Arc::clone(&app), graceful.watcher());
                Some(move |socket| converse_unix(socket, seat, app, watcher))
            });
            Ok(())
        }
    }
}

/// Answers one request. It is taken apart before there is anything to wait for, so that it is not kept twice.
pub(crate) fn handle<'a, S: Store>(
    app: &'a App<S>,
    channel: &'a Channel,
    request: Request<Incoming>,
) -> impl Future<Output = Response<Followed>> + Send + 'a {
    let (head, incoming) = request.into_parts();
    async move {
        let Channel { seat, ids, .. } = channel;
        let mut line = RequestLine::new(&head, ids.next(), &app.metrics);
        let mut body =
            RequestBody::new(&head, incoming, Arc::clone(line.tally()), &app.config.limits);
        let told = seat.told(&app.config.proxies, &head.headers);
        let (client, scheme) = match &told {
            Ok(Some(told)) => (Some(told.client), told.scheme.unwrap_or(channel.scheme)),
            _ => (None, channel.scheme),
        };
        let stay = seat.ask(body.has_body(), client).and_then(|(stay, held)| {
            let held = match held {
                None if channel.is_shared => Some(seat.answer()?),
                held => held,
            };
            line.hold(held);
            Ok(stay)
        });
        let host = told.map(|told| told.and_then(|told| told.host));
        let host = host.and_then(|host| check_host(&app.config, &head, host.as_deref()));
        let is_from = |host: &String| standing(&app.config, scheme, host, &head);
        let standing = host.as_ref().map_or(Standing::Foreign, is_from);
        let mut answer = match (&host, &stay) {
            (_, Err(refused)) => Err(seat.refuse(*refused).await),
            (Err(_), Ok(_)) => host.map(|_| Outcome::Done),
            (Ok(host), Ok(_)) => {
                let call = Call {
                    app,
                    owner: Owner::nobody(),
                    permits: Permits::only([]),
                    link: None,
                    head: &head,
                    scheme,
                    host,
                    body: &mut body,
                    client,
                    channel,
                    tally: line.tally(),
                };
                all_about(line.id(), pin!(decide(call, line.target()))).await
            }
        };
        if let Err(refusal) = &mut answer {
            app.metrics.refused(refusal.code);
            refusal.problem.facts.request_id = Some(line.id().to_string());
        }
        // Before the answer, so that it is heard.
        body.discard().await;
        drop(stay);
        let mut response = respond::respond(answer);
        cors::mark(standing, &head, response.headers_mut());
        if let (Scheme::Https, Some(time)) = (scheme, app.config.hsts) {
            respond::only_by_tls(time, response.headers_mut());
        }
        if seat.lasts().is_some() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        line.follow(response)
    }
}

/// Asks the gate, who it is, whether he may, and the verb.
async fn decide<S: Store>(mut call: Call<'_, S>, target: Target) -> Answer {
    let Call { app, head, .. } = call;
    check_origin(&app.config, call.scheme, call.host, head)?;
    if head.method == Method::POST {
        check_encoding(head)?;
    }
    if let Some(scope) = target.scope(&head.method) {
        let Grant { owner, permits } =
            match head.uri.query().filter(|query| came_by_link(target, query)) {
                Some(query) => by_link(&mut call, target, query).await?,
                None => {
                    app.config.access.caller(head, call.client.is_some(), &app.untold_proxies)?
                }
            };
        permits.check_scope(scope)?;
        (call.owner, call.permits) = (owner, permits);
    }
    caught(pin!(route::answer(&mut call, target)))
        .await
        .unwrap_or_else(|| Err(Refusal::internal(&"a panic")))
}

/// Who comes by a link is let in as the owner of the file, to read it. Whatever token comes with it does not
/// count, so that a link is good for the same whoever uses it.
async fn by_link<S: Store>(
    call: &mut Call<'_, S>,
    target: Target,
    query: &str,
) -> Result<Grant, Refusal> {
    let app = call.app;
    let link = app.config.links.judge(target, &call.head.method, query, link::now())?;
    let owner = app.store.owner_of(link.file).await?;
    call.link = Some(link);
    Ok(Grant { owner, permits: Permits::only([Scope::Read]) })
}

/// What a future comes to; `None` if it panics, which ends one request and no other.
async fn caught<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Err(_panic) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// hyper moves it into its place with each request: once it had 12 KiB, which took a twentieth of what a range costs.
    #[test]
    fn what_a_request_comes_to_is_small_enough_to_be_moved() {
        use crate::store::disk::DiskStore;

        fn size<'a, F: 'a>(
            _: fn(&'a App<DiskStore>, &'a Channel, Request<Incoming>) -> F,
        ) -> usize {
            size_of::<F>()
        }
        let size = size(handle);
        assert!(size <= 2048, "{size}");
    }

    #[tokio::test]
    async fn a_panic_is_caught_also_after_a_wait() {
        assert_eq!(caught(pin!(async { 1 })).await, Some(1));
        let panicking = async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        };
        assert_eq!(caught::<()>(pin!(panicking)).await, None);
    }

    #[tokio::test]
    async fn only_loopback_is_listened_on_by_who_asks_for_no_token() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let refused = bind(address.parse().unwrap(), Reach::Loopback).await;
            assert!(matches!(refused, Err(ListenError::NotLoopback { .. })), "{address}");
        }
        #[cfg(target_os = "linux")]
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            let listener = bind(loopback.parse().unwrap(), Reach::Loopback).await.unwrap();
            let _reader =
                tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let accepted = listener.accept().await.unwrap().0;
            assert_eq!(rustix::net::sockopt::tcp_congestion(&accepted).unwrap(), "reno");
        }
        assert!(bind("0.0.0.0:0".parse().unwrap(), Reach::Anywhere).await.is_ok());
        let taken = bind("127.0.0.1:0".parse().unwrap(), Reach::Loopback).await.unwrap();
        let refused = bind(taken.local_addr().unwrap(), Reach::Loopback).await;
        assert!(matches!(refused, Err(ListenError::InUse { .. })));
    }
}
