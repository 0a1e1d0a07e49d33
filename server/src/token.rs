//! Bearer tokens: JWTs (RFC 7519) signed with HS256, which say who the caller is and until when.
//! Whoever has the key makes them, this server or the one that serves the page.

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::owner::OwnerError;
use crate::store::Owner;

/// The shortest key, bytes (RFC 7518, section 3.2: no shorter than the hash, 256 bits).
pub const KEY_BYTES_MIN: usize = 32;
/// The longest token that is looked at, bytes: what an identity provider puts into one is a tenth of
/// this, and what is longer costs time before it is known to be forged.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How far the clock that a token was made by may be off.
pub const LEEWAY: Duration = Duration::from_secs(60);

/// A key has fewer than [`KEY_BYTES_MIN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has {bytes} bytes, and a key that nobody guesses has at least {KEY_BYTES_MIN}")]
pub struct WeakKey {
    /// What it has.
    pub bytes: usize,
}

/// Why a token is not believed. The caller is told; nothing of the token is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`TOKEN_BYTES_MAX`].
    #[error("the token has more than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// Not three parts of base64url, no JSON in them, or an algorithm that no JWT has (`none`).
    #[error("the token is not a JWT signed with HS256 whose `sub` is a text")]
    Malformed,
    /// Another algorithm, or a demand that this server does not know.
    #[error("the token's header asks for more than HS256")]
    Header,
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
}

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The owner. Empty where it is not there, which the check of what is required finds.
    #[serde(default)]
    sub: String,
    /// When it ends, seconds since 1970. Read and judged by the library.
    #[serde(skip_deserializing)]
    exp: u64,
    /// For whom it is, in whatever form. The library lets a form pass that is none (a number).
    #[serde(default, skip_serializing)]
    aud: Option<IgnoredAny>,
}

/// The key that tokens are signed with and judged by. Its `Debug` shows nothing of it.
#[derive(Clone, Debug)]
pub struct TokenKey {
    signing: EncodingKey,
    judging: DecodingKey,
    rules: Validation,
}

impl TokenKey {
    /// A key of these bytes.
    ///
    /// # Errors
    /// [`WeakKey`].
    pub fn new(secret: &[u8]) -> Result<Self, WeakKey> {
        if secret.len() < KEY_BYTES_MIN {
            return Err(WeakKey { bytes: secret.len() });
        }
        let (signing, judging) =
            (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Ok(Self { signing, judging, rules: rules() })
    }

    /// A token for an owner that lasts so long from now on.
    ///
    /// # Errors
    /// Never for a key of this type; the library's signature has one.
    pub fn sign(
        &self,
        owner: &Owner,
        lasts: Duration,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let exp = jsonwebtoken::get_current_timestamp().saturating_add(lasts.as_secs());
        let claims = Claims { sub: owner.0.clone(), exp, aud: None };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }

    /// Whose a token is. Its signature is looked at before anything that it says.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn judge(&self, token: &str) -> Result<Owner, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong);
        }
        let judged = jsonwebtoken::decode(token, &self.judging, &self.rules);
        let TokenData { header, claims } = judged.map_err(|error| reason(error.kind()))?;
        // RFC 7515, section 4.1.11: what is critical and not understood makes a token invalid.
        if header.crit.is_some() {
            return Err(TokenError::Header);
        }
        let Claims { sub, aud, .. } = claims;
        if aud.is_some() {
            return Err(TokenError::Audience);
        }
        Ok(Owner::parse(&sub)?)
    }
}

fn rules() -> Validation {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.set_required_spec_claims(&["sub", "exp"]);
    rules.validate_nbf = true;
    rules.leeway = LEEWAY.as_secs();
    rules
}

