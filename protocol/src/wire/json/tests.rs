//! What serde reads and writes is the slow twin.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::download;
use crate::problem::{Facts, Problem, ProblemCode};
use crate::retry::RetryPolicy;
use crate::upload::Record;
use crate::wire::proof::{Challenge, Proof, ProofRequest};
use crate::wire::{
    CreateRequest, DifferingChunk, DigestPage, DigestRun, DigestsAnswer, FileInfo, FileMeta,
    Holding, Manifest, PartialChunk, SealRequest, UploadList, UploadStatus,
};

/// What is read from serde's text is the same, and so is what serde reads from ours.
fn is_read_and_written<T>(value: &T)
where
    T: serde::Serialize
        + serde::de::DeserializeOwned
        + FromJson
        + ToJson
        + PartialEq
        + std::fmt::Debug,
{
    assert_eq!(T::from_json(&serde_json::to_value(value).unwrap()).as_ref(), Ok(value));
    let ours = value.to_json();
    let read: T = serde_json::from_str(&ours).unwrap_or_else(|error| panic!("{error}: {ours}"));
    assert_eq!(&read, value, "{ours}");
}

/// The same, of what a sender sends: not only is it read, it is written member by member.
fn is_written_alike<T>(value: &T)
where
    T: serde::Serialize
        + serde::de::DeserializeOwned
        + FromJson
        + ToJson
        + PartialEq
        + std::fmt::Debug,
{
    is_read_and_written(value);
    let ours: Value = serde_json::from_str(&value.to_json()).unwrap();
    assert_eq!(ours, serde_json::to_value(value).unwrap());
}

fn text() -> impl Strategy<Value = String> {
    ".{0,9}"
}

fn maybe<T: std::fmt::Debug + Clone + 'static>(
    some: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    prop::option::of(some)
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn set() -> impl Strategy<Value = ChunkSet> {
    prop::collection::btree_set(0u64..99, 0..9)
        .prop_map(|chunks| chunks.into_iter().map(ChunkIndex).collect())
}

prop_compose! {
    fn meta()(
        name in text(), media_type in text(), date in maybe(any::<u64>()), path in maybe(text()),
        metadata in prop::collection::btree_map(text(), text(), 0..4),
    ) -> FileMeta {
        FileMeta {
            name,
            media_type,
            last_modified: date.map(Millis),
            relative_path: path,
            metadata: metadata.into_iter().collect(),
        }
    }
}

prop_compose! {
    fn run()(start: u64, digests in prop::collection::vec(digest(), 0..4)) -> DigestRun {
        DigestRun { start: ChunkIndex(start), digests }
    }
}

prop_compose! {
    fn file()(
        id: [u8; 16], meta in meta(), size: u64, root in digest(), chunks: (u64, u64), at: u64,
        sha256 in maybe(digest()),
    ) -> FileInfo {
        FileInfo {
            id: FileId(id), meta, size, root, chunk_size: chunks.0, chunk_count: chunks.1,
            sealed_at: Millis(at), sha256,
        }
    }
}

prop_compose! {
    fn holding()(
        held in set(), pending in set(), filling in set(),
        partial in prop::collection::vec((any::<u64>(), any::<u64>(), digest()), 0..3),
    ) -> Holding {
        let partial = partial.into_iter().map(|(index, offset, digest)| {
            PartialChunk { index: ChunkIndex(index), offset, digest }
        });
        Holding { held, pending, filling, partial: partial.collect() }
    }
}

prop_compose! {
    fn challenge()(nonce in digest(), chunks in set()) -> Challenge {
        Challenge { nonce: Nonce(nonce), chunks }
    }
}

prop_compose! {
    fn status()(
        id: [u8; 16], meta in meta(), numbers: (u64, u64, u64, u64), texts in (text(), text()),
        retry: (u64, u64, u32), times: (u64, u64, u64), holding in holding(), sealable: bool,
        file in maybe(file()),
        digests in maybe((any::<u64>(), prop::collection::vec(maybe(digest()), 0..3))),
        challenge in maybe(challenge()), reusable in maybe(any::<bool>()),
    ) -> UploadStatus {
        UploadStatus {
            id: UploadId(id), meta, size: numbers.0, chunk_size: numbers.1, chunk_count: numbers.2,
            digest_algorithm: texts.0, lanes: numbers.3,
            retry: RetryPolicy { base_ms: retry.0, max_ms: retry.1, damaged_max: retry.2 },
            transport_encryption: texts.1, created_at: Millis(times.0),
            last_activity: Millis(times.1), expires_at: Millis(times.2), holding, sealable, file,
            digests: digests.map(|(start, digests)| {
                DigestPage { start: ChunkIndex(start), digests }
            }),
            challenge,
            reusable,
        }
    }
}

