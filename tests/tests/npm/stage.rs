//! What the tests of the package begin and end with.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use longhaul_tests::browser::Browser;
use longhaul_tests::files::{Folder, MIB, sha256};
use longhaul_tests::page::{Page, UPLOAD};
pub(crate) use longhaul_tests::projects::{project, unpack_into};
use longhaul_tests::server::{Options, Server, free_port};
use longhaul_tests::site::Site;
use serde_json::json;

/// Several chunks, so that more than one worker has something to do.
const FILE_BYTES: u64 = 20 * MIB + 1;

/// A folder to be served, with the package in it as `npm install` lays it there.
pub(crate) fn site_with_package() -> Folder {
    let site = Folder::new();
    unpack_into(&site.path().join("node_modules"));
    fs::copy(project("watch.js"), site.path().join("watch.js")).unwrap();
    site
}

/// A server whose API the pages of that origin may use.
pub(crate) async fn server_for(origin: &str) -> Server {
    let allow_origin = vec![origin.to_owned()];
    Server::start(Options { allow_origin, ..Options::default() }).await
}

/// A site under a policy that is made with its server's origin, and that server.
pub(crate) async fn under_policy(
    folder: &Folder,
    policy: impl Fn(&str) -> String,
) -> (Site, Server) {
    let addr: SocketAddr = (Ipv4Addr::LOCALHOST, free_port()).into();
    let server = server_for(&format!("http://{addr}")).await;
    let policy = policy(&server.origin());
    let headers = [("content-security-policy", policy.as_str())];
    (Site::start_at(addr, folder.path(), &headers, None).await, server)
}

/// Picks a file on a page with the element, which is told the server by its address, and sees it arrive. Workers did
/// it if they can be started there.
pub(crate) async fn uploads(browser: &Browser, page: &str, server: &Server, by_workers: bool) {
    let folder = Folder::new();
    let file = folder.random("packed.bin", FILE_BYTES, 91);
    let page = Page::open(browser, &format!("{page}?server={}", server.origin())).await;
    page.pick(&file).await;
    page.comes_to(&["done"], UPLOAD).await;
    let info = server.api().files().await.into_iter().next().expect("a sealed file");
    let (digest, _) = server.api().download_sha256(info.id, info.size).await;
    assert_eq!(digest, sha256(&file), "it came back as another file");
    let heard = browser.run("return window.heard", &[]).await.as_u64().unwrap();
    assert_eq!(heard > 0, by_workers, "{heard} messages of workers");
    let told = page.told().await;
    assert!(!told.iter().any(|told| told.name == "uncaught"), "{told:?}");
    server.assert_no_fault();
}

/// What a policy has forbidden on the page.
pub(crate) async fn violations(browser: &Browser) -> Vec<String> {
    serde_json::from_value(browser.run("return window.violations", &[]).await).unwrap()
}

/// Writes the page of a site, and its script.
pub(crate) fn write_page(site: &Folder, head: &str, main: &str) {
    let html = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Longhaul</title>\n{head}\n\
         <script src=\"watch.js\"></script>\n<longhaul-upload></longhaul-upload>\n\
         <script type=\"module\" src=\"main.js\"></script>\n"
    );
    fs::write(site.path().join("index.html"), html).unwrap();
    let endpoint = "document.querySelector(\"longhaul-upload\").setAttribute(\"endpoint\", \
                    new URLSearchParams(location.search).get(\"server\"));";
    fs::write(site.path().join("main.js"), format!("{main}\n{endpoint}\n")).unwrap();
}

/// Downloads a file of the server on the page by `Downloader` of that script, and checks what came.
pub(crate) async fn downloads(browser: &Browser, server: &Server, script: &str) {
    const DOWNLOAD: &str = r#"
        const { Downloader } = await import(arguments[0]);
        return new Promise((resolve) => {
            const downloader = new Downloader();
            downloader.addEventListener("error", ({ detail }) => resolve(detail.code + ": " + detail.message));
            downloader.addEventListener("complete", async ({ detail }) => {
                const digest = await crypto.subtle.digest("SHA-256", await detail.blob.arrayBuffer());
                resolve([...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
            });
            downloader.add(arguments[1]);
        });
    "#;
    let info = server.api().files().await.into_iter().next().expect("a sealed file");
    let (digest, _) = server.api().download_sha256(info.id, info.size).await;
    let address = format!("{}/v1/files/{}", server.origin(), info.id);
    let came = browser.run_async(DOWNLOAD, &[json!(script), json!(address)]).await;
    let expected: String = digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(came, json!(expected));
}
