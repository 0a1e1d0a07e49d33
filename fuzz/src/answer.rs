//! What a server answers a sender, who may have asked anybody: a proxy, or somebody who lies.

use std::fmt::Debug;

use longhaul_protocol::Millis;
use longhaul_protocol::download::answer::read_head;
use longhaul_protocol::problem::Problem;
use longhaul_protocol::upload::Failure;
use longhaul_protocol::wire::answer::Raw;
use longhaul_protocol::wire::json::{FromJson, ToJson};
use longhaul_protocol::wire::{DigestsAnswer, FileInfo, Manifest, UploadList, UploadStatus};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The statuses that one of them is answered with.
const STATUSES: [u16; 12] = [200, 201, 204, 206, 302, 304, 401, 413, 416, 429, 502, 65535];

/// A first line is a `Retry-After`, a second a `Content-Range`, and what follows a body.
pub fn check(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (wait, range, body) = (line(), line(), line());
    if let Ok(range) = std::str::from_utf8(range) {
        check_range(range);
    }
    let status = STATUSES[bytes.len() % STATUSES.len()];
    let body = serde_json::from_slice::<Value>(body).ok();
    let retry_after = std::str::from_utf8(wait).ok().map(str::to_owned);
    let read_date = |_: &str| Some(Millis(5000));
    let raw = Raw { status, body: body.clone(), retry_after, came_at: Millis(2000), read_date };
    match raw.nothing() {
        Ok(()) => assert_eq!(status, 204),
        Err(Failure::Refused { problem, retry_after }) => {
            assert!(!(200..300).contains(&status));
            let known = body.as_ref().and_then(|body| Problem::from_json(body).ok());
            assert_eq!(*problem, known.unwrap_or_else(|| Problem::of_status(status)));
            let seconds = std::str::from_utf8(wait).ok().and_then(|wait| wait.trim().parse().ok());
            let waited = seconds.map(|seconds: u64| Millis(seconds.saturating_mul(1000)));
            let date = std::str::from_utf8(wait).ok().map(|_| Millis(3000));
            assert_eq!(retry_after, waited.or(date));
        }
        Err(_) => assert!((200..300).contains(&status)),
    }
    let Some(body) = body else { return };
    reads_alike::<UploadStatus>(&body);
    reads_alike::<DigestsAnswer>(&body);
    reads_alike::<UploadList>(&body);
    reads_alike::<FileInfo>(&body);
    reads_alike::<Manifest>(&body);
    reads_alike::<Problem>(&body);
}

/// Bytes are taken only under the one head that tells of just these.
fn check_range(told: &str) {
    for wanted in [0..1, 10..20, 0..100] {
        let is_taken = read_head(206, Some(told), &wanted, 100) == Some(Ok(()));
        let written = format!("bytes {}-{}/100", wanted.start, wanted.end - 1);
        assert_eq!(is_taken, told == written, "{told}");
    }
}

/// What serde takes and writes is read as the same by who has no serde; what is read is written so that serde takes it.
fn reads_alike<T>(body: &Value)
where
    T: DeserializeOwned + Serialize + FromJson + ToJson + PartialEq + Debug,
{
    let by_serde: Option<T> = serde_json::from_value(body.clone()).ok();
    let read = T::from_json(body).ok();
    if let Some(value) = &by_serde {
        let written = serde_json::to_value(value).expect("its own");
        assert_eq!(T::from_json(&written).as_ref(), Ok(value));
        // Serde also takes the values of an object's members in a row.
        assert!(read.is_none() || read == by_serde, "{value:?}");
    }
    if let Some(value) = read {
        let written = value.to_json();
        assert_eq!(serde_json::from_str::<T>(&written).expect("its own"), value, "{written}");
    }
}
