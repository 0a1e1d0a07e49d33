//! A relay in front of the server: it notes when each request's head arrives, holds chunks up, and
//! answers some itself while their body is still coming.
//!
//! One request per connection: what it passes on asks both ends to close, so it reads no more of
//! HTTP than a head.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use longhaul_protocol::problem::CONTENT_TYPE;
use longhaul_protocol::wire::path;
use longhaul_protocol::{ChunkIndex, Problem, ProblemCode};
use tokio::io::{
    self, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest, copy_bidirectional,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long the rest of a body is read after an early answer, as the server does.
const DRAIN: Duration = Duration::from_secs(10);
/// As many chunks as there may ever be.
const NO_END_OF_CHUNKS: usize = Semaphore::MAX_PERMITS / 4;

/// A relay, gone when it is dropped.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    seen: Mutex<Vec<Seen>>,
    early: Mutex<VecDeque<Early>>,
    chunks: Semaphore,
    takes_bodies: bool,
    on_the_way: AtomicUsize,
}

/// A request whose head arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: SystemTime,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// For a chunk: which; the first for a file that is sent in one request.
    pub chunk: Option<ChunkIndex>,
}

/// An answer given to a chunk before its body was read.
#[derive(Clone, Debug)]
pub struct Early {
    /// What it says.
    pub problem: Problem,
    /// Its `Retry-After`, seconds.
    pub retry_after: Option<u32>,
    /// Whether the rest of the body is read before the connection is closed, as the server does;
    /// a server that does not is what the browsers mishear.
    pub drains: bool,
    /// The page that a proxy says it with, in place of the problem.
    pub page: Option<&'static str>,
}

impl Early {
    /// A refusal by a proxy that knows nothing of Longhaul, as nginx words it.
    #[must_use]
    pub fn of_proxy(status: u16) -> Self {
        let page = "<html><head><title>Refused</title></head><body><hr>nginx</body></html>";
        let problem = Problem { status, ..ProblemCode::Internal.problem("") };
        Self { problem, page: Some(page), ..Self::of(ProblemCode::Internal) }
    }

    /// The answer of this code.
    #[must_use]
    pub fn of(code: ProblemCode) -> Self {
        let problem = code.problem("said by the relay while the body was still coming.");
        Self { problem, retry_after: None, drains: true, page: None }
    }
}

/// How many chunks a relay lets through before it holds the others up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// All.
    Nothing,
    /// So many.
    AfterChunks(usize),
    /// None, but their bodies are taken in: a sender that leaves is noticed at once, as by a server,
    /// and not only when what it left in the sockets has been read.
    AllButBodies,
}

impl Relay {
    /// Starts one.
    ///
    /// # Panics
    /// When it can get no port.
    pub async fn start(upstream: SocketAddr, hold: Hold) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let permits = match hold {
            Hold::Nothing => NO_END_OF_CHUNKS,
            Hold::AfterChunks(count) => count,
            Hold::AllButBodies => 0,
        };
        let shared = Arc::new(Shared {
            upstream,
            seen: Mutex::default(),
            early: Mutex::default(),
            chunks: Semaphore::new(permits),
            takes_bodies: hold == Hold::AllButBodies,
            on_the_way: AtomicUsize::new(0),
        });
        let addr = listener.local_addr().expect("its address");
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { addr, shared, accepting }
    }

    /// Its origin, `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Lets every chunk through from now on, and those that were held up.
    pub fn release(&self) {
        self.shared.chunks.add_permits(NO_END_OF_CHUNKS);
    }

    /// Answers the next chunk that comes early; one answer for each call.
    pub fn answer_next_chunk(&self, early: Early) {
        self.shared.early.lock().unwrap_or_else(PoisonError::into_inner).push_back(early);
    }

    /// The requests whose head has arrived, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many chunks have been begun and are not over.
    #[must_use]
    pub fn chunks_on_the_way(&self) -> usize {
        self.shared.on_the_way.load(Ordering::Relaxed)
    }

    /// Those that began to send a chunk.
    #[must_use]
    pub fn chunks_seen(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.chunk.is_some()).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A connection that breaks is what the two ends are being tested with.
        tokio::spawn(async move { shared.relay(stream).await });
    }
}

