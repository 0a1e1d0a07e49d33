//! The headers that the native API adds to HTTP's own, and how their values are written.

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

use super::json::ToJson as _;
use super::{CreateRequest, IDEMPOTENCY_KEY_BYTES_MAX};
use crate::digest::{Digest, DigestError};
use crate::plan::{ChunkIndex, RATE_MIN};

/// The index of the chunk in the body, decimal.
pub const CHUNK_INDEX: &str = "chunk-index";
/// Where in the chunk the body starts, bytes, decimal; 0 if absent.
pub const CHUNK_OFFSET: &str = "chunk-offset";
/// The digest of the **whole** chunk, as RFC 9530 writes one.
pub const CHUNK_DIGEST: &str = "chunk-digest";
/// The digest that a held chunk has now, to replace it.
pub const CHUNK_REPLACE: &str = "chunk-replace";
/// As fast as the body is to be read at the most, bytes a second, decimal.
pub const CHUNK_RATE_MAX: &str = "chunk-rate-max";
/// A name that the sender gives to one try of a chunk, visible ASCII, and never again: the same name
/// again is the same request, sent once more by the browser and not by the sender.
pub const CHUNK_TRY: &str = "chunk-try";
/// With `POST /files`: base64 of the JSON of a [`CreateRequest`].
pub const UPLOAD_CREATE: &str = "upload-create";
/// A key of the caller's choice: the same key again is answered with the same upload.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// HTTP's own header for a token, written by [`bearer`].
pub const AUTHORIZATION: &str = "authorization";
/// HTTP's own header for the digest of a whole file (RFC 9530, section 3), beside a download.
pub const REPR_DIGEST: &str = "repr-digest";
/// Which digests of a whole file one wants to be told (RFC 9530, section 4).
pub const WANT_REPR_DIGEST: &str = "want-repr-digest";
/// The digest of a whole file as RFC 3230 had it told, for programs that still ask so.
pub const DIGEST: &str = "digest";
/// How they ask (RFC 3230, section 4.3.1).
pub const WANT_DIGEST: &str = "want-digest";
/// Beside the answer to a guest's create: the token to keep, and to send from then on. The upload
/// and the file belong to whoever has it.
pub const UPLOAD_TOKEN: &str = "upload-token";

/// With every answer: what the request is called in the server's log.
pub const REQUEST_ID: &str = "request-id";

/// The value of [`AUTHORIZATION`] for a token (RFC 6750, section 2.1).
#[must_use]
pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The token in what [`bearer`] writes; `None` for any other scheme, and for what is no token.
#[must_use]
pub fn read_bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    let characters = token.trim_end_matches('=');
    let is_b64token = !characters.is_empty()
        && characters.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
    // RFC 9110, section 11.1: the scheme has no case.
    (scheme.eq_ignore_ascii_case("bearer") && is_b64token).then_some(token)
}

/// The key in an [`IDEMPOTENCY_KEY`]; `None` unless it is 1 to [`IDEMPOTENCY_KEY_BYTES_MAX`] visible
/// ASCII characters.
#[must_use]
pub fn read_idempotency_key(value: &str) -> Option<&str> {
    let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&value.len());
    (fits && value.bytes().all(|byte| byte.is_ascii_graphic())).then_some(value)
}

/// The headers of a chunk, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHeaders {
    /// Which chunk.
    pub index: ChunkIndex,
    /// Where in it the body starts, bytes.
    pub offset: u64,
    /// The digest of all of it.
    pub digest: Digest,
    /// The digest of the held chunk that this one replaces.
    pub replace: Option<Digest>,
}

/// The headers of a `POST /files`, to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHeaders {
    /// [`CreateRequest::to_header`].
    pub create: String,
    /// The `Idempotency-Key`.
    pub key: String,
    /// The digest of the body.
    pub digest: Digest,
    /// As fast as the body is to be read at the most, bytes a second.
    pub rate_max: Option<u64>,
}

impl StoreHeaders {
    /// The headers as a sender writes them.
    #[must_use]
    pub fn write(self) -> Vec<(&'static str, String)> {
        let digest = (CHUNK_DIGEST, self.digest.to_header());
        let mut all = vec![(UPLOAD_CREATE, self.create), (IDEMPOTENCY_KEY, self.key), digest];
        if let Some(rate_max) = self.rate_max {
            all.push(write_rate_max(rate_max));
        }
        all
    }
}

/// The [`CHUNK_RATE_MAX`] of so many bytes a second.
#[must_use]
pub fn write_rate_max(rate: u64) -> (&'static str, String) {
    (CHUNK_RATE_MAX, rate.to_string())
}

/// The rate in a [`CHUNK_RATE_MAX`], at least [`RATE_MIN`]; `get` looks a header up by its lower-case
/// name.
///
/// # Errors
/// [`HeaderError::NotANumber`].
pub fn read_rate_max<'a>(
    get: impl Fn(&'static str) -> Option<&'a str>,
) -> Result<Option<u64>, HeaderError> {
    let rate = get(CHUNK_RATE_MAX).map(|value| number(CHUNK_RATE_MAX, value)).transpose()?;
    Ok(rate.map(|rate| rate.max(RATE_MIN)))
}

/// Which header is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// It has to be there.
    #[error("the header `{header}` is missing")]
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// Not a decimal number of 64 bits.
    #[error("the header `{header}` is not a decimal number")]
    NotANumber {
        /// Its name.
        header: &'static str,
    },
    /// Not a digest.
    #[error("the header `{header}` is {source}")]
    NotADigest {
        /// Its name.
        header: &'static str,
        /// What it is not.
        source: DigestError,
    },
    /// Not base64 of the JSON of a [`CreateRequest`].
    #[error("the header `{UPLOAD_CREATE}` is not base64 of the JSON it takes: {detail}")]
    NotACreateRequest {
        /// What the parser said.
        detail: String,
    },
}

