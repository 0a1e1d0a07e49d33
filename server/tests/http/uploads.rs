//! The way of an upload, from its beginning to its file.

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::{
    DigestRun, DigestsAnswer, FileInfo, FileList, Manifest, UploadList, UploadStatus, path,
};
use longhaul_protocol::{ChunkIndex, Digest, Millis, ProblemCode};

use crate::support::{
    Answer, CHUNK, Request, Server, bytes, chunk, create_request, one_request, stopped_clock,
};

#[test]
fn an_upload_is_begun_sent_sealed_and_listed() {
    let server = Server::start();
    let whole = bytes(2 * CHUNK as usize + 1);
    let digests: Vec<_> = whole.chunks(CHUNK as usize).map(Digest::of).collect();
    let mut create = create_request(whole.len() as u64);
    create.meta.media_type = "text/plain".into();
    create.meta.last_modified = Some(Millis(1_700_000_000_000));
    create.meta.metadata.insert("album".into(), "spring".into());
    let answer = server.send(Request::new("POST", path::UPLOADS).json(&create));
    let upload: UploadStatus = answer.ok(201);
    let location = format!("http://localhost{}", path::upload(upload.id));
    assert_eq!(answer.header("location"), Some(location.as_str()));
    assert_eq!(upload.meta, create.meta);
    assert_eq!(
        (upload.size, upload.chunk_size, upload.chunk_count),
        (whole.len() as u64, CHUNK, 3)
    );
    assert_eq!((upload.lanes, upload.transport_encryption.as_str()), (5, "none"));
    assert!(!upload.sealable && upload.expires_at > upload.created_at);

    for (index, chunk) in (0..).zip(whole.chunks(CHUNK as usize)) {
        assert_eq!(server.put(upload.id, index, chunk).status, 204);
    }
    let status = server.status(upload.id);
    assert!(status.sealable && status.file.is_none() && status.digests.is_none());
    let listed: UploadList = server.get(path::UPLOADS).ok(200);
    assert_eq!(listed.uploads.iter().map(|upload| upload.id).collect::<Vec<_>>(), [upload.id]);

    let sealed = server.seal(upload.id, root(digests.clone()));
    let file: FileInfo = sealed.ok(201);
    let location = format!("http://localhost{}", path::file(file.id));
    assert_eq!(sealed.header("location"), Some(location.as_str()));
    assert_eq!((&file.meta, file.size, file.root), (&create.meta, upload.size, root(digests)));
    // The digest of the whole comes in its own time.
    let told = |told: FileInfo| FileInfo { sha256: None, ..told };
    assert_eq!(server.status(upload.id).file.map(told), Some(file.clone()));
    assert!(server.get(path::UPLOADS).ok::<UploadList>(200).uploads.is_empty());
    let listed = server.get(path::FILES).ok::<FileList>(200).files;
    assert_eq!(listed.into_iter().map(told).collect::<Vec<_>>(), [file]);
}

#[test]
fn a_seal_asked_for_again_gives_the_same_answer() {
    let server = Server::start();
    let upload = server.create(5);
    assert_eq!(server.put(upload.id, 0, b"hello").status, 204);
    let (first, again) = (
        server.seal(upload.id, root([Digest::of(b"hello")])),
        server.seal(upload.id, root([Digest::of(b"hello")])),
    );
    assert_eq!(first.ok::<FileInfo>(201), again.ok::<FileInfo>(201));
    assert_eq!(first.header("location"), again.header("location"));
    let problem = server.put(upload.id, 0, b"other").problem(ProblemCode::Sealed);
    assert_eq!(problem.facts.file, Some(first.ok::<FileInfo>(201).id));
}

#[test]
fn a_chunk_sent_again_is_fine() {
    let server = Server::start();
    let upload = server.create(5);
    for _ in 0..3 {
        assert_eq!(server.put(upload.id, 0, b"hello").status, 204);
    }
}

#[test]
fn a_status_tells_the_digests_of_what_is_held() {
    let server = Server::start();
    let whole = bytes(3 * CHUNK as usize);
    let upload = server.create(whole.len() as u64);
    let second = &whole[CHUNK as usize..2 * CHUNK as usize];
    assert_eq!(server.put(upload.id, 1, second).status, 204);
    let digests = || -> UploadStatus {
        server.get(&format!("{}?digests=1", path::upload(upload.id))).ok(200)
    };
    // A chunk is held once it is synced, within a second.
    let held = |_: &usize| server.status(upload.id).holding.held.contains(ChunkIndex(1));
    let pause = || std::thread::sleep(std::time::Duration::from_millis(50));
    assert!((0..100).inspect(|_| pause()).any(|at| held(&at)));
    let page = digests().digests.unwrap();
    assert_eq!(page.start, ChunkIndex(1));
    assert_eq!(page.digests, [Some(Digest::of(second)), None]);
}

