//! Connections: accepted, and ended in good order.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper_util::server::graceful::GracefulShutdown;

use crate::app::App;
use crate::channel::Peer;
use crate::converse::{converse, converse_unix};
use crate::crew::Crew;
use crate::store::Store;

mod bind;

pub(crate) use bind::WAITING_MAX;
pub use bind::{ListenError, Listener, Reach, bind};

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
