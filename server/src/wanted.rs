//! Which digests of a whole file go with an answer (RFC 9530, section 4, and RFC 3230, section 4.3).

use http::header::HeaderMap;
use longhaul_protocol::wire::header::{WANT_DIGEST, WANT_REPR_DIGEST};

/// The one algorithm that there is, by both RFCs.
const ALGORITHM: &str = "sha-256";

/// What the caller wants to be told of the whole file's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As `Repr-Digest`.
    pub repr: bool,
    /// As the `Digest` of RFC 3230, which has been retired: only for who asks.
    pub legacy: bool,
}

impl Wanted {
    /// Reads a request.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        // RFC 9530, section 4: 0 is "not acceptable"; who wants another algorithm, or says nothing
        // that can be read, is told what there is.
        let repr = last(headers, WANT_REPR_DIGEST, '=').is_none_or(|weight| weight != "0");
        // RFC 3230, section 4.3.1, where 0 means the same and no `q` means 1.
        let legacy = last(headers, WANT_DIGEST, ';').is_some_and(|q| !is_zero(q));
        Self { repr, legacy }
    }
}

/// What a list says of our algorithm behind a separator, the last time that it does.
fn last<'a>(headers: &'a HeaderMap, name: &str, separator: char) -> Option<&'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let members = lines.flat_map(|line| line.split(','));
    let mut told = members.filter_map(|member| {
        let (key, value) = member.split_once(separator).unwrap_or((member, ""));
        key.trim().eq_ignore_ascii_case(ALGORITHM).then_some(value.trim())
    });
    told.next_back()
}

/// A `qvalue` of RFC 9110, section 12.4.2, that is nought.
fn is_zero(q: &str) -> bool {
    let value = q.split_once('=').map_or("", |(_, value)| value.trim());
    value.starts_with('0') && value.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &'static str, values: &[&str]) -> Wanted {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        Wanted::of(&headers)
    }

    #[test]
    fn the_digest_is_told_unless_it_is_unwanted() {
        for (values, repr) in [
            (&[][..], true),
            (&["sha-256=10"], true),
            (&["sha-512=3"], true),
            (&["sha-512=3, sha-256=0"], false),
            (&["sha-256=0", "sha-256=1"], true),
            (&["sha-256=00"], true),
            (&["?"], true),
        ] {
            assert_eq!(
                wanted(WANT_REPR_DIGEST, values),
                Wanted { repr, legacy: false },
                "{values:?}"
            );
        }
    }

    #[test]
    fn the_old_header_is_for_those_who_ask_for_it() {
        for (values, legacy) in [
            (&["SHA-256"][..], true),
            (&["SHA-512;q=1, SHA-256;q=1, SHA;q=0.1"], true),
            (&["sha-256;q=0.001"], true),
            (&["sha-256; q=0"], false),
            (&["sha-256;q=0.000"], false),
            (&["md5, sha"], false),
            (&["sha-2567"], false),
        ] {
            assert_eq!(wanted(WANT_DIGEST, values), Wanted { repr: true, legacy }, "{values:?}");
        }
    }
}
