//! The headers of a download.

use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    LAST_MODIFIED, VARY,
};
use http::{Response, StatusCode};
use longhaul_protocol::range;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::header::REPR_DIGEST;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Body, insert};
use crate::multipart::{self, media_type};
use crate::outcome::Serving;
use crate::precondition::Validators;

/// The bytes never change, so no cache has to ask again; but a file can be deleted, and then it
/// should be gone within the hour. `private`: it is its owner's.
const CACHE: &str = "private, max-age=3600, immutable";
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
pub(super) fn respond(info: &FileInfo, serving: &Serving, len: u64, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = match serving {
        Serving::Whole => StatusCode::OK,
        Serving::Range(_) | Serving::Parts => StatusCode::PARTIAL_CONTENT,
        Serving::NotModified => StatusCode::NOT_MODIFIED,
    };
    validate(info, response.headers_mut());
    describe(info, serving, len, response.headers_mut());
    response
}

/// What goes with every answer about the file, a 304 too (RFC 9110, section 15.4.5).
fn validate(info: &FileInfo, headers: &mut HeaderMap) {
    let Validators { etag, last_modified } = Validators::of(info);
    insert(headers, ETAG, &etag);
    insert(headers, LAST_MODIFIED, &httpdate::fmt_http_date(last_modified));
    insert(headers, CACHE_CONTROL, CACHE);
    // Nor is a browser to give it to the next who uses it, with another token.
    headers.append(VARY, HeaderValue::from_name(AUTHORIZATION));
    insert(headers, ACCEPT_RANGES, "bytes");
    insert(headers, CONTENT_SECURITY_POLICY, SANDBOX);
}

/// What goes with `len` bytes of a body.
fn describe(info: &FileInfo, serving: &Serving, len: u64, headers: &mut HeaderMap) {
    match serving {
        Serving::NotModified => return,
        // Section 15.3.7.2: no Content-Range of its own, each part has one.
        Serving::Parts => insert(headers, CONTENT_TYPE, &multipart::content_type(info)),
        Serving::Whole => insert(headers, CONTENT_TYPE, media_type(info)),
        Serving::Range(bytes) => {
            insert(headers, CONTENT_TYPE, media_type(info));
            insert(headers, CONTENT_RANGE, &range::content_range(bytes, info.size));
        }
    }
    // RFC 9530, section 3: of the whole file, also with a part of it.
    if let Some(sha256) = info.sha256 {
        insert(headers, HeaderName::from_static(REPR_DIGEST), &sha256.to_header());
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    insert(headers, CONTENT_DISPOSITION, &disposition(&info.meta.name));
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
