//! Bearer tokens: JWTs (RFC 7519), signed with HS256 or EdDSA, which say who the caller is, what he may
//! do, and until when. Whoever has the key makes them, this server or the one that serves the page;
//! with EdDSA this server needs only the half of it that makes none.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation};

use crate::owner::OwnerError;
use crate::permits::Permits;
use crate::store::Owner;

mod claims;
mod thumbprint;

use claims::Claims;

/// The shortest secret, bytes (RFC 7518, section 3.2: no shorter than the hash, 256 bits).
pub const KEY_BYTES_MIN: usize = 32;
/// How many keys a server may have at once: the one that is used, the one before, and some to spare. A
/// token that names none of them is tried with each.
pub const KEYS_MAX: usize = 8;
/// The longest token that is looked at, bytes: what an identity provider puts into one is a tenth of
/// this, and what is longer costs time before it is known to be forged.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How far the clock that a token was made by may be off.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// What a public key of Ed25519 is in DER before its point (RFC 8410, section 4).
const SPKI_ED25519: &[u8] =
    &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why bytes make no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A secret that has fewer than [`KEY_BYTES_MIN`].
    #[error("it has {bytes} bytes, and a key that nobody guesses has at least {KEY_BYTES_MIN}")]
    Weak {
        /// What it has.
        bytes: usize,
    },
    /// A key of another algorithm, or none.
    #[error("it is no key of Ed25519")]
    NotEd25519,
}

/// Why a token is not believed. The caller is told; nothing of the token is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("the token has more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// Not three parts of base64url, no JSON in them, claims of another kind, or an algorithm that no JWT
    /// has (`none`).
    #[error(
        "the token is not a signed JWT, or one of its claims is not of the kind that it has to be: \
         `sub` and `scope` are texts, `max_size` is a whole number, `types` a list of texts"
    )]
    Malformed,
    /// Signed in another way than any key here is for.
    #[error("the token's header names an algorithm that this server has no key for")]
    Algorithm,
    /// A demand that this server does not know.
    #[error("the token's header has a `crit`, which asks for more than this server knows")]
    Critical,
    /// Forged, changed, or another server's.
    #[error("the token was not signed with this server's key")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    Early,
    /// Made for another service.
    #[error("the token is for another audience: this server has none")]
    Audience,
    /// Something it has to say, it does not.
    #[error("the token does not say its `{claim}`, or not in the form of RFC 7519")]
    Claim {
        /// The claim.
        claim: String,
    },
    /// Its `sub` cannot be an owner.
    #[error("the token's `sub` names no owner: {0}")]
    Owner(#[from] OwnerError),
    /// It has a scope that this server does not know, which may be one that takes something away.
    #[error("the token's `scope` is not some of `upload read delete admin`, with a space between")]
    Scope,
    /// Its `types` are none.
    #[error("the token's `types` are not media types such as `image/png`, `image/*` or `*/*`")]
    Types,
}

/// Why a token was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// There is no more of the key than what judges.
    #[error("this is a public key, which only judges tokens: sign with the private one")]
    Public,
    /// The library's.
    #[error(transparent)]
    Jwt(#[from] jsonwebtoken::errors::Error),
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose it is.
    pub owner: Owner,
    /// What he may do with his own.
    pub permits: Permits,
}

impl Grant {
    /// Everything that an owner may do with his own.
    #[must_use]
    pub fn of(owner: Owner) -> Self {
        Self { owner, permits: Permits::of_owner() }
    }
}

/// A key that tokens are signed with, or judged by, or both, with the one algorithm that it is for. Its
/// `Debug` shows nothing of it.
#[derive(Clone, Debug)]
pub struct TokenKey {
    /// Names it in a token's header: its thumbprint (RFC 7638).
    id: String,
    algorithm: Algorithm,
    signing: Option<EncodingKey>,
    judging: DecodingKey,
}

