//! TLS: what it says of files that cannot be used, and who is kept waiting by whom.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use longhaul_server::tls::{Offer, Tls};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::program::{command, refused};
use crate::support::Server;

pub struct Pair {
    folder: tempfile::TempDir,
    certificate: rcgen::Certificate,
}

impl Pair {
    pub fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pair = Self { folder: tempfile::tempdir().unwrap(), certificate: cert };
        pair.write("cert.pem", &pair.certificate.pem());
        pair.write("key.pem", &signing_key.serialize_pem());
        pair
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file for its owner only.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        chmod(&self.path(name), 0o600);
        self.path(name)
    }

    pub fn load(&self, offer: Offer) -> Tls {
        Tls::load(&self.path("cert.pem"), &self.path("key.pem"), offer).unwrap()
    }

    fn server(&self, handshake_timeout: Duration) -> Server {
        let mut tls = self.load(Offer::Http1);
        tls.handshake_timeout = handshake_timeout;
        Server::start_with(|config| config.tls = Some(Arc::new(tls)))
    }

    /// A connection on which nothing was asked yet.
    pub fn connect(
        &self,
        server: &Server,
        protocol: &str,
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        StreamOwned::new(connection, socket)
    }

    pub fn answer(&self, server: &Server) -> String {
        let mut stream = self.connect(server, "http/1.1");
        let ask = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(ask.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_with_what_to_do() {
    let (pair, data) = (Pair::new(), tempfile::tempdir().unwrap());
    let [good, key] = ["cert.pem", "key.pem"].map(|name| pair.path(name));
    let said = |certificate: &Path, key: &Path| {
        let mut command = command(data.path());
        refused(command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key))
    };
    let other = pair.write("other.pem", &KeyPair::generate().unwrap().serialize_pem());
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let locked = pair.write("locked.pem", locked);
    let broken =
        pair.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n");
    let text = pair.write("text.pem", "no PEM");
    let long = pair.write("long.pem", &"long ".repeat(20_000));
    let nowhere = pair.path("nowhere.pem");
    for (certificate, key, words) in [
        (&nowhere, &key, &["nowhere.pem", "No such file"][..]),
        (&good, &nowhere, &["nowhere.pem", "No such file"]),
        (&good, &other, &["other.pem is not the key of", "renewed together"]),
        (&text, &key, &["no certificate", "fullchain.pem"]),
        (&broken, &key, &["no certificate", "broken.pem"]),
        (&key, &good, &["no certificate", "key.pem"]),
        (&good, &text, &["no private key", "privkey.pem"]),
        (&good, &locked, &["password", "openssl pkey"]),
        (&long, &key, &["more than 65536 bytes"]),
    ] {
        let said = said(certificate, key);
        assert!(said.contains("--tls-cert and --tls-key: "), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    }
    chmod(&key, 0o644);
    let exposed = said(&good, &key);
    assert!(exposed.contains("mode is 644") && exposed.contains("chmod 600"), "{exposed}");
    let alone = refused(command(data.path()).arg("--tls-cert").arg(&good));
    assert!(alone.contains("--tls-key"), "{alone}");
}

#[test]
fn who_connects_and_says_nothing_keeps_nobody_waiting_and_is_left() {
    let pair = Pair::new();
    let server = pair.server(Duration::from_millis(1500));
    let silent: Vec<_> = (0..200).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    let mut half = TcpStream::connect(server.address()).unwrap();
    half.write_all(&[22, 3, 1, 2]).unwrap();
    let answer = pair.answer(&server);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for mut stream in silent.into_iter().chain([half]) {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        // Nothing comes, or a reset.
        let _ = stream.read_to_end(&mut rest).inspect_err(|error| {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it is kept");
        });
        assert!(rest.is_empty(), "{rest:?}");
    }
}
