//! The webhook: one `POST` to an address that whoever runs the server has chosen. Redirects are not followed, because
//! where they lead nobody has chosen.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Collected, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use longhaul_protocol::Millis;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

use super::message::Message;
use super::secret::Secrets;
use super::{CallError, Verdict, reason};
use crate::link::now;

/// How long a connection that nobody uses is kept: shorter than most who listen keep it, so that no message meets
/// its end.
const HOOK_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of an answer is read, bytes: a reason is far shorter.
const HOOK_ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Who sends it.
const NAME: &str = concat!("longhaul/", env!("CARGO_PKG_VERSION"));

/// Why there is no webhook.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address is none.
    #[error(
        "a hook's address is `https://example.org/hook` or `http://127.0.0.1:9000/`, without a user or a password"
    )]
    Address,
    /// The system has no certificates.
    #[error(
        "the system's certificates cannot be read ({0}); install them (Debian: ca-certificates), or name a file of them in SSL_CERT_FILE"
    )]
    Certificates(io::Error),
}

type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Who listens, and what signs what he is told.
#[derive(Debug)]
pub struct Web {
    uri: Uri,
    secrets: Secrets,
    connections: Connections,
}

/// What a 403 may say.
#[derive(Deserialize)]
struct Refused {
    reason: String,
}

impl Web {
    /// Whoever listens at this address.
    ///
    /// # Errors
    /// [`WebError`].
    pub fn new(uri: Uri, secrets: Secrets) -> Result<Self, WebError> {
        check(&uri)?;
        let connections = connections(uri.scheme_str() == Some("https"))?;
        Ok(Self { uri, secrets, connections })
    }

    /// Whether others on the way to this address can read what is told.
    #[must_use]
    pub fn is_readable(uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default();
        let is_here = ["127.0.0.1", "[::1]", "localhost"].contains(&host);
        uri.scheme_str() == Some("http") && !is_here
    }

    pub(super) async fn call(&self, message: &Message) -> Result<Verdict, CallError> {
        let seconds = now().0 / 1000;
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.uri)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, NAME)
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", self.secrets.sign(&message.id, seconds, &message.json))
            .body(Full::from(message.json.clone()))
            .map_err(|error| CallError::Unreachable(error.to_string()))?;
        let answer = self.connections.request(request).await;
        let answer = answer.map_err(|error| CallError::Unreachable(why(&error)))?;
        let (head, body) = answer.into_parts();
        // To its end, if that is near, so that the connection can be used again.
        let body = Limited::new(body, HOOK_ANSWER_BYTES_MAX).collect().await;
        let body = body.map(Collected::to_bytes).map_err(|error| unread(&*error));
        judge(head.status, &head.headers, body)
    }
}

fn check(uri: &Uri) -> Result<(), WebError> {
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let is_bare = uri.authority().is_some_and(|it| !it.as_str().contains('@'));
    if is_http && is_bare { Ok(()) } else { Err(WebError::Address) }
}

/// The system's certificates are read only where they are needed: there may be none where there is no TLS.
fn connections(tls: bool) -> Result<Connections, WebError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let builder = HttpsConnectorBuilder::new();
    let builder = if tls {
        builder.with_native_roots().map_err(WebError::Certificates)?
    } else {
        let nobody = RootCertStore::empty();
        builder.with_tls_config(
            ClientConfig::builder().with_root_certificates(nobody).with_no_client_auth(),
        )
    };
    let connector = builder.https_or_http().enable_http1().wrap_connector(http);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(HOOK_IDLE_TIMEOUT)
        .build(connector))
}

/// 403 and nothing else is a refusal: a 404 or a 500 is somebody's mistake, which is not to be taken for a decision.
fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    body: Result<Bytes, String>,
) -> Result<Verdict, CallError> {
    if status.is_success() {
        return Ok(Verdict::Taken);
    }
    if status == StatusCode::FORBIDDEN {
        let said = body.and_then(|body| given(&body)).unwrap_or_else(|why| {
            let why = reason(&why);
            tracing::warn!("the hook refuses with a 403 whose reason cannot be read: {why}");
            String::new()
        });
        return Ok(Verdict::Refused(reason(&said)));
    }
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let retry_after = seconds.map(|seconds: u64| Millis(seconds.saturating_mul(1000)));
    Err(CallError::Answered { status: status.as_u16(), retry_after })
}

/// The reason that a 403 gives; empty where it has none on purpose.
fn given(body: &[u8]) -> Result<String, String> {
    if body.trim_ascii().is_empty() {
        return Ok(String::new());
    }
    let said = serde_json::from_slice(body).map(|Refused { reason }| reason);
    said.map_err(|error| format!("its body is not {{\"reason\": \"…\"}}: {error}"))
}

/// Why a body was not read to its end.
fn unread(error: &(dyn Error + 'static)) -> String {
    if error.is::<LengthLimitError>() {
        return format!("its body has more than {HOOK_ANSWER_BYTES_MAX} bytes");
    }
    format!("its body broke off: {}", why(error))
}

/// The innermost reason, which is the one that somebody can do something about.
fn why(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_403_is_a_refusal_and_its_reason_is_what_the_json_says() {
        let judged = |status: u16, body: &str| {
            let body = Ok(Bytes::copy_from_slice(body.as_bytes()));
            judge(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body)
        };
        let refused = |text: &str| Verdict::Refused(reason(text));
        assert_eq!(judged(204, "").unwrap(), Verdict::Taken);
        assert_eq!(judged(403, r#"{"reason": "only PDF"}"#).unwrap(), refused("only PDF"));
        assert_eq!(judged(403, "<h1>Forbidden by a proxy</h1>").unwrap(), refused(""));
        assert!(given(b"<h1>").is_err() && given(br#"{"reason": 1}"#).is_err());
        assert_eq!(given(b" \n"), Ok(String::new()), "none is given on purpose");
        for status in [301, 308, 400, 401, 404, 410, 429, 500, 503] {
            assert!(judged(status, r#"{"reason": "x"}"#).is_err(), "{status}");
        }
    }

    #[test]
    fn who_asks_to_be_left_alone_is() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "7".parse().unwrap())]);
        let error = judge(StatusCode::TOO_MANY_REQUESTS, &headers, Ok(Bytes::new())).unwrap_err();
        assert_eq!(error.retry_after(), Some(Millis(7000)));
    }

    #[test]
    fn an_address_has_a_scheme_a_host_and_no_password() {
        for good in ["https://example.org/hook?x=1", "http://127.0.0.1:9000"] {
            assert!(check(&good.parse().unwrap()).is_ok(), "{good}");
        }
        for other in ["/hook", "ftp://example.org/", "https://u:p@example.org/", "example.org:1"] {
            assert!(check(&other.parse().unwrap()).is_err(), "{other}");
        }
    }
}
