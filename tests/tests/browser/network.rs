//! What a network does to an upload, in every engine: it finishes, what comes back is what was
//! picked, and the server's log tells how many bytes were sent twice.

mod cuts;
mod damage;
mod offline;
mod preflights;
mod refusals;
mod silence;
mod slow;

use std::path::{Path, PathBuf};
use std::time::Duration;

use longhaul_protocol::plan::CHUNK_LEN_SHORT as CHUNK;
use longhaul_protocol::wire::FileInfo;
use longhaul_tests::browser::Browser;
use longhaul_tests::files::Folder;
use longhaul_tests::page::Page;
use longhaul_tests::proxy::{Harm, Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;

use crate::stage::newest_is;

/// Where a connection that carries chunks is certainly in the body of one.
const IN_A_BODY: u64 = CHUNK / 2;
/// How long an upload may take that waits for two watchdogs one after the other on a busy machine.
const FINISHED: Duration = Duration::from_secs(150);
/// How long the server may take to log what was cut.
const LOGGED: Duration = Duration::from_secs(60);
/// How often in a row nothing new is found in the log before it is taken for all.
const QUIET_LOOKS: u32 = 20;

/// The demo page, opened through a proxy that does nothing yet, and a file to pick.
struct Stage<'a> {
    server: Server,
    proxy: Proxy,
    page: Page<'a>,
    file: PathBuf,
    _folder: Folder,
}

impl<'a> Stage<'a> {
    async fn new(browser: &'a Browser, len: u64, seed: u64) -> Self {
        let folder = Folder::new();
        let file = folder.random("faulty.bin", len, seed);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        let page = Page::open(browser, &proxy.origin()).await;
        Self { server, proxy, page, file, _folder: folder }
    }

    /// Waits for the end, checks the download, and tells what was sent twice.
    async fn finishes(&self) -> Sent {
        self.finishes_within(FINISHED).await
    }

    async fn finishes_within(&self, patience: Duration) -> Sent {
        self.page.comes_to(&["done"], patience).await;
        let info = newest_is(&self.server, &self.file).await;
        self.server.assert_no_fault();
        sent(&self.server, &self.proxy, &self.file, &info).await
    }
}

/// What was sent for one file.
#[derive(Debug)]
struct Sent {
    /// The bytes of chunks that came to the server beyond the file's.
    twice: u64,
    /// The requests that brought bytes of a chunk.
    requests: u64,
    /// The chunks of the file.
    chunks: u64,
}

async fn sent(server: &Server, proxy: &Proxy, file: &Path, info: &FileInfo) -> Sent {
    // What was cut or is silent is logged once the server has noticed.
    proxy.harm_all(Harm::Close);
    let mut logged = (0, 0);
    wait::until("the server logs nothing more", LOGGED, async || {
        let now = server.requests().len();
        logged = if now == logged.0 { (now, logged.1 + 1) } else { (now, 0) };
        (logged.1 >= QUIET_LOOKS).then_some(())
    })
    .await;
    let requests = server.chunk_requests();
    let received: u64 = requests.iter().map(|request| request.received).sum();
    let len = file.metadata().unwrap().len();
    let twice = received.checked_sub(len).expect("at least the file was received");
    let sent = Sent { twice, requests: requests.len() as u64, chunks: info.chunk_count };
    println!("{sent:?}, {:.3} % of the file", 100.0 * twice as f64 / len as f64);
    sent
}
