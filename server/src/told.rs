//! What is told of a file with every answer about it: made once, when it is opened, and not for each of its
//! ranges.

use std::ops::Deref;

use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, VARY,
};
use longhaul_protocol::Millis;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::header::REPR_DIGEST;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::precondition::Validators;
use crate::respond::{insert, put};
use crate::served::served_type;

/// The bytes never change, so no cache has to ask again; but a file can be deleted, and then it
/// should be gone within the hour. `private`: it is its owner's. `no-transform`: a proxy that
/// compressed it would leave ranges and digests of something else (RFC 9110, section 7.7).
const CACHE: &str = "private, max-age=3600, immutable, no-transform";
/// The same, seconds: who came by a link has it for no longer than the link.
const CACHED_SECONDS_MAX: u64 = 3600;
/// How many headers a download has, or a few more: a map that grows is made anew each time.
const HEADERS: usize = 24;
/// An uploaded page must not run as one of this site's: no script, no form, an origin of its own.
pub const SANDBOX: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

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

/// A sealed file, and what is told of it.
#[derive(Debug)]
pub struct Told {
    info: FileInfo,
    /// What identifies its state.
    pub validators: Validators,
    /// The headers that do not depend on which of its bytes are asked for, nor on who asks.
    pub headers: HeaderMap,
}

impl Told {
    /// What is told of a file.
    #[must_use]
    pub fn of(info: FileInfo) -> Self {
        let validators = Validators::of(&info);
        let mut headers = validating(&validators);
        describe(&info, &validators, &mut headers);
        Self { info, validators, headers }
    }
}

impl Deref for Told {
    type Target = FileInfo;

    fn deref(&self) -> &FileInfo {
        &self.info
    }
}

/// What a cache may do with what somebody came to by a link: nothing more once that is over.
#[must_use]
pub fn cached_until(expires_at: Millis, now: Millis) -> String {
    let left = (expires_at.since(now).0 / 1000).min(CACHED_SECONDS_MAX);
    format!("private, max-age={left}, immutable, no-transform")
}

/// What goes with every answer about the file (RFC 9110, sections 15.3.7 and 15.4.5).
#[must_use]
pub fn validating(validators: &Validators) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    insert(&mut headers, ETAG, &validators.etag);
    put(&mut headers, CACHE_CONTROL, CACHE);
    // Nor is a browser to give it to the next who uses it, with another token.
    headers.append(VARY, HeaderValue::from_name(AUTHORIZATION));
    put(&mut headers, CONTENT_SECURITY_POLICY, SANDBOX);
    headers
}

/// What goes with bytes of it.
fn describe(info: &FileInfo, validators: &Validators, headers: &mut HeaderMap) {
    insert(headers, CONTENT_TYPE, served_type(&info.meta));
    // RFC 9110, section 14.3.
    put(headers, ACCEPT_RANGES, "bytes");
    // RFC 9530, section 3: of the whole file, also with a part of it.
    if let Some(sha256) = info.sha256 {
        insert(headers, HeaderName::from_static(REPR_DIGEST), &sha256.to_header());
    }
    insert(headers, LAST_MODIFIED, &httpdate::fmt_http_date(validators.last_modified));
    insert(headers, CONTENT_DISPOSITION, &disposition(&info.meta.name));
}

/// RFC 6266, section 4.3: the name in RFC 8187's encoding, and beside it one that a reader who does
/// not know that can use.
#[must_use]
pub fn disposition(name: &str) -> String {
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
