//! The headers of a download.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use http::{Response, StatusCode};
use longhaul_protocol::range;
use longhaul_protocol::wire::header::{DIGEST, REPR_DIGEST};

use super::secure::RESOURCE_POLICY;
use super::{Body, insert, put};
use crate::link::now;
use crate::multipart;
use crate::outcome::{Coming, Download, Serving};
use crate::served::served_type;
use crate::told::{SANDBOX, cached_until, disposition, validating};

/// A download, or a part of one, or word that it is not needed.
pub(super) fn respond(download: Download) -> Response<Body> {
    let (status, headers) = match &download.serving {
        // RFC 9110, section 15.4.5: nothing more than this goes with it.
        Serving::NotModified => (StatusCode::NOT_MODIFIED, validating(&download.told.validators)),
        Serving::Whole => (StatusCode::OK, described(&download)),
        // Section 15.3.7.1.
        Serving::Range(bytes) => {
            let mut headers = described(&download);
            let place = range::content_range(bytes, download.told.size);
            insert(&mut headers, CONTENT_RANGE, &place);
            (StatusCode::PARTIAL_CONTENT, headers)
        }
        // Section 15.3.7.2: no Content-Range of its own, each part has one.
        Serving::Parts => {
            let mut headers = described(&download);
            insert(&mut headers, CONTENT_TYPE, &multipart::content_type(&download.told));
            (StatusCode::PARTIAL_CONTENT, headers)
        }
    };
    let mut response = Response::new(download.body);
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

/// Bytes of what is still coming: nothing that would tell a cache, or who comes back, that they stay so.
pub(super) fn respond_coming(coming: Coming) -> Response<Body> {
    let mut response = Response::new(coming.body);
    let headers = response.headers_mut();
    put(headers, CACHE_CONTROL, "no-store, no-transform");
    put(headers, CONTENT_SECURITY_POLICY, SANDBOX);
    if coming.serving == Serving::NotModified {
        // RFC 9110, section 15.4.5.
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    put(headers, ACCEPT_RANGES, "bytes");
    insert(headers, CONTENT_TYPE, served_type(&coming.meta));
    insert(headers, CONTENT_DISPOSITION, &disposition(&coming.meta.name));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(coming.len));
    if let Serving::Range(bytes) = coming.serving {
        insert(headers, CONTENT_RANGE, &range::content_range(&bytes, coming.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// What goes with bytes of it.
fn described(download: &Download) -> HeaderMap {
    let Download { told, wanted, .. } = download;
    let mut headers = told.headers.clone();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(download.len));
    if !wanted.repr {
        headers.remove(REPR_DIGEST);
    }
    // RFC 3230, section 4.3.2: of the instance, which is the whole file also with a part of it.
    if let Some(sha256) = told.sha256.filter(|_| wanted.legacy) {
        let value = format!("SHA-256={}", sha256.to_base64());
        insert(&mut headers, HeaderName::from_static(DIGEST), &value);
    }
    if let Some(link) = &download.link {
        // Whoever has a link may put it into his page.
        put(&mut headers, RESOURCE_POLICY, "cross-origin");
        insert(&mut headers, CACHE_CONTROL, &cached_until(link.expires_at, now()));
        if let Some(name) = &link.name {
            insert(&mut headers, CONTENT_DISPOSITION, &disposition(name));
        }
    }
    // RFC 9110, section 15.3.7: who goes on by If-Range "already has a prior response containing
    // those header fields".
    if download.is_resumed && download.serving != Serving::Whole {
        headers.remove(LAST_MODIFIED);
        headers.remove(CONTENT_DISPOSITION);
    }
    headers
}
