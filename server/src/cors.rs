//! Which pages of other origins may read an answer (the CORS protocol of the Fetch standard): those
//! of the allow-list, told by name. No credentials are ever asked for.

use http::Method;
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    LOCATION, ORIGIN, RANGE, RETRY_AFTER, VARY,
};
use http::request::Parts;
use longhaul_protocol::wire::header::{
    CHUNK_DIGEST, CHUNK_INDEX, CHUNK_OFFSET, CHUNK_RATE_MAX, CHUNK_REPLACE, CHUNK_TRY, DIGEST,
    IDEMPOTENCY_KEY, REPR_DIGEST, REQUEST_ID, UPLOAD_CREATE, UPLOAD_TOKEN, WANT_DIGEST,
    WANT_REPR_DIGEST,
};

use crate::gate::Standing;

/// How long a browser may go by a preflight, seconds: the most that Chromium keeps one.
const MAX_AGE_SECONDS: u64 = 7200;

/// What a page may read beyond the headers that any page may.
const EXPOSED: [HeaderName; 10] = [
    LOCATION,
    ETAG,
    RETRY_AFTER,
    ACCEPT_RANGES,
    CONTENT_RANGE,
    CONTENT_DISPOSITION,
    HeaderName::from_static(REPR_DIGEST),
    HeaderName::from_static(DIGEST),
    HeaderName::from_static(UPLOAD_TOKEN),
    HeaderName::from_static(REQUEST_ID),
];

/// What a page may send beyond the headers that any page may.
const ACCEPTED: [HeaderName; 18] = [
    CONTENT_TYPE,
    AUTHORIZATION,
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    HeaderName::from_static(CHUNK_INDEX),
    HeaderName::from_static(CHUNK_OFFSET),
    HeaderName::from_static(CHUNK_DIGEST),
    HeaderName::from_static(CHUNK_REPLACE),
    HeaderName::from_static(CHUNK_RATE_MAX),
    HeaderName::from_static(CHUNK_TRY),
    HeaderName::from_static(UPLOAD_CREATE),
    HeaderName::from_static(IDEMPOTENCY_KEY),
    HeaderName::from_static(WANT_REPR_DIGEST),
    HeaderName::from_static(WANT_DIGEST),
];

/// Adds to an answer what lets an allowed page read it. The answer depends on who asks, and caches
/// are told so even when nothing is added.
pub fn mark(standing: Standing, request: &Parts, headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from_name(ORIGIN));
    if standing != Standing::Allowed {
        return;
    }
    if let Some(origin) = request.headers.get(ORIGIN) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, list(&EXPOSED));
    }
}

/// Adds to the answer to a preflight what may be sent to this address.
pub fn mark_preflight(methods: &[Method], headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, list(methods));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, list(&ACCEPTED));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(MAX_AGE_SECONDS));
}

/// A comma-separated list of tokens.
pub fn list<T: AsRef<str>>(tokens: &[T]) -> HeaderValue {
    let tokens: Vec<_> = tokens.iter().map(AsRef::as_ref).collect();
    HeaderValue::from_str(&tokens.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}
