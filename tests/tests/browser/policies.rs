//! Pages as they are served in earnest: under a strict policy, with the script from elsewhere, and over
//! plain HTTP from another machine.

use std::net::{IpAddr, UdpSocket};

use longhaul_tests::artefacts;
use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::files::{Folder, MIB, sha256};
use longhaul_tests::page::{Page, UPLOAD};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::site::Site;
use serde_json::{Value, json};

use crate::stage::upload;

/// What the README says is enough.
const STRICT: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
                      connect-src 'self'; style-src 'self'; img-src 'self'";

/// What a policy has forbidden.
const VIOLATIONS: &str = "return window.violations ?? []";

/// Loaded before the page's own scripts: notes what a policy forbids, and every worker.
const WATCH: &str = r#"
    window.violations = [];
    document.addEventListener('securitypolicyviolation', event =>
        window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));
    window.workers = [];
    window.Worker = class extends window.Worker {
        constructor(url, options) { super(url, options); window.workers.push(String(url)); }
    };
"#;

/// The demo page with a script of the test's in front, and perhaps others in place of its own.
fn site(changes: &[(&str, &str)]) -> Folder {
    let site = Folder::new();
    for entry in std::fs::read_dir(artefacts::dist()).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            std::fs::copy(&file, site.path().join(file.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(site.path().join("watch.js"), WATCH).unwrap();
    let first = ("<link rel=\"icon\"", "<script src=\"watch.js\"></script><link rel=\"icon\"");
    for (name, changes) in [("index.html", &[first][..]), ("demo.js", changes)] {
        // As it is written, and not as it is served.
        let source = artefacts::workspace().join("www").join(name);
        let mut text = std::fs::read_to_string(source).unwrap();
        for (before, after) in changes {
            assert!(text.contains(before), "{name} is no longer as this test knows it");
            text = text.replace(before, after);
        }
        std::fs::write(site.path().join(name), text).unwrap();
    }
    site
}

async fn list(browser: &Browser, script: &str) -> Vec<String> {
    serde_json::from_value(browser.run(script, &[]).await).unwrap()
}

/// Where the workers came from; those that a policy forbids have thrown or failed.
async fn workers(browser: &Browser) -> Vec<String> {
    list(browser, "return window.workers").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_under_a_strict_policy_and_does_nothing_that_it_forbids() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("strict.bin", 40 * MIB, 71);
        let server = Server::start(Options::demo()).await;
        let headers = [("content-security-policy", STRICT)];
        let page_folder = site(&[]);
        let site = Site::start(page_folder.path(), &headers, Some(server.addr())).await;
        let page = Page::open(browser, &site.origin()).await;
        upload(&page, &server, &file).await;
        assert_eq!(list(browser, VIOLATIONS).await, Vec::<String>::new());
        assert!(!workers(browser).await.is_empty(), "no worker was started");
        // That nothing is noted may mean that nothing is noticed.
        let forbidden = "document.body.setAttribute('style', 'color: red');
            return new Promise(resolve => setTimeout(() => resolve(window.violations.length), 300));";
        assert_eq!(browser.run_async(forbidden, &[]).await, json!(1), "nothing is noticed");
        server.assert_no_fault();
    })
    .await;
}

/// A page whose script comes from another origin, under a policy with this for workers.
async fn from_a_cdn(browser: &Browser, worker_src: &str) -> Vec<String> {
    let folder = Folder::new();
    let file = folder.random("cdn.bin", 40 * MIB, 72);
    let server = Server::start(Options::demo()).await;
    let open = [("access-control-allow-origin", "*")];
    let cdn = Site::start(&artefacts::dist(), &open, None).await;
    let from = cdn.origin();
    let there = |name: &str| format!("\"{from}/{name}\"");
    let page_folder = site(&[
        ("\"./longhaul-upload.js\"", &there("longhaul-upload.js")),
        ("\"./longhaul-words.js\"", &there("longhaul-words.js")),
    ]);
    let policy = format!(
        "default-src 'none'; script-src 'self' {from} 'wasm-unsafe-eval'; worker-src {worker_src}; \
         connect-src 'self' {from}; style-src 'self'; img-src 'self'"
    );
    let headers = [("content-security-policy", policy.as_str())];
    let site = Site::start(page_folder.path(), &headers, Some(server.addr())).await;
    let page = Page::open(browser, &site.origin()).await;
    upload(&page, &server, &file).await;
    server.assert_no_fault();
    let told = page.told().await;
    assert!(!told.iter().any(|told| told.name == "uncaught"), "{told:?}");
    list(browser, VIOLATIONS).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_another_origin_starts_its_workers_by_a_blob() {
    in_every_engine(async |browser| {
        assert_eq!(from_a_cdn(browser, "blob:").await, Vec::<String>::new());
        let workers = workers(browser).await;
        assert!(
            !workers.is_empty() && workers.iter().all(|url| url.starts_with("blob:")),
            "{workers:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_another_origin_that_may_start_no_worker_uploads_from_the_page() {
    in_every_engine(async |browser| {
        let violations = from_a_cdn(browser, "'self'").await;
        assert!(violations.iter().any(|what| what.starts_with("worker-src")), "{violations:?}");
    })
    .await;
}

/// An address of this machine that other machines know it by. No packet is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback() && !own.is_unspecified()).then_some(own)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_plain_http_from_another_machine_it_hashes_by_itself_and_uploads_right() {
    let Some(own) = own_address() else {
        println!("SKIPPED: this machine has no address but its own");
        return;
    };
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("insecure.bin", 40 * MIB + 1, 73);
        let more = ["--allow-anonymous".to_owned(), "--host-name".to_owned(), own.to_string()];
        let options = Options { more: more.into(), listen: Some(own), ..Options::demo() };
        let server = Server::start(options).await;
        let page = Page::open(browser, &server.origin()).await;
        let has =
            browser.run("return [isSecureContext, !!crypto.subtle, !!navigator.locks]", &[]).await;
        assert_eq!(has[0], json!(false), "the page has what only secure ones have: {has}");
        assert_eq!(has[1], Value::Bool(false), "{has}");
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        let kept =
            "return Object.entries(localStorage).find(([k]) => k.startsWith('longhaul-guest:'))[1]";
        let token = browser.run(kept, &[]).await;
        let api = server.api().bearing(token.as_str().unwrap());
        let info = api.files().await.pop().expect("a sealed file");
        let (digest, _) = api.download_sha256(info.id, info.size).await;
        assert_eq!(digest, sha256(&file), "it came back as another file");
        server.assert_no_fault();
    })
    .await;
}
