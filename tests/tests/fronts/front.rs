//! A proxy that ends TLS before a server, as its sample in `docs/front` has it but for where things are.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use longhaul_protocol::wire::FileInfo;
use longhaul_tests::artefacts;
use longhaul_tests::authority::{Authority, Certified};
use longhaul_tests::files::{Folder, MIB, random_bytes};
use longhaul_tests::page::{Page, Row, UPLOAD};
use longhaul_tests::process::Process;
use longhaul_tests::proxy::{Fault, Harm, Hold, Proxy, Way};
use longhaul_tests::server::{Options, Server, free_port};
use longhaul_tests::terminal::{Running, Said, longhaul, start_as};
use longhaul_tests::wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::process::Command;

use crate::curl::{Answer, curl, only_of};
use crate::tls::trusting_browser;

/// How long a proxy may take to listen.
const START: Duration = Duration::from_secs(20);
/// Longer than any try waits for the next.
pub(crate) const BACK: Duration = Duration::from_secs(60);
/// After how many bytes each connection between a proxy and the server ends: in the middle of a chunk.
const CUT_AT: u64 = 5 * MIB + 12_345;

/// A server, and a proxy before it.
pub(crate) struct Front {
    pub(crate) server: Server,
    pub(crate) authority: Authority,
    certified: Certified,
    _proxy: Process,
    line: Option<Proxy>,
    folder: Folder,
    pub(crate) origin: String,
    /// Of its one owner: a server that strangers reach asks for one.
    token: String,
}

/// What a sample is made of and where, for the one who starts the proxy.
pub(crate) struct Place<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) certified: &'a Certified,
    /// `127.0.0.1:<port>`, where the proxy is to listen.
    pub(crate) listen: String,
    /// Where the server does.
    pub(crate) upstream: SocketAddr,
    /// Or there.
    pub(crate) socket: Option<PathBuf>,
}

/// What is between the two.
#[derive(Clone, Copy)]
pub(crate) enum Over {
    Port,
    /// That of a line that can be cut.
    Line,
    Unix,
}

/// A sample with other words in it.
pub(crate) fn sample(name: &str, edits: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/front").join(name);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (old, new) in edits {
        assert!(text.contains(old), "{name} has no `{old}`");
        text = text.replace(old, new);
    }
    text
}

impl Front {
    /// A server with the demo page that believes whoever is on this machine, behind what `start` starts.
    pub(crate) async fn start(start: impl Fn(&Place<'_>) -> (&'static str, Command)) -> Self {
        Self::start_over(Over::Port, start).await
    }

    pub(crate) async fn start_over(
        over: Over,
        start: impl Fn(&Place<'_>) -> (&'static str, Command),
    ) -> Self {
        let (authority, folder) = (Authority::new(), Folder::new());
        let (trusted, socket) = match over {
            Over::Port | Over::Line => ("127.0.0.1", None),
            Over::Unix => ("unix", Some(folder.path().join("longhaul.sock"))),
        };
        let key = new_key(&folder);
        let more = ["--trusted-proxy", trusted, "--token-key", key.to_str().unwrap()];
        let more = more.map(str::to_owned).into();
        let options = Options { more, unix_socket: socket.clone(), ..Options::demo() };
        let server = Server::start(options).await;
        let line = match over {
            Over::Line => Some(Proxy::start(server.addr(), Hold::Nothing).await),
            Over::Port | Over::Unix => None,
        };
        let certified = authority.certify("front");
        let place = Place {
            folder: folder.path(),
            certified: &certified,
            listen: format!("127.0.0.1:{}", free_port()),
            upstream: line.as_ref().map_or(server.addr(), Proxy::addr),
            socket,
        };
        let (name, mut command) = start(&place);
        let proxy = Process::start(name, &mut command);
        wait::until("the proxy", START, async || {
            tokio::net::TcpStream::connect(&place.listen).await.ok()
        })
        .await;
        let origin = format!("https://{}", place.listen);
        let token = token(&key);
        Self { server, authority, certified, _proxy: proxy, line, folder, origin, token }
    }

    /// Asks as the one owner there is.
    pub(crate) async fn curl(&self, arguments: &[&str]) -> Answer {
        let bearer = format!("Authorization: Bearer {}", self.token);
        curl(&self.authority.file(), &[&["-H", &*bearer], arguments].concat()).await
    }

    pub(crate) async fn only_file(&self) -> FileInfo {
        only_of(&self.curl(&[&format!("{}/v1/files", self.origin)]).await)
    }

    fn terminal(&self, args: &[&str]) -> Running {
        let mut command = longhaul(args);
        command.env("SSL_CERT_FILE", self.authority.file()).env("LONGHAUL_TOKEN", &self.token);
        start_as(&mut command)
    }

    /// What a page comes to with a file that it sends.
    pub(crate) async fn page_sends(&self, file: &Path) -> Row {
        let browser = trusting_browser(&self.certified).await;
        let page = Page::open(&browser, &self.origin).await;
        browser.run(AS_OWNER, &[json!(self.token)]).await;
        page.pick(file).await;
        let row = page.comes_to(&["done", "failed"], UPLOAD).await;
        browser.close().await;
        row
    }

