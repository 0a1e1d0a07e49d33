//! A server that lends across owners: who has the bytes that another owner has here proves it.

use bytes::Bytes;
use http::Method;
use longhaul_protocol::wire::header::UPLOAD_TOKEN;
use longhaul_protocol::wire::{FileInfo, SealRequest, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Plan};
use longhaul_tests::api::{Api, chunk_headers, chunk_of, create_request, root_of};
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, MIB, change_unnoticed};
use longhaul_tests::page::Page;
use longhaul_tests::server::{Options, Server};

use crate::stage::upload;

fn options(more: &[&str]) -> Options {
    let lends = ["--reuse", "everyone"];
    let more = lends.iter().chain(more).map(ToString::to_string).collect();
    Options { more, ..Options::demo() }
}

/// Uploads a file as somebody whom the server has not met.
async fn upload_as_guest(api: &Api, whole: Bytes) -> FileInfo {
    let mut request = create_request("hers.bin", whole.len() as u64);
    request.chunk_size = Some(Plan::of_file(request.size).unwrap().chunk_len());
    let begun = api.post(path::UPLOADS, &request).await.unwrap();
    let status: UploadStatus = begun.json();
    let bearer = format!("Bearer {}", begun.headers[UPLOAD_TOKEN].to_str().unwrap());
    let plan = status.plan().unwrap();
    for index in 0..plan.chunk_count() {
        let bytes = chunk_of(&whole, plan, ChunkIndex(index));
        let mut headers = chunk_headers(index, &bytes).write();
        headers.push(("authorization", bearer.clone()));
        let sent = api.request(Method::POST, &path::chunks(status.id), &headers, bytes).await;
        assert_eq!(sent.unwrap().status, 204);
    }
    let seal = serde_json::to_vec(&SealRequest { root: root_of(&whole, plan) }).unwrap();
    let headers =
        [("content-type", "application/json".to_owned()), ("authorization", bearer.clone())];
    let sealed = api.request(Method::POST, &path::seal(status.id), &headers, seal).await;
    sealed.unwrap().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_owner_has_here_is_proved_and_no_chunk_body_is_sent() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("his.bin", 40 * MIB + 1, 21);
        let mut server = Server::start(options(&["--allow-anonymous"])).await;
        let hers = upload_as_guest(&server.api(), std::fs::read(&file).unwrap().into()).await;
        server.kill().await;
        server.restart_with(options(&[])).await;
        assert_eq!(server.api().files().await, [], "who comes now is another");
        let sent = server.chunk_requests().len();

        let page = Page::open(browser, &server.origin()).await;
        let his = upload(&page, &server, &file).await;
        assert_eq!(his.root, hers.root);
        assert_eq!(server.chunk_requests()[sent..], [], "what was proved was sent too");
        assert!(server.requests().iter().any(|request| request.path.ends_with("/proofs")));

        change_unnoticed(&file, 20 * MIB, 1, 22);
        page.reload().await;
        upload(&page, &server, &file).await;
        assert_eq!(server.chunk_requests()[sent..].len(), 1, "only the chunk that changed");
        server.assert_no_fault();
    })
    .await;
}
