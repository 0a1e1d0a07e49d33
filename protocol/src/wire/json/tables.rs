//! What the members of each object are called, for a sender.

use crate::download;
use crate::json_object;
use crate::problem::{Facts, Problem};
use crate::progress::Progress;
use crate::retry::RetryPolicy;
use crate::upload::Record;
use crate::wire::proof::{Challenge, Proof, ProofRequest};
use crate::wire::{
    CreateRequest, DifferingChunk, DigestPage, DigestRun, DigestsAnswer, FileInfo, FileMeta,
    Holding, Manifest, PartialChunk, SealRequest, UploadList, UploadStatus,
};

json_object! { FileMeta {
    "name": name, "type"?: media_type, "lastModified"?: last_modified,
    "relativePath"?: relative_path, "metadata"?: metadata,
} }
json_object! { CreateRequest {
    "protocolVersion": protocol_version, "size": size, "chunkSize"?: chunk_size, ..meta,
    "digests"?: digests,
} }
json_object! { DigestRun { "start": start, "digests": digests, } }
json_object! { Holding {
    "held"?: held, "pending"?: pending, "filling"?: filling, "partial"?: partial,
} }
json_object! { PartialChunk { "index": index, "offset": offset, "digest": digest, } }
json_object! { DifferingChunk { "index": index, "digest": digest, } }
json_object! { UploadStatus {
    "id": id, ..meta, "size": size, "chunkSize": chunk_size, "chunkCount": chunk_count,
    "digestAlgorithm": digest_algorithm, "lanes": lanes, "retry": retry,
    "transportEncryption": transport_encryption, "createdAt": created_at,
    "lastActivity": last_activity, "expiresAt": expires_at, ..holding, "sealable": sealable,
    "file"?: file, "digests"?: digests, "challenge"?: challenge, "reusable"?: reusable,
} }
json_object! { DigestPage { "start": start, "digests": digests, } }
json_object! { DigestsAnswer { ..holding, "differs"?: differs, "challenge"?: challenge, } }
json_object! { SealRequest { "root": root, } }
json_object! { FileInfo {
    "id": id, ..meta, "size": size, "root": root, "chunkSize": chunk_size,
    "chunkCount": chunk_count, "sealedAt": sealed_at, "sha256"?: sha256,
} }
json_object! { Manifest { ..file, "digests": digests, "next"?: next, } }
json_object! { UploadList { "uploads": uploads, "next"?: next, } }
json_object! { RetryPolicy { "baseMs": base_ms, "maxMs": max_ms, "damagedMax": damaged_max, } }
json_object! { Challenge { "nonce": nonce, "chunks": chunks, } }
json_object! { ProofRequest { "proofs": proofs, } }
json_object! { Proof { "index": index, "proof": proof, } }
json_object! { Problem {
    "type": kind, "title": title, "status": status, "code": code, "retryable": retryable,
    "detail": detail, "advice": advice, ..facts,
} }
json_object! { Facts {
    "missing"?: missing, "offset"?: offset, "file"?: file, "limit"?: limit,
    "requestId"?: request_id,
} }
json_object! { Record { "id": id, "expiresAt": expires_at, } }
json_object! { download::Record {
    "root": root, "size": size, "chunkSize": chunk_size, "held": held,
} }
json_object! { written Progress {
    "total": total, "acknowledged": acknowledged, "inFlight": in_flight, "reused": reused,
    "checked": checked, "rate": rate, "leftMs": left_ms,
} }
