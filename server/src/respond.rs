//! From an outcome to HTTP: the only place that knows a status code.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use longhaul_protocol::wire::header::UPLOAD_TOKEN;
use longhaul_protocol::{ProblemCode, problem, range};

use crate::access::Challenge;
use crate::cors;
use crate::metrics;
use crate::outcome::{Answer, Beside, Outcome, Refusal};

mod file;
mod secure;

pub(crate) use secure::only_by_tls;
use secure::{Of, secure};

/// The body of every answer.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// How long a sender is asked to wait before it tries again, seconds: a restart takes less.
const RETRY_AFTER_SECONDS: u64 = 5;

/// How to say who one is.
const REALM: &str = "Bearer realm=\"longhaul\"";

/// A body of these bytes.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Turns what a verb decided into HTTP.
#[must_use]
pub fn respond(answer: Answer) -> Response<Body> {
    let of = if matches!(answer, Ok(Outcome::Site(_))) { Of::Site } else { Of::Api };
    let mut response = match answer {
        Ok(outcome) => respond_to(outcome),
        Err(refusal) => refuse(&refusal),
    };
    secure(of, response.headers_mut());
    response
}

fn respond_to(outcome: Outcome) -> Response<Body> {
    match outcome {
        Outcome::Created { location, json, token } => created(&location, json, token.as_deref()),
        Outcome::Json(json) => text(StatusCode::OK, "application/json", json),
        Outcome::Done => empty(StatusCode::NO_CONTENT),
        Outcome::Met(token) => {
            let mut response = carrying(token.as_deref(), empty(StatusCode::NO_CONTENT));
            put(response.headers_mut(), CACHE_CONTROL, "no-store");
            response
        }
        Outcome::Well => text(StatusCode::OK, "text/plain; charset=utf-8", "ok\n"),
        Outcome::Metrics(metrics) => text(StatusCode::OK, metrics::CONTENT_TYPE, metrics),
        Outcome::Html(html) => text(StatusCode::OK, "text/html; charset=utf-8", html),
        Outcome::Document(json) => document(json),
        Outcome::File(download) => file::respond(download),
        Outcome::Coming(coming) => file::respond_coming(coming),
        Outcome::Moved { location } => {
            let mut response = empty(StatusCode::PERMANENT_REDIRECT);
            insert(response.headers_mut(), LOCATION, &location);
            put(response.headers_mut(), CACHE_CONTROL, "no-store");
            response
        }
        Outcome::Methods(methods) => {
            let mut response = empty(StatusCode::NO_CONTENT);
            response.headers_mut().insert(ALLOW, cors::list(methods));
            cors::mark_preflight(methods, response.headers_mut());
            response
        }
        Outcome::Site(mut response) => {
            // A new build is seen at once; what has not changed costs a 304.
            put(response.headers_mut(), CACHE_CONTROL, "no-cache");
            response
        }
    }
}

fn created(location: &str, json: Vec<u8>, token: Option<&str>) -> Response<Body> {
    let mut response = text(StatusCode::CREATED, "application/json", json);
    insert(response.headers_mut(), LOCATION, location);
    carrying(token, response)
}

/// With the token to come back with.
fn carrying(token: Option<&str>, mut response: Response<Body>) -> Response<Body> {
    if let Some(token) = token {
        insert(response.headers_mut(), HeaderName::from_static(UPLOAD_TOKEN), token);
    }
    response
}

fn refuse(refusal: &Refusal) -> Response<Body> {
    let status = StatusCode::from_u16(refusal.code.row().status);
    let json = serde_json::to_vec(&refusal.problem).unwrap_or_default();
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = text(status, problem::CONTENT_TYPE, json);
    tell_beside(refusal, response.headers_mut());
    response
}

fn tell_beside(refusal: &Refusal, headers: &mut HeaderMap) {
    // RFC 9110, section 10.2.3, and RFC 6585, section 4.
    if matches!(refusal.code, ProblemCode::Unavailable | ProblemCode::TooManyRequests) {
        let seconds = match refusal.beside {
            Beside::Wait(seconds) => seconds,
            _ => RETRY_AFTER_SECONDS,
        };
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match refusal.beside {
        Beside::Nothing | Beside::Wait(_) => {}
        // RFC 9110, section 15.5.16: so that it is not taken for a 415 about the type.
        Beside::AsItIs => put(headers, ACCEPT_ENCODING, "identity"),
        // RFC 9110, section 15.5.6: a 405 must say what is allowed.
        Beside::Allow(methods) => drop(headers.insert(ALLOW, cors::list(methods))),
        // RFC 6750, section 3.
        Beside::Challenge(Challenge::Missing) => insert(headers, WWW_AUTHENTICATE, REALM),
        Beside::Challenge(Challenge::Invalid) => {
            insert(headers, WWW_AUTHENTICATE, &format!("{REALM}, error=\"invalid_token\""));
        }
        Beside::Challenge(Challenge::Scope(scope)) => {
            let scope = scope.name();
            let challenge = format!("{REALM}, error=\"insufficient_scope\", scope=\"{scope}\"");
            insert(headers, WWW_AUTHENTICATE, &challenge);
        }
        // RFC 9110, section 15.5.17: a 416 should tell the length.
        Beside::Length(len) => insert(headers, CONTENT_RANGE, &range::unsatisfied_range(len)),
    }
}

/// What any cache may keep. An hour after a server was replaced everybody has the new one.
fn document(json: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::OK, "application/json", json);
    put(response.headers_mut(), CACHE_CONTROL, "public, max-age=3600");
    response
}

/// An answer about the state of something, true now and not to be kept.
fn text(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    insert(response.headers_mut(), CONTENT_TYPE, content_type);
    put(response.headers_mut(), CACHE_CONTROL, "no-store");
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

/// Sets a header to what it always is.
pub(crate) fn put(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

/// Sets a header; a value that no header can have is left out rather than sent mangled.
pub(crate) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) => drop(headers.insert(name, value)),
        Err(_) => tracing::error!("no header `{name}` can have the value {value:?}"),
    }
}
