//! A webhook that is told by TLS: only whoever a trusted authority has certified for the address hears anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use longhaul_protocol::ProblemCode;
use longhaul_tests::authority::{Authority, Certified};
use longhaul_tests::files::Folder;
use longhaul_tests::receiver::{Heard, Receiver};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{send, telling_at};

const SOON: Duration = Duration::from_secs(20);

/// Who ends TLS before a receiver, until it is dropped.
struct Front {
    receiver: Receiver,
    url: String,
    _task: JoinSet<()>,
}

impl Front {
    async fn start(certified: &Certified, host: &str) -> Self {
        let receiver = Receiver::start().await;
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let url = format!("https://{}/hook", listener.local_addr().unwrap());
        let mut task = JoinSet::new();
        task.spawn(pass_on(listener, acceptor(certified), receiver.addr()));
        Self { receiver, url, _task: task }
    }

    /// A server that tells it everything, and trusts who is certified by this authority.
    fn told_by_who_trusts(&self, authority: &Authority, folder: &Folder, events: &str) -> Options {
        let options = telling_at(folder, &self.url, &["--hook-events", events]);
        let trust = authority.file().to_str().unwrap().to_owned();
        Options { env: vec![("SSL_CERT_FILE".to_owned(), trust)], ..options }
    }
}

fn acceptor(certified: &Certified) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(&certified.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&certified.key).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(chain.map(Result::unwrap).collect(), key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn pass_on(listener: TcpListener, acceptor: TlsAcceptor, to: SocketAddr) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            let mut outside = acceptor.accept(stream).await?;
            let mut inside = TcpStream::connect(to).await?;
            copy_bidirectional(&mut outside, &mut inside).await
        });
    }
}

/// The first line of the log that says why nobody hears it.
async fn complaint(server: &Server) -> String {
    wait::until("a word of who does not hear", SOON, async || {
        server.lines().into_iter().find(|line| line.contains("an event was not heard yet"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_certified_by_a_trusted_authority_is_asked_and_told() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let front = Front::start(&authority.certify("hook"), "127.0.0.1").await;
    let options = front.told_by_who_trusts(&authority, &folder, "created,sealed");
    let server = Server::start(options).await;
    let (upload, _) = send(&server.api(), "film.mp4", b"moving").await;
    let heard = front.receiver.hears(2).await;
    let told: Vec<_> = heard.iter().map(|it| it.id.clone()).collect();
    assert_eq!(told, ["created", "sealed"].map(|what| format!("{what}_{}", upload.id)));
    assert!(heard.iter().all(Heard::is_good), "{heard:?}");
    server.assert_no_fault();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_certified_by_nobody_trusted_hears_nothing_until_he_is() {
    let (authority, other, folder) = (Authority::new(), Authority::new(), Folder::new());
    let front = Front::start(&authority.certify("hook"), "127.0.0.1").await;
    let options = front.told_by_who_trusts(&other, &folder, "sealed");
    let mut server = Server::start(options).await;
    let (upload, _) = send(&server.api(), "film.mp4", b"moving").await;
    let said = complaint(&server).await;
    assert!(said.contains("invalid peer certificate"), "{said}");
    assert!(front.receiver.heard().is_empty());
    server.kill().await;
    server.restart_with(front.told_by_who_trusts(&authority, &folder, "sealed")).await;
    let heard = front.receiver.hears(1).await;
    assert_eq!(heard[0].id, format!("sealed_{}", upload.id));
}

/// Who cannot be asked allows nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_that_would_be_asked_of_who_is_certified_by_nobody_trusted() {
    let (authority, other, folder) = (Authority::new(), Authority::new(), Folder::new());
    let front = Front::start(&authority.certify("hook"), "127.0.0.1").await;
    let options = front.told_by_who_trusts(&other, &folder, "created");
    let server = Server::start(options).await;
    let problem = server.api().create("film.mp4", 5).await.unwrap().problem();
    assert_eq!(problem.code, ProblemCode::Unavailable.code());
    assert!(problem.retryable, "{problem:?}");
    assert!(server.api().uploads().await.is_empty() && front.receiver.heard().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_certified_for_another_address_hears_nothing() {
    let (authority, folder) = (Authority::new(), Folder::new());
    // What an authority of tests certifies is 127.0.0.1.
    let front = Front::start(&authority.certify("hook"), "127.0.0.2").await;
    let server = Server::start(front.told_by_who_trusts(&authority, &folder, "sealed")).await;
    send(&server.api(), "film.mp4", b"moving").await;
    let said = complaint(&server).await;
    assert!(said.contains("certificate") && said.contains("127.0.0.2"), "{said}");
    assert!(front.receiver.heard().is_empty());
}
