//! What is not finished and nobody is at: offered by what an earlier visit to the page noted, and by what the server tells of
//! other devices.

use std::path::PathBuf;

use longhaul_protocol::ProblemCode;
use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Early, Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::terminal::start;
use longhaul_tests::wait;
use serde_json::json;

use crate::stage::{HELD, comes_to_say, holds, newest_is, text};

const OFFERED: &str = "[part=unfinished]";

/// Begins an upload from a terminal, which is then killed.
async fn left_by_another_device(server: &Server, folder: &Folder, name: &str) -> PathBuf {
    let file = folder.random(name, 24 * MIB, name.len() as u64);
    let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(2)).await;
    let sending = start(["send", file.to_str().unwrap(), "--to", &proxy.origin()]);
    let held = async || {
        let uploads = server.api().uploads().await;
        let of_it = uploads.iter().find(|upload| upload.meta.name == name)?;
        (!of_it.holding.held.is_empty()).then_some(())
    };
    wait::until(&format!("some of {name} is there"), UPLOAD, held).await;
    sending.kill().await;
    file
}

/// To the page what was done a moment ago was two minutes ago, and it asks the server anew what is open. By a script of
/// the page's own: a driver's has another `Date` in Firefox.
async fn a_while_later(browser: &Browser) {
    const LATER: &str = "
        const script = document.createElement('script');
        script.textContent = 'const now = Date.now; Date.now = () => now() + 120_000;';
        document.head.append(script);
        const element = document.querySelector('longhaul-upload');
        for (let times = 0; times < 2; times += 1) element.toggleAttribute('forget-files');
        return element.authorization();";
    browser.run(LATER, &[]).await;
}

/// Presses the button for it in the list of what is offered.
async fn give_up(browser: &Browser, name: &str) {
    const GIVE_UP: &str = r#"
        const rows = [...document.querySelector('longhaul-upload').shadowRoot.querySelectorAll('[part=unfinished-row]')];
        const row = rows.find((row) => row.textContent.includes(arguments[0]));
        const button = row.querySelector('[part=forget]');
        button.focus();
        button.click();
    "#;
    browser.run(GIVE_UP, &[json!(name)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_finished_is_offered_by_its_name_where_no_handle_is_kept() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("unfinished.bin", 80 * MIB, 72);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(3)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        // The driver picks without the dialog, so there is no handle in Chromium either.
        page.pick(&file).await;
        holds(&server, 3, HELD).await;
        page.reload().await;
        comes_to_say(browser, OFFERED, "unfinished.bin").await;
        comes_to_say(browser, OFFERED, "Choose it again").await;
        proxy.release();
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
        let hidden = "return document.querySelector('longhaul-upload').shadowRoot.querySelector('[part=unfinished]').hidden";
        assert_eq!(browser.run(hidden, &[]).await, json!(true));
        page.reload().await;
        page.is_loaded().await;
        assert_eq!(text(browser, OFFERED).await, "", "it is offered although it is done");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_device_has_left_on_the_server_is_offered_and_gone_on_with_or_given_up() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        let film = left_by_another_device(&server, &folder, "film.mp4").await;
        left_by_another_device(&server, &folder, "other.mp4").await;
        let page = Page::open(browser, &server.origin()).await;
        a_while_later(browser).await;
        comes_to_say(browser, OFFERED, "film.mp4").await;
        comes_to_say(browser, OFFERED, "Choose it again").await;
        give_up(browser, "other.mp4").await;
        let is_one = async || (server.api().uploads().await.len() == 1).then_some(());
        wait::until("it is given up there", SOON, is_one).await;
        let before = server.chunk_requests().len();
        page.pick(&film).await;
        page.comes_to(&["done"], UPLOAD).await;
        assert!(!text(browser, OFFERED).await.contains("film.mp4"));
        let (sent, whole) = (server.chunk_requests().len() - before, server.api().files().await);
        let chunks = usize::try_from(whole[0].chunk_count).unwrap();
        assert!(sent < chunks, "what was there was sent again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_not_give_up_is_said_and_stays_offered() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        left_by_another_device(&server, &folder, "kept.mp4").await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        Page::open(browser, &proxy.origin()).await;
        a_while_later(browser).await;
        comes_to_say(browser, OFFERED, "kept.mp4").await;
        proxy.answer_next_of("DELETE", Early::of(ProblemCode::InsufficientScope));
        give_up(browser, "kept.mp4").await;
        comes_to_say(browser, "[part=notice]", "could not be given up on the server").await;
        let notice = text(browser, "[part=notice]").await;
        assert!(notice.contains("kept.mp4"), "{notice}");
        assert!(notice.contains("The token does not allow this"), "{notice}");
        assert!(text(browser, OFFERED).await.contains("kept.mp4"), "it is there and not offered");
        assert_eq!(server.api().uploads().await.len(), 1);
        give_up(browser, "kept.mp4").await;
        let is_gone = async || server.api().uploads().await.is_empty().then_some(());
        wait::until("it is given up there", SOON, is_gone).await;
        let is_hidden = async || (!text(browser, OFFERED).await.contains("kept.mp4")).then_some(());
        wait::until("it is not offered any more", SOON, is_hidden).await;
        assert_eq!(text(browser, "[part=notice]").await, "", "what was said is over");
        const FOCUS: &str = "return document.querySelector('longhaul-upload').shadowRoot.activeElement?.type ?? null";
        assert_eq!(browser.run(FOCUS, &[]).await, json!("file"), "the row that had the focus is gone");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_proxys_in_the_place_of_an_answer_is_told_as_nothing_of_the_servers_in_both_languages()
 {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        left_by_another_device(&server, &folder, "kept.mp4").await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        Page::open(browser, &proxy.origin()).await;
        a_while_later(browser).await;
        comes_to_say(browser, OFFERED, "kept.mp4").await;
        // A refusal, and a sign-in page's welcome.
        for status in [403, 200] {
            proxy.answer_next_of("DELETE", Early::of_proxy(status));
            give_up(browser, "kept.mp4").await;
            let words =
                format!("Status {status} from something that is no Longhaul server. Look at");
            comes_to_say(browser, "[part=notice]", &words).await;
        }
        browser.run("document.querySelector('longhaul-upload').lang = 'zh'", &[]).await;
        comes_to_say(browser, OFFERED, "取消").await;
        proxy.answer_next_of("DELETE", Early::of_proxy(502));
        give_up(browser, "kept.mp4").await;
        comes_to_say(browser, "[part=notice]", "服务器的回答无法理解").await;
        assert_eq!(server.api().uploads().await.len(), 1, "it was not asked");
        assert!(text(browser, OFFERED).await.contains("kept.mp4"), "it is there and not offered");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_tab_has_paused_is_not_offered_in_this_one() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("paused.bin", 80 * MIB, 73);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(3)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.pick(&file).await;
        holds(&server, 3, HELD).await;
        page.press("pause").await;
        page.comes_to(&["paused"], SOON).await;
        left_by_another_device(&server, &folder, "other.mp4").await;

        let first = browser.client().window().await.unwrap();
        let second = browser.client().new_window(true).await.unwrap().handle;
        browser.client().switch_to_window(second).await.unwrap();
        Page::open(browser, &proxy.origin()).await;
        a_while_later(browser).await;
        comes_to_say(browser, OFFERED, "other.mp4").await;
        let offered = text(browser, OFFERED).await;
        assert!(!offered.contains("paused.bin"), "another tab is about it: {offered}");

        browser.client().close_window().await.unwrap();
        browser.client().switch_to_window(first).await.unwrap();
        proxy.release();
        page.press("resume").await;
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
    })
    .await;
}