#[test]
fn a_cancelled_upload_is_gone() {
    let server = Server::start();
    let upload = server.create(5);
    assert_eq!(server.send(Request::new("DELETE", &path::upload(upload.id))).status, 204);
    server.get(&path::upload(upload.id)).problem(ProblemCode::NotFound);
}

#[test]
fn a_deleted_file_is_gone() {
    let server = Server::start();
    let file = server.file(b"hello");
    assert_eq!(server.send(Request::new("DELETE", &path::file(file.id))).status, 204);
    server.get(&path::file(file.id)).problem(ProblemCode::NotFound);
}

#[test]
fn files_of_every_awkward_length_come_back_as_they_went() {
    let server = Server::start();
    for size in [0, 1, CHUNK as usize - 1, CHUNK as usize, CHUNK as usize + 1] {
        let whole = bytes(size);
        let file = server.file(&whole);
        assert_eq!(server.get(&path::file(file.id)).body, whole, "{size} bytes");
    }
}

#[test]
fn a_small_file_goes_up_in_one_request() {
    let server = Server::start();
    for whole in [&b""[..], b"hello", &bytes(CHUNK as usize)] {
        let create = create_request(whole.len() as u64);
        let request =
            one_request(&create, whole).header("idempotency-key", &whole.len().to_string());
        let send = || -> Answer { server.send(request.clone().body(whole)) };
        let file: FileInfo = send().ok(201);
        assert_eq!(server.get(&path::file(file.id)).body, whole);
        assert_eq!(send().ok::<FileInfo>(201).id, file.id, "the answer may have been lost");
    }
    assert_eq!(server.get(path::FILES).ok::<FileList>(200).files.len(), 3);
    assert!(server.get(path::UPLOADS).ok::<UploadList>(200).uploads.is_empty());
}

#[test]
fn digests_offered_of_a_known_file_are_filled_in() {
    let server = Server::start();
    let whole = bytes(3 * CHUNK as usize);
    server.file(&whole);
    let digests: Vec<_> = whole.chunks(CHUNK as usize).map(Digest::of).collect();
    let mut create = create_request(whole.len() as u64);
    create.chunk_size = Some(CHUNK);
    create.digests = Some(DigestRun { start: ChunkIndex(0), digests: digests[..1].to_vec() });
    let upload: UploadStatus =
        server.send(Request::new("POST", path::UPLOADS).json(&create)).ok(201);
    let run = DigestRun { start: ChunkIndex(1), digests: digests[1..].to_vec() };
    let offer = Request::new("POST", &path::digests(upload.id)).json(&run);
    let answer: DigestsAnswer = server.send(offer).ok(200);
    assert_eq!(answer.differs, []);
    let pause = || std::thread::sleep(std::time::Duration::from_millis(50));
    let filled = |_: &usize| server.status(upload.id).sealable;
    assert!((0..100).inspect(|_| pause()).any(|at| filled(&at)), "without a chunk sent");
    assert_eq!(server.seal(upload.id, root(digests)).status, 201);
}

#[test]
fn digests_offered_against_what_is_held_are_told_apart() {
    let server = Server::start();
    let upload = server.create(5);
    assert_eq!(server.put(upload.id, 0, b"hello").status, 204);
    let run = DigestRun { start: ChunkIndex(0), digests: vec![Digest::of(b"other")] };
    let offer = Request::new("POST", &path::digests(upload.id)).json(&run);
    let answer: DigestsAnswer = server.send(offer).ok(200);
    assert_eq!(answer.differs.len(), 1);
    assert_eq!(answer.differs[0].digest, Digest::of(b"hello"));
}

#[test]
fn listings_come_in_pages_newest_first() {
    // What comes within one millisecond has an order too.
    let server = Server::start_at(stopped_clock().0);
    let files: Vec<_> = (0..5).map(|at| server.file(&bytes(at)).id).collect();
    let uploads: Vec<_> = (0..5).map(|at| server.create(at).id).collect();
    let (mut listed_files, mut listed_uploads) = (Vec::new(), Vec::new());
    let mut path = format!("{}?limit=2", path::FILES);
    loop {
        let page: FileList = server.get(&path).ok(200);
        assert!(page.files.len() <= 2);
        listed_files.extend(page.files.iter().map(|file| file.id));
        let Some(next) = page.next else { break };
        path = format!("{}?limit=2&after={next}", path::FILES);
    }
    let mut path = format!("{}?limit=2", path::UPLOADS);
    loop {
        let page: UploadList = server.get(&path).ok(200);
        listed_uploads.extend(page.uploads.iter().map(|upload| upload.id));
        let Some(next) = page.next else { break };
        path = format!("{}?limit=2&after={next}", path::UPLOADS);
    }
    listed_files.reverse();
    listed_uploads.reverse();
    assert_eq!((listed_files, listed_uploads), (files, uploads));
}

