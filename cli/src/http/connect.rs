//! Connections: plain or TLS, kept for the next request.

use std::error::Error;
use std::io;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error as ThisError;

use super::Body;

/// How long a connection may take to come about: three tries of TCP's first packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that nobody uses is kept: shorter than the server keeps it, so that no request
/// meets its end.
const CONNECTION_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// All connections to a server.
pub(super) type Connections = Client<HttpsConnector<HttpConnector>, Body>;

/// Why nothing encrypted can be had.
#[derive(Debug, ThisError)]
pub enum TlsError {
    /// The system has no certificates.
    #[error(
        "the system's certificates cannot be read ({0}); install them (Debian: ca-certificates), or name a file of them in SSL_CERT_FILE"
    )]
    Roots(io::Error),
}

/// The system's certificates are read only where they are needed: it takes longer than a small file.
pub(super) fn connections(tls: bool) -> Result<Connections, TlsError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let builder = HttpsConnectorBuilder::new();
    let builder = if tls {
        builder.with_native_roots().map_err(TlsError::Roots)?
    } else {
        let nobody = RootCertStore::empty();
        let config = ClientConfig::builder().with_root_certificates(nobody).with_no_client_auth();
        builder.with_tls_config(config)
    };
    let connector = builder.https_or_http().enable_http1().wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(CONNECTION_IDLE_TIMEOUT)
        .build(connector))
}

/// The innermost reason, which is the one that a person can do something about.
pub(super) fn why(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if let Some(rustls::Error::InvalidMessage(_)) = tls_error(innermost) {
        return "nothing speaks TLS there; is its address http:// instead of https://?".to_owned();
    }
    let text = innermost.to_string();
    // How the system says it, without its number.
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// An I/O error does not count what it wraps as its source.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => tls_error(wrapped),
        None => error.downcast_ref(),
    }
}