impl Shared {
    async fn relay(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut client = BufReader::new(stream);
        let Some(head) = Head::read(&mut client).await? else { return Ok(()) };
        let seen = head.seen();
        let is_chunk = seen.chunk.is_some();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        let _counted = is_chunk.then(|| OnTheWay::begin(&self.on_the_way));
        if is_chunk {
            if let Some(early) = self.next_early() {
                return answer_early(client, &head, &early).await;
            }
            let body = if self.takes_bodies { head.content_length() } else { 0 };
            let Some(taken) = self.may_pass(&mut client, body).await? else { return Ok(()) };
            return self.pass_on(client, &head, &taken).await;
        }
        self.pass_on(client, &head, &[]).await
    }

    fn next_early(&self) -> Option<Early> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Waits until a chunk may pass, and returns what of its body was taken in meanwhile; nothing when
    /// its sender has left: what it sent must not turn up later as if it were new.
    async fn may_pass(
        &self,
        client: &mut BufReader<TcpStream>,
        body: u64,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut taken = Vec::new();
        let permit = self.chunks.acquire();
        tokio::pin!(permit);
        while (taken.len() as u64) < body {
            tokio::select! {
                permit = &mut permit => {
                    permit.expect("never closed").forget();
                    return Ok(Some(taken));
                }
                read = client.read_buf(&mut taken) => if read? == 0 { return Ok(None) },
            }
        }
        Ok(tokio::select! {
            permit = permit => {
                permit.expect("never closed").forget();
                Some(taken)
            }
            () = left(client.get_ref()) => None,
        })
    }

    async fn pass_on(
        &self,
        mut client: BufReader<TcpStream>,
        head: &Head,
        taken: &[u8],
    ) -> io::Result<()> {
        let mut server = TcpStream::connect(self.upstream).await?;
        server.set_nodelay(true)?;
        server.write_all(head.closing().as_bytes()).await?;
        server.write_all(taken).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }
}

/// A chunk that is counted for as long as this lives.
struct OnTheWay<'a>(&'a AtomicUsize);

impl<'a> OnTheWay<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns when the other end has closed the connection.
async fn left(client: &TcpStream) {
    while let Ok(ready) = client.ready(Interest::READABLE).await {
        if ready.is_read_closed() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn answer_early(
    mut client: BufReader<TcpStream>,
    head: &Head,
    early: &Early,
) -> io::Result<()> {
    client.write_all(early.text(head).as_bytes()).await?;
    client.flush().await?;
    if early.drains {
        let mut rest = (&mut client).take(head.content_length());
        let _ = timeout(DRAIN, io::copy(&mut rest, &mut io::sink())).await;
    }
    client.shutdown().await
}

impl Early {
    fn text(&self, head: &Head) -> String {
        let problem = || serde_json::to_string(&self.problem).expect("JSON");
        let body = self.page.map_or_else(problem, str::to_owned);
        let media_type = self.page.map_or(CONTENT_TYPE, |_| "text/html");
        let mut text = format!("HTTP/1.1 {} Early\r\n", self.problem.status);
        text += &format!("content-type: {media_type}\r\ncontent-length: {}\r\n", body.len());
        text += "connection: close\r\n";
        if let Some(origin) = head.header("origin") {
            text += &format!("access-control-allow-origin: {origin}\r\n");
            text += "access-control-expose-headers: *\r\n";
        }
        if let Some(seconds) = self.retry_after {
            text += &format!("retry-after: {seconds}\r\n");
        }
        text + "\r\n" + &body
    }
}

/// The head of a request.
struct Head {
    lines: Vec<String>,
}

impl Head {
    /// Reads one; `None` when the connection was closed before.
    async fn read(client: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if client.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            match line.trim_end() {
                "" => return Ok(Some(Self { lines })),
                line => lines.push(line.to_owned()),
            }
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn content_length(&self) -> u64 {
        self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
    }

    fn seen(&self) -> Seen {
        let mut words = self.lines.first().map_or("", String::as_str).split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let asked = words.next().unwrap_or_default().to_owned();
        let whole = (asked == path::FILES).then_some(0);
        let index = self.header("chunk-index").and_then(|index| index.parse().ok()).or(whole);
        Seen {
            at: SystemTime::now(),
            chunk: index.filter(|_| method == "POST").map(ChunkIndex),
            method,
            path: asked,
        }
    }

    /// The head, asking for the connection to be closed after the answer.
    fn closing(&self) -> String {
        let kept = self.lines.iter().filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !name.eq_ignore_ascii_case("connection")
        });
        let mut head: String = kept.map(|line| format!("{line}\r\n")).collect();
        head += "connection: close\r\n\r\n";
        head
    }
}
