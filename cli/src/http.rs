//! Requests: to one server, over connections that are kept, with whatever token there is.

mod body;
mod connect;
mod identity;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION, RANGE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use longhaul_protocol::download::FetchError;
use longhaul_protocol::download::answer::read_head;
use longhaul_protocol::plan::ChunkIndex;
use longhaul_protocol::upload::{Answer, Call, Failure};
use longhaul_protocol::wire::answer::{RETRY_AFTER, Raw};
use longhaul_protocol::wire::header::{AUTHORIZATION, UPLOAD_TOKEN, bearer};
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::json::ToJson;
use longhaul_protocol::wire::link::with_query;
use longhaul_protocol::wire::{FileInfo, Manifest, UploadList, from_json, header, path};
use longhaul_protocol::{Problem, ProblemCode};
use serde_json::Value;

pub use body::Body;
pub use connect::TlsError;
use identity::Identity;

use crate::clock;
use crate::endpoint::Endpoint;

/// The longest answer that is read whole, bytes: the status of an upload in whose largest file every
/// second chunk is held.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What makes requests to one server. Clones share everything.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Endpoint,
    connections: connect::Connections,
    /// The query of a link, which lets in instead of a token.
    link: Option<Arc<str>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    identity: Identity,
    was_heard: AtomicBool,
}

impl Client {
    /// Requests to this server, each with the token if there is one.
    ///
    /// # Errors
    /// [`TlsError`], when the system's certificates are needed and cannot be had.
    pub fn new(endpoint: Endpoint, token: Option<String>) -> Result<Self, TlsError> {
        let connections = connect::connections(endpoint.is_tls())?;
        let shared = Shared { identity: Identity::of(token), was_heard: AtomicBool::new(false) };
        Ok(Self { endpoint, connections, link: None, shared: Arc::new(shared) })
    }

    /// Requests for a file by a link. They carry no token: it is not for whoever made the link to see.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn by_link(endpoint: Endpoint, query: &str) -> Result<Self, TlsError> {
        Ok(Self { link: Some(query.into()), ..Self::new(endpoint, None)? })
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The token of the user's own that requests carry.
    #[must_use]
    pub fn users_token(&self) -> Option<String> {
        self.shared.identity.users()
    }

    /// The token that the server gave to a guest.
    #[must_use]
    pub fn guests_token(&self) -> Option<String> {
        self.shared.identity.guests()
    }

    /// From now on requests carry this guest's, unless the user has one.
    pub fn becomes_guest(&self, given: String) {
        self.shared.identity.becomes(given);
    }

    /// What is done with a guest's token as soon as it is there. The first one who says counts.
    pub fn when_guest(&self, does: impl Fn(&str) + Send + Sync + 'static) {
        self.shared.identity.when_guest(does);
    }

    /// Has the server say once whom it takes the caller for, before anything is begun there: were it told only in the
    /// answer to what was begun, that would be nobody's if the answer were lost.
    ///
    /// # Errors
    /// [`Failure`], and the next who calls asks again.
    pub async fn meet(&self) -> Result<(), Failure> {
        let asked = async {
            let request = self.request(Method::POST, path::GUESTS, &[], Body::empty())?;
            self.hears(self.ask(request).await?.nothing()).map_err(not_met)
        };
        self.shared.identity.met(asked).await
    }

    /// Whether anything that speaks as a Longhaul server does has ever answered.
    #[must_use]
    pub fn was_heard(&self) -> bool {
        self.shared.was_heard.load(Ordering::Relaxed)
    }

