//! Elements beside each other, taken out of the page, and given strange attributes.

use std::time::Duration;

use longhaul_protocol::plan::LANES_MAX;
use longhaul_tests::browser::in_every_engine;
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::json;
use tokio::time::sleep;

use crate::stage::{newest_is, upload};

/// Puts another element before the one there is, so that it is the page's first from then on.
const ANOTHER: &str = r#"
    const first = document.querySelector('longhaul-upload');
    const another = document.createElement('longhaul-upload');
    for (const [name, value] of Object.entries(arguments[0])) another.setAttribute(name, value);
    first.before(another);
"#;

/// Waits until as many chunks of all elements are on their way as there are lanes, for longer than it takes to
/// begin one more; or one more, where the system has taken all of a body that the proxy has not.
async fn on_the_way(proxy: &Proxy) {
    let allowed = LANES_MAX..=LANES_MAX + 1;
    wait::until(&format!("{allowed:?} chunks are on their way"), SOON, async || {
        for _ in 0..10 {
            if !allowed.contains(&(proxy.chunks_on_the_way() as u64)) {
                return None;
            }
            sleep(Duration::from_millis(100)).await;
        }
        Some(())
    })
    .await;
}

const NOTICE: &str = r#"
    return document.querySelector('longhaul-upload').shadowRoot.querySelector('[part~=notice]').textContent;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn two_elements_of_a_page_share_its_lanes() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let first = folder.random("first.bin", 80 * MIB, 81);
        let second = folder.random("second.bin", 80 * MIB, 82);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(0)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.pick(&first).await;
        on_the_way(&proxy).await;
        browser.run(ANOTHER, &[json!({})]).await;
        page.pick(&second).await;
        on_the_way(&proxy).await;
        proxy.release();
        wait::until("both files are sealed", UPLOAD, async || {
            (server.api().files().await.len() == 2).then_some(())
        })
        .await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_is_taken_out_goes_on_and_can_be_put_back() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("out.bin", 48 * MIB, 83);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(1)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.pick(&file).await;
        page.comes_to(&["uploading"], SOON).await;
        let take_out =
            "window.out = document.querySelector('longhaul-upload'); window.out.remove();";
        browser.run(take_out, &[]).await;
        proxy.release();
        wait::until("the file is sealed", UPLOAD, async || {
            (server.api().files().await.len() == 1).then_some(())
        })
        .await;
        let shown = "return !!window.out.shadowRoot.querySelector('[data-state=done]')";
        wait::until("the element has heard of it", SOON, async || {
            (browser.run(shown, &[]).await == json!(true)).then_some(())
        })
        .await;
        browser.run("document.querySelector('main').append(window.out);", &[]).await;
        page.comes_to(&["done"], SOON).await;
        newest_is(&server, &file).await;
        let next = folder.random("next.bin", 9 * MIB, 84);
        page.pick(&next).await;
        wait::until("both rows are done", UPLOAD, async || {
            let rows = page.rows().await;
            (rows.len() == 2 && rows.iter().all(|row| row.state == "done")).then_some(())
        })
        .await;
        newest_is(&server, &next).await;
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_takes_files_that_another_frame_has_made_and_what_it_was_given_before_it_was_one()
 {
    // Elements of a document without a window are made into what they are when they come into one that has.
    const ADD: &str = "
        const early = document.implementation.createHTMLDocument().createElement('longhaul-upload');
        early.token = 'given early';
        early.setAttribute('multiple', '');
        document.querySelector('longhaul-upload').before(early);
        const frame = document.createElement('iframe');
        document.body.append(frame);
        const { File } = frame.contentWindow;
        const files = [new File(['one'], 'one.txt'), { file: new File(['two'], 'two.txt'), path: 'of/two.txt' }];
        await early.addFiles(files);
        return [early.token, await early.authorization()];";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let told = browser.run_async(ADD, &[]).await;
        assert_eq!(told, json!(["given early", "Bearer given early"]));
        let names: Vec<_> = page.rows().await.into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["one.txt", "two.txt"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_attributes_are_put_right_or_answered_in_words() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("strange.bin", MIB, 85);
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        for at_once in ["-1", "1.5", "many", "1e300"] {
            browser.run(ANOTHER, &[json!({ "files-at-once": at_once })]).await;
            upload(&page, &server, &file).await;
        }
        for endpoint in ["ftp://example.org/", "javascript:alert(1)", "https://me:you@example.org"]
        {
            browser.run(ANOTHER, &[json!({ "endpoint": endpoint })]).await;
            page.pick(&file).await;
            let notice = browser.run(NOTICE, &[]).await.to_string();
            assert!(notice.contains("is not where a server can be"), "{endpoint}: {notice}");
        }
        server.assert_no_fault();
    })
    .await;
}
