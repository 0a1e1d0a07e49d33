//! Workers that end: the browser's doing, or a fault of ours.

use std::fs;

use longhaul_tests::artefacts;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, UPLOAD};
use longhaul_tests::server::{Options, Server};

use crate::stage::newest_is;

/// The site, with a worker that throws at its n-th order and does nothing from then on.
fn site_whose_workers_end(orders: u32) -> Folder {
    let site = Folder::new();
    for entry in fs::read_dir(artefacts::dist()).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            fs::copy(&file, site.path().join(file.file_name().unwrap())).unwrap();
        }
    }
    fs::write(site.path().join("longhaul-lane.js"), script_that_ends_at(orders)).unwrap();
    site
}

/// The worker's script as it is written, and not as it is served, with that fault.
fn script_that_ends_at(orders: u32) -> String {
    let script = artefacts::workspace().join("wasm-client/longhaul-lane.js");
    let whole = fs::read_to_string(script).unwrap();
    let handle = "(await lane).handle(order)";
    let mortal = format!(
        "{{ await lane; self.orders = (self.orders ?? 0) + 1; \
         if (self.orders === {orders}) setTimeout(() => {{ throw new Error('it ends'); }}); \
         if (self.orders < {orders}) {handle}; }}"
    );
    let changed = whole.replace(handle, &mortal);
    assert_ne!(changed, whole, "the script is no longer as this test knows it");
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_is_replaced_and_what_it_had_is_read_again() {
    // Six chunks a lane, three orders a chunk: every lane ends once and no second time.
    arrives_all_the_same(&site_whose_workers_end(11), 30).await;
}

/// Picks a file on a site whose workers have this fault, and sees it arrive.
async fn arrives_all_the_same(site: &Folder, chunks: u64) {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("mortal.bin", chunks * 8 * MIB, 62);
        let www = Some(site.path().to_owned());
        let server = Server::start(Options { www, ..Options::default() }).await;
        let page = Page::open(browser, &server.origin()).await;
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_workers_always_end_the_page_does_their_work() {
    arrives_all_the_same(&site_whose_workers_end(1), 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_workers_never_start_the_page_does_their_work() {
    let site = site_whose_workers_end(0);
    let script = site.path().join("longhaul-lane.js");
    // As a script that a hanging network never brings: no error and no answer.
    fs::write(&script, "await new Promise(() => {});").unwrap();
    arrives_all_the_same(&site, 6).await;
}
