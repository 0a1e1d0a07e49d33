//! Tokens: nobody without the key makes one, and one made with it is believed only if it says what
//! a slow reader finds in it.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use longhaul_protocol::wire::header::{bearer, read_bearer};
use longhaul_server::store::Owner;
use longhaul_server::token::TokenKey;
use serde_json::Value;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// What a clock may be off, and how long a check may take, seconds.
const LEEWAY: f64 = 60.0 + 5.0;

/// The bytes as what came in the header, and, cut at the first line end, as the two parts of a token
/// that somebody with the key signed.
pub fn check(bytes: &[u8]) {
    let key = TokenKey::new(SECRET).expect("long enough");
    if let Ok(text) = std::str::from_utf8(bytes) {
        check_bearer(text);
        assert!(key.judge(text).is_err(), "forged: {text}");
    }
    let mut parts = bytes.splitn(2, |&byte| byte == b'\n');
    let (header, claims) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let token = signed(header, claims);
    let judged = key.judge(&token);
    if let Ok(owner) = &judged {
        assert!(is_ours(header), "{}", String::from_utf8_lossy(header));
        // A value has no place for a number of any size, which may stand where nobody looks.
        if value(claims).is_some() {
            assert_eq!(read(claims).as_ref(), Some(owner), "{}", String::from_utf8_lossy(claims));
        }
        for at in [0, token.len() / 2, token.len() - 2] {
            assert!(key.judge(&changed(&token, at)).is_err(), "changed at {at}: {token}");
        }
    } else if header == br#"{"typ":"JWT","alg":"HS256"}"# && claims.len() < 4000 {
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

fn signed(header: &[u8], claims: &[u8]) -> String {
    let said = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = EncodingKey::from_secret(SECRET);
    let signature = crypto::sign(said.as_bytes(), &key, Algorithm::HS256).expect("a key of HS256");
    format!("{said}.{signature}")
}

fn changed(token: &str, at: usize) -> String {
    let mut bytes = token.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'A' { b'Q' } else { b'A' };
    String::from_utf8(bytes).expect("ASCII")
}

fn is_ours(header: &[u8]) -> bool {
    value(header).is_none_or(|header| header["alg"] == "HS256" && header["crit"].is_null())
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

/// The same of a token with nothing in it but a name and a whole second far from now: one that must
/// be believed.
fn strictly(claims: &[u8]) -> Option<Owner> {
    let owner = read(claims)?;
    let value: Value = serde_json::from_slice(claims).ok()?;
    let far = value["exp"].as_u64().is_some_and(|exp| (4_000_000_000..1 << 40).contains(&exp));
    let plain = serde_json::to_vec(&value).ok()? == claims;
    (far && plain && value.as_object()?.len() == 2).then_some(owner)
}
