//! What is sent: JSON of the shape that Standard Webhooks proposes, the same each time that an event is told.

use std::time::{Duration, UNIX_EPOCH};

use longhaul_protocol::wire::FileMeta;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{Digest, Millis};
use serde::Serialize;

use super::calls::Kind;
use crate::store::event::{Event, Sealed, What};

/// The end of the year 9999, since 1970: no later time can be written.
const LAST_TIME: Millis = Millis(253_402_300_799_999);

/// An event on its way.
#[derive(Debug)]
pub(super) struct Message {
    /// The same for each try of the same event, and for no other event.
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) json: Vec<u8>,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    upload: UploadId,
    owner: &'a str,
    #[serde(flatten)]
    meta: &'a FileMeta,
    size: u64,
    #[serde(flatten)]
    file: Option<File>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    file: FileId,
    root: Digest,
    chunk_size: u64,
    sealed_at: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Digest>,
}

impl Message {
    pub(super) fn of(event: &Event) -> Self {
        let kind = Kind::of(&event.what);
        let file = match &event.what {
            What::Sealed(Sealed { file, root, chunk_size, sha256 }) => Some(File {
                file: *file,
                root: *root,
                chunk_size: *chunk_size,
                sealed_at: event.at,
                sha256: *sha256,
            }),
            What::Created | What::Expired => None,
        };
        let Event { upload, owner, meta, size, .. } = event;
        let data = Data { upload: *upload, owner, meta, size: *size, file };
        let name = format!("upload.{}", kind.name());
        let body = Body { kind: &name, timestamp: rfc3339(event.at), data };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        Self { id: format!("{}_{upload}", kind.name()), kind, json }
    }
}

fn rfc3339(at: Millis) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(at.min(LAST_TIME).0);
    humantime::format_rfc3339_millis(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(what: What) -> Event {
        let meta = FileMeta {
            name: "film.mp4".into(),
            media_type: "video/mp4".into(),
            ..FileMeta::default()
        };
        let upload = UploadId([7; 16]);
        Event { at: Millis(1_800_000_000_123), upload, owner: "anna".into(), meta, size: 5, what }
    }

    fn value(event: &Event) -> Value {
        serde_json::from_slice(&Message::of(event).json).unwrap()
    }

    #[test]
    fn what_was_sealed_is_told_with_its_file() {
        let (file, root) = (FileId([9; 16]), Digest::of(b"x"));
        let sealed = Sealed { file, root, chunk_size: 65536, sha256: None };
        let event = event(What::Sealed(sealed));
        let expected = json!({
            "type": "upload.sealed",
            "timestamp": "2027-01-15T08:00:00.123Z",
            "data": {
                "upload": "07".repeat(16), "owner": "anna", "name": "film.mp4", "type": "video/mp4",
                "size": 5, "file": "09".repeat(16), "root": root, "chunkSize": 65536,
                "sealedAt": 1_800_000_000_123_u64,
            },
        });
        assert_eq!(value(&event), expected);
        assert_eq!(Message::of(&event).id, format!("sealed_{}", "07".repeat(16)));
    }

    #[test]
    fn what_has_no_file_names_none() {
        let created = value(&event(What::Created));
        assert_eq!(created["type"], "upload.created");
        assert!(created["data"].get("file").is_none());
        assert_eq!(value(&event(What::Expired))["type"], "upload.expired");
    }

    #[test]
    fn no_clock_is_too_far_ahead_to_be_written() {
        assert_eq!(rfc3339(Millis(u64::MAX)), "9999-12-31T23:59:59.999Z");
    }
}
