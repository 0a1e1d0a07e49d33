//! Tokens: nobody without a key makes one, and one made with it is believed only if it says what
//! a slow reader finds in it.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use longhaul_protocol::media_type::is_media_type;
use longhaul_protocol::wire::header::{bearer, read_bearer};
use longhaul_server::permits::{Scope, TypePattern};
use longhaul_server::store::Owner;
use longhaul_server::token::{Grant, Keys, TokenKey};
use serde_json::Value;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// RFC 8032, section 7.1, test 1, in DER.
const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
const PUBLIC: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
/// What a clock may be off, and how long a check may take, seconds.
const LEEWAY: f64 = 60.0 + 5.0;

/// The bytes as what came in the header, and, cut at the first line end, as the two parts of a token
/// that somebody with a key signed, with each algorithm that there is.
pub fn check(bytes: &[u8]) {
    let public = TokenKey::public(&STANDARD.decode(PUBLIC).expect("base64")).expect("a key");
    let keys = Keys::new(vec![TokenKey::new(SECRET).expect("long enough"), public]);
    if let Ok(text) = std::str::from_utf8(bytes) {
        check_bearer(text);
        assert!(keys.judge(text).is_err(), "forged: {text}");
    }
    let mut parts = bytes.splitn(2, |&byte| byte == b'\n');
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for (algorithm, name) in [(Algorithm::HS256, "HS256"), (Algorithm::EdDSA, "EdDSA")] {
        let token = signed(header, claims, algorithm);
        check_signed(&keys, &token, (header, claims), name);
    }
}

fn check_signed(keys: &Keys, token: &str, (header, claims): (&[u8], &[u8]), algorithm: &str) {
    let judged = keys.judge(token);
    if let Ok(grant) = &judged {
        assert!(is_ours(header, algorithm), "{}", String::from_utf8_lossy(header));
        // A value has no place for a number of any size, which may stand where nobody looks.
        if value(claims).is_some() {
            assert!(grants(claims, grant), "{}: {grant:?}", String::from_utf8_lossy(claims));
        }
        for at in [0, token.len() / 2, token.len() - 2] {
            assert!(keys.judge(&changed(token, at)).is_err(), "changed at {at}: {token}");
        }
    } else if header == format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#).as_bytes()
        && claims.len() < 4000
    {
        assert_eq!(strictly(claims), None, "refused: {:?}", judged);
    }
}

fn check_bearer(text: &str) {
    let Some(token) = read_bearer(text) else { return };
    assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
    assert_eq!(read_bearer(&bearer(token)), Some(token));
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    assert!(words.next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer")), "{text}");
    assert_eq!((words.next(), words.next()), (Some(token), None), "{text}");
}

fn signed(header: &[u8], claims: &[u8], algorithm: Algorithm) -> String {
    let said = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = match algorithm {
        Algorithm::HS256 => EncodingKey::from_secret(SECRET),
        _ => EncodingKey::from_ed_der(&STANDARD.decode(PRIVATE).expect("base64")),
    };
    let signature = crypto::sign(said.as_bytes(), &key, algorithm).expect("a key of it");
    format!("{said}.{signature}")
}

fn changed(token: &str, at: usize) -> String {
    let mut bytes = token.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'A' { b'Q' } else { b'A' };
    String::from_utf8(bytes).expect("ASCII")
}

fn is_ours(header: &[u8], algorithm: &str) -> bool {
    value(header).is_none_or(|header| header["alg"] == algorithm && header["crit"].is_null())
}

/// The library lets bytes that are no text pass in claims that nobody reads.
fn value(json: &[u8]) -> Option<Value> {
    serde_json::from_str(&String::from_utf8_lossy(json)).ok()
}

/// The slow twin: whose it is, if it may be believed at all.
fn read(claims: &[u8]) -> Option<Owner> {
    let claims = value(claims)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    let in_time = claims["exp"].as_f64()? > now - LEEWAY
        && (claims["nbf"].is_null() || claims["nbf"].as_f64()? < now + LEEWAY);
    let owner = Owner::parse(claims["sub"].as_str()?).ok()?;
    (in_time && claims["aud"].is_null()).then_some(owner)
}

/// Whether it grants what the slow reader finds, and no more.
fn grants(claims: &[u8], grant: &Grant) -> bool {
    let said = value(claims).expect("looked at before");
    let permits = &grant.permits;
    let names: Vec<_> = match said["scope"].as_str() {
        Some(names) => names.split(' ').collect(),
        None => vec!["upload", "read", "delete"],
    };
    let is_known = |name: &&str| ["upload", "read", "delete", "admin"].contains(name);
    let has = |scope: Scope| permits.scopes.has(scope) == names.contains(&scope.name());
    let types = said["types"].as_array().map(|types| types.iter().map(pattern).collect());
    let granted = permits.types.as_ref();
    let granted: Option<Vec<_>> =
        granted.map(|types| types.iter().map(|it| Some(it.as_str().to_owned())).collect());
    read(claims).as_ref() == Some(&grant.owner)
        && names.iter().all(is_known)
        && Scope::ALL.into_iter().all(has)
        && permits.size_max == said["max_size"].as_u64()
        && granted == types
}

/// A type that is allowed, as it is written, or nothing.
fn pattern(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let (kind, subtype) = text.split_once('/')?;
    let stars = text.matches('*').count();
    let is_whole =
        !text.contains(';') && !text.contains(char::is_whitespace) && is_media_type(text);
    let is_one = match stars {
        0 => true,
        1 => subtype == "*",
        _ => kind == "*" && subtype == "*",
    };
    let known = TypePattern::parse(text).map(|it| it.as_str().to_owned());
    assert_eq!(known.is_some(), is_whole && is_one, "{text}");
    known
}

/// The same of a token with nothing in it but a name and a whole second far from now: one that must
/// be believed.
fn strictly(claims: &[u8]) -> Option<Owner> {
    let owner = read(claims)?;
    let value: Value = serde_json::from_slice(claims).ok()?;
    let far = value["exp"].as_u64().is_some_and(|exp| (4_000_000_000..1 << 40).contains(&exp));
    let plain = serde_json::to_vec(&value).ok()? == claims;
    (far && plain && value.as_object()?.len() == 2).then_some(owner)
}
