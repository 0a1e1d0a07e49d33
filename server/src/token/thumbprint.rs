//! What a key is called: the thumbprint of its JWK (RFC 7638), which tells nothing of it.

use base64ct::{Base64UrlUnpadded as Base64Url, Encoding as _};
use longhaul_protocol::Digest;

/// Of a secret (RFC 7518, section 6.4).
pub(super) fn of_secret(secret: &[u8]) -> String {
    of_jwk(&format!(r#"{{"k":"{}","kty":"oct"}}"#, Base64Url::encode_string(secret)))
}

/// Of a public key of Ed25519 (RFC 8037, section 2).
pub(super) fn of_point(point: &[u8]) -> String {
    let x = Base64Url::encode_string(point);
    of_jwk(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#))
}

/// Of the members that it has to have, in the order of their names.
fn of_jwk(json: &str) -> String {
    Base64Url::encode_string(&Digest::of(json.as_bytes()).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037, appendix A.3.
    #[test]
    fn a_public_keys_name_is_that_of_the_rfc() {
        let x = Base64Url::decode_vec("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(of_point(&x), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
