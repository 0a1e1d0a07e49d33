//! Who may do what: every verb with every kind of token, and what one owner learns of another's.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use longhaul_protocol::digest::root;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::proof::ProofRequest;
use longhaul_protocol::wire::{
    DigestRun, FileInfo, FileList, SealRequest, UploadList, UploadStatus, path,
};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};
use longhaul_server::access::Access;
use longhaul_server::store::Owner;
use longhaul_server::token::{Grant, TokenKey};
use serde_json::{Value, json};

use crate::support::{Answer, CHUNK, Request, Server, bytes, chunk, create_request, one_request};

const SECRET: &[u8] = b"a secret of thirty-two bytes, 32";

pub fn key() -> TokenKey {
    TokenKey::new(SECRET).unwrap()
}

pub fn token(owner: &str) -> String {
    signed(&Grant::of(Owner(owner.into())))
}

/// A token that grants this for as long as a test takes.
pub fn signed(grant: &Grant) -> String {
    key().sign(grant, Duration::from_secs(60)).unwrap()
}

pub fn server() -> Server {
    Server::start_with(|config| config.access = Access::Tokens(key().into()))
}

/// One verb: what it asks for, and how its owner and another are answered.
pub struct Verb {
    pub request: Request,
    pub own: u16,
    pub other: u16,
}

impl Verb {
    fn new(request: Request, own: u16, other: u16) -> Self {
        Self { request, own, other }
    }

    /// Whether it names what is another's.
    pub fn names(&self) -> bool {
        self.other == 404
    }
}

/// Every verb that does something to somebody's rows, in an order in which their owner can do all.
/// The upload has one chunk, [`BODY`].
pub fn verbs(upload: UploadId, file: FileId) -> Vec<Verb> {
    let json = |path: &str, value: Value| Request::new("POST", path).json(&value);
    let digest = Digest::of(BODY);
    let run = DigestRun { start: ChunkIndex(0), digests: vec![digest] };
    let create = create_request(BODY.len() as u64);
    let get = |path: &str| Request::new("GET", path);
    vec![
        Verb::new(get(path::UPLOADS), 200, 200),
        Verb::new(get(path::FILES), 200, 200),
        Verb::new(json(path::UPLOADS, json!(create)), 201, 201),
        Verb::new(one_request(&create, BODY).body(BODY), 201, 201),
        Verb::new(get(&path::upload(upload)), 200, 404),
        Verb::new(get(&format!("{}?digests=0", path::upload(upload))), 200, 404),
        Verb::new(Request::new("HEAD", &path::upload(upload)), 200, 404),
        Verb::new(json(&path::digests(upload), json!(run)), 200, 404),
        Verb::new(json(&path::proofs(upload), json!(ProofRequest::default())), 200, 404),
        Verb::new(chunk(upload, 0, BODY).body(BODY), 204, 404),
        Verb::new(get(&path::content(upload)), 200, 404),
        Verb::new(json(&path::seal(upload), json!(SealRequest { root: root([digest]) })), 201, 404),
        Verb::new(get(&path::file(file)), 200, 404),
        Verb::new(get(&path::file(file)).header("range", "bytes=0-0"), 206, 404),
        Verb::new(Request::new("HEAD", &path::file(file)), 200, 404),
        Verb::new(get(&path::manifest(file)), 200, 404),
        Verb::new(Request::new("DELETE", &path::file(file)), 204, 404),
    ]
}

pub const BODY: &[u8] = b"hello";

/// An open upload of [`BODY`] and a file, of the owner of this token.
pub fn belongings(server: &Server, token: &str) -> (UploadId, FileId) {
    let create = create_request(BODY.len() as u64);
    let begin = Request::new("POST", path::UPLOADS).json(&create).bearer(token);
    let upload: UploadStatus = server.send(begin).ok(201);
    let file: FileInfo = server.send(one_request(&create, BODY).body(BODY).bearer(token)).ok(201);
    (upload.id, file.id)
}

