//! Through a proxy that ends TLS, as it stands before a server that others reach.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longhaul_tests::files::{Folder, sha256};
use longhaul_tests::terminal::{longhaul, start_as};
use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{CHUNK, only_file, server};

/// Its address, and a file with its certificate.
struct Front {
    origin: String,
    certificate: PathBuf,
}

impl Front {
    /// Hands what comes to a server, without TLS.
    async fn of(server: SocketAddr, folder: &Path) -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let certificate = folder.join("certificate.pem");
        std::fs::write(&certificate, cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut outside = acceptor.accept(stream).await?;
                    let mut inside = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut outside, &mut inside).await
                });
            }
        });
        Self { origin, certificate }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sent_and_fetched_through_tls() {
    let (server, folder, other) = (server().await, Folder::new(), Folder::new());
    let front = Front::of(server.addr(), other.path()).await;
    let trusting = |args: &[&str]| {
        let mut command = longhaul(args);
        start_as(command.env("SSL_CERT_FILE", &front.certificate))
    };
    let sent = folder.random("film.mp4", 9 * CHUNK + 5, 21);
    let said = trusting(&["send", sent.to_str().unwrap(), "--to", &front.origin]).ends().await;
    let (file, read) = only_file(&server).await;
    let address = format!("{}/v1/files/{}", front.origin, file.id);
    assert_eq!((said.good(), read), (&*address, sha256(&sent)));

    let fetched = other.path().join("fetched.mp4");
    let to = ["fetch", &address, "-o", fetched.to_str().unwrap()];
    trusting(&to).ends().await.good();
    assert_eq!(sha256(&fetched), sha256(&sent));
    server.assert_no_fault();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_know_the_certificate_sends_nothing() {
    let (server, folder, other) = (server().await, Folder::new(), Folder::new());
    let [front, stranger] = [
        Front::of(server.addr(), folder.path()).await,
        Front::of(server.addr(), other.path()).await,
    ];
    let file = folder.random("film.mp4", CHUNK, 22);
    let mut command = longhaul(["send", file.to_str().unwrap(), "--to", &front.origin]);
    let said = start_as(command.env("SSL_CERT_FILE", &stranger.certificate)).ends().await;
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("certificate"), "{said:?}");
    assert!(server.api().files().await.is_empty() && server.api().uploads().await.is_empty());
}
