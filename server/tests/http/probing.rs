//! Whether somebody has a file here is nobody else's to find out: who knows its digests asks in every way
//! that takes one, and hears to the byte what who made his up hears. Where reuse is for everyone, knowing
//! that it is here is all that they give.

use std::time::Duration;

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::proof::{Proof, ProofRequest};
use longhaul_protocol::wire::{DigestRun, FileInfo, SealRequest, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};
use longhaul_server::access::Access;
use longhaul_server::store::disk::Reuse;
use serde_json::Value;

use crate::owners::{key, token};
use crate::support::{Answer, CHUNK, Request, Server, bytes, chunk, create_request, one_request};

fn start(reuse: Reuse) -> Server {
    Server::start_with_disk(
        |config| config.access = Access::Tokens(key().into()),
        |disk| disk.reuse = reuse,
    )
}

fn send(server: &Server, owner: &str, request: Request) -> Answer {
    server.send(request.bearer(&token(owner)))
}

fn post(path: &str, body: &impl serde::Serialize) -> Request {
    Request::new("POST", path).json(body)
}

/// A file of alice's, of two chunks, and one of one chunk.
fn hers(server: &Server, whole: &[u8]) -> [FileInfo; 2] {
    let create = create_request(whole.len() as u64);
    let upload: UploadStatus = send(server, "alice", post(path::UPLOADS, &create)).ok(201);
    for (index, part) in (0..).zip(whole.chunks(CHUNK as usize)) {
        assert_eq!(send(server, "alice", chunk(upload.id, index, part).body(part)).status, 204);
    }
    let seal = SealRequest { root: root(digests(whole)) };
    let small = one_request(&create_request(5), b"small").body(b"small");
    [
        send(server, "alice", post(&path::seal(upload.id), &seal)).ok(201),
        send(server, "alice", small).ok(201),
    ]
}

fn digests(whole: &[u8]) -> Vec<Digest> {
    whole.chunks(CHUNK as usize).map(Digest::of).collect()
}

/// Everything that a stranger may ask with digests, of a file of that length and of a small one. He has no
/// byte of either.
fn asked(
    server: &Server,
    stranger: &str,
    len: u64,
    digests: &[Digest],
    small: Digest,
) -> Vec<String> {
    let run = DigestRun { start: ChunkIndex(0), digests: digests.to_vec() };
    let mut with_digests = create_request(len);
    with_digests.digests = Some(run.clone());
    let send = |request| send(server, stranger, request);
    let begun = send(post(path::UPLOADS, &with_digests));
    let id = begun.ok::<UploadStatus>(201).id;
    let later: UploadStatus = send(post(path::UPLOADS, &create_request(len))).ok(201);
    let proof = |index| Proof { index: ChunkIndex(index), proof: Digest::of(b"a guess") };
    let named = |id, index, digest: Digest| {
        let guess = vec![7; CHUNK as usize];
        let request = chunk(id, index, &guess);
        request.replaced("chunk-digest", &digest.to_header()).body(&guess)
    };
    let in_one = one_request(&create_request(5), b"small");
    let in_one = in_one.replaced("chunk-digest", &small.to_header());
    let mut answers = vec![
        begun,
        send(post(&path::digests(id), &run)),
        send(post(&path::digests(later.id), &run)),
        send(post(&path::proofs(id), &ProofRequest { proofs: vec![proof(0), proof(1)] })),
        send(named(id, 0, digests[0])),
        send(named(later.id, 1, digests[1])),
        send(post(&path::seal(id), &SealRequest { root: root(digests.iter().copied()) })),
        send(in_one.clone().body(b"guess")),
        send(in_one.body(b"")),
    ];
    // What the server may do by itself meanwhile.
    std::thread::sleep(Duration::from_millis(300));
    for id in [id, later.id] {
        let status = format!("{}?digests=0", path::upload(id));
        answers.push(send(Request::new("GET", &status)));
    }
    answers.push(send(Request::new("GET", path::FILES)));
    answers.iter().map(|answer| without_names(answer, [id, later.id])).collect()
}

