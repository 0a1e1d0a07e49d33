//! Proofs that a client has bytes that the server has from another owner.
//!
//! A digest grants nothing: it may have been overheard. Where the server lends across owners it
//! answers a digest with a [`Nonce`], and takes SHA-256(nonce ‖ chunk) for an answer, which only
//! somebody with the bytes can tell.

use serde::{Deserialize, Serialize};

use crate::chunk_set::ChunkSet;
use crate::digest::{Digest, Hasher};
use crate::plan::ChunkIndex;

/// The most proofs in one request: as many as a sender has buffers of 8 MiB. The server reads each
/// chunk before it answers.
pub const PROOFS_PER_REQUEST_MAX: usize = 8;

/// 32 random bytes of the server's, in base64, good for one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(pub Digest);

impl Nonce {
    /// A hasher that the bytes of the chunk are to be fed to: it ends in the proof.
    #[must_use]
    pub fn hasher(self) -> Hasher {
        let mut hasher = Hasher::default();
        hasher.update(&self.0.0);
        hasher
    }

    /// The proof that one has these bytes of a chunk, all of them.
    #[must_use]
    pub fn proof(self, chunk: &[u8]) -> Digest {
        let mut hasher = self.hasher();
        hasher.update(chunk);
        hasher.finish()
    }
}

/// What is to be proved. Part of the answers to `POST /uploads` and `POST /uploads/{id}/digests`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Challenge {
    /// What the proofs are to begin with.
    pub nonce: Nonce,
    /// Of which chunks; the others that are not held are simply to be sent.
    pub chunks: ChunkSet,
}

/// The body of `POST /uploads/{id}/proofs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProofRequest {
    /// At most [`PROOFS_PER_REQUEST_MAX`].
    pub proofs: Vec<Proof>,
}

/// That a client has the bytes of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// The chunk.
    pub index: ChunkIndex,
    /// SHA-256 over the nonce and the chunk's bytes.
    pub proof: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_the_digest_of_the_nonce_and_the_bytes() {
        let nonce = Nonce(Digest::of(b"random"));
        let mut hasher = nonce.hasher();
        hasher.update(b"by");
        hasher.update(b"tes");
        let both = [&nonce.0.0[..], b"bytes"].concat();
        assert_eq!(hasher.finish(), Digest::of(&both));
        assert_eq!(nonce.proof(b"bytes"), Digest::of(&both));
    }
}
