//! A server in this process, and a client that is as slow and as wrong as a test wants it to be.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::{
    AUTHORIZATION, CHUNK_DIGEST, CHUNK_INDEX, UPLOAD_CREATE, bearer,
};
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{
    CreateRequest, FileInfo, FileMeta, PROTOCOL_VERSION, SealRequest, UploadStatus, path,
};
use longhaul_protocol::{ChunkIndex, Digest, Millis, Problem, ProblemCode};
use longhaul_server::link::LinkKey;
use longhaul_server::listen::{Reach, bind};
use longhaul_server::store::disk::{self, DiskStore};
use longhaul_server::{App, Config, serve};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::document;
use crate::limits::connect_from;

/// The chunk size of most tests, bytes.
pub const CHUNK: u64 = 64 * 1024;
/// What a browser sends, bytes.
pub const MIB_8: usize = 8 * 1024 * 1024;

pub struct Server {
    address: SocketAddr,
    _runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    _data: tempfile::TempDir,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub fn start_at(clock: disk::Clock) -> Self {
        Self::start_on(config(), disk::Config { clock, ..disk::Config::default() })
    }

    pub fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Self::start_on(config, disk::Config::default())
    }

    pub fn start_with_disk(
        change: impl FnOnce(&mut Config),
        change_disk: impl FnOnce(&mut disk::Config),
    ) -> Self {
        let (mut config, mut disk_config) = (config(), disk::Config::default());
        change(&mut config);
        change_disk(&mut disk_config);
        Self::start_on(config, disk_config)
    }

    fn start_on(config: Config, disk_config: disk::Config) -> Self {
        let data = tempfile::tempdir().unwrap();
        let disk_config = disk::Config { chunk_len: config.chunk_len, ..disk_config };
        let store = Arc::new(DiskStore::open(data.path(), disk_config).unwrap());
        let runtime = Runtime::new().unwrap();
        let listener =
            runtime.block_on(bind("127.0.0.1:0".parse().unwrap(), Reach::Loopback)).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        runtime.spawn(serve(listener, Arc::new(App::new(store, config)), async {
            let _ = stopped.await;
        }));
        Self { address, _runtime: runtime, stop: Some(stop), _data: data }
    }

    pub fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// From another address.
    pub fn connect_from(&self, from: Ipv4Addr) -> Connection {
        Connection::over(connect_from(from, self.address))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn send(&self, request: Request) -> Answer {
        self.connect().send(request)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path))
    }

    pub fn status(&self, id: UploadId) -> UploadStatus {
        self.get(&path::upload(id)).ok(200)
    }

    /// Begins an upload of `size` bytes.
    pub fn create(&self, size: u64) -> UploadStatus {
        self.send(Request::new("POST", path::UPLOADS).json(&create_request(size))).ok(201)
    }

    pub fn put(&self, id: UploadId, index: u64, bytes: &[u8]) -> Answer {
        self.send(chunk(id, index, bytes).body(bytes))
    }

    pub fn seal(&self, id: UploadId, root: Digest) -> Answer {
        self.send(Request::new("POST", &path::seal(id)).json(&SealRequest { root }))
    }

    /// A sealed file with these bytes, made the long way.
    pub fn file(&self, bytes: &[u8]) -> FileInfo {
        let upload = self.create(bytes.len() as u64);
        let chunks = bytes.chunks(CHUNK as usize);
        for (index, chunk) in (0..).zip(chunks.clone()) {
            assert_eq!(self.put(upload.id, index, chunk).status, 204);
        }
        self.seal(upload.id, root(chunks.map(Digest::of))).ok(201)
    }

    /// Tells the server to stop.
    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }
}

/// The key of a server's links.
pub fn links() -> LinkKey {
    LinkKey::new(b"what links are signed with, 32 b")
}

fn config() -> Config {
    Config { chunk_len: CHUNK, ..Config::new(links()) }
}

/// A clock that shows what its hands are set to, and at first the time it is.
pub fn stopped_clock() -> (disk::Clock, Arc<AtomicU64>) {
    let hands = Arc::new(AtomicU64::new(disk::Clock::system().now().0));
    let shown = Arc::clone(&hands);
    (disk::Clock::new(move || Millis(shown.load(Ordering::Relaxed))), hands)
}

pub fn create_request(size: u64) -> CreateRequest {
    CreateRequest {
        protocol_version: PROTOCOL_VERSION,
        size,
        chunk_size: None,
        meta: FileMeta { name: "a file.bin".into(), ..FileMeta::default() },
        digests: None,
    }
}

/// `size` bytes, each chunk of them different.
pub fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 251 + at % 251) as u8).collect()
}

/// A request for a chunk of these bytes, without them.
pub fn chunk(id: UploadId, index: u64, bytes: &[u8]) -> Request {
    Request::new("POST", &path::chunks(id))
        .header(CHUNK_INDEX, &ChunkIndex(index).to_string())
        .header(CHUNK_DIGEST, &Digest::of(bytes).to_header())
}

