//! What others would do with a browser beside the server: pages that were uploaded, pages of other sites,
//! and pages whose name comes to mean this machine (DNS rebinding). The server asks nobody who they are,
//! so all that keeps them out is what it looks at and what it tells the browser.

mod scripts;

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::{CreateRequest, FileInfo, path};
use longhaul_tests::api::create_request;
use longhaul_tests::browser::{Browser, Engine, Setup, in_every_engine};
use longhaul_tests::files::Folder;
use longhaul_tests::page::SOON;
use longhaul_tests::server::{Options, Server};
use longhaul_tests::site::Site;
use longhaul_tests::stored::store;
use longhaul_tests::wait;
use serde_json::{Value, json};

/// Asks for what tells in the server's log that it ran, in whatever way a page can.
const PAYLOAD: &str = "fetch('/ran-script').catch(() => {}); new Image().src = '/ran-script'; \
    try { localStorage.setItem('ran', '1'); parent.postMessage('ran', '*'); top.ran = 1 } catch {}";

/// How long a page that was opened may take to run.
const RUNS: Duration = Duration::from_secs(2);

/// What is uploaded: a name, a type, and a page that runs if it is let.
fn hostile_files() -> Vec<(&'static str, &'static str, String)> {
    let html = format!(
        "<!doctype html><title>x</title><script>{PAYLOAD}</script><img src=/ran-image><link rel=stylesheet \
         href=/ran-style><body onload=\"fetch('/ran-handler')\"><meta http-equiv=refresh content='0;url=/ran-refresh'>"
    );
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"fetch('/ran-handler')\"><script>{}</script>\
         <image href=\"/ran-image\"/></svg>",
        PAYLOAD.replace("=>", "=&gt;")
    );
    let xhtml = format!(
        "<html xmlns=\"http://www.w3.org/1999/xhtml\"><head><title>x</title><script>{}</script></head><body/></html>",
        PAYLOAD.replace("=>", "=&gt;")
    );
    vec![
        ("page.html", "text/html", html.clone()),
        ("page", "", html.clone()),
        ("picture.png", "image/png", html.clone()),
        ("picture.svg", "image/svg+xml", svg.clone()),
        ("feed.xml", "application/xml", svg),
        ("page.xhtml", "application/xhtml+xml", xhtml),
        ("page.txt", "text/plain; charset=utf-7", html),
    ]
}

async fn uploaded(server: &Server, (name, media_type, text): &(&str, &str, String)) -> FileInfo {
    let mut create: CreateRequest = create_request(name, text.len() as u64);
    create.meta.media_type = (*media_type).to_owned();
    store(&server.api(), &create, &Bytes::from(text.clone())).await
}

/// Opens an address in each way that a page can, and waits until all have come to something.
const OPEN: &str = r#"
    const [url] = args;
    localStorage.removeItem('ran');
    window.heard = [];
    addEventListener('message', event => window.heard.push(event.data));
    const frames = ['iframe', 'object', 'embed'].map(kind => {
        const element = document.createElement(kind);
        element[kind === 'object' ? 'data' : 'src'] = url;
        document.body.append(element);
        return element;
    });
    const image = new Image();
    image.src = url;
    document.body.append(image);
    await new Promise(done => setTimeout(done, args[1]));
    const seen = frames.map(frame => {
        try { return frame.contentDocument?.title ?? '' } catch { return '' }
    });
    return { heard: window.heard, ran: localStorage.getItem('ran'), top: window.ran ?? null,
        seen: seen.filter(title => title === 'x') };
"#;

/// As a link that a person follows: in this window.
const GO: &str = "location.href = arguments[0]";

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_page_or_picture_does_not_run_as_one_of_the_sites() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        for hostile in hostile_files() {
            let file = uploaded(&server, &hostile).await;
            let url = format!("{}{}", server.origin(), path::file(file.id));
            browser.open(&server.origin()).await;
            let opened = browser.run_async(OPEN, &[json!(url), json!(700)]).await;
            let nothing = json!({ "heard": [], "ran": null, "top": null, "seen": [] });
            assert_eq!(opened, nothing, "{}", hostile.0);
            browser.run(GO, &[json!(url)]).await;
            tokio::time::sleep(RUNS).await;
            let ran = browser.run("return localStorage.getItem('ran')", &[]).await;
            assert_eq!(ran, Value::Null, "{}", hostile.0);
        }
        let ran: Vec<_> =
            server.requests().into_iter().filter(|it| it.path.starts_with("/ran")).collect();
        assert_eq!(ran, [], "what was uploaded has run");
        let read = server.requests().into_iter().filter(|it| it.path.starts_with("/v1/files/"));
        assert!(read.count() > hostile_files().len(), "the browser did open them");
        server.assert_no_fault();
    })
    .await;
}