    /// Makes a sender's control call.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn call(&self, call: &Call) -> Result<Answer, Failure> {
        let raw = self.ask(self.request_of(call)?).await?;
        let answer = match call {
            Call::List => raw.json().map(|list: UploadList| Answer::Uploads(list.uploads)),
            Call::Create { .. } | Call::Status(_) => raw.json().map(Answer::Upload),
            Call::Offer(..) | Call::Prove(..) => raw.json().map(Answer::Digests),
            Call::Seal(..) => raw.json().map(Answer::File),
            Call::Cancel(_) => raw.nothing().map(|()| Answer::Gone),
        };
        self.hears(answer)
    }

    fn request_of(&self, call: &Call) -> Result<Request<Body>, Failure> {
        match call {
            Call::List => self.request(Method::GET, path::UPLOADS, &[], Body::empty()),
            Call::Create { request, key } => {
                self.with_json(path::UPLOADS, &[(header::IDEMPOTENCY_KEY, key.clone())], request)
            }
            Call::Status(id) => self.request(Method::GET, &path::upload(*id), &[], Body::empty()),
            Call::Offer(id, run) => self.with_json(&path::digests(*id), &[], run),
            Call::Prove(id, proofs) => self.with_json(&path::proofs(*id), &[], proofs),
            Call::Seal(id, seal) => self.with_json(&path::seal(*id), &[], seal),
            Call::Cancel(id) => {
                self.request(Method::DELETE, &path::upload(*id), &[], Body::empty())
            }
        }
    }

    fn with_json(
        &self,
        path: &str,
        headers: &[(&'static str, String)],
        body: &impl ToJson,
    ) -> Result<Request<Body>, Failure> {
        let mut request =
            self.request(Method::POST, path, headers, Body::of(body.to_json().into()))?;
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        Ok(request)
    }

    /// Sends a body that is answered with nothing: a chunk.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn send(
        &self,
        path: &str,
        headers: &[(&'static str, String)],
        body: Body,
    ) -> Result<(), Failure> {
        let raw = self.ask(self.request(Method::POST, path, headers, body)?).await?;
        self.hears(raw.nothing())
    }

    /// Sends a body that is answered with a file: a small one.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn store(
        &self,
        headers: &[(&'static str, String)],
        body: Body,
    ) -> Result<Box<FileInfo>, Failure> {
        let raw = self.ask(self.request(Method::POST, path::FILES, headers, body)?).await?;
        self.hears(raw.json())
    }

    /// A page of a file's manifest.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn page(&self, file: FileId, start: ChunkIndex) -> Result<Box<Manifest>, Failure> {
        let path = format!("{}?start={start}", path::manifest(file));
        let path = with_query(&path, self.link.as_deref());
        let raw = self.ask(self.request(Method::GET, &path, &[], Body::empty())?).await?;
        self.hears(raw.json())
    }

    /// An answer that makes sense is the server's: none of a sign-in page or of another web server does.
    fn hears<T>(&self, answer: Result<T, Failure>) -> Result<T, Failure> {
        if answer.is_ok() {
            self.shared.was_heard.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Whether whoever asks can read that file there, as far as can be told without its bytes.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn has(&self, file: &FileInfo) -> Result<bool, Failure> {
        let request = self.request(Method::HEAD, &path::file(file.id), &[], Body::empty())?;
        let answer = self.begin(request).await?;
        let len = text(answer.headers(), CONTENT_LENGTH.as_str());
        let is_it = len.and_then(|len| len.parse().ok()) == Some(file.size)
            && text(answer.headers(), ETAG.as_str())
                .is_some_and(|tag| tag.contains(&file.root.to_string()));
        Ok(answer.status() == StatusCode::OK && is_it)
    }

    /// Begins to fetch some bytes of a file of that length.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn range(
        &self,
        file: FileId,
        wanted: std::ops::Range<u64>,
        len: u64,
    ) -> Result<Incoming, FetchError> {
        let range = format!("bytes={}-{}", wanted.start, wanted.end.saturating_sub(1));
        let headers = [(RANGE.as_str(), range)];
        let path = with_query(&path::file(file), self.link.as_deref());
        let request = self.request(Method::GET, &path, &headers, Body::empty())?;
        let answer = self.begin(request).await?;
        let told = answer.headers().get(http::header::CONTENT_RANGE);
        let told = told.and_then(|value| value.to_str().ok());
        match read_head(answer.status().as_u16(), told, &wanted, len) {
            Some(good) => good.map(|()| answer.into_body()),
            None => Err(self.read(answer).await?.nothing().err().map_or_else(
                || Failure::Network("an answer that is neither good nor bad".to_owned()).into(),
                FetchError::Failed,
            )),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Body,
    ) -> Result<Request<Body>, Failure> {
        let unmade =
            |error: http::Error| Failure::Local(format!("a request was not made: {error}"));
        let uri = self.endpoint.at(path).map_err(|error| unmade(error.into()))?;
        // A proxy that compresses would change the bytes that a range counts.
        let mut request =
            Request::builder().method(method).uri(uri).header(ACCEPT_ENCODING, "identity");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(token) = self.shared.identity.known() {
            request = request.header(AUTHORIZATION, bearer(&token));
        }
        request.body(body).map_err(unmade)
    }

    async fn ask(&self, request: Request<Body>) -> Result<Raw<Value>, Failure> {
        let answer = self.begin(request).await?;
        self.read(answer).await
    }

    async fn begin(&self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        let answer = self.connections.request(request).await;
        let answer = answer.map_err(|error| Failure::Network(connect::why(&error)))?;
        if let Some(to) =
            text(answer.headers(), LOCATION.as_str()).filter(|_| answer.status().is_redirection())
        {
            return Err(moved(answer.status().as_u16(), &to));
        }
        if is_problem(answer.headers()) {
            self.shared.was_heard.store(true, Ordering::Relaxed);
        }
        if let Some(token) = text(answer.headers(), UPLOAD_TOKEN) {
            self.shared.identity.becomes(token);
        }
        Ok(answer)
    }

    async fn read(&self, answer: Response<Incoming>) -> Result<Raw<Value>, Failure> {
        let (head, mut body) = answer.into_parts();
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::Network(connect::why(&error)))?;
            let data = frame.into_data().unwrap_or_default();
            if whole.len().saturating_add(data.len()) > ANSWER_BYTES_MAX {
                return Err(Failure::Network("an answer that does not end".to_owned()));
            }
            whole.extend_from_slice(&data);
        }
        Ok(raw(head.status.as_u16(), &head.headers, &whole.freeze()))
    }
}

fn raw(status: u16, headers: &HeaderMap, body: &Bytes) -> Raw<Value> {
    Raw {
        status,
        body: from_json(body).ok(),
        retry_after: text(headers, RETRY_AFTER),
        came_at: clock::since_1970(),
        read_date: |text| httpdate::parse_http_date(text).ok().map(clock::of),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A server of this version takes this request: what does not is at another address, or older.
fn not_met(failure: Failure) -> Failure {
    match failure {
        Failure::Refused { problem, retry_after }
            if matches!(problem.status, 404 | 405) && problem.request().is_some() =>
        {
            let advice = "Look at the address: nothing may follow the server's own. If that is right, the server is older \
                          than this program; have it updated."
                .to_owned();
            Failure::Refused { problem: Box::new(Problem { advice, ..*problem }), retry_after }
        }
        other => other,
    }
}

/// A token is not carried to wherever an answer points.
fn moved(status: u16, to: &str) -> Failure {
    let row = const { ProblemCode::InvalidRequest.row() };
    let problem = Problem {
        status,
        title: "The server is elsewhere".to_owned(),
        advice: "Begin again with that address, if you trust it.".to_owned(),
        ..row.problem(format!("it points to {to}."))
    };
    Failure::Refused { problem: Box::new(problem), retry_after: None }
}

fn is_problem(headers: &HeaderMap) -> bool {
    let kind = text(headers, CONTENT_TYPE.as_str());
    kind.is_some_and(|kind| kind.starts_with("application/problem+json"))
}
