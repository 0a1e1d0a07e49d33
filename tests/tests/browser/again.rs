//! A file whose upload is over is picked again: as it was, changed, grown.

use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, MIB, append, change_unnoticed, random_bytes};
use longhaul_tests::page::Page;
use longhaul_tests::server::{Options, Server};

use crate::stage::{assert_is, upload};

/// The chunks of which bytes were sent, after the first `sent` requests that had any.
fn chunks_since(server: &Server, sent: usize) -> Vec<u64> {
    let requests = server.chunk_requests();
    let mut chunks: Vec<_> = requests[sent..].iter().filter_map(|sent| sent.chunk).collect();
    chunks.sort_unstable();
    chunks.into_iter().map(|chunk| chunk.0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_file_is_instant_no_chunk_body_is_sent() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("known.bin", 100 * MIB + 1, 7);
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let first = upload(&page, &server, &file).await;
        let sent = server.chunk_requests();
        assert_eq!(sent.len() as u64, first.chunk_count, "a first upload sends each chunk once");

        let second = upload(&page, &server, &file).await;
        assert_ne!(first.id, second.id, "each pick is a file of its own");
        page.reload().await;
        upload(&page, &server, &file).await;
        let since = &server.chunk_requests()[sent.len()..];
        assert_eq!(since, [], "a known file was sent again");
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_of_the_same_name_size_and_time_is_not_mistaken_for_the_old_one() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("same-name.bin", 30 * MIB, 8);
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let first = upload(&page, &server, &file).await;
        let old = folder.path().join("old.bin");
        std::fs::copy(&file, &old).unwrap();

        change_unnoticed(&file, 29 * MIB, 1, 9);
        // A page that was loaded before the change may have been told of it by the browser.
        page.reload().await;
        let sent = server.chunk_requests().len();
        let second = upload(&page, &server, &file).await;
        assert_ne!(first.root, second.root);
        assert_eq!(chunks_since(&server, sent), [29], "only the chunk that changed is sent");
        assert_is(&server, &first, &old).await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_of_the_same_name_is_not_mistaken_for_the_old_one() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("same-name.bin", 20 * MIB, 10);
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        upload(&page, &server, &file).await;
        std::fs::write(&file, random_bytes(17 * MIB + 3, 11)).unwrap();
        upload(&page, &server, &file).await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_file_that_was_appended_to_only_the_tail_and_the_last_old_chunk_are_sent() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("log.bin", 20 * MIB + 5, 12);
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let first = upload(&page, &server, &file).await;
        append(&file, 10 * MIB, 13);
        let sent = server.chunk_requests().len();
        let second = upload(&page, &server, &file).await;
        assert_eq!(second.size, first.size + 10 * MIB);
        assert_eq!(chunks_since(&server, sent), (20..=30).collect::<Vec<_>>());
        server.assert_no_fault();
    })
    .await;
}
