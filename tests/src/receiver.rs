//! Somebody who listens to a webhook: keeps what it hears, answers as it is told, and knows a good signature from a
//! bad one by itself, without any code of the server's.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::wait;

/// How long a message may take to come, tried again a few times.
const HEARD: Duration = Duration::from_secs(60);
/// How far the time of a message may be off, seconds; as far as the scheme's libraries let it.
const TOLERANCE: u64 = 5 * 60;

/// What the receiver and the server share, as a file has it.
pub const SECRET: &str = "whsec_bG9uZ2hhdWwgdGVzdHMsIG5vYm9keSBlbHNlIGhlcmU=";

/// A message, as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signature: String,
    /// Its body.
    pub body: Bytes,
    /// With what it was answered, if it was.
    pub answered: Option<u16>,
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A status and a body.
    Says(u16, &'static str),
    /// A redirect.
    Moved(String),
    /// Nothing.
    Nothing,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Vec<Heard>,
    next: VecDeque<Answer>,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    _task: JoinSet<()>,
}

impl Receiver {
    /// One that listens at any port.
    pub async fn start() -> Self {
        Self::start_at(0).await
    }

    /// One at this port.
    ///
    /// # Panics
    /// When somebody else has it.
    pub async fn start_at(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let shared = Arc::<Mutex<Shared>>::default();
        let (mut task, of_task) = (JoinSet::new(), Arc::clone(&shared));
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&of_task);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                let serving = hyper::server::conn::http1::Builder::new();
                let serving = serving.serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { drop(serving.await) });
            }
        });
        Self { addr, shared, _task: task }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What to answer next, one after the other; after that 204.
    pub fn answers(&self, next: impl IntoIterator<Item = Answer>) {
        lock(&self.shared).next.extend(next);
    }

    /// What has come.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.shared).heard.clone()
    }

    /// Waits until so many messages have come.
    ///
    /// # Panics
    /// When they do not.
    pub async fn hears(&self, count: usize) -> Vec<Heard> {
        wait::until("the hook is told", HEARD, async || {
            Some(self.heard()).filter(|heard| heard.len() >= count)
        })
        .await
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(
    shared: Arc<Mutex<Shared>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(Response::default()) };
    let mut response = Response::default();
    {
        let mut shared = lock(&shared);
        let next = shared.next.pop_front().unwrap_or(Answer::Says(204, ""));
        let answered = match &next {
            Answer::Says(status, _) => Some(*status),
            Answer::Moved(_) => Some(307),
            Answer::Nothing => None,
        };
        shared.heard.push(Heard::of(&head.headers, body.to_bytes(), answered));
        match next {
            Answer::Says(status, body) => {
                *response.status_mut() = status.try_into().expect("a status");
                *response.body_mut() = Full::from(body);
            }
            Answer::Moved(to) => {
                *response.status_mut() = http::StatusCode::TEMPORARY_REDIRECT;
                response.headers_mut().insert("location", to.parse().expect("an address"));
            }
            Answer::Nothing => {}
        }
        if answered.is_some() {
            return Ok(response);
        }
    }
    std::future::pending().await
}

impl Heard {
    fn of(headers: &HeaderMap, body: Bytes, answered: Option<u16>) -> Self {
        let text = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        Self {
            id: text("webhook-id"),
            timestamp: text("webhook-timestamp"),
            signature: text("webhook-signature"),
            body,
            answered,
        }
    }

    /// Its body.
    ///
    /// # Panics
    /// When it is no JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Whether it was signed with [`SECRET`], a while ago at most.
    ///
    /// # Panics
    /// When the clock stands before 1970.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let is_new = self.timestamp.parse().is_ok_and(|then: u64| now.abs_diff(then) <= TOLERANCE);
        let secret = STANDARD.decode(SECRET.trim_start_matches("whsec_")).expect("base64");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let signed = [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", &self.body];
        let is_signature = |text: &str| {
            let tag = text.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
            tag.is_some_and(|tag| hmac::verify(&key, &signed.concat(), &tag).is_ok())
        };
        is_new && self.signature.split(' ').any(is_signature)
    }
}
