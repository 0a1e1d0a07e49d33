//! Links to files: for those who have no token. Both ends of `POST /files/{id}/links`, and how a link is
//! told from an address.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// The parameter of a link that vouches for the others.
pub const SIGNATURE: &str = "signature";

/// The body of `POST /files/{id}/links`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkRequest {
    /// How long it is to be good, seconds.
    pub lasts_seconds: u64,
    /// What the file is called for who follows it; without it what it is called anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkInfo {
    /// The address, absolute: whoever has it can read the file.
    pub url: String,
    /// Until when.
    pub expires_at: Millis,
}

/// The query of a link, if an address has one: what comes behind the `?`, to be sent with every request
/// for the file and its manifest.
#[must_use]
pub fn query_of(address: &str) -> Option<&str> {
    let query = address.split('#').next()?.split_once('?')?.1;
    let is_signature = |pair: &str| pair.split('=').next() == Some(SIGNATURE);
    query.split('&').any(is_signature).then_some(query)
}

/// A path of the API for who follows a link with that query.
#[must_use]
pub fn with_query(path: &str, query: Option<&str>) -> String {
    match query {
        None => path.to_owned(),
        Some(query) if path.contains('?') => format!("{path}&{query}"),
        Some(query) => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_told_from_an_address_by_its_signature() {
        for (address, query) in [
            ("https://a.example/v1/files/1?expires=5&signature=x", Some("expires=5&signature=x")),
            ("/v1/files/1?signature=x#top", Some("signature=x")),
            ("/v1/files/1?signatures=x", None),
            ("/v1/files/1?name=signature", None),
            ("/v1/files/1#?signature=x", None),
            ("/v1/files/1", None),
        ] {
            assert_eq!(query_of(address), query, "{address}");
        }
        assert_eq!(with_query("/a", None), "/a");
        assert_eq!(with_query("/a", Some("b=c")), "/a?b=c");
        assert_eq!(with_query("/a?start=1", Some("b=c")), "/a?start=1&b=c");
    }
}