/// A file in one request, without its bytes.
pub fn one_request(request: &CreateRequest, bytes: &[u8]) -> Request {
    Request::new("POST", path::FILES)
        .header(UPLOAD_CREATE, &request.to_header())
        .header(CHUNK_DIGEST, &Digest::of(bytes).to_header())
}

#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// With this value of a header instead of another.
    pub fn replaced(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.header(name, value)
    }

    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The first value of a header.
    pub fn header_value(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// The first value of a parameter.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
    }

    /// With this token.
    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, &bearer(token))
    }

    /// A body, with its length.
    pub fn body(mut self, bytes: &[u8]) -> Self {
        self.body = bytes.to_vec();
        self.header("content-length", &bytes.len().to_string())
    }

    pub fn json(self, value: &impl Serialize) -> Self {
        self.text_json(&serde_json::to_vec(value).unwrap())
    }

    pub fn text_json(self, text: &[u8]) -> Self {
        self.header("content-type", "application/json").body(text)
    }

    /// As it goes over a wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.head().as_bytes(), &self.body].concat()
    }

    fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            head.push_str("host: localhost\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "\r\n"
    }
}

/// One connection, kept between requests.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub fn send(&mut self, request: Request) -> Answer {
        self.write(request.head().as_bytes()).unwrap();
        self.write(&request.body).unwrap();
        let answer = self.answer(&request.method);
        document::check(&request, &answer);
        answer
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&self) {
        self.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    }

    pub fn send_head(&mut self, request: &Request) {
        self.write(request.head().as_bytes()).unwrap();
    }

    pub fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// `len` bytes of nothing in particular, over about `time`. Reads nothing meanwhile, like a
    /// browser that looks at the answer once it has sent its request.
    pub fn write_slowly(&mut self, len: usize, time: Duration) -> std::io::Result<()> {
        let pieces = 64;
        for _ in 0..pieces {
            self.write(&vec![7; len / pieces])?;
            std::thread::sleep(time / pieces as u32);
        }
        self.write(&vec![7; len % pieces])
    }

    /// The next answer, as one to `method`.
    pub fn answer(&mut self, method: &str) -> Answer {
        let (status, headers) = self.read_head();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let bodiless = method == "HEAD" || [100, 204, 304].contains(&status);
        if !bodiless {
            let len = answer.header("content-length").expect("a length").parse().unwrap();
            answer.body.resize(len, 0);
            self.0.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    /// At most `max` bytes; none when the connection is over.
    pub fn read(&mut self, max: usize) -> Vec<u8> {
        let mut bytes = vec![0; max];
        let len = self.0.read(&mut bytes).unwrap_or_default();
        bytes.truncate(len);
        bytes
    }

    /// Status and headers of the next answer.
    pub fn read_head(&mut self) -> (u16, Vec<(String, String)>) {
        let status = self.line();
        let status = status.split(' ').nth(1).expect("a status line").parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some((name, value)) => headers.push((name.into(), value.into())),
                None => return (status, headers),
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let len = self.0.read_line(&mut line).unwrap();
        assert!(len > 0, "the connection was closed before an answer");
        line.trim_end().to_owned()
    }

    /// Whether the other side has closed by now, with everything read that it sent.
    pub fn is_over(&self) -> bool {
        let socket = self.0.get_ref();
        socket.set_nonblocking(true).unwrap();
        let peeked = socket.peek(&mut [0]);
        socket.set_nonblocking(false).unwrap();
        match peeked {
            Ok(len) => len == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    /// Whether the other side closes without another byte.
    pub fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(len) => len == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(known, _)| known == name);
        let found = named.next().map(|(_, value)| value.as_str());
        assert!(named.next().is_none(), "{name} comes twice");
        found
    }

    /// Every header.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Every value of a header that may come more than once.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// What tells this answer from another: a status, a header or a body, but not the time, and not what
    /// its request is called.
    pub fn is_told_apart_from(&self, other: &Self) -> Option<String> {
        let facts = |answer: &Self| {
            let mut answer = answer.clone();
            if let Some(id) = answer.header("request-id").map(str::to_owned) {
                let body = String::from_utf8_lossy(&answer.body).replace(&id, "");
                answer.body = body.into_bytes();
            }
            answer.headers.retain(|(name, _)| !["date", "request-id"].contains(&name.as_str()));
            answer
        };
        let (this, other) = (format!("{:?}", facts(self)), format!("{:?}", facts(other)));
        (this != other).then(|| format!("{this}\n{other}"))
    }

    /// The body, of an answer with this status.
    pub fn ok<T: DeserializeOwned>(&self, status: u16) -> T {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem, which has everything a problem has.
    pub fn problem(&self, code: ProblemCode) -> Problem {
        let text = String::from_utf8_lossy(&self.body);
        let problem: Problem = serde_json::from_str(&text).unwrap();
        assert_eq!(problem.code, code.row().code, "{text}");
        assert_eq!((problem.status, self.status), (code.row().status, code.row().status));
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert!(problem.detail.len() > 10 && problem.detail.ends_with('.'), "{text}");
        problem
    }
}
