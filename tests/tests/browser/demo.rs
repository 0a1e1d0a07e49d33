//! The demo page around the elements: its network that can be broken, its list, and its two languages.

use std::sync::Arc;
use std::time::Duration;

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Control, Harm, Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::json;

use crate::stage::{HELD, holds, newest_is, upload};

/// How long an upload may take that was offline for ten seconds meanwhile.
const AFTER_OFFLINE: Duration = Duration::from_secs(90);

/// The demo page behind a network that it can break, which lets so many chunks through before it is told otherwise.
struct Demo<'a> {
    server: Server,
    proxy: Arc<Proxy>,
    page: Page<'a>,
    browser: &'a Browser,
    _control: Control,
}

impl<'a> Demo<'a> {
    async fn open(browser: &'a Browser, hold: Hold) -> Self {
        let server = Server::start(Options::demo()).await;
        let proxy = Arc::new(Proxy::start(server.addr(), hold).await);
        let at = ([127, 0, 0, 1], 0).into();
        let control = Control::listen(at, Arc::clone(&proxy), &[]).await;
        let address = format!("{}/?network={}", proxy.origin(), control.origin());
        let page = Page::open(browser, &address).await;
        Self { server, proxy, page, browser, _control: control }
    }

    async fn press(&self, id: &str) {
        self.browser.run("document.getElementById(arguments[0]).click()", &[json!(id)]).await;
    }

    async fn text(&self, id: &str) -> String {
        let text = "return document.getElementById(arguments[0]).textContent";
        self.browser.run(text, &[json!(id)]).await.as_str().unwrap().to_owned()
    }

    async fn comes_to_say(&self, id: &str, words: &str) {
        wait::until(&format!("#{id} says {words}"), AFTER_OFFLINE, async || {
            (self.text(id).await == words).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_cuts_its_network_for_real_and_the_upload_goes_on() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("cut.bin", 40 * MIB, 61);
        let demo = Demo::open(browser, Hold::AfterChunks(3)).await;
        demo.page.pick(&file).await;
        holds(&demo.server, 3, HELD).await;
        demo.press("cut").await;
        demo.comes_to_say("network-state", "Every connection was cut.").await;
        assert!(demo.proxy.harmed(Harm::Reset) > 0, "nothing was cut");
        demo.proxy.release();
        demo.page.comes_to(&["done"], UPLOAD).await;
        newest_is(&demo.server, &file).await;
        assert!(demo.proxy.chunks_seen().len() > 40, "what was cut off was not sent again");
        let cut = demo.proxy.harmed(Harm::Reset).to_string();
        demo.comes_to_say("broken", &cut).await;
        assert!(demo.text("again").await.ends_with('s'), "how soon it went on is not told");
        demo.server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_nothing_comes_through_and_after_ten_seconds_the_upload_goes_on_by_itself() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("offline.bin", 40 * MIB, 62);
        let demo = Demo::open(browser, Hold::AfterChunks(3)).await;
        demo.page.pick(&file).await;
        holds(&demo.server, 3, HELD).await;
        demo.press("offline").await;
        demo.comes_to_say("network-state", "Offline: nothing comes through.").await;
        demo.proxy.release();
        let before = demo.proxy.seen().len();
        demo.page.has_been("waiting", SOON).await;
        assert!(demo.proxy.offline_for() > Duration::ZERO, "too late to look");
        assert_eq!(demo.proxy.seen().len(), before, "something came through");
        demo.comes_to_say("network-state", "The network is back.").await;
        demo.page.comes_to(&["done"], AFTER_OFFLINE).await;
        newest_is(&demo.server, &file).await;
        demo.server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_uploaded_over_a_network_that_loses_requests_is_listed_and_comes_back_verified() {
    const DOWNLOAD: &str = r#"
        const element = document.querySelector('#files longhaul-download');
        if (!element?.shadowRoot) return false;
        element.setAttribute('no-picker', '');
        element.shadowRoot.querySelector('[part=start]').click();
        return true;
    "#;
    const STATUS: &str = r#"
        const element = document.querySelector('#files longhaul-download');
        return [element.dataset.state, element.shadowRoot.querySelector('[part=status]').textContent];
    "#;
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("lossy.bin", 60 * MIB, 63);
        let demo = Demo::open(browser, Hold::Nothing).await;
        demo.press("loses").await;
        wait::until("the network has heard of it", SOON, async || {
            (demo.proxy.loses_one_in() == Some(20)).then_some(())
        })
        .await;
        let said =
            browser.run("return document.querySelector('#loses + span').textContent", &[]).await;
        assert_eq!(said, json!("Lose 1 in 20 requests"));
        upload(&demo.page, &demo.server, &file).await;
        assert!(demo.proxy.harmed(Harm::Reset) >= 2, "no request was lost");
        wait::until("the file is listed", SOON, async || {
            (browser.run(DOWNLOAD, &[]).await == json!(true)).then_some(())
        })
        .await;
        let status = wait::until("it is downloaded", UPLOAD, async || {
            let status = browser.run(STATUS, &[]).await;
            ["done", "unable"].iter().any(|state| status[0] == *state).then_some(status)
        })
        .await;
        let said = status[1].as_str().unwrap();
        assert!(
            said.starts_with("Every byte is verified") || said.starts_with("Not verified"),
            "{said}"
        );
        assert_eq!(status[0] == "done", said.starts_with("Every"), "{status}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_speaks_chinese_when_it_is_told_so_and_after_a_reload() {
    const UNTOLD: &str = r#"
        const { CHINESE, ENGLISH } = await import('/demo-words.js');
        const keys = (words) => Object.keys(words).sort().join();
        if (keys(CHINESE) !== keys(ENGLISH)) return 'one language has what the other has not';
        const fixed = [...Object.values(CHINESE), ...Object.values(ENGLISH)].find((text) => /\d\d/.test(text.replaceAll("SHA-256", "")));
        if (fixed) return `a figure stands in the sentence: ${fixed}`;
        const other = [...document.querySelectorAll('[data-say]')].find((element) => !/\p{Script=Han}/u.test(element.textContent));
        return other?.outerHTML ?? '';
    "#;
    const PROMPT: &str = "return document.querySelector('longhaul-upload').shadowRoot.getElementById('prompt').textContent";
    in_every_engine(async |browser| {
        let demo = Demo::open(browser, Hold::Nothing).await;
        assert_eq!(demo.text("upload-title").await, "Upload");
        demo.press("language").await;
        demo.comes_to_say("upload-title", "上传").await;
        assert_eq!(browser.run(PROMPT, &[]).await, json!("选择文件"));
        demo.page.reload().await;
        demo.comes_to_say("notice", "还没有文件。").await;
        assert_eq!(browser.run_async(UNTOLD, &[]).await, json!(""));
        browser.run("document.documentElement.lang = 'en-GB'", &[]).await;
        demo.comes_to_say("upload-title", "Upload").await;
        assert_eq!(browser.run(PROMPT, &[]).await, json!("Choose files"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_file_at_hand_takes_a_sample_and_without_a_network_to_break_there_is_no_switch()
 {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        browser.run("document.getElementById('sample').click()", &[]).await;
        page.comes_to(&["done"], UPLOAD).await;
        assert_eq!(server.api().files().await[0].size, 64_000_000);
        let hidden = "return document.getElementById('network').checkVisibility()";
        assert_eq!(browser.run(hidden, &[]).await, json!(false));
    })
    .await;
}
