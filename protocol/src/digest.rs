//! Chunk digests, and the root over them.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Digest as _;
use sha2::digest::common::hazmat::SerializableState as _;
use thiserror::Error;

/// The name of the digest algorithm on the wire (RFC 9530, section 7.2).
pub const ALGORITHM: &str = "sha-256";
/// The length of a digest, bytes.
pub const DIGEST_LEN: usize = 32;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; DIGEST_LEN]);

/// Why a text is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DigestError {
    /// Not base64 of 32 bytes.
    #[error("not the base64 of a 32-byte SHA-256 digest")]
    NotBase64,
    /// Not an RFC 9530 dictionary with a `sha-256` member.
    #[error("not `sha-256=:<base64>:` (RFC 9530)")]
    NoSha256,
}

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Base64, as JSON carries it.
    #[must_use]
    pub fn to_base64(self) -> String {
        Base64::encode_string(&self.0)
    }

    /// Reads what [`Digest::to_base64`] writes.
    ///
    /// # Errors
    /// [`DigestError::NotBase64`].
    pub fn from_base64(text: &str) -> Result<Self, DigestError> {
        let mut bytes = [0; DIGEST_LEN];
        match Base64::decode(text, &mut bytes) {
            Ok(all) if all.len() == DIGEST_LEN => Ok(Self(bytes)),
            _ => Err(DigestError::NotBase64),
        }
    }

    /// `sha-256=:<base64>:`, as a header carries it (RFC 9530, section 2).
    #[must_use]
    pub fn to_header(self) -> String {
        format!("{ALGORITHM}=:{}:", self.to_base64())
    }

    /// Reads the `sha-256` member of an RFC 9530 dictionary; other algorithms in it are passed over.
    ///
    /// # Errors
    /// [`DigestError::NoSha256`] when there is none, [`DigestError::NotBase64`] when it is not one.
    pub fn from_header(value: &str) -> Result<Self, DigestError> {
        let member = value
            .split(',')
            .filter_map(|member| member.trim().strip_prefix(ALGORITHM)?.strip_prefix('='))
            .next_back()
            .ok_or(DigestError::NoSha256)?;
        let inner = member
            .strip_prefix(':')
            .and_then(|rest| rest.strip_suffix(':'))
            .ok_or(DigestError::NoSha256)?;
        Self::from_base64(inner)
    }
}

impl fmt::Display for Digest {
    /// Lower-case hexadecimal, as `sha256sum` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let mut text = [0; 64];
        for (place, digit) in text.iter_mut().zip(digits) {
            *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        }
        // One by one they would take as long as all else that a download's head is made of.
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_base64(&text).map_err(de::Error::custom)
    }
}

/// SHA-256 over bytes that come piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// What has been made of the bytes so far, to be gone on with by [`Hasher::restore`]. Every 0.11
    /// of `sha2` reads what any other wrote; a test holds the form, which is kept on disks.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.0.serialize().to_vec()
    }

    /// Reads what [`Hasher::save`] wrote; `None` if it is nothing of that kind.
    #[must_use]
    pub fn restore(saved: &[u8]) -> Option<Self> {
        sha2::Sha256::deserialize(saved.try_into().ok()?).ok().map(Self)
    }

    /// The digest of all of them.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

/// The root of a file: SHA-256 over the concatenated raw digests of its chunks, in order (the
/// COMPOSITE SHA-256 of S3). A file without chunks has the root SHA-256("").
#[must_use]
pub fn root(chunk_digests: impl IntoIterator<Item = Digest>) -> Digest {
    let mut hasher = Hasher::default();
    chunk_digests.into_iter().for_each(|digest| hasher.update(&digest.0));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_digest_is_what_fips_180_says() {
        assert_eq!(
            Digest::of(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_file_without_chunks_has_the_digest_of_nothing_as_its_root() {
        assert_eq!(root([]), Digest::of(b""));
    }

    #[test]
    fn the_root_covers_the_order_of_the_chunks() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(root([a, b]), Digest::of(&[a.0, b.0].concat()));
        assert_ne!(root([a, b]), root([b, a]));
    }

    #[test]
    fn a_header_may_carry_other_algorithms_beside_ours() {
        let digest = Digest::of(b"x");
        let value = format!("unixsum=:AAA=:, {} ", digest.to_header());
        assert_eq!(Digest::from_header(&value), Ok(digest));
        assert_eq!(Digest::from_header("sha-512=:AAAA:"), Err(DigestError::NoSha256));
        assert_eq!(Digest::from_header("sha-256=:AAAA:"), Err(DigestError::NotBase64));
        assert_eq!(Digest::from_header("sha-256=AAAA"), Err(DigestError::NoSha256));
    }

    #[test]
    fn a_saved_hasher_has_the_form_that_disks_have() {
        let mut hasher = Hasher::default();
        hasher.update(&[7; 130]);
        let saved: String = hasher.save().iter().map(|byte| format!("{byte:02x}")).collect();
        let (state, rest) = saved.split_at(64);
        assert_eq!(
            state, "ed81ac7f594b2c4a0a1afdc3907bf78a13df97be0c75a41e5aebe2f73c536907",
            "eight words, little-endian"
        );
        assert_eq!(rest, format!("020000000000000002{:0<126}", "0707"), "two blocks, two bytes");
        for other in [&[][..], &[0; 103], &[255; 104]] {
            assert!(Hasher::restore(other).is_none(), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn a_restored_hasher_goes_on(bytes: Vec<u8>, cut: prop::sample::Index) {
            let (left, right) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut hasher = Hasher::default();
            hasher.update(left);
            let mut restored = Hasher::restore(&hasher.save()).unwrap();
            restored.update(right);
            prop_assert_eq!(restored.finish(), Digest::of(&bytes));
        }

        #[test]
        fn what_is_written_is_read_again(bytes: [u8; DIGEST_LEN]) {
            let digest = Digest(bytes);
            prop_assert_eq!(Digest::from_base64(&digest.to_base64()), Ok(digest));
            prop_assert_eq!(Digest::from_header(&digest.to_header()), Ok(digest));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text: String) {
            let _ = Digest::from_header(&text);
            let _ = Digest::from_base64(&text);
        }

        #[test]
        fn pieces_hash_like_the_whole(bytes: Vec<u8>, cut: prop::sample::Index) {
            let (left, right) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut hasher = Hasher::default();
            hasher.update(left);
            hasher.update(right);
            prop_assert_eq!(hasher.finish(), Digest::of(&bytes));
        }
    }
}
