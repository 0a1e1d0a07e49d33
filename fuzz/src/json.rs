//! JSON bodies: what is read is written so that the same is read again, and what is read by way of
//! any JSON value is no other.

use std::fmt::Debug;

use longhaul_protocol::problem::Problem;
use longhaul_protocol::wire::link::{LinkInfo, LinkRequest};
use longhaul_protocol::wire::proof::ProofRequest;
use longhaul_protocol::wire::{
    CreateRequest, DigestRun, DigestsAnswer, FileInfo, FileList, Manifest, SealRequest, UploadList,
    UploadStatus, from_json,
};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// Every body there is, of the same bytes: most of them refuse.
pub fn check(bytes: &[u8]) {
    let is_json = serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    let taken = [
        round_trip::<CreateRequest>(bytes),
        round_trip::<DigestRun>(bytes),
        round_trip::<DigestsAnswer>(bytes),
        round_trip::<SealRequest>(bytes),
        round_trip::<UploadStatus>(bytes),
        round_trip::<UploadList>(bytes),
        round_trip::<FileInfo>(bytes),
        round_trip::<FileList>(bytes),
        round_trip::<Manifest>(bytes),
        round_trip::<Problem>(bytes),
        round_trip::<ProofRequest>(bytes),
        round_trip::<LinkRequest>(bytes),
        round_trip::<LinkInfo>(bytes),
    ];
    assert!(is_json || !taken.contains(&true), "taken, and no JSON");
    if let Ok(request) = from_json::<CreateRequest>(bytes) {
        let header = request.to_header();
        assert_eq!(CreateRequest::from_header(&header), Ok(request));
    }
}

/// Whether it is one.
fn round_trip<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let Ok(value) = from_json::<T>(bytes) else { return false };
    let written = serde_json::to_vec(&value).expect("its own");
    let again: T = from_json(&written).expect("what was just written");
    assert_eq!(again, value);
    assert_eq!(serde_json::to_vec(&again).expect("its own"), written);
    // A value has no place for a number of any size, which may stand where nobody looks.
    if let Ok(any) = from_json::<serde_json::Value>(bytes) {
        assert_eq!(serde_json::from_value::<T>(any).expect("the same"), value);
    }
    true
}
