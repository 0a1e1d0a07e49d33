//! What is here already, over the wire: held at once, still being filled, or to be proved.

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::proof::{PROOFS_PER_REQUEST_MAX, Proof, ProofRequest};
use longhaul_protocol::wire::{
    DigestRun, DigestsAnswer, FileInfo, SealRequest, UploadStatus, path,
};
use longhaul_protocol::{ChunkIndex, Digest, Problem, ProblemCode};
use longhaul_server::access::Access;
use longhaul_server::store::disk::Reuse;

use crate::owners::{key, token};
use crate::support::{Answer, CHUNK, Request, Server, bytes, chunk, create_request};

fn start(reuse: Reuse, fills_max: usize) -> Server {
    Server::start_with_disk(
        |config| config.access = Access::Tokens(key().into()),
        |disk| (disk.reuse, disk.fills_max) = (reuse, fills_max),
    )
}

fn digests(whole: &[u8]) -> Vec<Digest> {
    whole.chunks(CHUNK as usize).map(Digest::of).collect()
}

fn post(server: &Server, owner: &str, path: &str, body: &impl serde::Serialize) -> Answer {
    server.send(Request::new("POST", path).json(body).bearer(&token(owner)))
}

/// Begins an upload with all its digests.
fn begin(server: &Server, owner: &str, whole: &[u8]) -> UploadStatus {
    let mut create = create_request(whole.len() as u64);
    create.digests = Some(DigestRun { start: ChunkIndex(0), digests: digests(whole) });
    post(server, owner, path::UPLOADS, &create).ok(201)
}

fn put(server: &Server, owner: &str, id: UploadId, index: u64, bytes: &[u8]) {
    let put = chunk(id, index, bytes).body(bytes).bearer(&token(owner));
    assert_eq!(server.send(put).status, 204);
}

fn seal(server: &Server, owner: &str, id: UploadId, whole: &[u8]) -> Answer {
    let request = SealRequest { root: root(digests(whole)) };
    post(server, owner, &path::seal(id), &request)
}

/// A file of Alice's.
fn hers(server: &Server, whole: &[u8]) -> FileInfo {
    let upload = begin(server, "alice", whole);
    for (index, bytes) in (0..).zip(whole.chunks(CHUNK as usize)) {
        put(server, "alice", upload.id, index, bytes);
    }
    seal(server, "alice", upload.id, whole).ok(201)
}

fn refusal(answer: &Answer) -> (u16, String) {
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
    (answer.status, problem.code)
}

fn code(code: ProblemCode) -> (u16, String) {
    (code.row().status, code.row().code.to_owned())
}

#[test]
fn the_same_file_again_is_held_with_the_answer_to_its_beginning_and_sealed_at_once() {
    let server = start(Reuse::Owner, 0);
    let whole = bytes(3 * CHUNK as usize + 1);
    let first = hers(&server, &whole);
    let again = begin(&server, "alice", &whole);
    assert_eq!(again.holding.held.to_string(), "0-3");
    assert!(again.sealable && again.challenge.is_none());
    let second: FileInfo = seal(&server, "alice", again.id, &whole).ok(201);
    assert_ne!(first.id, second.id);
}

#[test]
fn a_seal_while_chunks_are_copied_is_still_filling_and_can_be_tried_again() {
    let server = start(Reuse::Owner, 0);
    let mut whole = bytes(3 * CHUNK as usize);
    hers(&server, &whole);
    whole[0] ^= 1;
    let changed = begin(&server, "alice", &whole);
    assert_eq!(changed.holding.held.to_string(), "1-2");
    put(&server, "alice", changed.id, 0, &whole[..CHUNK as usize]);
    let answer = seal(&server, "alice", changed.id, &whole);
    assert_eq!(refusal(&answer), code(ProblemCode::StillFilling));
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap();
    assert!(problem.retryable);
    let get = Request::new("GET", &path::upload(changed.id)).bearer(&token("alice"));
    let status: UploadStatus = server.send(get).ok(200);
    assert_eq!(status.holding.filling.to_string(), "1-2");
    assert!(!status.sealable);
}