/// Tokens that nobody should believe, each with what is wrong with it.
fn bad_tokens() -> Vec<(String, &'static str)> {
    let now = get_current_timestamp();
    let sign = |algorithm, claims: &Value, secret: &[u8]| {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    let says = |claims: &Value| sign(Algorithm::HS256, claims, SECRET);
    let fine = json!({"sub": "alice", "exp": now + 60});
    let good = says(&fine);
    let parts: Vec<_> = good.split('.').collect();
    let other: Vec<_> =
        [token("bob")].iter().flat_map(|t| t.split('.').map(str::to_owned)).collect();
    // base64url of {"alg":"none","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    vec![
        (says(&json!({"sub": "alice", "exp": now - 3600})), "has expired"),
        (says(&json!({"sub": "alice", "exp": now + 60, "nbf": now + 3600})), "not valid yet"),
        (says(&json!({"sub": "alice"})), "`exp`"),
        (says(&json!({"exp": now + 60})), "`sub`"),
        (says(&json!({"sub": "", "exp": now + 60})), "`sub` names no owner"),
        (says(&json!({"sub": "a/../b\n", "exp": now + 60})), "`sub` names no owner"),
        (says(&json!({"sub": "alice", "exp": now + 60, "aud": "mail"})), "audience"),
        (sign(Algorithm::HS512, &fine, SECRET), "no key for"),
        (sign(Algorithm::HS256, &fine, SECRET).replace('.', ".."), "not a signed JWT"),
        (says(&json!({"sub": "alice", "exp": now + 60, "scope": "read write"})), "`scope`"),
        (says(&json!({"sub": "alice", "exp": now + 60, "scope": null})), "`scope`"),
        (says(&json!({"sub": "alice", "exp": now + 60, "types": ["image"]})), "`types`"),
        (says(&json!({"sub": "alice", "exp": "tomorrow"})), "`exp`"),
        (sign(Algorithm::HS256, &fine, &[b'x'; 32]), "this server's key"),
        (format!("{}.{}.{}", parts[0], other[1], parts[2]), "this server's key"),
        (format!("{}.{}.", parts[0], parts[1]), "this server's key"),
        (format!("{none}.{}.", parts[1]), "not a signed JWT"),
        (format!("{none}.{}.{}", parts[1], parts[2]), "not a signed JWT"),
        ("x".into(), "not a signed JWT"),
        ("x".repeat(9000), "more than 8192 bytes"),
    ]
}

fn assert_unauthorized(answer: &Answer, method_is_head: bool, says: &str, challenge: &str) {
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    if !method_is_head {
        let problem = answer.problem(ProblemCode::Unauthorized);
        assert!(problem.detail.contains(says), "{} lacks {says}", problem.detail);
    }
}

const INVALID: &str = "Bearer realm=\"longhaul\", error=\"invalid_token\"";

#[test]
fn every_verb_is_refused_without_a_valid_token_and_says_why() {
    let server = server();
    let alice = token("alice");
    let (upload, file) = belongings(&server, &alice);
    for Verb { request, .. } in verbs(upload, file) {
        let head = request.is_head();
        let without = server.send(request.clone());
        assert_unauthorized(&without, head, "No token", "Bearer realm=\"longhaul\"");
        for (bad, says) in bad_tokens() {
            assert_unauthorized(&server.send(request.clone().bearer(&bad)), head, says, INVALID);
        }
        for other in ["Basic YWxpY2U6eA==", "Bearer", &alice, "Bearer ä"] {
            let answer = server.send(request.clone().header("authorization", other));
            assert_unauthorized(&answer, head, "`Bearer`", INVALID);
        }
        let twice = request.bearer(&alice).bearer(&alice);
        assert_unauthorized(&server.send(twice), head, "more than one", INVALID);
    }
    let uploads: UploadList =
        server.send(Request::new("GET", path::UPLOADS).bearer(&alice)).ok(200);
    assert_eq!(uploads.uploads.len(), 1, "nothing was done");
}

#[test]
fn every_verb_answers_its_owner_and_tells_another_that_there_is_nothing() {
    let server = server();
    let (alice, bob) = (token("alice"), token("bob"));
    let (upload, file) = belongings(&server, &alice);
    let nothing = verbs(UploadId([1; 16]), FileId([2; 16]));
    for (verb, of_nothing) in verbs(upload, file).into_iter().zip(nothing) {
        let foreign = server.send(verb.request.clone().bearer(&bob));
        assert_eq!(foreign.status, verb.other, "{:?}", verb.request);
        if verb.names() {
            let missing = server.send(of_nothing.request.bearer(&bob));
            assert!(foreign.is_told_apart_from(&missing).is_none(), "{:?}", verb.request);
        }
        let own = server.send(verb.request.clone().bearer(&alice));
        assert_eq!(own.status, verb.own, "{:?}", verb.request);
    }
}

#[test]
fn an_upload_is_cancelled_by_its_owner_only() {
    let server = server();
    let (upload, _) = belongings(&server, &token("alice"));
    let cancel =
        |owner| server.send(Request::new("DELETE", &path::upload(upload)).bearer(&token(owner)));
    cancel("bob").problem(ProblemCode::NotFound);
    assert_eq!(cancel("alice").status, 204);
    cancel("alice").problem(ProblemCode::NotFound);
}

