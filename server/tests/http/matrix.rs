//! Who may do what: every operation of the OpenAPI document, by every kind of caller, to what is the
//! caller's own, to what is another's, and to what is not there.
//!
//! A cell is the status for all three, or `own/other's/missing`. What is another's and what is missing are
//! answered alike to the byte, whatever the cell says. A new operation without a row fails.

use std::collections::{BTreeMap, BTreeSet};

use base64ct::{Base64UrlUnpadded as Base64Url, Encoding as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::{CHUNK_DIGEST, CHUNK_INDEX};
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::proof::ProofRequest;
use longhaul_protocol::wire::{DigestRun, FileInfo, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest, Millis};
use longhaul_server::access::Access;
use longhaul_server::link::{Link, now};
use longhaul_server::permits::{Permits, Scope};
use longhaul_server::store::Owner;
use longhaul_server::token::Grant;
use serde_json::{Value, json};

use crate::document::{DOCUMENT, METHODS, members};
use crate::owners::{BODY, key, signed};
use crate::support::{Answer, Request, Server, chunk, create_request, links, one_request};

/// - `none`: no token, where one is needed; `invalid`: each of [`INVALID`];
/// - `upload`, `read`, `delete`, `admin`: a token with this scope alone; `all`: with all of them;
/// - `link`: no token and a link to the caller's file; where something else is asked for, the same query;
///   `broken`: each of [`BROKEN`];
/// - `guest`: a guest with his token; `new`: a guest whom nobody has met, so that nothing is his.
const TABLE: &str = "
operation         none invalid upload      read        delete      admin all         link        broken guest       new
listUploads       401  401     200         403         403         403   200         403         403    200         200
headUploads       401  401     200         403         403         403   200         403         403    200         200
beginUpload       401  401     201         403         403         403   201         403         403    201         201
preflightUploads  204  204     204         204         204         204   204         204         204    204         204
getUpload         401  401     200/404/404 403         403         403   200/404/404 403         403    200/404/404 404
headUpload        401  401     200/404/404 403         403         403   200/404/404 403         403    200/404/404 404
cancelUpload      401  401     204/404/404 403         403         403   204/404/404 403         403    204/404/404 404
preflightUpload   204  204     204         204         204         204   204         204         204    204         204
offerDigests      401  401     200/404/404 403         403         403   200/404/404 403         403    200/404/404 404
preflightDigests  204  204     204         204         204         204   204         204         204    204         204
proveChunks       401  401     200/404/404 403         403         403   200/404/404 403         403    200/404/404 404
preflightProofs   204  204     204         204         204         204   204         204         204    204         204
sendChunk         401  401     204/404/404 403         403         403   204/404/404 403         403    204/404/404 404
preflightChunks   204  204     204         204         204         204   204         204         204    204         204
readComing        401  401     403         200/404/404 403         403   200/404/404 403         403    200/404/404 404
headComing        401  401     403         200/404/404 403         403   200/404/404 403         403    200/404/404 404
preflightContent  204  204     204         204         204         204   204         204         204    204         204
sealUpload        401  401     201/404/404 403         403         403   201/404/404 403         403    201/404/404 404
preflightSeal     204  204     204         204         204         204   204         204         204    204         204
listFiles         401  401     403         200         403         403   200         403         403    200         200
headFiles         401  401     403         200         403         403   200         403         403    200         200
storeFile         401  401     201         403         403         403   201         403         403    201         201
preflightFiles    204  204     204         204         204         204   204         204         204    204         204
readFile          401  401     403         200/404/404 403         403   200/404/404 200/403/403 403    200/404/404 404
headFile          401  401     403         200/404/404 403         403   200/404/404 200/403/403 403    200/404/404 404
deleteFile        401  401     403         403         204/404/404 403   204/404/404 403         403    204/404/404 404
preflightFile     204  204     204         204         204         204   204         204         204    204         204
getManifest       401  401     403         200/404/404 403         403   200/404/404 200/403/403 403    200/404/404 404
headManifest      401  401     403         200/404/404 403         403   200/404/404 200/403/403 403    200/404/404 404
preflightManifest 204  204     204         204         204         204   204         204         204    204         204
linkFile          401  401     403         201/404/404 403         403   201/404/404 403         403    201/404/404 404
preflightLinks    204  204     204         204         204         204   204         204         204    204         204
meetServer        401  401     204         403         403         403   204         403         403    204         204
preflightGuests   204  204     204         204         204         204   204         204         204    204         204
listProblems      200  200     200         200         200         200   200         200         200    200         200
headProblems      200  200     200         200         200         200   200         200         200    200         200
preflightProblems 204  204     204         204         204         204   204         204         204    204         204
isAlive           200  200     200         200         200         200   200         200         200    200         200
headHealthz       200  200     200         200         200         200   200         200         200    200         200
preflightHealthz  204  204     204         204         204         204   204         204         204    204         204
isReady           200  200     200         200         200         200   200         200         200    200         200
headReadyz        200  200     200         200         200         200   200         200         200    200         200
preflightReadyz   204  204     204         204         204         204   204         204         204    204         204
getMetrics        401  401     403         403         403         200   200         403         403    403         403
headMetrics       401  401     403         403         403         200   200         403         403    403         403
preflightMetrics  204  204     204         204         204         204   204         204         204    204         204
getOpenApi        200  200     200         200         200         200   200         200         200    200         200
headOpenApi       200  200     200         200         200         200   200         200         200    200         200
preflightOpenApi  204  204     204         204         204         204   204         204         204    204         204
";

/// Tokens that are not valid, for whatever they say that they allow: of a time that is over or has not come, with
/// another's key, with no signature, with that of another token, for another server.
const INVALID: [&str; 6] = ["expired", "early", "forged", "unsigned", "tampered", "elsewhere"];
/// Links to the caller's file that are none any more: used again when their time is over, with more time than
/// was signed, with less of them, and each of these beside a token that allows everything.
const BROKEN: [&str; 4] = ["late", "longer", "torn", "longer, with a token"];

/// Who is meant by a column.
fn callers(column: &'static str) -> Vec<&'static str> {
    match column {
        "invalid" => INVALID.into(),
        "broken" => BROKEN.into(),
        one => vec![one],
    }
}

/// An upload with its one chunk sent, and a file.
#[derive(Clone, Copy)]
struct Things {
    upload: UploadId,
    file: FileId,
}

const MISSING: Things = Things { upload: UploadId([1; 16]), file: FileId([2; 16]) };

/// A server that wants tokens, and one that lets guests in too.
struct Stage {
    tokens: Server,
    guests: Server,
}

/// Who asks, of which server, and whose token makes what is his own.
struct Caller<'a> {
    kind: &'a str,
    server: &'a Server,
    token: Option<String>,
    /// For what is his own to be made with, all of it.
    owner: String,
}

fn all(owner: &str) -> String {
    token(owner, &Scope::ALL)
}

fn token(owner: &str, scopes: &[Scope]) -> String {
    let permits = Permits::only(scopes.iter().copied());
    signed(&Grant { permits, ..Grant::of(Owner(owner.into())) })
}

/// A token that grants everything, and is not valid.
fn bad(how: &str) -> String {
    let at = |seconds: i64| i64::try_from(get_current_timestamp()).unwrap() + seconds;
    let mut claims = json!({"sub": "alice", "exp": at(60), "scope": "upload read delete admin"});
    let mut secret = SECRET;
    match how {
        "expired" => claims["exp"] = json!(at(-3600)),
        "early" => claims["nbf"] = json!(at(3600)),
        "forged" => secret = &[b'x'; 32],
        "elsewhere" => claims["aud"] = json!("https://elsewhere.example"),
        _ => {}
    }
    let key = EncodingKey::from_secret(secret);
    let token = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
    let parts: Vec<_> = token.split('.').collect();
    match how {
        "unsigned" => {
            format!("{}.{}.", Base64Url::encode_string(br#"{"typ":"JWT","alg":"none"}"#), parts[1])
        }
        "tampered" => {
            let more = claims.to_string().replace("upload read", "read upload");
            format!("{}.{}.{}", parts[0], Base64Url::encode_string(more.as_bytes()), parts[2])
        }
        _ => token,
    }
}

/// What comes behind the `?` of a link to this file: good for a minute, or broken in this way.
fn link(how: &str, file: FileId) -> String {
    let lasts = if how == "late" { 0 } else { 60_000 };
    let expires_at = Millis(now().0 + lasts);
    let query = links().sign(&Link { file, expires_at, name: None });
    let told = format!("expires={}", expires_at.0);
    assert!(query.contains(&told), "{query}");
    match how {
        "torn" => query.replace(&format!("{told}&"), ""),
        how if how.starts_with("longer") => {
            query.replace(&told, &format!("expires={}", expires_at.0 + 1))
        }
        _ => query,
    }
}

impl Stage {
    fn new() -> Self {
        let access = || Access::Guests { keys: key().into(), guests: Box::new(key()) };
        Self {
            tokens: Server::start_with(|config| config.access = Access::Tokens(key().into())),
            guests: Server::start_with(|config| config.access = access()),
        }
    }

    fn caller<'a>(&'a self, kind: &'a str) -> Caller<'a> {
        let guest = signed(&Grant::of(Owner::new_guest().unwrap()));
        let (server, token, owner) = match kind {
            "none" | "link" | "late" | "longer" | "torn" => (&self.tokens, None, all("alice")),
            how if INVALID.contains(&how) => (&self.tokens, Some(bad(how)), all("alice")),
            "all" | "longer, with a token" => (&self.tokens, Some(all("alice")), all("alice")),
            "guest" => (&self.guests, Some(guest.clone()), guest),
            "new" => (&self.guests, None, guest),
            scope => {
                let scope = Scope::named(scope).unwrap_or_else(|| panic!("who is `{scope}`?"));
                (&self.tokens, Some(token("alice", &[scope])), all("alice"))
            }
        };
        Caller { kind, server, token, owner }
    }
}

const SECRET: &[u8] = b"a secret of thirty-two bytes, 32";

impl Caller<'_> {
    /// Sends one operation for some things. A link is one to the caller's own file.
    fn asks(&self, operation: &str, things: Things, own: FileId) -> Answer {
        let mut request = request(operation, things);
        if self.kind == "link" || BROKEN.contains(&self.kind) {
            let and = if request.path.contains('?') { '&' } else { '?' };
            request.path = format!("{}{and}{}", request.path, link(self.kind, own));
        }
        let request = match &self.token {
            Some(token) => request.bearer(token),
            None => request,
        };
        self.server.send(request)
    }
}

/// What belongs to the owner of this token, anew.
fn things(server: &Server, token: &str) -> Things {
    let create = create_request(BODY.len() as u64);
    let begin = Request::new("POST", path::UPLOADS).json(&create).bearer(token);
    let upload: UploadStatus = server.send(begin).ok(201);
    let sent = server.send(chunk(upload.id, 0, BODY).body(BODY).bearer(token));
    assert_eq!(sent.status, 204);
    let file: FileInfo = server.send(one_request(&create, BODY).body(BODY).bearer(token)).ok(201);
    Things { upload: upload.id, file: file.id }
}

/// An operation as somebody asks for it who may.
fn request(operation: &str, things: Things) -> Request {
    let (item, method) = OPERATIONS.with(|all| all[operation]);
    let is_of_upload = item.starts_with("/v1/uploads/");
    let id = if is_of_upload { things.upload.to_string() } else { things.file.to_string() };
    let request = Request::new(&method.to_ascii_uppercase(), &item.replace("{id}", &id));
    let (create, digest) = (create_request(BODY.len() as u64), Digest::of(BODY));
    match operation {
        "beginUpload" => request.json(&create),
        "offerDigests" => request.json(&DigestRun { start: ChunkIndex(0), digests: vec![digest] }),
        "proveChunks" => request.json(&ProofRequest::default()),
        "sendChunk" => {
            let named = request.header(CHUNK_INDEX, "0").header(CHUNK_DIGEST, &digest.to_header());
            named.body(BODY)
        }
        "sealUpload" => request.json(&json!({ "root": root([digest]) })),
        "storeFile" => one_request(&create, BODY).body(BODY),
        "linkFile" => request.json(&json!({ "lastsSeconds": 60 })),
        _ => request,
    }
}

thread_local! {
    /// The path and method of each operation of the document.
    static OPERATIONS: BTreeMap<&'static str, (&'static str, &'static str)> = operations();
}

fn operations() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let items = members(&DOCUMENT, "paths").flat_map(|(path, item)| {
        let of_item = item.as_object().unwrap().iter();
        of_item.map(move |(method, operation)| (path, method.as_str(), operation))
    });
    let items = items.filter(|(_, method, _)| METHODS.contains(method));
    items
        .map(|(path, method, it): (_, _, &Value)| {
            (it["operationId"].as_str().unwrap(), (path, method))
        })
        .collect()
}

/// The rows of the table: an operation, and a cell for each kind of caller.
fn rows() -> (Vec<&'static str>, Vec<(&'static str, Vec<&'static str>)>) {
    let mut lines = TABLE.trim().lines().map(|line| line.split_whitespace());
    let kinds = lines.next().unwrap().skip(1).collect();
    let row =
        |mut cells: std::str::SplitWhitespace<'static>| (cells.next().unwrap(), cells.collect());
    (kinds, lines.map(row).collect())
}

/// What the cell says of one's own, of another's and of what is missing.
fn cell(text: &str) -> [u16; 3] {
    let parts: Vec<_> = text.split('/').map(|part| part.parse().expect(text)).collect();
    match parts.as_slice() {
        [same] => [*same; 3],
        [own, others, missing] => [*own, *others, *missing],
        _ => panic!("{text}"),
    }
}

#[test]
fn every_operation_has_a_row_and_every_row_is_an_operation() {
    let (kinds, rows) = rows();
    let of_table: BTreeSet<_> = rows.iter().map(|(operation, _)| *operation).collect();
    let of_document: BTreeSet<_> = operations().into_keys().collect();
    assert_eq!(of_table, of_document);
    assert_eq!(of_table.len(), rows.len(), "none comes twice");
    for (operation, cells) in rows {
        assert_eq!(cells.len(), kinds.len(), "{operation}");
    }
}

#[test]
fn every_caller_is_answered_as_the_table_says_and_learns_nothing_of_what_is_anothers() {
    let stage = Stage::new();
    let (kinds, rows) = rows();
    let kinds = kinds.into_iter().enumerate();
    for (at, kind) in kinds.flat_map(|(at, kind)| callers(kind).into_iter().map(move |it| (at, it)))
    {
        let caller = stage.caller(kind);
        let others = things(caller.server, &all("bob"));
        let mut own = things(caller.server, &caller.owner);
        for (operation, cells) in &rows {
            let expected = cell(cells[at]);
            let what = format!("{operation} by {kind}: {}", cells[at]);
            let of_other = caller.asks(operation, others, own.file);
            let of_nothing = caller.asks(operation, MISSING, own.file);
            let of_own = caller.asks(operation, own, own.file);
            let told = [&of_own, &of_other, &of_nothing].map(|answer| answer.status);
            assert_eq!(told, expected, "{what}, of one's own, another's and nothing");
            let names_one = operations()[operation].0.contains("{id}");
            if let Some(apart) = of_other.is_told_apart_from(&of_nothing).filter(|_| names_one) {
                panic!("{what}: what is another's is told from nothing:\n{apart}");
            }
            let is_changed = ["cancelUpload", "sealUpload", "deleteFile"].contains(operation);
            if is_changed && of_own.status < 300 {
                own = things(caller.server, &caller.owner);
            }
        }
        // Whatever was tried, it is as it was.
        let bob = all("bob");
        for path in [path::upload(others.upload), path::file(others.file)] {
            assert_eq!(caller.server.send(Request::new("GET", &path).bearer(&bob)).status, 200);
        }
    }
}