fn reason(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidAlgorithm => TokenError::Header,
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
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const HOUR: Duration = Duration::from_secs(3600);

    fn key() -> TokenKey {
        TokenKey::new(SECRET).unwrap()
    }

    fn signed(header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(SECRET)).unwrap()
    }

    fn says(claims: &Value) -> Result<Owner, TokenError> {
        key().judge(&signed(&Header::new(Algorithm::HS256), claims))
    }

    fn now() -> u64 {
        jsonwebtoken::get_current_timestamp()
    }

    #[test]
    fn a_token_says_whose_it_is() {
        let alice = Owner::named("alice").unwrap();
        let token = key().sign(&alice, HOUR).unwrap();
        assert_eq!(key().judge(&token), Ok(alice.clone()));
        let for_ever = key().sign(&alice, Duration::MAX).unwrap();
        assert_eq!(key().judge(&for_ever), Ok(alice));
    }

    #[test]
    fn a_key_that_can_be_guessed_is_none() {
        assert_eq!(TokenKey::new(&SECRET[1..]).unwrap_err(), WeakKey { bytes: 31 });
    }

    #[test]
    fn a_key_is_never_shown() {
        let shown = format!("{:?}", key());
        assert!(!shown.contains("0123") && !shown.contains("48, 49"), "{shown}");
    }

    #[test]
    fn the_claims_are_held_to_their_words() {
        let claim = |claim: &str| Err(TokenError::Claim { claim: claim.into() });
        let not_a_name = Err(TokenError::Owner(OwnerError::NotAName));
        for (claims, expected) in [
            (json!({"sub": "a", "exp": now() + 9}), Ok(Owner("a".into()))),
            (json!({"sub": "a", "exp": now() as f64 + 9.5}), Ok(Owner("a".into()))),
            (json!({"sub": "a", "exp": now() - 30}), Ok(Owner("a".into()))),
            (json!({"sub": "a", "exp": now() - 90}), Err(TokenError::Expired)),
            (json!({"sub": "a", "exp": 0}), Err(TokenError::Expired)),
            (json!({"sub": "a", "exp": now() + 9, "nbf": now() + 90}), Err(TokenError::Early)),
            (json!({"sub": "a", "exp": now() + 9, "nbf": "x"}), claim("nbf")),
            (json!({"sub": "a", "exp": "tomorrow"}), claim("exp")),
            (json!({"sub": "a", "exp": -1}), claim("exp")),
            (json!({"sub": "a", "exp": null}), claim("exp")),
            (json!({"sub": "a"}), claim("exp")),
            (json!({"exp": now() + 9}), claim("sub")),
            (json!({"sub": 7, "exp": now() + 9}), Err(TokenError::Malformed)),
            (json!({"sub": "", "exp": now() + 9}), not_a_name.clone()),
            (json!({"sub": "a b", "exp": now() + 9}), not_a_name.clone()),
            (json!({"sub": "x".repeat(256), "exp": now() + 9}), not_a_name),
            (json!({"sub": "a", "exp": now() + 9, "aud": "mail"}), Err(TokenError::Audience)),
            (json!({"sub": "a", "exp": now() + 9, "aud": ["mail"]}), Err(TokenError::Audience)),
            (json!({"sub": "a", "exp": now() + 9, "aud": 7}), Err(TokenError::Audience)),
            (json!({"sub": "a", "exp": now() + 9, "aud": [7]}), Err(TokenError::Audience)),
            (json!({"sub": "a", "exp": now() + 9, "aud": {}}), Err(TokenError::Audience)),
            (json!(["a"]), Err(TokenError::Malformed)),
        ] {
            assert_eq!(says(&claims), expected, "{claims}");
        }
    }

    #[test]
    fn only_the_one_algorithm_is_taken_and_only_with_the_one_key() {
        let claims = json!({"sub": "a", "exp": now() + 9});
        for other in [Algorithm::HS384, Algorithm::HS512] {
            let token = signed(&Header::new(other), &claims);
            assert_eq!(key().judge(&token), Err(TokenError::Header));
        }
        let mut critical = Header::new(Algorithm::HS256);
        critical.crit = Some(vec!["exp".into()]);
        assert_eq!(key().judge(&signed(&critical, &claims)), Err(TokenError::Header));
        let other_key = TokenKey::new(&[b'x'; 32]).unwrap();
        let token = other_key.sign(&Owner::local(), HOUR).unwrap();
        assert_eq!(key().judge(&token), Err(TokenError::Signature));
    }

    #[test]
    fn a_token_that_was_changed_is_not_believed() {
        let token = key().sign(&Owner::local(), HOUR).unwrap();
        let (rest, signature) = token.rsplit_once('.').unwrap();
        let (_, payload) = rest.split_once('.').unwrap();
        // base64url of {"alg":"none","typ":"JWT"}
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
        for forged in [format!("{none}.{payload}."), format!("{none}.{payload}.{signature}")] {
            assert_eq!(key().judge(&forged), Err(TokenError::Malformed), "{forged}");
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(key().judge(&changed).is_err(), "{changed}");
        }
        for other in ["", ".", "..", "...", "a.b.c", &rest[1..], &format!("{rest}.")] {
            assert!(key().judge(other).is_err(), "{other}");
        }
        assert_eq!(key().judge(&"x".repeat(TOKEN_BYTES_MAX + 1)), Err(TokenError::TooLong));
    }
}
