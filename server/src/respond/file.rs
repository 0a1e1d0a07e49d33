//! The headers of a download.

use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    LAST_MODIFIED, VARY,
};
use http::{Response, StatusCode};
use longhaul_protocol::wire::header::{DIGEST, REPR_DIGEST};
use longhaul_protocol::{Digest, range};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Body, insert, put};
use crate::multipart::{self, media_type};
use crate::outcome::{Coming, Download, Serving};
use crate::precondition::Validators;
use crate::wanted::Wanted;

/// The bytes never change, so no cache has to ask again; but a file can be deleted, and then it
/// should be gone within the hour. `private`: it is its owner's. `no-transform`: a proxy that
/// compressed it would leave ranges and digests of something else (RFC 9110, section 7.7).
const CACHE: &str = "private, max-age=3600, immutable, no-transform";
/// How many headers a download has, or a few more: a map that grows is made anew each time.
const HEADERS: usize = 24;
/// An uploaded page must not run as one of this site's: no script, no form, an origin of its own.
const SANDBOX: &str = "sandbox; default-src 'none'";

/// The characters of RFC 8187, section 3.2.1, `attr-char`, need no escape.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A download, or a part of one, or word that it is not needed.
pub(super) fn respond(download: Download) -> Response<Body> {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    validate(&download.validators, &mut headers);
    let status = match &download.serving {
        // RFC 9110, section 15.4.5: nothing more than this goes with it.
        Serving::NotModified => StatusCode::NOT_MODIFIED,
        Serving::Whole => {
            describe(&download, media_type(&download.info.meta), &mut headers);
            StatusCode::OK
        }
        // Section 15.3.7.1.
        Serving::Range(bytes) => {
            describe(&download, media_type(&download.info.meta), &mut headers);
            let place = range::content_range(bytes, download.info.size);
            insert(&mut headers, CONTENT_RANGE, &place);
            StatusCode::PARTIAL_CONTENT
        }
        // Section 15.3.7.2: no Content-Range of its own, each part has one.
        Serving::Parts => {
            describe(&download, &multipart::content_type(&download.info), &mut headers);
            StatusCode::PARTIAL_CONTENT
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
    put(headers, ACCEPT_RANGES, "bytes");
    insert(headers, CONTENT_TYPE, media_type(&coming.meta));
    insert(headers, CONTENT_DISPOSITION, &disposition(&coming.meta.name));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(coming.len));
    if let Serving::Range(bytes) = coming.serving {
        insert(headers, CONTENT_RANGE, &range::content_range(&bytes, coming.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// What goes with every answer about the file (RFC 9110, sections 15.3.7 and 15.4.5).
fn validate(validators: &Validators, headers: &mut HeaderMap) {
    insert(headers, ETAG, &validators.etag);
    put(headers, CACHE_CONTROL, CACHE);
    // Nor is a browser to give it to the next who uses it, with another token.
    headers.append(VARY, HeaderValue::from_name(AUTHORIZATION));
    put(headers, CONTENT_SECURITY_POLICY, SANDBOX);
}

/// What goes with bytes of it.
fn describe(download: &Download, content_type: &str, headers: &mut HeaderMap) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(download.len));
    insert(headers, CONTENT_TYPE, content_type);
    // RFC 9110, section 14.3.
    put(headers, ACCEPT_RANGES, "bytes");
    // RFC 9530, section 3: of the whole file, also with a part of it.
    let Download { info, wanted, .. } = download;
    if let Some(sha256) = info.sha256 {
        tell_digest(sha256, *wanted, headers);
    }
    // RFC 9110, section 15.3.7: who goes on by If-Range "already has a prior response containing
    // those header fields".
    let is_known = download.is_resumed && download.serving != Serving::Whole;
    if !is_known {
        let last_modified = httpdate::fmt_http_date(download.validators.last_modified);
        insert(headers, LAST_MODIFIED, &last_modified);
        insert(headers, CONTENT_DISPOSITION, &disposition(&info.meta.name));
    }
}

fn tell_digest(sha256: Digest, wanted: Wanted, headers: &mut HeaderMap) {
    if wanted.repr {
        insert(headers, HeaderName::from_static(REPR_DIGEST), &sha256.to_header());
    }
    // RFC 3230, section 4.3.2: of the instance, which is the whole file also with a part of it.
    if wanted.legacy {
        let value = format!("SHA-256={}", sha256.to_base64());
        insert(headers, HeaderName::from_static(DIGEST), &value);
    }
}

/// RFC 6266, section 4.3: the name in RFC 8187's encoding, and beside it one that a reader who does
/// not know that can use.
fn disposition(name: &str) -> String {
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let exact = utf8_percent_encode(name, NOT_ATTR_CHAR);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

/// Not a `%`: some readers would take what follows for an escape (RFC 6266, appendix D).
fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~') && !matches!(character, '"' | '\\' | '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_exactly_and_once_more_for_old_readers() {
        assert_eq!(
            disposition("a b.txt"),
            "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"
        );
        assert_eq!(
            disposition("\"50%\" naïve.txt"),
            "attachment; filename=\"_50__ na_ve.txt\"; filename*=UTF-8''%2250%25%22%20na%C3%AFve.txt"
        );
    }
}