/// That the alarm rings: the same page, served as any site serves its own, does run.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_page_runs_where_nothing_keeps_it_from_that() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let (_, _, html) = hostile_files().remove(0);
        fs::write(folder.path().join("page.html"), html).unwrap();
        fs::write(folder.path().join("index.html"), "<!doctype html><body>").unwrap();
        let site = Site::start(folder.path(), &[], None).await;
        browser.open(&site.origin()).await;
        let url = format!("{}/page.html", site.origin());
        let opened = browser.run_async(OPEN, &[json!(url), json!(700)]).await;
        assert_eq!(opened["ran"], json!("1"), "{opened}");
    })
    .await;
}

/// Everything that a page may try at an address; tells what came of each.
const ATTACK: &str = r#"
    const [origin, file, upload] = args;
    const tried = {};
    const attempt = async (name, doing) => {
        try { tried[name] = await doing() } catch (error) { tried[name] = `no: ${error.name}` }
    };
    const told = async answer => `${answer.type} ${answer.status} ${(await answer.text()).slice(0, 200)}`;
    const create = JSON.stringify({ protocolVersion: 1, name: 'evil', size: 1 });
    const kinds = { json: 'application/json', plain: 'text/plain' };
    for (const path of ['/v1/files', '/v1/uploads', file, `${file}/manifest`, '/']) {
        await attempt(`read ${path}`, async () => told(await fetch(origin + path)));
        await attempt(`read blindly ${path}`, async () => told(await fetch(origin + path, { mode: 'no-cors' })));
    }
    for (const [kind, type] of Object.entries(kinds))
        for (const mode of ['cors', 'no-cors'])
            await attempt(`begin ${kind} ${mode}`, async () => told(await fetch(`${origin}/v1/uploads`,
                { method: 'POST', mode, body: create, headers: { 'content-type': type } })));
    await attempt('delete', async () => told(await fetch(origin + file, { method: 'DELETE' })));
    await attempt('cancel', async () => told(await fetch(origin + upload, { method: 'DELETE' })));
    await attempt('link', async () => told(await fetch(`${origin}${file}/links`,
        { method: 'POST', mode: 'no-cors', body: '{"lastsSeconds":60}' })));
    await attempt('beacon', async () => String(navigator.sendBeacon(`${origin}/v1/uploads`, create)));
    await attempt('form', () => new Promise(done => {
        const frame = document.createElement('iframe');
        frame.name = 'target';
        document.body.append(frame);
        const form = document.createElement('form');
        Object.assign(form, { method: 'post', action: `${origin}/v1/uploads`, target: 'target', enctype: 'text/plain' });
        const input = document.createElement('input');
        Object.assign(input, { name: create.slice(0, -1) + ',"metadata":{"a":"', value: '"}}' });
        form.append(input);
        document.body.append(form);
        form.submit();
        setTimeout(() => {
            try { done(frame.contentDocument ? `read ${frame.contentDocument.body?.textContent}` : 'no: nothing') }
            catch (error) { done(`no: ${error.name}`) }
        }, 1000);
    }));
    const loads = (kind, attribute) => new Promise(done => {
        const element = document.createElement(kind);
        element.onload = () => done('loaded');
        element.onerror = () => done('no: error');
        element[attribute] = origin + file;
        if (kind === 'link') element.rel = 'stylesheet';
        document.body.append(element);
        setTimeout(() => done('no: silence'), 3000);
    });
    await attempt('picture', () => loads('img', 'src'));
    await attempt('script', () => loads('script', 'src'));
    await attempt('style', () => loads('link', 'href'));
    await attempt('frame', () => new Promise(done => {
        const frame = document.createElement('iframe');
        frame.src = `${origin}/v1/files`;
        document.body.append(frame);
        setTimeout(() => {
            try { done(frame.contentDocument?.body?.textContent ? `read ${frame.contentDocument.body.textContent}` : 'no: nothing') }
            catch (error) { done(`no: ${error.name}`) }
        }, 1000);
    }));
    return tried;
"#;

/// A picture of one pixel, so that whoever can load a picture can tell that he did.
const GIF: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// What an attacker would like to read or to end, and whether all of it is as it was.
struct Booty {
    file: FileInfo,
    upload: String,
}

