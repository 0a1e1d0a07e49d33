//! The page comes from one origin and the bytes go to another.

use std::process::Stdio;
use std::time::Duration;

use longhaul_tests::artefacts;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::Page;
use longhaul_tests::process::Process;
use longhaul_tests::server::{Options, Server, free_port};
use tokio::process::Command;

use crate::stage::upload;

/// How long `trunk` may take: it compiles the client.
const TRUNK_BUILD: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_allowed_origin_uploads_and_lists_across_origins() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("across.bin", 40 * MIB, 18);
        let pages = Server::start(Options::demo()).await;
        let allowed = Options { allow_origin: vec![pages.origin()], ..Options::default() };
        let server = Server::start(allowed).await;
        let page = Page::open(browser, &at_server(&pages.origin(), &server)).await;
        upload(&page, &server, &file).await;
        let links = page.download_links().await;
        assert!(links.iter().all(|link| link.starts_with(&server.origin())), "{links:?}");
        assert_eq!(links.len(), 1);
        assert_eq!(pages.chunk_requests(), [], "chunks went to the page's own server");
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_any_other_origin_gets_nowhere() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("foreign.bin", MIB, 19);
        let pages = Server::start(Options::demo()).await;
        let server = Server::start(Options::default()).await;
        let page = Page::open(browser, &at_server(&pages.origin(), &server)).await;
        page.pick(&file).await;
        page.comes_to(&["waiting", "failed"], longhaul_tests::page::SOON).await;
        assert!(server.api().uploads().await.is_empty());
        server.assert_no_fault();
    })
    .await;
}

/// `trunk serve` beside a server, as the README has it. Only where `trunk` is installed: nothing
/// else here needs it, and building it takes minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "compiles the client once more, which takes minutes: cargo xtask soak"]
async fn a_page_of_trunk_serve_uploads_to_a_server_beside_it() {
    let probe = Command::new("trunk").arg("--version").stdout(Stdio::null()).status().await;
    if probe.is_err() {
        println!("SKIPPED: `trunk` is not installed, so `trunk serve` was not tried");
        return;
    }
    let (port, out) = (free_port(), Folder::new());
    let mut command = Command::new("trunk");
    command.current_dir(artefacts::workspace()).env("NO_COLOR", "true");
    command.args(["serve", "--address", "127.0.0.1", "--port", &port.to_string()]);
    command.arg("--dist").arg(out.path());
    let mut trunk = Process::start("trunk", &mut command);
    trunk.said(0, TRUNK_BUILD, |line| line.contains("server listening at").then_some(())).await;
    let origin = format!("http://127.0.0.1:{port}");

    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("by-trunk.bin", 40 * MIB, 20);
        let allowed = Options { allow_origin: vec![origin.clone()], ..Options::default() };
        let server = Server::start(allowed).await;
        let page = Page::open(browser, &at_server(&origin, &server)).await;
        upload(&page, &server, &file).await;
        server.assert_no_fault();
    })
    .await;
}

/// The demo page of one origin, told to use a server of another.
fn at_server(page: &str, server: &Server) -> String {
    format!("{page}/?server={}", server.origin())
}