#[test]
fn nobody_lists_what_is_anothers() {
    let server = server();
    let (upload, file) = belongings(&server, &token("alice"));
    let listed = |owner: &str, after: &str| {
        let get = |path| {
            server.send(Request::new("GET", &format!("{path}{after}")).bearer(&token(owner)))
        };
        let (uploads, files): (UploadList, FileList) =
            (get(path::UPLOADS).ok(200), get(path::FILES).ok(200));
        let uploads: Vec<_> = uploads.uploads.iter().map(|upload| upload.id).collect();
        (uploads, files.files.iter().map(|file| file.id).collect::<Vec<_>>())
    };
    assert_eq!(listed("alice", ""), (vec![upload], vec![file]));
    // Names that stand next to hers in the order of the index.
    for other in ["bob", "alic", "alice0", "Alice", "alice:", "local"] {
        assert_eq!(listed(other, ""), (vec![], vec![]), "{other}");
        let from_her_first = format!("?after={:048}", 0);
        assert_eq!(listed(other, &from_her_first), (vec![], vec![]), "{other}");
    }
}

#[test]
fn the_digests_of_anothers_file_are_as_unknown_as_any() {
    let server = server();
    let whole = bytes(2 * CHUNK as usize);
    let digests: Vec<_> = whole.chunks(CHUNK as usize).map(Digest::of).collect();
    let begin = |owner: &str, digests: Vec<Digest>| -> UploadStatus {
        let mut create = create_request(whole.len() as u64);
        create.digests = Some(DigestRun { start: ChunkIndex(0), digests });
        let request = Request::new("POST", path::UPLOADS).json(&create);
        server.send(request.bearer(&token(owner))).ok(201)
    };
    let hers = begin("alice", vec![]);
    for (index, bytes) in (0..).zip(whole.chunks(CHUNK as usize)) {
        let put = chunk(hers.id, index, bytes).body(bytes).bearer(&token("alice"));
        assert_eq!(server.send(put).status, 204);
    }
    let seal = SealRequest { root: root(digests.clone()) };
    let seal = Request::new("POST", &path::seal(hers.id)).json(&seal);
    assert_eq!(server.send(seal.bearer(&token("alice"))).status, 201);

    let his = begin("bob", digests.clone());
    assert_eq!(his.holding, begin("bob", vec![Digest::of(b"x"); 2]).holding, "as if unknown");
    let again = begin("alice", digests);
    let received = |owner: &str, id| {
        let get = Request::new("GET", &path::upload(id)).bearer(&token(owner));
        let UploadStatus { holding, sealable, .. } = server.send(get).ok(200);
        (sealable, holding.filling.count() + holding.held.count() + holding.pending.count())
    };
    let pause = || std::thread::sleep(Duration::from_millis(50));
    assert!((0..100).inspect(|_| pause()).any(|_| received("alice", again.id).0), "hers is filled");
    assert_eq!(received("bob", his.id), (false, 0), "when hers is, his still is not");
}

#[test]
fn a_key_of_one_owner_is_not_used_up_by_another() {
    let server = server();
    let begin = |owner: &str, size| {
        let request = Request::new("POST", path::UPLOADS).header("idempotency-key", "k");
        server.send(request.json(&create_request(size)).bearer(&token(owner)))
    };
    let hers: UploadStatus = begin("alice", 1).ok(201);
    let his: UploadStatus = begin("bob", 2).ok(201);
    assert_ne!(hers.id, his.id);
    assert_eq!(begin("alice", 1).ok::<UploadStatus>(201).id, hers.id);
}

#[test]
fn what_is_everybodys_needs_no_token() {
    let server = server();
    for path in [path::HEALTHZ, path::READYZ, path::PROBLEMS] {
        assert_eq!(server.get(path).status, 200, "{path}");
        assert_eq!(server.send(Request::new("GET", path).bearer("x")).status, 200, "{path}");
    }
    for path in [path::UPLOADS, path::FILES] {
        assert_eq!(server.send(Request::new("OPTIONS", path)).status, 204, "{path}");
    }
    server.get("/v1/none").problem(ProblemCode::NotFound);
}

#[test]
fn a_server_that_asks_nobody_takes_no_notice_of_a_token() {
    let server = Server::start();
    let answer = server.send(Request::new("GET", path::FILES).bearer("left over"));
    assert_eq!(answer.status, 200);
    let create = Request::new("POST", path::UPLOADS).json(&create_request(1));
    assert_eq!(server.send(create).header("upload-token"), None);
}

#[test]
fn what_a_browser_keeps_of_a_file_is_for_who_asked_for_it() {
    let server = server();
    let (_, file) = belongings(&server, &token("alice"));
    let got = server.send(Request::new("GET", &path::file(file)).bearer(&token("alice")));
    assert_eq!(got.header("cache-control"), Some("private, max-age=3600, immutable, no-transform"));
    assert_eq!(got.all("vary"), ["authorization", "origin"]);
}

#[test]
fn a_guests_token_opens_nothing_where_no_guests_are_let_in() {
    let server = server();
    let guest = Owner::new_guest().unwrap();
    let answer = server.send(Request::new("GET", path::FILES).bearer(&token(&guest.0)));
    assert_unauthorized(&answer, false, "no guests", INVALID);
}
