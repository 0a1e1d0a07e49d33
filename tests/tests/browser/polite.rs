//! What a page owes the person in front of it, and who helps them.

use std::time::Duration;

use longhaul_protocol::ProblemCode;
use longhaul_tests::browser::{Browser, Engine, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Early, Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};

use crate::stage::newest_is;
use crate::tokens::{keyed, new_key, token};

/// Whether leaving would be asked about.
pub(crate) async fn asks(browser: &Browser) -> bool {
    const ASK: &str = "return !dispatchEvent(new Event('beforeunload', { cancelable: true }))";
    browser.run(ASK, &[]).await == json!(true)
}

/// Waits until it would be, or would not.
pub(crate) async fn comes_to_ask(browser: &Browser, expected: bool) {
    wait::until(&format!("leaving is asked about: {expected}"), SOON, async || {
        (asks(browser).await == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_is_asked_about_only_while_something_moves() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("leave.bin", 40 * MIB, 61);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(1)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        assert!(!asks(browser).await, "nothing is there to be lost");
        page.pick(&file).await;
        comes_to_ask(browser, true).await;
        page.press("pause").await;
        comes_to_ask(browser, false).await;
        page.press("resume").await;
        comes_to_ask(browser, true).await;
        let quietly = "document.querySelector('longhaul-upload').setAttribute('leave-quietly', '')";
        browser.run(quietly, &[]).await;
        comes_to_ask(browser, false).await;
        let loudly = "document.querySelector('longhaul-upload').removeAttribute('leave-quietly')";
        browser.run(loudly, &[]).await;
        proxy.release();
        page.comes_to(&["done"], UPLOAD).await;
        comes_to_ask(browser, false).await;
        newest_is(&server, &file).await;
    })
    .await;
}

/// A screen lock that is counted, and refused where that is asked for.
const SCREEN: &str = r#"
    const mayLock = arguments[0];
    window.locks = { asked: 0, held: 0 };
    const request = async () => {
        locks.asked += 1;
        if (!mayLock) throw new DOMException('the battery is low', 'NotAllowedError');
        locks.held += 1;
        return { release: async () => { locks.held -= 1 } };
    };
    Object.defineProperty(navigator, 'wakeLock', { configurable: true, value: { request } });
    const persist = () => { window.persists = (window.persists ?? 0) + 1; return new Promise(() => {}); };
    Object.defineProperty(navigator, 'storage', { configurable: true, value: { persist } });
"#;

async fn locks(browser: &Browser, what: &str, expected: impl Fn(&Value) -> bool) {
    wait::until(what, SOON, async || {
        expected(&browser.run("return window.locks", &[]).await).then_some(())
    })
    .await;
}

/// Neither a refusal of the lock nor a question about storage that is never answered is in the way.
async fn with_screen(browser: &Browser, may_lock: bool) {
    let folder = Folder::new();
    let file = folder.random("long.bin", 40 * MIB, 62);
    let server = Server::start(Options::demo()).await;
    let proxy = Proxy::start(server.addr(), Hold::AfterChunks(1)).await;
    let page = Page::open(browser, &proxy.origin()).await;
    browser.run(SCREEN, &[json!(may_lock)]).await;
    page.pick(&file).await;
    locks(browser, "the screen is kept on", |locks| locks["asked"] == json!(1)).await;
    let shown_again = "document.dispatchEvent(new Event('visibilitychange'))";
    browser.run(shown_again, &[]).await;
    locks(browser, "the lock is asked for again", |locks| locks["asked"] == json!(2)).await;
    let held = json!(u8::from(may_lock));
    locks(browser, "one lock at a time is held", |locks| locks["held"] == held).await;
    proxy.release();
    page.comes_to(&["done"], UPLOAD).await;
    locks(browser, "the screen is let go", |locks| locks["held"] == json!(0)).await;
    newest_is(&server, &file).await;
    let told = page.told().await;
    assert!(!told.iter().any(|told| told.name == "uncaught"), "{told:?}");
    let asked = browser.run("return window.persists ?? 0", &[]).await;
    let expected = u8::from(browser.engine() == Engine::Chromium);
    assert_eq!(asked, json!(expected), "elsewhere it would ask the person, for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_stays_on_through_a_long_upload_where_that_is_allowed() {
    in_every_engine(async |browser| with_screen(browser, true).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_screen_that_may_not_be_kept_on_fails_no_upload() {
    in_every_engine(async |browser| with_screen(browser, false).await).await;
}

/// Keeps what is written to the console.
const CONSOLE: &str = r#"
    window.written = [];
    for (const kind of ['error', 'warn', 'log'])
        console[kind] = (...words) => window.written.push(`${kind}: ${words.join(' ')}`);
    const element = document.querySelector('longhaul-upload');
    if (arguments[0]) element.setAttribute('log-level', arguments[0]);
    element.token = arguments[1];
"#;

/// What is written at a level while a chunk of one file is refused, and another file for good.
async fn written(browser: &Browser, level: &str) -> Vec<String> {
    let folder = Folder::new();
    let file = folder.random("logged.bin", 24 * MIB, 63);
    let key = new_key(&folder, "token.key", 'k');
    let server = keyed(&key).await;
    let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
    let page = Page::open(browser, &proxy.origin()).await;
    let token = token(&key, "alice");
    browser.run(CONSOLE, &[json!(level), json!(token)]).await;
    proxy.answer_next_chunk(Early::of(ProblemCode::DigestMismatch));
    page.pick(&file).await;
    page.comes_to(&["done"], UPLOAD).await;
    proxy.answer_next_chunk(Early::of_proxy(413));
    page.pick(&folder.random("too large.bin", 24 * MIB, 64)).await;
    page.comes_to(&["failed"], UPLOAD).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let lines: Vec<String> =
        serde_json::from_value(browser.run("return window.written", &[]).await).unwrap();
    let lines: Vec<_> = lines.into_iter().filter(|line| line.contains("Longhaul: ")).collect();
    let secret = token.rsplit('.').next().unwrap();
    assert!(
        !lines.iter().any(|line| line.contains(secret) || line.contains("Bearer")),
        "{lines:?}"
    );
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_says_as_much_as_it_is_told_to_and_never_a_token() {
    in_every_engine(async |browser| {
        assert_eq!(written(browser, "silent").await, Vec::<String>::new());

        let lines = written(browser, "error").await;
        assert!(lines.iter().all(|line| line.starts_with("error: ")), "{lines:#?}");
        let line = lines.iter().find(|line| line.contains("too large.bin")).expect("the failure");
        assert!(line.contains("client_max_body_size"), "what next: {line}");

        let lines = written(browser, "").await;
        let failed = lines.iter().find(|line| line.contains("failed: send chunk")).expect("why");
        assert!(failed.starts_with("warn: Longhaul: file "), "{failed}");
        assert!(failed.contains("(request ") && failed.contains("digest"), "{failed}");
        assert!(lines.iter().any(|line| line.contains("the next try is in")), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.starts_with("log: ")), "{lines:#?}");

        let lines = written(browser, "info").await;
        assert!(
            lines.iter().any(|line| line.contains("(logged.bin): is sealed as file")),
            "{lines:#?}"
        );
        assert!(!lines.iter().any(|line| line.contains("done: send chunk")), "{lines:#?}");

        let lines = written(browser, "debug").await;
        for what in [
            "read bytes 0 to 1048576",
            "begin an upload of 25165824 bytes",
            "done: send chunk 2",
            "seal upload",
        ] {
            assert!(lines.iter().any(|line| line.contains(what)), "{what}: {lines:#?}");
        }
    })
    .await;
}
