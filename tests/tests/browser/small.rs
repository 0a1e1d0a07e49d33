//! Small files: one request each.

use std::time::Duration;

use longhaul_protocol::ProblemCode;
use longhaul_protocol::plan::LANES_MAX;
use longhaul_tests::artefacts;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::Folder;
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Harm, Hold, Line, Lines, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;

use tokio::process::Command;

use crate::stage::upload;
use crate::tokens::listed;

/// How long each answer is on its way: longer than it takes to lose it.
const FAR: Duration = Duration::from_secs(1);

/// What was asked of the server's API beside its list of files.
fn writes(server: &Server) -> Vec<(String, String)> {
    let api = server.requests().into_iter().filter(|request| request.path.starts_with("/v1/"));
    let writes = api.filter(|request| request.method != "GET");
    writes.map(|request| (request.method, request.path)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_is_one_request_and_the_same_again_takes_no_room() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let file = folder.random("small.bin", 100_000, 91);
        upload(&page, &server, &file).await;
        let once = ["/v1/guests", "/v1/files"].map(|path| ("POST".to_owned(), path.to_owned()));
        assert_eq!(writes(&server), once, "whom it is taken for it asks once");
        let taken = server.disk_bytes();
        upload(&page, &server, &file).await;
        assert_eq!(writes(&server).len(), 3);
        assert_eq!(server.api().files().await.len(), 2);
        assert_eq!(server.disk_bytes(), taken, "its bytes were stored once more");
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_take_all_lanes_though_one_file_is_to_move_at_a_time() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(1)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        let files: Vec<_> = (0..9u8)
            .map(|one| folder.random(&format!("{one}.bin"), 5000, 192 + u64::from(one)))
            .collect();
        page.pick_all(&files.iter().map(|file| file.as_path()).collect::<Vec<_>>()).await;
        let lanes = usize::try_from(LANES_MAX).unwrap();
        wait::until("all lanes send", UPLOAD, async || {
            (proxy.chunks_seen().len() > lanes).then_some(())
        })
        .await;
        assert_eq!(proxy.chunks_seen().len(), 1 + lanes);
        proxy.release();
        wait::until("all are stored", UPLOAD, async || {
            (server.api().files().await.len() == files.len()).then_some(())
        })
        .await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_of_a_guest_are_one_guests() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let more = vec!["--allow-anonymous".to_owned()];
        let server = Server::start(Options { more, ..Options::demo() }).await;
        let page = Page::open(browser, &server.origin()).await;
        let files: Vec<_> = (0..6u8)
            .map(|one| folder.random(&format!("{one}.bin"), 5000, 92 + u64::from(one)))
            .collect();
        page.pick_all(&files.iter().map(|file| file.as_path()).collect::<Vec<_>>()).await;
        wait::until("all are stored", UPLOAD, async || (writes(&server).len() == 7).then_some(()))
            .await;
        page.comes_to(&["done"], SOON).await;
        page.reload().await;
        assert_eq!(listed(browser).await.as_array().map(Vec::len), Some(6));
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_first_small_file_is_answered_to_nobody_has_it_once() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let more = vec!["--allow-anonymous".to_owned()];
        let server = Server::start(Options { more, ..Options::demo() }).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        let page = Page::open(browser, &proxy.origin()).await;
        let down = Line { delay: FAR, ..Line::default() };
        proxy.set_lines(Lines { down, ..Lines::default() });
        let file = folder.random("note.txt", 5000, 97);
        page.pick(&file).await;
        let is_there =
            || server.requests().iter().any(|it| it.path == "/v1/files" && it.status == Some(201));
        wait::until("it is stored", UPLOAD, async || is_there().then_some(())).await;
        proxy.harm_all(Harm::Reset);
        proxy.set_lines(Lines::default());
        page.comes_to(&["done"], UPLOAD).await;
        let mut all = Command::new(artefacts::server());
        let all = all.args(["files", "--data"]).arg(server.data()).output().await.unwrap();
        let told = String::from_utf8(all.stdout).unwrap();
        assert_eq!(told.matches("note.txt").count(), 1, "{told}");
        assert_eq!(listed(browser).await.as_array().map(Vec::len), Some(1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_less_in_one_request_gets_a_small_file_the_usual_way() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let more = vec!["--chunk-size".to_owned(), "65536".to_owned()];
        let server = Server::start(Options { more, ..Options::demo() }).await;
        let page = Page::open(browser, &server.origin()).await;
        let file = folder.random("chunked.bin", 200_000, 99);
        upload(&page, &server, &file).await;
        let posted = server.requests().into_iter().filter(|request| request.method == "POST");
        let statuses: Vec<_> = posted.filter_map(|request| request.status).collect();
        let too_large = ProblemCode::TooLarge.row().status;
        assert_eq!(statuses, [204, too_large, 201, 204, 201], "met, stored, begun, sent, sealed");
        server.assert_no_fault();
    })
    .await;
}
