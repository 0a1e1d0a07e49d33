//! How a [`CreateRequest`] is read: member by member.

use litemap::LiteMap;
use serde::Deserialize;

use super::{CreateRequest, DigestRun, FileMeta};
use crate::time::Millis;

/// The members of a [`CreateRequest`] side by side. What serde flattens it keeps first, with every
/// member that is not known: a later version's would be held in memory, and a number among them
/// that no float holds would refuse the request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Members {
    protocol_version: u32,
    size: u64,
    chunk_size: Option<u64>,
    name: String,
    #[serde(default, rename = "type")]
    media_type: String,
    last_modified: Option<Millis>,
    relative_path: Option<String>,
    #[serde(default)]
    metadata: LiteMap<String, String>,
    digests: Option<DigestRun>,
}

impl From<Members> for CreateRequest {
    fn from(members: Members) -> Self {
        let Members { protocol_version, size, chunk_size, digests, .. } = members;
        let Members { name, media_type, last_modified, relative_path, metadata, .. } = members;
        let meta = FileMeta { name, media_type, last_modified, relative_path, metadata };
        Self { protocol_version, size, chunk_size, meta, digests }
    }
}

#[cfg(test)]
mod tests {
    use super::super::from_json;
    use super::*;

    #[test]
    fn a_later_versions_members_are_passed_over_whatever_they_are() {
        let known = r#"{"protocolVersion":1,"size":41,"name":"a""#;
        let huge = format!("17{}", "0".repeat(310));
        for later in ["1e999", "-1e999", &huge, "{\"deep\":[1e999]}", "null", "[[]]"] {
            let json = format!("{known},\"later\":{later}}}");
            let request: CreateRequest = from_json(json.as_bytes()).unwrap();
            assert_eq!((request.size, request.meta.name.as_str()), (41, "a"), "{later}");
        }
        let twice = format!(r#"{known},"size":42}}"#);
        assert!(from_json::<CreateRequest>(twice.as_bytes()).is_err(), "which size?");
    }
}