proptest! {
    #[test]
    fn requests_are_written_as_serde_writes_them(
        version: u32, size: u64, chunk_size in maybe(any::<u64>()), meta in meta(),
        digests in maybe(run()), root in digest(),
        proofs in prop::collection::vec((any::<u64>(), digest()), 0..4), id: [u8; 16], at: u64,
    ) {
        let create = CreateRequest { protocol_version: version, size, chunk_size, meta, digests };
        is_written_alike(&create);
        prop_assert_eq!(CreateRequest::from_header(&create.to_header()), Ok(create.clone()));
        create.digests.iter().for_each(is_written_alike);
        is_written_alike(&SealRequest { root });
        let proofs = proofs.into_iter().map(|(index, proof)| Proof { index: ChunkIndex(index), proof });
        is_written_alike(&ProofRequest { proofs: proofs.collect() });
        is_written_alike(&Record { id: UploadId(id), expires_at: Millis(at) });
    }

    #[test]
    fn answers_are_read_as_serde_reads_them(
        status in status(), file in file(), holding in holding(),
        differs in prop::collection::vec((any::<u64>(), digest()), 0..3), next in maybe(text()),
        challenge in maybe(challenge()), page in run(), from in maybe(any::<u64>()),
    ) {
        is_written_alike(&file);
        is_written_alike(&download::Record {
            root: file.root, size: file.size, chunk_size: file.chunk_size, held: holding.held.clone(),
        });
        is_read_and_written(&Manifest { file, digests: page, next: from.map(ChunkIndex) });
        is_read_and_written(&status);
        is_read_and_written(&UploadList { uploads: vec![status.clone(), status], next });
        let differs = differs.into_iter()
            .map(|(index, digest)| DifferingChunk { index: ChunkIndex(index), digest });
        is_read_and_written(&DigestsAnswer { holding, differs: differs.collect(), challenge });
    }

    #[test]
    fn problems_are_read_as_serde_reads_them(
        detail in text(), missing in maybe(set()), numbers in (maybe(any::<u64>()), maybe(any::<u64>())),
        file in maybe(any::<[u8; 16]>()), request_id in maybe(text()),
    ) {
        let (offset, limit) = numbers;
        let facts = Facts { missing, offset, file: file.map(FileId), limit, request_id };
        is_written_alike(&Problem { facts, ..ProblemCode::Sealed.problem(detail) });
    }

    #[test]
    fn any_text_is_a_string_of_json(text: String) {
        prop_assert_eq!(serde_json::from_str::<String>(&text.to_json()).ok(), Some(text));
    }
}

#[test]
fn what_is_wrong_is_named_by_the_member() {
    let read = |json: &str| FileInfo::from_json(&serde_json::from_str::<Value>(json).unwrap());
    let id = "0".repeat(32);
    assert_eq!(read("[]"), Err(Wrong("id")));
    assert_eq!(read(r#"{"id":"no id"}"#), Err(Wrong("id")));
    assert_eq!(read(&format!(r#"{{"id":"{id}","name":null}}"#)), Err(Wrong("name")));
    assert_eq!(read(&format!(r#"{{"id":"{id}","name":"a","size":-1}}"#)), Err(Wrong("size")));
    assert_eq!(read(&format!(r#"{{"id":"{id}","name":"a","size":0.5}}"#)), Err(Wrong("size")));
    let list =
        UploadList::from_json(&serde_json::from_str::<Value>(r#"{"uploads":[{}]}"#).unwrap());
    assert_eq!(list, Err(Wrong("id")));
}

#[test]
fn progress_is_written_as_serde_writes_it() {
    for left_ms in [None, Some(7)] {
        let progress = crate::progress::Progress { total: 5, left_ms, ..Default::default() };
        let ours: Value = serde_json::from_str(&progress.to_json()).unwrap();
        assert_eq!(ours, serde_json::to_value(progress).unwrap());
    }
}
