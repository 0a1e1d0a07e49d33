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

/// A file's address, and the query of the link that it is if it is one: to be sent with every request for the
/// file and its manifest. Of any other address nothing is taken away.
#[must_use]
pub fn split(address: &str) -> (&str, Option<&str>) {
    let whole = address.split('#').next().unwrap_or(address);
    let is_signature = |pair: &str| pair.split('=').next() == Some(SIGNATURE);
    match whole.split_once('?') {
        Some((file, query)) if query.split('&').any(is_signature) => (file, Some(query)),
        _ => (address, None),
    }
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
            ("/v1/files/1?expires=5&signature=x", Some("expires=5&signature=x")),
            ("/v1/files/1?signature=x#top", Some("signature=x")),
        ] {
            assert_eq!(split(address), ("/v1/files/1", query), "{address}");
        }
        for address in [
            "/v1/files/1?signatures=x",
            "/v1/files/1?name=signature",
            "/v1/files/1#?signature=x",
            "/v1/files/1",
        ] {
            assert_eq!(split(address), (address, None));
        }
        assert_eq!(with_query("/a", None), "/a");
        assert_eq!(with_query("/a", Some("b=c")), "/a?b=c");
        assert_eq!(with_query("/a?start=1", Some("b=c")), "/a?start=1&b=c");
    }
}
