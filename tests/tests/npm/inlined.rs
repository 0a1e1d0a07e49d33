//! The entries that have everything in their own text.

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::files::Folder;
use longhaul_tests::server::Server;
use longhaul_tests::site::Site;

use crate::stage::{downloads, site_with_package, under_policy, uploads, violations, write_page};

/// A page of the inlined element, and a server for it, under a policy that lets scripts fetch from that server and
/// from nowhere else; with this for workers.
async fn that_fetches_nothing(folder: &Folder, worker_src: &str) -> (Site, Server) {
    write_page(folder, "", "import \"./node_modules/longhaul/inline/longhaul-upload.js\";");
    under_policy(folder, |server| {
        format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src {worker_src}; \
             connect-src {server}; style-src 'self'; img-src 'self'"
        )
    })
    .await
}

/// What of the client the page has fetched beside scripts that its own scripts import.
async fn fetched(browser: &Browser) -> Vec<String> {
    const FETCHED: &str = r#"return performance.getEntriesByType("resource")
        .map(({ name }) => name).filter((name) => /\.wasm|-lane\.js|-worker\.js/.test(name))"#;
    serde_json::from_value(browser.run(FETCHED, &[]).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_policy_that_forbids_fetching_the_inlined_element_uploads_and_downloads() {
    in_every_engine(async |browser| {
        let folder = site_with_package();
        let (site, server) = that_fetches_nothing(&folder, "blob:").await;
        uploads(browser, &site.origin(), &server, true).await;
        downloads(browser, &server, "/node_modules/longhaul/inline/longhaul-downloader.js").await;
        assert_eq!(violations(browser).await, Vec::<String>::new());
        assert_eq!(fetched(browser).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_policy_that_forbids_its_workers_too_the_page_does_their_work() {
    in_every_engine(async |browser| {
        let folder = site_with_package();
        let (site, server) = that_fetches_nothing(&folder, "'none'").await;
        uploads(browser, &site.origin(), &server, false).await;
        let violations = violations(browser).await;
        assert!(!violations.is_empty(), "the policy forbids nothing");
        assert!(violations.iter().all(|what| what.starts_with("worker-src")), "{violations:?}");
    })
    .await;
}