#[test]
fn another_owner_proves_what_is_here_and_sends_nothing() {
    let server = start(Reuse::Everyone, 2);
    let whole = bytes(2 * CHUNK as usize + 7);
    hers(&server, &whole);
    let his = begin(&server, "bob", &whole);
    assert!(his.holding.held.is_empty());
    let challenge = his.challenge.unwrap();
    assert_eq!(challenge.chunks.to_string(), "0-2");
    let chunks = (0..).zip(whole.chunks(CHUNK as usize));
    let proofs = chunks
        .map(|(index, bytes)| Proof {
            index: ChunkIndex(index),
            proof: challenge.nonce.proof(bytes),
        })
        .collect();
    let answer = post(&server, "bob", &path::proofs(his.id), &ProofRequest { proofs });
    let DigestsAnswer { holding, .. } = answer.ok(200);
    assert_eq!(holding.held.count() + holding.pending.count(), 3);
    let file: FileInfo = seal(&server, "bob", his.id, &whole).ok(201);
    let get = Request::new("GET", &path::file(file.id)).bearer(&token("bob"));
    assert_eq!(server.send(get).body, whole);
}

#[test]
fn wrong_proofs_are_told_apart_from_right_ones_and_bounded() {
    let server = start(Reuse::Everyone, 2);
    let whole = bytes(2 * CHUNK as usize);
    hers(&server, &whole);
    let his = begin(&server, "bob", &whole);
    let wrong = Proof { index: ChunkIndex(0), proof: digests(&whole)[0] };
    let prove = |proofs| post(&server, "bob", &path::proofs(his.id), &ProofRequest { proofs });
    assert_eq!(refusal(&prove(vec![wrong])), code(ProblemCode::WrongProof));
    let offer = || -> DigestsAnswer {
        let run = DigestRun { start: ChunkIndex(0), digests: digests(&whole) };
        post(&server, "bob", &path::digests(his.id), &run).ok(200)
    };
    for _ in 0..2 {
        assert!(offer().challenge.is_some());
        assert_eq!(refusal(&prove(vec![wrong])), code(ProblemCode::WrongProof));
    }
    assert!(offer().challenge.is_none(), "the third was the last");
    let too_many = vec![wrong; PROOFS_PER_REQUEST_MAX + 1];
    assert_eq!(refusal(&prove(too_many)), code(ProblemCode::InvalidRequest));
    for (index, bytes) in (0..).zip(whole.chunks(CHUNK as usize)) {
        put(&server, "bob", his.id, index, bytes);
    }
    seal(&server, "bob", his.id, &whole).ok::<FileInfo>(201);
}

#[test]
fn who_begins_is_told_whether_there_is_anything_to_find() {
    let whole = bytes(2 * CHUNK as usize);
    let begun = |server: &Server, owner| begin(server, owner, &whole).reusable;
    let server = start(Reuse::Owner, 1);
    assert_eq!(begun(&server, "alice"), Some(false), "the upload itself does not count");
    let hers = begin(&server, "alice", &whole);
    assert_eq!(hers.reusable, Some(true));
    assert_eq!(begun(&server, "bob"), Some(false), "what is hers is not told to others");
    let status = server.send(Request::new("GET", &path::upload(hers.id)).bearer(&token("alice")));
    assert_eq!(status.ok::<UploadStatus>(200).reusable, None);
    let server = start(Reuse::Everyone, 1);
    assert_eq!((begun(&server, "alice"), begun(&server, "bob")), (Some(true), Some(true)));
    let server = start(Reuse::Off, 1);
    assert_eq!((begun(&server, "alice"), begun(&server, "alice")), (Some(false), Some(false)));
}