impl TokenKey {
    /// A secret, for HS256.
    ///
    /// # Errors
    /// [`BadKey::Weak`].
    pub fn new(secret: &[u8]) -> Result<Self, BadKey> {
        if secret.len() < KEY_BYTES_MIN {
            return Err(BadKey::Weak { bytes: secret.len() });
        }
        Ok(Self {
            id: thumbprint::of_secret(secret),
            algorithm: Algorithm::HS256,
            signing: Some(EncodingKey::from_secret(secret)),
            judging: DecodingKey::from_secret(secret),
        })
    }

    /// A private key of Ed25519, PKCS#8 in DER.
    ///
    /// # Errors
    /// [`BadKey::NotEd25519`].
    pub fn private(pkcs8: &[u8]) -> Result<Self, BadKey> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| BadKey::NotEd25519)?;
        let signing = Some(EncodingKey::from_ed_der(pkcs8));
        Ok(Self { signing, ..Self::of_point(pair.public_key().as_ref()) })
    }

    /// A public key of Ed25519, a `SubjectPublicKeyInfo` in DER. It judges and does not sign.
    ///
    /// # Errors
    /// [`BadKey::NotEd25519`].
    pub fn public(spki: &[u8]) -> Result<Self, BadKey> {
        let point = spki.strip_prefix(SPKI_ED25519).ok_or(BadKey::NotEd25519)?;
        // RFC 8032, section 5.1.5: 32 bytes.
        let point = <&[u8; 32]>::try_from(point).map_err(|_| BadKey::NotEd25519)?;
        Ok(Self::of_point(point))
    }

    fn of_point(point: &[u8]) -> Self {
        Self {
            id: thumbprint::of_point(point),
            algorithm: Algorithm::EdDSA,
            signing: None,
            judging: DecodingKey::from_ed_der(point),
        }
    }

    /// Whether it signs.
    #[must_use]
    pub fn signs(&self) -> bool {
        self.signing.is_some()
    }

    /// A token that grants this for so long from now on.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, grant: &Grant, lasts: Duration) -> Result<String, SignError> {
        let signing = self.signing.as_ref().ok_or(SignError::Public)?;
        let exp = jsonwebtoken::get_current_timestamp().saturating_add(lasts.as_secs());
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        Ok(jsonwebtoken::encode(&header, &Claims::of(grant, exp), signing)?)
    }

    /// What a token grants. Its signature is looked at before anything that it says.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn judge(&self, token: &str) -> Result<Grant, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let judged = jsonwebtoken::decode(token, &self.judging, &rules(self.algorithm));
        let TokenData { header, claims } = judged.map_err(|error| reason(error.kind()))?;
        // RFC 7515, section 4.1.11: what is critical and not understood makes a token invalid.
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        Claims::grant(claims)
    }
}

/// The keys that a server believes, of which any may have signed a token: so one key can take the place
/// of another while tokens of both are about.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<TokenKey>);

impl Keys {
    /// The keys, in whatever order.
    #[must_use]
    pub fn new(keys: Vec<TokenKey>) -> Self {
        Self(keys)
    }

    /// What a token grants. Its header only says which keys to try: each is for one algorithm, whatever
    /// the header says.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn judge(&self, token: &str) -> Result<Grant, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        let of_algorithm = self.0.iter().filter(|key| key.algorithm == header.alg);
        let named = of_algorithm.clone().find(|key| header.kid.as_ref() == Some(&key.id));
        // Others who sign name their keys as they like.
        let tried = named.map_or_else(|| of_algorithm.collect(), |key| vec![key]);
        let mut judged = Err(TokenError::Algorithm);
        for key in tried {
            judged = key.judge(token);
            if judged != Err(TokenError::Signature) {
                break;
            }
        }
        judged
    }
}

impl From<TokenKey> for Keys {
    fn from(key: TokenKey) -> Self {
        Self(vec![key])
    }
}

fn rules(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.set_required_spec_claims(&["sub", "exp"]);
    rules.validate_nbf = true;
    rules.leeway = LEEWAY.as_secs();
    rules
}

fn reason(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::Early,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => {
            TokenError::Claim { claim: claim.clone() }
        }
        _ => TokenError::Malformed,
    }
}

#[cfg(test)]
mod tests;
