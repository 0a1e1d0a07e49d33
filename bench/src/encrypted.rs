//! A client that encrypts, by HTTP/1.1 with a connection for each lane or by HTTP/2 with one for all: the same
//! library and the same memory, so that only what is spoken differs.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{FileInfo, SealRequest, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest, Plan};
use longhaul_tests::authority::{Authority, Certified};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::disk;
use crate::error::{Error, Result, io};
use crate::payload::Payload;
use crate::peers::longhaul::{Longhaul, create_request};
use crate::process::Server;

/// What is spoken once it is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A connection for each lane.
    Http1,
    /// One connection for all.
    Http2,
}

/// Has a server encrypt, and offer no more than that.
pub fn encrypt(command: &mut Command, with: &Certified, version: Version) {
    command.arg("--tls-cert").arg(&with.certificate).arg("--tls-key").arg(&with.key);
    if version == Version::Http2 {
        command.arg("--http2");
    }
}

/// A server that encrypts, and its client.
#[derive(Debug)]
pub struct Encrypted {
    longhaul: Longhaul,
    client: Client,
    runtime: Runtime,
    // Its files go with it.
    _authority: Authority,
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Sent<'a> {
    /// The bytes.
    pub payload: &'a Payload,
    /// Their length and chunk size.
    pub plan: Plan,
    /// Of all chunks.
    pub digests: &'a [Digest],
    /// How many chunks are under way at once.
    pub lanes: u64,
}

impl Encrypted {
    /// Starts the server on an empty folder.
    ///
    /// # Errors
    /// [`Error`].
    pub fn start(binary: &Path, dir: &Path, version: Version) -> Result<Self> {
        disk::fresh_dir(dir)?;
        let authority = Authority::new();
        let mut command = Command::new(binary);
        command.args(["--listen", "127.0.0.1:0"]);
        encrypt(&mut command, &authority.certify("server"), version);
        let longhaul = Longhaul::go_on_by(&mut command, dir)?;
        let client = Client::new(&longhaul, &authority, version)?;
        let runtime = Runtime::new().map_err(io("starting a runtime for the client"))?;
        Ok(Self { longhaul, client, runtime, _authority: authority })
    }

    /// Its process.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.longhaul.server()
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// [`Error`].
    pub fn create(&self, plan: Plan) -> Result<UploadId> {
        let request = create_request(plan);
        let made = self.client.json::<UploadStatus>(path::UPLOADS, &request);
        Ok(self.runtime.block_on(made)?.id)
    }

    /// Sends all chunks, to the last 204.
    ///
    /// # Errors
    /// The first of any lane.
    pub fn send_chunks(&self, id: UploadId, sent: &Sent<'_>) -> Result<()> {
        let next = Arc::new(AtomicU64::new(0));
        let chunks = (0..sent.plan.chunk_count()).map(ChunkIndex).zip(sent.digests);
        let chunks: Arc<[_]> = chunks
            .map(|(index, digest)| (index, *digest, sent.payload.chunk_bytes(sent.plan, index)))
            .collect();
        self.runtime.block_on(async {
            let mut lanes = JoinSet::new();
            for _ in 0..sent.lanes {
                let (client, chunks, next) =
                    (self.client.clone(), Arc::clone(&chunks), Arc::clone(&next));
                lanes.spawn(async move {
                    let next = || usize::try_from(next.fetch_add(1, Ordering::Relaxed)).ok();
                    while let Some((index, digest, bytes)) = next().and_then(|at| chunks.get(at)) {
                        client.chunk(id, *index, *digest, bytes.clone()).await?;
                    }
                    Ok(())
                });
            }
            while let Some(lane) = lanes.join_next().await {
                lane.map_err(|_panic| Error::Panicked)??;
            }
            Ok(())
        })
    }

    /// Publishes.
    ///
    /// # Errors
    /// [`Error`].
    pub fn seal(&self, id: UploadId, root: Digest) -> Result<FileId> {
        let request = SealRequest { root };
        let sealed = self.client.json::<FileInfo>(path::seal(id), &request);
        Ok(self.runtime.block_on(sealed)?.id)
    }

    /// Deletes a file.
    ///
    /// # Errors
    /// [`Error`].
    pub fn delete(&self, id: FileId) -> Result<()> {
        let request = self.client.request(Method::DELETE, &path::file(id));
        self.runtime.block_on(self.client.ask(request, Bytes::new(), StatusCode::NO_CONTENT))?;
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Client {
    origin: String,
    connections: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    fn new(longhaul: &Longhaul, authority: &Authority, version: Version) -> Result<Self> {
        let origin = format!("https://{}", longhaul.server().address());
        let unusable = |error: &dyn std::fmt::Display| Error::Unreadable {
            request: origin.clone(),
            reason: error.to_string(),
        };
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_file(authority.file());
        let trusted = trusted.map_err(|error| unusable(&error))?;
        roots.add(trusted).map_err(|error| unusable(&error))?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new().with_tls_config(config).https_only();
        let connector = match version {
            Version::Http1 => builder.enable_http1().wrap_connector(http),
            Version::Http2 => builder.enable_http2().wrap_connector(http),
        };
        let connections = legacy::Client::builder(TokioExecutor::new())
            .http2_only(version == Version::Http2)
            .build(connector);
        Ok(Self { origin, connections })
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.origin))
    }

    async fn chunk(
        &self,
        id: UploadId,
        index: ChunkIndex,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<()> {
        let headers = ChunkHeaders { index, offset: 0, digest, replace: None }.write();
        let request = self.request(Method::POST, &path::chunks(id));
        let request =
            headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        self.ask(request, bytes, StatusCode::NO_CONTENT).await.map(drop)
    }

    async fn json<T: DeserializeOwned>(
        &self,
        path: impl AsRef<str>,
        body: &impl Serialize,
    ) -> Result<T> {
        let path = path.as_ref();
        let unreadable = |error: serde_json::Error| Error::Unreadable {
            request: format!("POST {path}"),
            reason: error.to_string(),
        };
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/json");
        let body = serde_json::to_vec(body).map_err(unreadable)?;
        let answer = self.ask(request, body.into(), StatusCode::CREATED).await?;
        serde_json::from_slice(&answer).map_err(unreadable)
    }

    async fn ask(
        &self,
        request: http::request::Builder,
        body: Bytes,
        wanted: StatusCode,
    ) -> Result<Bytes> {
        let name = |request: &http::request::Builder| {
            format!("{:?} {:?}", request.method_ref(), request.uri_ref())
        };
        let request_name = name(&request);
        let failed = |error: &dyn std::fmt::Debug| Error::Unreadable {
            request: request_name.clone(),
            reason: format!("{error:?}"),
        };
        let request = request.body(Full::new(body)).map_err(|error| failed(&error))?;
        let answer = self.connections.request(request).await.map_err(|error| failed(&error))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
        if status == wanted {
            return Ok(body);
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        Err(Error::Answer { request: request_name.clone(), status: status.as_u16(), body })
    }
}