/// An answer without what is of this upload only, and not of what was asked: ids and times.
fn without_names(answer: &Answer, ids: [UploadId; 2]) -> String {
    let mut json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    for differs in ["createdAt", "lastActivity", "expiresAt", "requestId"] {
        json.as_object_mut().map(|members| members.remove(differs));
    }
    let told = |name: &str| !["date", "request-id"].contains(&name);
    let headers: Vec<_> = answer.headers().filter(|(name, _)| told(name)).collect();
    let mut text = format!("{} {headers:?} {json}", answer.status);
    for id in ids {
        text = text.replace(&id.to_string(), "ID");
    }
    text
}

#[test]
fn who_knows_the_digests_of_anothers_file_hears_what_everybody_hears() {
    for reuse in [Reuse::Owner, Reuse::Off] {
        let server = start(reuse);
        let whole = bytes(2 * CHUNK as usize);
        hers(&server, &whole);
        let (known, unknown) = (digests(&whole), vec![Digest::of(b"x"), Digest::of(b"y")]);
        let len = whole.len() as u64;
        let of_hers = asked(&server, "bob", len, &known, Digest::of(b"small"));
        let of_none = asked(&server, "bert", len, &unknown, Digest::of(b"other"));
        for (hers, none) in of_hers.iter().zip(&of_none) {
            // He is told again what he said himself.
            let said = |text: &str, digests: &[Digest]| {
                digests.iter().fold(text.to_owned(), |text, it| text.replace(&it.to_string(), "D"))
            };
            assert_eq!(said(hers, &known), said(none, &unknown));
        }
        let held = of_hers.iter().filter(|text| text.contains("\"held\":\"")).count();
        assert!(held > 0, "something was asked that tells what is held");
        assert!(of_hers.iter().all(|text| !text.contains("challenge")), "{of_hers:#?}");
    }
}

#[test]
fn where_reuse_is_for_everyone_a_digest_is_answered_with_a_question_and_grants_nothing() {
    let server = start(Reuse::Everyone);
    let whole = bytes(2 * CHUNK as usize);
    hers(&server, &whole);
    let mut create = create_request(whole.len() as u64);
    create.digests = Some(DigestRun { start: ChunkIndex(0), digests: digests(&whole) });
    let begun: UploadStatus = send(&server, "bob", post(path::UPLOADS, &create)).ok(201);
    let challenge = begun.challenge.expect("she has them here");
    assert!(begun.holding.held.is_empty() && begun.holding.filling.is_empty());
    // He proves what he does not have, with all that he knows: digests, the nonce, and the root.
    let nonce = challenge.nonce.0.0;
    let guesses = [
        Digest::of(&nonce),
        digests(&whole)[0],
        Digest::of(&[&nonce[..], &digests(&whole)[0].0].concat()),
    ];
    for guess in guesses {
        let proofs = vec![Proof { index: ChunkIndex(0), proof: guess }];
        send(&server, "bob", post(&path::proofs(begun.id), &ProofRequest { proofs }));
    }
    std::thread::sleep(Duration::from_millis(300));
    let status = Request::new("GET", &path::upload(begun.id));
    let status: UploadStatus = send(&server, "bob", status).ok(200);
    let has = &status.holding;
    assert!(has.held.is_empty() && has.filling.is_empty() && has.pending.is_empty(), "{has:?}");
    let seal = SealRequest { root: root(digests(&whole)) };
    let refused = send(&server, "bob", post(&path::seal(begun.id), &seal));
    refused.problem(ProblemCode::ChunksMissing);
    let content = Request::new("HEAD", &path::content(begun.id)).bearer(&token("bob"));
    assert_eq!(server.send(content).status, 200, "how long it is to be he said himself");
}