impl Booty {
    async fn of(server: &Server) -> Self {
        let mut create = create_request("secret-name.gif", GIF.len() as u64);
        create.meta.media_type = "image/gif".to_owned();
        let file = store(&server.api(), &create, &Bytes::from_static(GIF)).await;
        let begun = server.api().create("secret-upload.bin", 1).await.unwrap();
        let upload = begun.json::<longhaul_protocol::wire::UploadStatus>().id;
        Self { file, upload: path::upload(upload) }
    }

    fn arguments(&self, origin: &str) -> [Value; 3] {
        [json!(origin), json!(path::file(self.file.id)), json!(self.upload)]
    }

    async fn is_untouched(&self, server: &Server, tried: &Value) {
        let (files, uploads) = (server.api().files().await, server.api().uploads().await);
        let names: Vec<_> = uploads.iter().map(|it| it.meta.name.as_str()).collect();
        assert_eq!(files, std::slice::from_ref(&self.file), "{tried:#}");
        assert_eq!(names, ["secret-upload.bin"], "{tried:#}");
        let told = tried.to_string();
        for secret in ["secret-name", "secret-upload", &self.file.root.to_string(), "GIF89a"] {
            assert!(!told.contains(secret), "{secret} was read: {tried:#}");
        }
        server.assert_no_fault();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_can_neither_read_nor_write() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::default()).await;
        let booty = Booty::of(&server).await;
        let folder = Folder::new();
        fs::write(folder.path().join("index.html"), "<!doctype html><body>").unwrap();
        let site = Site::start(folder.path(), &[], None).await;
        browser.open(&site.origin()).await;
        // By another name for the same machine: to a browser that is another site.
        let target = format!("http://localhost:{}", server.addr().port());
        let tried = browser.run_async(ATTACK, &booty.arguments(&target)).await;
        for (name, outcome) in tried.as_object().unwrap() {
            let outcome = outcome.as_str().unwrap();
            // What a page is told of what it may not read is that there was something.
            let is_shut = outcome.starts_with("no: ") || outcome.trim_end() == "opaque 0";
            assert!(is_shut || name == "beacon", "{name}: {outcome}\n{tried:#}");
        }
        booty.is_untouched(&server, &tried).await;
        let posts = server.requests().into_iter().filter(|it| it.method == "POST");
        let let_in = posts.filter(|it| it.status != Some(403)).count();
        // Those that made what there is: begun, sent and sealed, and begun.
        assert_eq!(let_in, 4, "{:#?}", server.requests());
    })
    .await;
}

const RULES: &str = "--host-resolver-rules=MAP rebound.example 127.0.0.1";

/// Chromium is told that the attacker's name means this machine; first he serves his page there himself,
/// then his port is the server's.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_under_a_rebound_name_can_neither_read_nor_write() {
    let setup = Setup { chromium_args: &[RULES], ..Setup::default() };
    let browser = Browser::start_with(Engine::Chromium, &setup).await;
    let mut server = Server::start(Options::demo()).await;
    let booty = Booty::of(&server).await;
    server.kill().await;

    let folder = Folder::new();
    fs::write(folder.path().join("index.html"), "<!doctype html><body>his own").unwrap();
    let site = Site::start_at(server.addr(), folder.path(), &[], None).await;
    let rebound = format!("http://rebound.example:{}", server.addr().port());
    browser.open(&rebound).await;
    let shown = browser.run("return document.body.textContent", &[]).await;
    assert_eq!(shown, json!("his own"), "the name means this machine");
    drop(site);
    wait::until("the port is free", SOON, async || std::net::TcpListener::bind(server.addr()).ok())
        .await;
    server.restart().await;

    let tried = browser.run_async(ATTACK, &booty.arguments(&rebound)).await;
    for (name, outcome) in tried.as_object().unwrap() {
        let outcome = outcome.as_str().unwrap();
        // It is his own origin, so he reads what he is told: that this is not his host.
        let is_shut = outcome.starts_with("no: ") || outcome.contains("misdirected");
        assert!(is_shut || name == "beacon", "{name}: {outcome}\n{tried:#}");
    }
    booty.is_untouched(&server, &tried).await;
    let after = server.requests().into_iter().filter(|it| it.run == server.run());
    let by_him: Vec<_> = after.filter(|it| it.status == Some(421)).collect();
    assert!(by_him.len() > 10, "they came to the server: {by_him:#?}");
    browser.close().await;
}
