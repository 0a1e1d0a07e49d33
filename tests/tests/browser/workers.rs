//! Workers that end: the browser's doing, or a fault of ours.

use std::fs;
use std::path::Path;

use longhaul_tests::artefacts;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::server::{Options, Server};
use serde_json::json;

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
    end_at(&site.path().join("longhaul-lane.js"), orders);
    site
}

fn end_at(script: &Path, orders: u32) {
    let whole = fs::read_to_string(script).unwrap();
    let handle = "(await lane).handle(order)";
    let mortal = format!(
        "{{ await lane; self.orders = (self.orders ?? 0) + 1; \
         if (self.orders === {orders}) setTimeout(() => {{ throw new Error('it ends'); }}); \
         if (self.orders < {orders}) {handle}; }}"
    );
    let changed = whole.replace(handle, &mortal);
    assert_ne!(changed, whole, "the script is no longer as this test knows it");
    fs::write(script, changed).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_is_replaced_and_what_it_had_is_read_again() {
    in_every_engine(async |browser| {
        let (folder, site) = (Folder::new(), site_whose_workers_end(11));
        // Six chunks a lane, three orders a chunk: every lane ends once and no second time.
        let file = folder.random("mortal.bin", 30 * 8 * MIB, 61);
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
async fn workers_that_always_end_are_given_up_on_with_a_reason() {
    in_every_engine(async |browser| {
        let (folder, site) = (Folder::new(), site_whose_workers_end(1));
        let file = folder.random("mortal.bin", MIB, 62);
        let www = Some(site.path().to_owned());
        let server = Server::start(Options { www, ..Options::default() }).await;
        let page = Page::open(browser, &server.origin()).await;
        page.pick(&file).await;
        page.comes_to(&["failed"], SOON).await;
        let told = page.told().await;
        let error = told.iter().find(|told| told.name == "error").expect("an error event");
        assert_eq!(error.detail["code"], json!("source-unreadable"), "{error:?}");
        let message = error.detail["message"].as_str().unwrap();
        assert!(message.contains("ended its worker 3 times"), "{message}");
    })
    .await;
}
