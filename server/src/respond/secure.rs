//! The headers that keep browsers from making more of an answer than it is. Every answer has them.

use std::time::Duration;

use http::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::{insert, put};

/// Which sites' pages may load it into themselves without asking: as a picture, say (Fetch standard).
pub(super) const RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// What an answer is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The API: JSON, bytes of files, problems.
    Api,
    /// The site that the server's owner put there.
    Site,
}

/// What has a policy of its own keeps it.
pub(super) fn secure(of: Of, headers: &mut HeaderMap) {
    // No browser is to guess that an upload, or a problem that quotes one, is a page.
    put(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Neither an id nor a link is to be told to whoever the next page is of.
    put(headers, REFERRER_POLICY, "no-referrer");
    let (policy, frames, resource) = match of {
        Of::Api => (NOTHING, "DENY", "same-site"),
        Of::Site => (OWN_FRAMES, "SAMEORIGIN", "cross-origin"),
    };
    // For what knows no `frame-ancestors`.
    put(headers, X_FRAME_OPTIONS, frames);
    let (policy, resource) = (HeaderValue::from_static(policy), HeaderValue::from_static(resource));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    headers.entry(RESOURCE_POLICY).or_insert(resource);
}

/// Tells browsers to come by TLS for so long (RFC 6797, section 6.1). Not for names below, of which this server
/// knows nothing.
pub(crate) fn only_by_tls(time: Duration, headers: &mut HeaderMap) {
    insert(headers, STRICT_TRANSPORT_SECURITY, &format!("max-age={}", time.as_secs()));
}

/// Whatever it is taken for, nothing in it runs or loads, and no page has it in a frame.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";
/// What its scripts may do is for its owner to say; but nobody else lays his page over its buttons.
const OWN_FRAMES: &str = "frame-ancestors 'self'";
