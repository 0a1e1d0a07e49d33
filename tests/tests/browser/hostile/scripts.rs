//! Uploads that a page is made to run or to wear, as whoever can write a tag into it would: the page is the
//! server's own, so that no policy of origins stands in the way.

use std::fs;

use longhaul_protocol::wire::path;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::Folder;
use longhaul_tests::server::{Options, Server};
use longhaul_tests::site::Site;
use serde_json::json;

use super::uploaded;

/// Tells where it runs, as a script, a module or a worker.
const SCRIPT: &str =
    "typeof document === 'undefined' ? self.postMessage?.('a worker') : ran.push('a script');";
const STYLE: &str = "body { --worn: a-style }";

/// Takes an address for a script and a style in each way that a page can; tells which worked.
const TAKE: &str = r#"
    const [url] = args;
    window.ran = [];
    const put = (kind, more) => new Promise(done => {
        const element = Object.assign(document.createElement(kind), more);
        element.onload = element.onerror = done;
        document.head.append(element);
    });
    await put('script', { src: url });
    await put('script', { src: `${url}?module`, type: 'module' });
    await put('link', { href: url, rel: 'stylesheet' });
    await import(`${url}?import`).catch(() => {});
    await new Promise(done => {
        const worker = new Worker(url);
        worker.onmessage = event => done(ran.push(event.data));
        worker.onerror = done;
    });
    const service = await navigator.serviceWorker?.register(url).catch(() => {});
    if (service) { ran.push('a service'); await service.unregister() }
    const worn = getComputedStyle(document.body).getPropertyValue('--worn').trim();
    return worn ? [...ran, worn] : ran;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_no_script_and_no_style_of_a_page_of_the_site_itself() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        for (name, media_type, text) in [
            ("a.js", "text/javascript", SCRIPT),
            ("a.mjs", "Application/X-JavaScript; charset=utf-8", SCRIPT),
            ("a.png", "image/png;, text/javascript", SCRIPT),
            ("b.png", "image/png; a=\"b\", application/ecmascript", SCRIPT),
            ("a", "", SCRIPT),
            ("a.css", "text/css", STYLE),
            ("c.png", "image/png;, text/css", STYLE),
        ] {
            let file = uploaded(&server, &(name, media_type, text.to_owned())).await;
            browser.open(&server.origin()).await;
            let url = format!("{}{}", server.origin(), path::file(file.id));
            let taken = browser.run_async(TAKE, &[json!(url)]).await;
            assert_eq!(taken, json!([]), "{name} {media_type}");
        }
        server.assert_no_fault();
    })
    .await;
}

/// That the alarm rings: a site that serves them as what they are has them run.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_script_and_style_are_taken_where_nothing_keeps_a_page_from_it() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        fs::write(folder.path().join("a.js"), SCRIPT).unwrap();
        fs::write(folder.path().join("a.css"), STYLE).unwrap();
        fs::write(folder.path().join("index.html"), "<!doctype html><body>").unwrap();
        let site = Site::start(folder.path(), &[], None).await;
        browser.open(&site.origin()).await;
        let script = format!("{}/a.js", site.origin());
        let taken = browser.run_async(TAKE, &[json!(script)]).await;
        let all = json!(["a script", "a script", "a script", "a worker", "a service"]);
        assert_eq!(taken, all);
        let style = format!("{}/a.css", site.origin());
        let taken = browser.run_async(TAKE, &[json!(style)]).await;
        assert_eq!(taken, json!(["a-style"]));
    })
    .await;
}
