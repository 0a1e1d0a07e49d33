//! The native API without a browser: one connection for each request, nothing retried, every answer
//! handed back as it came.

use std::net::SocketAddr;
use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use longhaul_protocol::digest::{Hasher, root};
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{
    CreateRequest, FileInfo, FileList, FileMeta, PROTOCOL_VERSION, SealRequest, UploadList,
    UploadStatus, path,
};
use longhaul_protocol::{ChunkIndex, Digest, Plan, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// How many bytes one range request of a download asks for.
const RANGE_BYTES: u64 = 32 << 20;

/// A server to ask.
#[derive(Clone, Debug)]
pub struct Api {
    addr: SocketAddr,
    token: Option<String>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// No answer: the server was not there, or went while it was asked.
#[derive(Debug, thiserror::Error)]
pub enum NoReply {
    /// It does not listen.
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
}

impl Reply {
    /// The JSON of a success.
    ///
    /// # Panics
    /// When it is none; the message has the answer.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        assert!(self.status.is_success(), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem of a refusal.
    ///
    /// # Panics
    /// When it is not an `application/problem+json` whose status is the answer's.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let content_type = self.headers.get("content-type").and_then(|value| value.to_str().ok());
        assert_eq!(content_type, Some(longhaul_protocol::problem::CONTENT_TYPE), "{self:?}");
        let problem: Problem = serde_json::from_slice(&self.body).expect("a problem");
        assert_eq!(problem.status, self.status.as_u16(), "{self:?}");
        problem
    }
}

impl Api {
    /// The server at this address.
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr, token: None }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same server, asked with this token.
    #[must_use]
    pub fn bearing(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// Sends one request and reads all of its answer.
    ///
    /// # Errors
    /// [`NoReply`].
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, NoReply> {
        let stream = TcpStream::connect(self.addr).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let reply = sender.send_request(request).await?;
        let (parts, body) = reply.into_parts();
        let body = body.collect().await?.to_bytes();
        connection.abort();
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    }

    /// A request with these headers and this body, to which `Host` is added.
    ///
    /// # Errors
    /// [`NoReply`].
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, NoReply> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("host", self.addr.to_string());
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.send(request.body(Full::new(body.into())).expect("a valid request")).await
    }

    /// `GET`.
    ///
    /// # Errors
    /// [`NoReply`].
    pub async fn get(&self, path: &str) -> Result<Reply, NoReply> {
        self.request(Method::GET, path, &[], "").await
    }

    /// `POST` of JSON.
    ///
    /// # Errors
    /// [`NoReply`].
    pub async fn post(&self, path: &str, body: &impl Serialize) -> Result<Reply, NoReply> {
        let json = serde_json::to_vec(body).expect("JSON");
        let headers = [("content-type", "application/json".to_owned())];
        self.request(Method::POST, path, &headers, json).await
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// [`NoReply`].
    pub async fn delete(&self, path: &str) -> Result<Reply, NoReply> {
        self.request(Method::DELETE, path, &[], "").await
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// [`NoReply`].
    pub async fn create(&self, name: &str, size: u64) -> Result<Reply, NoReply> {
        self.post(path::UPLOADS, &create_request(name, size)).await
    }

    /// An upload's status.
    ///
    /// # Errors
    /// [`NoReply`].
    pub async fn status(&self, id: UploadId) -> Result<Reply, NoReply> {
        self.get(&path::upload(id)).await
    }

    /// Sends one whole chunk under a digest.
    ///
    /// # Errors
    /// [`NoReply`].
    pub async fn chunk(
        &self,
        id: UploadId,
        headers: ChunkHeaders,
        body: impl Into<Bytes>,
    ) -> Result<Reply, NoReply> {
        self.request(Method::POST, &path::chunks(id), &headers.write(), body).await
    }

    /// Seals an upload under a root.
    ///
    /// # Errors
    /// [`NoReply`].
    pub async fn seal(&self, id: UploadId, root: Digest) -> Result<Reply, NoReply> {
        self.post(&path::seal(id), &SealRequest { root }).await
    }

    /// The caller's open uploads.
    ///
    /// # Panics
    /// When they are not told.
    pub async fn uploads(&self) -> Vec<UploadStatus> {
        self.get(path::UPLOADS).await.expect("an answer").json::<UploadList>().uploads
    }

    /// The caller's files, newest first.
    ///
    /// # Panics
    /// When they are not told.
    pub async fn files(&self) -> Vec<FileInfo> {
        self.get(path::FILES).await.expect("an answer").json::<FileList>().files
    }

    /// Downloads a file in ranges and hashes it: its SHA-256 and how many ranges it took.
    ///
    /// # Panics
    /// When a range is not answered with exactly its bytes.
    pub async fn download_sha256(&self, id: FileId, len: u64) -> (Digest, u64) {
        let (mut hasher, mut at, mut ranges) = (Hasher::default(), 0, 0);
        while at < len {
            let end = (at + RANGE_BYTES).min(len);
            hasher.update(&self.range(id, at..end, len).await);
            (at, ranges) = (end, ranges + 1);
        }
        (hasher.finish(), ranges)
    }

    /// Some bytes of a file of that length.
    ///
    /// # Panics
    /// When the answer is not 206 with exactly these.
    pub async fn range(&self, id: FileId, range: Range<u64>, len: u64) -> Bytes {
        let (first, last) = (range.start, range.end - 1);
        let headers = [("range", format!("bytes={first}-{last}"))];
        let reply = self.request(Method::GET, &path::file(id), &headers, "").await;
        let reply = reply.expect("an answer to a range");
        assert_eq!(reply.status, StatusCode::PARTIAL_CONTENT);
        let content_range =
            reply.headers.get("content-range").and_then(|value| value.to_str().ok());
        assert_eq!(content_range, Some(format!("bytes {first}-{last}/{len}").as_str()));
        assert_eq!(reply.body.len() as u64, range.end - range.start);
        reply.body
    }
}

/// What begins an upload of that name and size.
#[must_use]
pub fn create_request(name: &str, size: u64) -> CreateRequest {
    CreateRequest {
        protocol_version: PROTOCOL_VERSION,
        size,
        chunk_size: None,
        meta: FileMeta { name: name.to_owned(), ..FileMeta::default() },
        digests: None,
    }
}

/// The headers of a whole chunk.
#[must_use]
pub fn chunk_headers(index: u64, bytes: &[u8]) -> ChunkHeaders {
    ChunkHeaders { index: ChunkIndex(index), offset: 0, digest: Digest::of(bytes), replace: None }
}

/// The bytes of one chunk of a file that is in memory.
///
/// # Panics
/// When the plan is not the file's.
#[must_use]
pub fn chunk_of(file: &Bytes, plan: Plan, index: ChunkIndex) -> Bytes {
    let range = plan.range(index);
    file.slice(range.start as usize..range.end as usize)
}

/// The root of a file that is in memory.
#[must_use]
pub fn root_of(file: &Bytes, plan: Plan) -> Digest {
    let chunks = (0..plan.chunk_count()).map(ChunkIndex);
    root(chunks.map(|index| Digest::of(&chunk_of(file, plan, index))))
}