#[test]
fn a_manifest_tells_the_digests_from_any_chunk_on() {
    let server = Server::start();
    let whole = bytes(3 * CHUNK as usize + 5);
    let digests: Vec<_> = whole.chunks(CHUNK as usize).map(Digest::of).collect();
    let file = server.file(&whole);
    let manifest: Manifest = server.get(&path::manifest(file.id)).ok(200);
    assert_eq!((manifest.file.id, manifest.next), (file.id, None));
    assert_eq!(manifest.digests.digests, digests);
    let rest: Manifest = server.get(&format!("{}?start=2", path::manifest(file.id))).ok(200);
    assert_eq!((rest.digests.start, rest.digests.digests), (ChunkIndex(2), digests[2..].to_vec()));
    let past: Manifest = server.get(&format!("{}?start=9", path::manifest(file.id))).ok(200);
    assert_eq!((past.digests.digests, past.next), (vec![], None));
}

#[test]
fn a_head_tells_of_the_status_without_it() {
    let server = Server::start();
    let upload = server.create(5);
    let got = server.get(&path::upload(upload.id));
    let head = server.send(Request::new("HEAD", &path::upload(upload.id)));
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-length"), got.header("content-length"));
}

#[test]
fn five_lanes_send_at_once() {
    let server = Server::start();
    let whole = bytes(40 * CHUNK as usize);
    let chunks: Vec<_> = whole.chunks(CHUNK as usize).collect();
    let upload = server.create(whole.len() as u64);
    std::thread::scope(|scope| {
        for lane in 0..5 {
            let (server, chunks) = (&server, &chunks);
            scope.spawn(move || {
                let mut connection = server.connect();
                for (index, bytes) in chunks.iter().enumerate().skip(lane).step_by(5) {
                    let request = chunk(upload.id, index as u64, bytes).body(bytes);
                    assert_eq!(connection.send(request).status, 204);
                }
            });
        }
    });
    let file: FileInfo = server.seal(upload.id, root(chunks.into_iter().map(Digest::of))).ok(201);
    assert!(server.get(&path::file(file.id)).body == whole);
}

#[test]
fn all_that_may_be_told_of_a_small_file_fits_its_header() {
    let server = Server::start();
    let mut create = create_request(5);
    create.meta.name = "\u{1F680}".repeat(255);
    create.meta.relative_path = Some(format!("{}/{}", "\u{1F680}".repeat(255), create.meta.name));
    create.meta.metadata.insert("k".into(), "\u{1F680}".repeat(4095));
    let file: FileInfo = server.send(one_request(&create, b"hello").body(b"hello")).ok(201);
    assert_eq!(file.meta, create.meta);
}

#[test]
fn who_says_that_he_sends_no_more_still_gets_his_answer() {
    let server = Server::start();
    let mut connection = server.connect();
    let body = serde_json::to_vec(&create_request(5)).unwrap();
    let length = body.len().to_string();
    let create = Request::new("POST", path::UPLOADS).header("content-type", "application/json");
    connection.send_head(&create.header("content-length", &length));
    connection.write(&body).unwrap();
    connection.half_close();
    let upload: UploadStatus = connection.answer("POST").ok(201);
    assert_eq!(upload.size, 5);
}

#[test]
fn a_file_in_one_request_that_is_refused_ends_no_upload_that_its_key_began_before() {
    let server = Server::start();
    let create = create_request(5);
    let begun = Request::new("POST", path::UPLOADS).header("idempotency-key", "k");
    let upload: UploadStatus = server.send(begun.json(&create)).ok(201);
    assert_eq!(server.put(upload.id, 0, b"hello").status, 204);
    let other = one_request(&create, b"other").header("idempotency-key", "k").body(b"other");
    assert_eq!(server.send(other).status, 409);
    let file: FileInfo = server.seal(upload.id, root([Digest::of(b"hello")])).ok(201);
    assert!(server.get(&path::file(file.id)).body == b"hello");
}
