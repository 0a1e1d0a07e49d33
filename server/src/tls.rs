//! TLS that ends here: the handshake, and a certificate that is renewed without a restart.
//!
//! What is encrypted is read by this process, so an answer gets copies of a file and never its map
//! (`store/disk/map.rs`): [`crate::channel::Channel`] has no outbox then.

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

mod files;
mod fresh;

use files::Files;
pub use files::TlsError;
pub use fresh::keep_fresh;

/// How long a handshake may take: two round trips and a signature. The first packets of a lossy line are tried
/// again within it.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The name of HTTP/1.1 in a handshake (RFC 7301, section 6).
const HTTP_1_1: &[u8] = b"http/1.1";
/// The same of HTTP/2 (RFC 9113, section 3.1).
const HTTP_2: &[u8] = b"h2";

/// The answer to a request that is not encrypted. It is read by a person who has left out an `s`.
const NOT_ENCRYPTED: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 70\r\nconnection: close\r\n\r\n\
    Nothing is answered here without TLS: the address begins with https://";
/// How much of such a request is read, bytes: an answer is not heard if its connection is closed over
/// something unread.
const NOT_ENCRYPTED_BYTES_MAX: u64 = 64 * 1024;

/// What is offered in a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// HTTP/1.1, on which each lane has a connection of its own.
    Http1,
    /// HTTP/2, and HTTP/1.1 for who does not speak it.
    Http2,
}

/// Whether that is what both have agreed on.
pub(crate) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

/// What connections are encrypted with.
#[derive(Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    files: Files,
    current: Arc<Current>,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

/// The certificate and its key, asked for at each handshake.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// The certificate in one file, its own first and then those that vouch for it, with the key in another;
    /// both in PEM.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(certificate: &Path, key: &Path, offer: Offer) -> Result<Self, TlsError> {
        // Named here: what else in this process has TLS may have another one by default.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let files = Files::new(certificate, key);
        let current = Arc::new(Current(RwLock::new(Arc::new(files.read(&provider)?))));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| files.unusable(source))?;
        let resolver = Arc::clone(&current) as Arc<dyn ResolvesServerCert>;
        let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = match offer {
            Offer::Http1 => vec![HTTP_1_1.to_vec()],
            // Who can speak both speaks the first.
            Offer::Http2 => vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()],
        };
        let handshake_timeout = HANDSHAKE_TIMEOUT;
        Ok(Self { config: Arc::new(config), files, current, handshake_timeout })
    }

    /// Reads the files again; connections from now on get what is in them. After an error they get what they
    /// got before.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn renew(&self) -> Result<(), TlsError> {
        let read = Arc::new(self.files.read(self.provider())?);
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    fn provider(&self) -> &CryptoProvider {
        self.config.crypto_provider()
    }

    /// Shakes hands with who has connected, within `at_most` if that is given.
    ///
    /// # Errors
    /// They do not speak TLS, or another one, or do not come to an end in time.
    pub async fn greet(
        &self,
        mut socket: TcpStream,
        at_most: Option<Duration>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let shaken = async {
            // Every message of a handshake begins with 22 (RFC 8446, section 5.1), every request with a letter.
            let mut first = [0];
            socket.peek(&mut first).await?;
            if first[0].is_ascii_alphabetic() {
                refuse(&mut socket).await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a request without TLS"));
            }
            TlsAcceptor::from(Arc::clone(&self.config)).accept(socket).await
        };
        let late = || io::Error::new(io::ErrorKind::TimedOut, "no handshake in time");
        let within = self.handshake_timeout.min(at_most.unwrap_or(Duration::MAX));
        tokio::time::timeout(within, shaken).await.unwrap_or_else(|_elapsed| Err(late()))
    }
}

async fn refuse(socket: &mut TcpStream) -> io::Result<()> {
    socket.write_all(NOT_ENCRYPTED).await?;
    socket.shutdown().await?;
    tokio::io::copy(&mut socket.take(NOT_ENCRYPTED_BYTES_MAX), &mut tokio::io::sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_who_does_not_encrypt_is_as_long_as_it_says() {
        let text = std::str::from_utf8(NOT_ENCRYPTED).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
