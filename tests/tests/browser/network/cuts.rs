//! Connections that are cut.

use longhaul_tests::browser::{Engine, in_every_engine};
use longhaul_tests::files::MIB;
use longhaul_tests::proxy::{Fault, Harm, Hold, Line, Lines, Proxy, Way};
use longhaul_tests::server::{Options, Server};

use super::{CHUNK, FINISHED, Stage};
use crate::stage::{holds, newest_is};
use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, LANES_MAX};
use longhaul_tests::files::Folder;
use longhaul_tests::page::Page;

const EVERY: u64 = 20 * MIB;
const LEN: u64 = 240 * MIB + 4321;
/// Of the file, what cuts may have sent twice: 2 %.
const TWICE_MAX: u64 = LEN / 50;

#[tokio::test(flavor = "multi_thread")]
async fn each_connection_cut_after_20_mib_wastes_under_two_percent() {
    in_every_engine(async |browser| {
        for harm in [Harm::Close, Harm::Reset] {
            let stage = Stage::new(browser, LEN, 60).await;
            // WebKitGTK takes a new connection for most chunks, of which few come as far as 20 MiB.
            let is_webkit = browser.engine() == Engine::WebKit;
            let every = if is_webkit { CHUNK_LEN_DEFAULT * 3 / 4 } else { EVERY };
            stage.proxy.add(Fault::each(Way::Up, every, harm));
            stage.page.pick(&stage.file).await;
            let sent = stage.finishes().await;
            let cuts = stage.proxy.harmed(harm);
            println!("{harm:?} of each connection after {every} bytes: {cuts} cuts");
            assert!(cuts >= 5, "it was to be cut");
            assert!(sent.twice < TWICE_MAX, "{cuts} cuts: {sent:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_connections_cut_at_once_every_20_mib_waste_under_two_percent() {
    in_every_engine(async |browser| {
        let stage = Stage::new(browser, LEN, 61).await;
        stage.proxy.harm_all_every(EVERY, Harm::Reset);
        stage.page.pick(&stage.file).await;
        let sent = stage.finishes().await;
        let cuts = stage.proxy.harmed(Harm::Reset);
        println!("all connections reset every 20 MiB: {cuts} cuts");
        assert!(cuts >= 10, "it was to be cut");
        assert!(sent.twice < TWICE_MAX, "{cuts} cuts: {sent:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_and_started_again_costs_what_had_begun_at_most() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("killed.bin", 96 * MIB, 62);
        let mut server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        let page = Page::open(browser, &proxy.origin()).await;
        let slow = Line { bytes_per_second: Some(6 * MIB), ..Line::default() };
        proxy.set_lines(Lines { up: slow, down: Line::default() });
        proxy.harm_all(Harm::Close);
        page.pick(&file).await;
        let before = holds(&server, 3, FINISHED).await;
        server.kill().await;
        proxy.set_lines(Lines::default());
        server.restart().await;
        page.comes_to(&["done"], FINISHED).await;
        newest_is(&server, &file).await;
        assert_eq!(
            longhaul_tests::log::sent_again(&server.requests(), &before.holding.held, 0),
            []
        );
        // A server that is killed logs nothing of what it was receiving; the proxy knows.
        let passed: u64 = proxy.connections().iter().map(|connection| connection.up.passed).sum();
        let twice = passed - 96 * MIB;
        println!("killed in the middle: {twice} bytes sent twice, heads included");
        assert!(twice <= LANES_MAX * CHUNK + MIB, "{twice} bytes were sent twice");
        server.assert_no_fault();
    })
    .await;
}
