use super::*;
use crate::permits::{Scope, Scopes, TypePattern};
use aws_lc_rs::encoding::AsDer as _;
use serde_json::{Value, json};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const HOUR: Duration = Duration::from_secs(3600);

fn key() -> TokenKey {
    TokenKey::new(SECRET).unwrap()
}

/// A private key, and the public one in DER.
fn pair() -> (TokenKey, Vec<u8>) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let private = TokenKey::private(pair.to_pkcs8v1().unwrap().as_ref()).unwrap();
    (private, pair.public_key().as_der().unwrap().as_ref().to_vec())
}

fn signed(header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

fn judged(claims: &Value) -> Result<Grant, TokenError> {
    key().judge(&signed(&Header::new(Algorithm::HS256), claims))
}

fn says(claims: &Value) -> Result<Owner, TokenError> {
    judged(claims).map(|grant| grant.owner)
}

fn alice() -> Grant {
    Grant::of(Owner::named("alice").unwrap())
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

#[test]
fn a_token_says_whose_it_is() {
    let token = key().sign(&alice(), HOUR).unwrap();
    assert_eq!(key().judge(&token), Ok(alice()));
    let for_ever = key().sign(&alice(), Duration::MAX).unwrap();
    assert_eq!(key().judge(&for_ever), Ok(alice()));
}

#[test]
fn a_token_says_what_its_owner_may_do() {
    let types = ["image/*", "text/plain"].map(|text| TypePattern::parse(text).unwrap());
    for permits in [
        Permits::only(Scope::ALL),
        Permits::only([Scope::Read]),
        Permits { size_max: Some(0), ..Permits::of_owner() },
        Permits {
            types: Some(types.into()),
            size_max: Some(u64::MAX),
            ..Permits::only([Scope::Upload])
        },
        Permits { types: Some(Vec::new()), ..Permits::of_owner() },
    ] {
        let grant = Grant { permits, ..alice() };
        let token = key().sign(&grant, HOUR).unwrap();
        assert_eq!(key().judge(&token), Ok(grant));
    }
}

#[test]
fn a_key_that_can_be_guessed_is_none() {
    assert_eq!(TokenKey::new(&SECRET[1..]).unwrap_err(), BadKey::Weak { bytes: 31 });
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
fn what_a_token_allows_is_understood_as_a_whole_or_it_is_refused() {
    for (claim, value, expected) in [
        ("scope", json!("read"), Ok(Permits::only([Scope::Read]))),
        ("scope", json!("admin"), Ok(Permits::only([Scope::Admin]))),
        ("scope", json!("delete upload read"), Ok(Permits::of_owner())),
        ("scope", json!("read write"), Err(TokenError::Scope)),
        ("scope", json!("READ"), Err(TokenError::Scope)),
        ("scope", json!(""), Err(TokenError::Scope)),
        ("scope", json!(["read"]), Err(TokenError::Malformed)),
        ("scope", json!(null), Err(TokenError::Malformed)),
        ("max_size", json!(7), Ok(Permits { size_max: Some(7), ..Permits::of_owner() })),
        ("max_size", json!("7"), Err(TokenError::Malformed)),
        ("max_size", json!(-7), Err(TokenError::Malformed)),
        ("max_size", json!(7.5), Err(TokenError::Malformed)),
        ("max_size", json!(null), Err(TokenError::Malformed)),
        ("types", json!([]), Ok(Permits { types: Some(vec![]), ..Permits::of_owner() })),
        ("types", json!(["image"]), Err(TokenError::Types)),
        ("types", json!(["image/png", "*/png"]), Err(TokenError::Types)),
        ("types", json!("image/png"), Err(TokenError::Malformed)),
        ("types", json!([7]), Err(TokenError::Malformed)),
        ("types", json!(null), Err(TokenError::Malformed)),
    ] {
        let mut claims = json!({"sub": "alice", "exp": now() + 9});
        claims[claim] = value;
        assert_eq!(judged(&claims).map(|grant| grant.permits), expected, "{claims}");
    }
    let defaults = Scopes::of_owner();
    let granted = judged(&json!({"sub": "alice", "exp": now() + 9})).unwrap();
    assert_eq!((granted.permits.scopes, defaults.has(Scope::Admin)), (defaults, false));
}

#[test]
fn only_the_one_algorithm_is_taken_and_only_with_the_one_key() {
    let claims = json!({"sub": "a", "exp": now() + 9});
    for other in [Algorithm::HS384, Algorithm::HS512] {
        let token = signed(&Header::new(other), &claims);
        assert_eq!(key().judge(&token), Err(TokenError::Algorithm));
        assert_eq!(Keys::from(key()).judge(&token), Err(TokenError::Algorithm));
    }
    let mut critical = Header::new(Algorithm::HS256);
    critical.crit = Some(vec!["exp".into()]);
    assert_eq!(key().judge(&signed(&critical, &claims)), Err(TokenError::Critical));
    let other_key = TokenKey::new(&[b'x'; 32]).unwrap();
    let token = other_key.sign(&alice(), HOUR).unwrap();
    assert_eq!(key().judge(&token), Err(TokenError::Signature));
}

/// Whoever has a public key must not be able to use it as a secret, whatever bytes of it he takes for one.
#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let (private, spki) = pair();
    let keys = Keys::new(vec![TokenKey::public(&spki).unwrap(), key()]);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{spki:?}\n-----END PUBLIC KEY-----\n");
    for secret in [&spki[..], &spki[12..], pem.as_bytes()] {
        let forger = TokenKey::new(secret).unwrap();
        let mut named = Header::new(Algorithm::HS256);
        named.kid = Some(private.id.clone());
        let claims = json!({"sub": "alice", "exp": now() + 9});
        let as_named = jsonwebtoken::encode(&named, &claims, &EncodingKey::from_secret(secret));
        for token in [forger.sign(&alice(), HOUR).unwrap(), as_named.unwrap()] {
            assert_eq!(keys.judge(&token), Err(TokenError::Signature));
            let alone = Keys::from(TokenKey::public(&spki).unwrap());
            assert_eq!(alone.judge(&token), Err(TokenError::Algorithm));
        }
    }
    // Its own header is no word for another algorithm either.
    let token = private.sign(&alice(), HOUR).unwrap();
    assert_eq!(keys.judge(&token), Ok(alice()));
    assert_eq!(Keys::from(key()).judge(&token), Err(TokenError::Algorithm));
    assert_eq!(key().judge(&token), Err(TokenError::Algorithm));
}

#[test]
fn one_key_takes_the_place_of_another_while_tokens_of_both_are_about() {
    let ((old, _), (new, new_public)) = (pair(), pair());
    let secret = key();
    let both = Keys::new(vec![TokenKey::public(&new_public).unwrap(), old.clone(), secret.clone()]);
    let without = Keys::from(TokenKey::public(&new_public).unwrap());
    for (signer, is_kept) in [(&old, false), (&new, true), (&secret, false)] {
        let token = signer.sign(&alice(), HOUR).unwrap();
        assert_eq!(both.judge(&token), Ok(alice()));
        assert_eq!(without.judge(&token).is_ok(), is_kept);
    }
    // One whose maker gave his key a name of his own, or none.
    for kid in [None, Some("2026-01".to_owned()), Some(old.id.clone())] {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = kid;
        let token = signed(&header, &json!({"sub": "alice", "exp": now() + 9}));
        assert_eq!(both.judge(&token), Ok(alice()));
    }
    // One that names a key is of that key or of none.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(secret.id.clone());
    let other = EncodingKey::from_secret(&[b'x'; 32]);
    let claims = json!({"sub": "alice", "exp": now() + 9});
    let forged = jsonwebtoken::encode(&header, &claims, &other).unwrap();
    let with_other = Keys::new(vec![secret, TokenKey::new(&[b'x'; 32]).unwrap()]);
    assert_eq!(with_other.judge(&forged), Err(TokenError::Signature));
}

#[test]
fn a_token_that_was_changed_is_not_believed() {
    for key in [key(), pair().0] {
        let keys = Keys::from(key.clone());
        let token = key.sign(&alice(), HOUR).unwrap();
        assert_eq!(keys.judge(&token), Ok(alice()));
        let (rest, signature) = token.rsplit_once('.').unwrap();
        let (_, payload) = rest.split_once('.').unwrap();
        // base64url of {"alg":"none","typ":"JWT"}, of {"alg":"None"} and of {"alg":""}
        for none in ["eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", "eyJhbGciOiJOb25lIn0", "eyJhbGciOiIifQ"]
        {
            for forged in [format!("{none}.{payload}."), format!("{none}.{payload}.{signature}")] {
                assert_eq!(keys.judge(&forged), Err(TokenError::Malformed), "{forged}");
                assert_eq!(key.judge(&forged), Err(TokenError::Malformed), "{forged}");
            }
        }
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(keys.judge(&changed).is_err() && key.judge(&changed).is_err(), "{changed}");
        }
        for other in ["", ".", "..", "...", "a.b.c", &rest[1..], &format!("{rest}.")] {
            assert!(keys.judge(other).is_err() && key.judge(other).is_err(), "{other}");
        }
        assert_eq!(keys.judge(&"x".repeat(TOKEN_BYTES_MAX + 1)), Err(TokenError::TooLong));
    }
}