impl ChunkHeaders {
    /// The headers as a sender writes them.
    #[must_use]
    pub fn write(&self) -> Vec<(&'static str, String)> {
        let mut headers =
            vec![(CHUNK_INDEX, self.index.to_string()), (CHUNK_DIGEST, self.digest.to_header())];
        if self.offset > 0 {
            headers.push((CHUNK_OFFSET, self.offset.to_string()));
        }
        if let Some(replace) = self.replace {
            headers.push((CHUNK_REPLACE, replace.to_header()));
        }
        headers
    }

    /// The headers as a server reads them; `get` looks one up by its lower-case name.
    ///
    /// # Errors
    /// [`HeaderError`], for the first that is wrong.
    pub fn read<'a>(get: impl Fn(&'static str) -> Option<&'a str>) -> Result<Self, HeaderError> {
        let index = get(CHUNK_INDEX).ok_or(HeaderError::Missing { header: CHUNK_INDEX })?;
        let digest = get(CHUNK_DIGEST).ok_or(HeaderError::Missing { header: CHUNK_DIGEST })?;
        Ok(Self {
            index: ChunkIndex(number(CHUNK_INDEX, index)?),
            offset: get(CHUNK_OFFSET).map_or(Ok(0), |value| number(CHUNK_OFFSET, value))?,
            digest: read_digest(CHUNK_DIGEST, digest)?,
            replace: get(CHUNK_REPLACE)
                .map(|value| read_digest(CHUNK_REPLACE, value))
                .transpose()?,
        })
    }
}

impl CreateRequest {
    /// The value of the `Upload-Create` header.
    #[must_use]
    pub fn to_header(&self) -> String {
        Base64::encode_string(self.to_json().as_bytes())
    }

    /// Reads what [`CreateRequest::to_header`] writes.
    ///
    /// # Errors
    /// [`HeaderError::NotACreateRequest`].
    pub fn from_header(value: &str) -> Result<Self, HeaderError> {
        let detail = |detail: String| HeaderError::NotACreateRequest { detail };
        let json = Base64::decode_vec(value).map_err(|error| detail(error.to_string()))?;
        super::from_json(&json).map_err(|error| detail(error.to_string()))
    }
}

fn read_digest(header: &'static str, value: &str) -> Result<Digest, HeaderError> {
    Digest::from_header(value).map_err(|source| HeaderError::NotADigest { header, source })
}

/// Decimal digits only: `u64::from_str` would take a `+`.
fn number(header: &'static str, value: &str) -> Result<u64, HeaderError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().ok()).flatten().ok_or(HeaderError::NotANumber { header })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(headers: &[(&'static str, String)]) -> Result<ChunkHeaders, HeaderError> {
        ChunkHeaders::read(|name| {
            headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
        })
    }

    #[test]
    fn a_bearer_token_is_read_as_it_was_written_and_nothing_else_is_one() {
        assert_eq!(read_bearer(&bearer("a.b-c_d~e+f/g==")), Some("a.b-c_d~e+f/g=="));
        assert_eq!(read_bearer("bearer  a.b.c "), Some("a.b.c"));
        for other in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer =",
            "a.b.c",
            "Basic a.b.c",
            "Bearer a b",
            "Bearer a,b",
        ] {
            assert_eq!(read_bearer(other), None, "{other}");
        }
    }

    #[test]
    fn a_rate_is_a_number_and_no_lower_than_can_be_kept() {
        let read = |value: Option<&str>| read_rate_max(|_| value);
        assert_eq!(read(None), Ok(None));
        let (name, value) = write_rate_max(1_000_000);
        let written = |asked| (asked == name).then_some(value.as_str());
        assert_eq!(read_rate_max(written), Ok(Some(1_000_000)));
        assert_eq!(read(Some("0")), Ok(Some(RATE_MIN)));
        for wrong in ["", "+1", "1.5", "fast", "99999999999999999999"] {
            assert_eq!(read(Some(wrong)), Err(HeaderError::NotANumber { header: CHUNK_RATE_MAX }));
        }
    }

    #[test]
    fn a_key_of_the_callers_choice_is_visible_and_not_too_long() {
        for key in ["k", "8e03978e-40d5-43dd-bc93-6894a57f9324", &"x".repeat(128)] {
            assert_eq!(read_idempotency_key(key), Some(key));
        }
        for other in ["", "a b", "a\tb", "\u{e9}", &"x".repeat(129)] {
            assert_eq!(read_idempotency_key(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn chunk_headers_are_read_as_they_were_written(
            index: u64, offset: u64, digest: [u8; 32], replace: Option<[u8; 32]>,
        ) {
            let headers = ChunkHeaders {
                index: ChunkIndex(index), offset, digest: Digest(digest), replace: replace.map(Digest),
            };
            prop_assert_eq!(read(&headers.write()), Ok(headers));
        }
    }

    #[test]
    fn the_header_at_fault_is_named() {
        let digest = Digest::of(b"").to_header();
        assert_eq!(
            read(&[(CHUNK_DIGEST, digest.clone())]),
            Err(HeaderError::Missing { header: CHUNK_INDEX })
        );
        assert_eq!(
            read(&[(CHUNK_DIGEST, digest), (CHUNK_INDEX, "+1".into())]),
            Err(HeaderError::NotANumber { header: CHUNK_INDEX })
        );
    }
}
