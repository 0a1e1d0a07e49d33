//! Servers that say what is not so, and what stands before them and changes it.

use std::sync::Arc;

use longhaul_protocol::Digest;
use longhaul_protocol::wire::Manifest;
use longhaul_protocol::wire::ids::FileId;
use longhaul_tests::files::{Folder, random_bytes};
use longhaul_tests::liar::{fake, manifest};
use longhaul_tests::terminal::{Said, run};

use super::CHUNK;

const FILE: FileId = FileId([7; 16]);

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Fetches from a server with that manifest, which answers other requests like this. Nothing is left.
async fn fetched(
    manifest: &Manifest,
    other: impl Fn(&str) -> Vec<u8> + Clone + Send + 'static,
) -> Said {
    let json = serde_json::to_vec(manifest).unwrap();
    let page = answer("200 OK", "content-type: application/json\r\n", &json);
    let origin = fake(
        move |request| {
            if request.contains("/manifest") { page.clone() } else { other(request) }
        },
    );
    let (url, folder) = (format!("{}/v1/files/{FILE}", origin.await), Folder::new());
    let target = folder.path().join("x");
    let said = run(["fetch", &url, "-o", target.to_str().unwrap(), "--patience", "20s"]).await;
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    said
}

fn never(_: &str) -> Vec<u8> {
    panic!("no byte is to be asked for")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_lies_is_not_believed_and_no_byte_is_asked_for() {
    type Lie = fn(&mut Manifest);
    let lies: [(&str, Lie); 6] = [
        ("another digest", |page| page.digests.digests[0] = Digest::of(b"another")),
        ("another root", |page| page.file.root = Digest::of(b"another")),
        ("another size", |page| page.file.size = 5 * CHUNK),
        ("a size beyond everything", |page| page.file.size = u64::MAX),
        ("no chunk size", |page| page.file.chunk_size = 0),
        ("another file", |page| page.file.id = FileId([9; 16])),
    ];
    for (what, lie) in lies {
        let mut page = manifest(FILE, CHUNK, &random_bytes(2 * CHUNK, 3));
        lie(&mut page);
        let said = fetched(&page, never).await;
        assert_eq!(said.code, Some(6), "{what}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_ranges_is_told_and_nothing_is_written() {
    let bytes = random_bytes(2 * CHUNK + 5, 3);
    let page = manifest(FILE, CHUNK, &bytes);
    let whole = Arc::new(answer("200 OK", "content-type: video/mp4\r\n", &bytes));
    let said = fetched(&page, move |_| whole.to_vec()).await;
    assert_eq!(said.code, Some(6), "{said:?}");
    assert!(said.err.contains("ignores `Range`"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_than_the_manifest_says_are_never_kept() {
    let page = manifest(FILE, CHUNK, &random_bytes(CHUNK + 5, 3));
    let other = random_bytes(CHUNK, 4);
    let said = fetched(&page, move |request| {
        let (range, len) = match request.contains("bytes=0-") {
            true => (format!("0-{}", CHUNK - 1), CHUNK as usize),
            false => (format!("{CHUNK}-{}", CHUNK + 4), 5),
        };
        let total = CHUNK + 5;
        let told = format!("content-range: bytes {range}/{total}\r\n");
        answer("206 Partial Content", &told, &other[..len])
    });
    let said = said.await;
    assert_eq!(said.code, Some(6), "{said:?}");
    assert!(said.err.contains("arrived damaged 5 times"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_the_whole_and_nobody_has_looked_at_is_not_passed_on() {
    let bytes = random_bytes(5, 3);
    let mut page = manifest(FILE, CHUNK, &bytes);
    page.file.sha256 = Some(Digest::of(b"another"));
    let json = serde_json::to_vec(&page).unwrap();
    let page = answer("200 OK", "content-type: application/json\r\n", &json);
    let chunk = answer("206 Partial Content", "content-range: bytes 0-4/5\r\n", &bytes);
    let origin = fake(
        move |request| {
            if request.contains("/manifest") { page.clone() } else { chunk.clone() }
        },
    );
    let (url, folder) = (format!("{}/v1/files/{FILE}", origin.await), Folder::new());
    let target = folder.path().join("x");
    let said = run(["fetch", &url, "--json", "-o", target.to_str().unwrap()]).await;
    said.good();
    assert!(said.events("done")[0]["file"].get("sha256").is_none(), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_ranges_than_were_asked_for_are_damage_and_no_server_that_is_away() {
    let bytes = random_bytes(5, 3);
    let page = manifest(FILE, CHUNK, &bytes);
    for told in ["", "content-range: bytes 0-4/6\r\n", "content-range: bytes 1-5/5\r\n"] {
        let said = fetched(&page, {
            let bytes = bytes.clone();
            move |_| answer("206 Partial Content", told, &bytes)
        });
        let said = said.await;
        assert_eq!(said.code, Some(6), "{told}: {said:?}");
        assert!(said.err.contains("bytes 0-4 were asked for"), "{said:?}");
    }
}
