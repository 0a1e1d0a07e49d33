//! How soon the first chunk leaves the page. The figures are printed; `measure` repeats them.

use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, GIB, MIB};
use longhaul_tests::page::{Page, SOON};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};

/// Ten times what is promised: on a busy machine only something else than its load takes so long,
/// such as hashing the file before the first byte is sent.
const GENEROUS_MS: f64 = 3000.0;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_chunk_leaves_soon_after_the_pick_whatever_the_size() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        for len in [MIB, 64 * MIB, 4 * GIB] {
            let file = folder.sparse(&format!("{len}.bin"), len);
            let proxy = Proxy::start(server.addr(), Hold::AfterChunks(0)).await;
            let page = Page::open(browser, &proxy.origin()).await;
            page.pick(&file).await;
            let ms = page.first_chunk_ms(&proxy).await;
            println!("{len} bytes: the first chunk left {ms:.0} ms after the pick");
            assert!(ms < GENEROUS_MS);
            page.press("cancel").await;
            page.comes_to(&["cancelled"], SOON).await;
        }
    })
    .await;
}
