//! Links to files in a browser, which sends no token with a plain address.

use bytes::Bytes;
use longhaul_protocol::plan::CHUNK_LEN_SHORT;
use longhaul_protocol::wire::link::{LinkInfo, LinkRequest};
use longhaul_protocol::wire::{CreateRequest, FileInfo, path};
use longhaul_tests::api::create_request;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, random_bytes};
use longhaul_tests::server::Server;
use longhaul_tests::stored::store;
use serde_json::json;

use crate::downloads::{Downloading, where_files_are_kept};
use crate::tokens::{keyed, new_key, token};

const SIZE: u64 = 5 * CHUNK_LEN_SHORT + 9;

/// A file of an owner's, the folder of the key, and a link to it.
async fn linked(lasts_seconds: u64) -> (Server, Folder, FileInfo, String) {
    let folder = Folder::new();
    let key = new_key(&folder, "key", 'l');
    let server = keyed(&key).await;
    let api = server.api().bearing(&token(&key, "alice"));
    let create =
        CreateRequest { chunk_size: Some(CHUNK_LEN_SHORT), ..create_request("linked.bin", SIZE) };
    let file = store(&api, &create, &Bytes::from(random_bytes(SIZE, 91))).await;
    let request = LinkRequest { lasts_seconds, name: None };
    let link: LinkInfo = api.post(&path::links(file.id), &request).await.unwrap().json();
    (server, folder, file, link.url)
}

/// What a page reads at an address, with no header of its own but a range, and with one.
const READ: &str = r#"
    const [url] = args;
    const whole = await fetch(url);
    const part = await fetch(url, { headers: { range: 'bytes=5-14' } });
    const bytes = new Uint8Array(await part.arrayBuffer());
    const length = (await whole.arrayBuffer()).byteLength;
    return [whole.status, length, part.status, bytes.length, part.headers.get('content-range')];
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_a_file_and_its_ranges_without_a_token() {
    in_every_engine(async |browser| {
        let (server, _folder, file, link) = linked(600).await;
        browser.open(&server.origin()).await;
        let read = browser.run_async(READ, &[json!(link)]).await;
        assert_eq!(read, json!([200, SIZE, 206, 10, format!("bytes 5-14/{SIZE}")]));
        const STATUS: &str = "return (await fetch(args[0])).status";
        let plain = format!("{}{}", server.origin(), path::file(file.id));
        assert_eq!(browser.run_async(STATUS, &[json!(plain)]).await, json!(401));
        let other = link.replace("expires=", "expires=9");
        assert_eq!(browser.run_async(STATUS, &[json!(other)]).await, json!(403));
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_downloaded_and_verified_by_a_link() {
    where_files_are_kept(async |browser| {
        let (server, _folder, file, link) = linked(600).await;
        browser.open(&server.origin()).await;
        let download = Downloading::begin(browser, &link).await;
        download.arrives_as(&file).await;
        let manifest = path::manifest(file.id);
        let asked = server.requests().into_iter().find(|request| request.path == manifest);
        assert_eq!(asked.and_then(|request| request.status), Some(200));
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_over_is_told_and_not_tried_for_ever() {
    where_files_are_kept(async |browser| {
        let (server, _folder, _, link) = linked(600).await;
        browser.open(&server.origin()).await;
        let download = Downloading::begin(browser, &link.replace("expires=", "expires=9")).await;
        download.comes_to(&["failed"]).await;
        let told = download.last("error").await.unwrap();
        assert_eq!(told["problem"]["code"], json!("link-refused"), "{told}");
    })
    .await;
}