    /// Where the server listens for nobody but a proxy.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("longhaul.sock")
    }

    pub(crate) async fn terminal_sends(&self, file: &Path) -> Said {
        self.terminal(&["send", file.to_str().unwrap(), "--to", &self.origin]).ends().await
    }

    /// A terminal that sends a file slowly, of which a chunk is through.
    pub(crate) async fn sending_slowly(&self, file: &Path) -> Running {
        let args =
            ["send", file.to_str().unwrap(), "--to", &self.origin, "--limit-rate", "4M", "--json"];
        let sending = self.terminal(&args);
        wait::until("a chunk is through", BACK, async || {
            (!self.server.chunk_requests().is_empty()).then_some(())
        })
        .await;
        sending
    }

    /// What a proxy answers for a server that does not.
    pub(crate) async fn health(&self) -> String {
        self.curl(&[&format!("{}/healthz", self.origin)]).await.status
    }

    /// A server that takes connections and answers nothing, and a proxy that does not wait for ever: an upload does.
    pub(crate) async fn waits_for_a_server_that_does_not_answer(&self) {
        let (folder, len) = (Folder::new(), 24 * MIB);
        let mut sending = self.sending_slowly(&folder.random("film.bin", len, 76)).await;
        let signal = |signal| {
            kill_process(Pid::from_raw(self.server.pid()).unwrap(), signal).unwrap();
        };
        signal(Signal::STOP);
        assert_eq!(self.health().await, "504");
        // So that what the upload asks is answered by the proxy too.
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(sending.has_ended().is_none(), "it was to wait");
        signal(Signal::CONT);
        let said = sending.ends().await;
        assert!(said.good().contains("answered 504"), "{said:?}");
        let stored = self.only_file().await;
        let address = format!("{}/v1/files/{}", self.origin, stored.id);
        assert!(self.curl(&[&address]).await.body == random_bytes(len, 76));
    }

    /// Each connection between the proxy and the server is cut in the middle of what goes out: whoever only reads sees that
    /// it is not all, and whoever goes on has all of it.
    pub(crate) async fn a_download_goes_on_that_is_cut_behind_it(&self, how: Harm) {
        let (folder, len) = (Folder::new(), 40 * MIB);
        let address = self.terminal_sends(&folder.random("film.bin", len, 77)).await;
        let address = address.good();
        let line = self.line.as_ref().expect("a line");
        line.add(Fault::each(Way::Down, CUT_AT, how));
        let cut = self.curl(&[address]).await;
        assert!(cut.code != 0 && (cut.body.len() as u64) < len, "{} {}", cut.code, cut.body.len());
        let fetched = folder.path().join("fetched.bin");
        let to = ["fetch", address, "-o", fetched.to_str().unwrap()];
        self.terminal(&to).ends().await.good();
        assert!(std::fs::read(fetched).unwrap() == random_bytes(len, 77));
        let cuts = line.connections().iter().filter(|it| it.harmed == Some(how)).count();
        assert!(cuts > 2, "{cuts}");
        self.server.assert_no_fault();
    }

    /// A page and a terminal send files, which come back, from addresses that are the proxy's.
    pub(crate) async fn carries_files(&self) {
        let folder = Folder::new();
        let len = 20 * MIB + 1;
        let row = self.page_sends(&folder.random("page.bin", len, 71)).await;
        assert_eq!(row.state, "done", "{row:?}");
        let stored = self.only_file().await;
        let address = format!("{}/v1/files/{}", self.origin, stored.id);
        assert!(self.curl(&[&address]).await.body == random_bytes(len, 71));

        let address = self.terminal_sends(&folder.random("terminal.bin", len, 72)).await;
        let address = address.good();
        assert!(address.starts_with(&format!("{}/v1/files/", self.origin)), "{address}");
        let fetched = folder.path().join("fetched.bin");
        let to = ["fetch", address, "-o", fetched.to_str().unwrap()];
        self.terminal(&to).ends().await.good();
        assert!(std::fs::read(fetched).unwrap() == random_bytes(len, 72));
        self.server.assert_no_fault();
    }

    /// What curl sends waits for `100 Continue` and is answered with the proxy's own address.
    pub(crate) async fn carries_what_waits_to_be_asked_for(&self) {
        let folder = Folder::new();
        let len = 4 * MIB;
        let file = folder.random("curl.bin", len, 73);
        let uploads = format!("{}/v1/uploads", self.origin);
        let asked = format!(r#"{{"protocolVersion":1,"size":{len},"name":"a","chunkSize":{len}}}"#);
        let json_type = "Content-Type: application/json";
        let made = self.curl(&["-H", json_type, "-d", &asked, &uploads]).await;
        assert_eq!(made.status, "201", "{made:?}");
        let location = made.header("location").unwrap();
        assert!(location.starts_with(&format!("{uploads}/")), "{location}");
        let digest = longhaul_protocol::Digest::of(&random_bytes(len, 73)).to_header();
        let (digest, body) = (format!("Chunk-Digest: {digest}"), format!("@{}", file.display()));
        let chunk = ["--http1.1", "-H", "Expect: 100-continue", "-H", "Chunk-Index: 0"];
        let to = format!("{location}/chunks");
        let chunk = [&chunk[..], &["-H", &digest, "--data-binary", &body, &to]].concat();
        let sent = self.curl(&chunk).await;
        assert_eq!(sent.status, "204", "{sent:?}");
    }
}

/// The page's own, for whoever it uploads as.
const AS_OWNER: &str = "document.querySelector('longhaul-upload').token = arguments[0]";

/// A secret that nobody else reads, as the server demands.
fn new_key(folder: &Folder) -> PathBuf {
    let key = folder.path().join("token.key");
    let mut command = std::process::Command::new(artefacts::server());
    command.args(["key", "--algorithm", "hs256", "--out"]).arg(&key);
    assert!(command.output().unwrap().status.success());
    key
}

fn token(key: &Path) -> String {
    let mut command = std::process::Command::new(artefacts::server());
    command.arg("token").arg("--key").arg(key).args(["--owner", "alice", "--expires", "1d"]);
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
}

/// Writes what a program is to read.
pub(crate) fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Lines of a configuration.
pub(crate) fn lines(of: &[String]) -> String {
    of.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    })
}
