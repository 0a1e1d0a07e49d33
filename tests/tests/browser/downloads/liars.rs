//! Servers that say what is not so, and what stands before them and changes it.

#![allow(clippy::cast_possible_truncation, reason = "it is run on 64-bit machines")]

use longhaul_protocol::Digest;
use longhaul_protocol::wire::Manifest;
use longhaul_protocol::wire::ids::FileId;
use longhaul_tests::browser::Browser;
use longhaul_tests::files::random_bytes;
use longhaul_tests::liar::{fake, manifest};
use longhaul_tests::server::{Options, Server};
use serde_json::{Value, json};

use super::{CHUNK, Downloading, where_files_are_kept};

const FILE: FileId = FileId([7; 16]);
/// What lets pages of any origin read it.
const OPEN: &str = "access-control-allow-origin: *\r\naccess-control-allow-headers: range\r\n\
                    access-control-expose-headers: content-range\r\n";

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{OPEN}{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// What a page is told that downloads from a server with that manifest, which answers other requests like
/// this. Nothing is left.
async fn told(
    browser: &Browser,
    manifest: &Manifest,
    other: impl Fn(&str) -> Vec<u8> + Clone + Send + 'static,
) -> Value {
    let json = serde_json::to_vec(manifest).unwrap();
    let page = answer("200 OK", "content-type: application/json\r\n", &json);
    let origin = fake(move |request| match request {
        preflight if preflight.starts_with("OPTIONS") => answer("204 No Content", "", &[]),
        request if request.contains("/manifest") => page.clone(),
        request => other(request),
    });
    let url = format!("{}/v1/files/{FILE}", origin.await);
    let pages = Server::start(Options::demo()).await;
    browser.open(&pages.origin()).await;
    let download = Downloading::begin(browser, &url).await;
    download.comes_to(&["failed"]).await;
    download.last("error").await.unwrap()
}

fn never(_: &str) -> Vec<u8> {
    panic!("no byte is to be asked for")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_lies_is_not_believed_and_no_byte_is_asked_for() {
    type Lie = fn(&mut Manifest);
    let lies: [(&str, Lie); 5] = [
        ("another digest", |page| page.digests.digests[0] = Digest::of(b"another")),
        ("another root", |page| page.file.root = Digest::of(b"another")),
        ("another size", |page| page.file.size = 5 * CHUNK),
        ("no chunk size", |page| page.file.chunk_size = 0),
        ("another file", |page| page.file.id = FileId([9; 16])),
    ];
    where_files_are_kept(async |browser| {
        for (what, lie) in lies {
            let mut page = manifest(FILE, CHUNK, &random_bytes(2 * CHUNK, 3));
            lie(&mut page);
            let told = told(browser, &page, never).await;
            assert_eq!(told["code"], json!("manifest"), "{what}: {told}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_ranges_is_told() {
    where_files_are_kept(async |browser| {
        let bytes = random_bytes(2 * CHUNK + 5, 3);
        let page = manifest(FILE, CHUNK, &bytes);
        let whole = answer("200 OK", "content-type: video/mp4\r\n", &bytes);
        let told = told(browser, &page, move |_| whole.clone()).await;
        assert_eq!(told["code"], json!("range-ignored"), "{told}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_than_the_manifest_says_are_never_kept() {
    where_files_are_kept(async |browser| {
        let page = manifest(FILE, CHUNK, &random_bytes(CHUNK + 5, 3));
        let other = random_bytes(CHUNK, 4);
        let told = told(browser, &page, move |request| {
            let (range, len) = match request.contains("bytes=0-") {
                true => (format!("0-{}", CHUNK - 1), CHUNK as usize),
                false => (format!("{CHUNK}-{}", CHUNK + 4), 5),
            };
            let head = format!("content-range: bytes {range}/{}\r\n", CHUNK + 5);
            answer("206 Partial Content", &head, &other[..len])
        });
        let told = told.await;
        assert_eq!(told["code"], json!("damaged"), "{told}");
    })
    .await;
}
