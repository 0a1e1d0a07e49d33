//! What a person has who does not see the page, or has no pointer: what is said, in which voice, and where the focus is.

use longhaul_protocol::ProblemCode;
use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Early, Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};

use crate::stage::comes_to_say;

/// What has the focus in the element: its part or its type.
async fn focus(browser: &Browser) -> Value {
    const FOCUS: &str = "
        const at = document.querySelector('longhaul-upload').shadowRoot.activeElement;
        return at?.part?.value || at?.type || null;";
    browser.run(FOCUS, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_clears_all_that_is_over_by_keys_comes_to_where_the_next_file_is_chosen() {
    const ADD: &str = "
        const files = ['one.txt', 'two.txt'].map((name) => new File([name], name));
        await document.querySelector('longhaul-upload').addFiles(files);";
    const CLEAR: &str = "
        const button = document.querySelector('longhaul-upload').shadowRoot.querySelector('[part=clear-all]');
        if (button.hidden) return false;
        button.focus();
        button.click();
        return true;";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        browser.run_async(ADD, &[]).await;
        wait::until("both are done", UPLOAD, async || {
            let rows = page.rows().await;
            (rows.len() == 2 && rows.iter().all(|row| row.state == "done")).then_some(())
        })
        .await;
        wait::until("what is over can be cleared", SOON, async || {
            (browser.run(CLEAR, &[]).await == json!(true)).then_some(())
        })
        .await;
        wait::until("the bar of all files is gone", SOON, async || {
            const HIDDEN: &str = "return document.querySelector('longhaul-upload').shadowRoot.querySelector('[part=total]').hidden";
            (browser.run(HIDDEN, &[]).await == json!(true)).then_some(())
        })
        .await;
        assert_eq!(focus(browser).await, json!("file"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_gives_the_element_the_focus_gives_it_to_where_a_file_is_chosen() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        Page::open(browser, &server.origin()).await;
        browser.run("document.querySelector('longhaul-upload').focus()", &[]).await;
        assert_eq!(focus(browser).await, json!("file"));
        // And one that asks for it gets it where nobody has it.
        const ANOTHER: &str = "
            const another = document.createElement('longhaul-upload');
            another.setAttribute('autofocus', '');
            if (arguments[0]) document.activeElement.shadowRoot.activeElement.blur();
            document.querySelector('longhaul-upload').before(another);";
        browser.run(ANOTHER, &[json!(false)]).await;
        assert_eq!(focus(browser).await, Value::Null, "somebody is elsewhere");
        browser.run(ANOTHER, &[json!(true)]).await;
        assert_eq!(focus(browser).await, json!("file"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_file_has_failed_is_said_with_it() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("film.bin", 9 * MIB, 36);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.is_loaded().await;
        proxy.answer_next_of("POST", Early::of(ProblemCode::UploadRefused));
        page.pick(&file).await;
        page.comes_to(&["failed"], SOON).await;
        let why = page.last_row().await.unwrap().error;
        comes_to_say(browser, "[aria-live]", &format!("film.bin: Failed. {why}")).await;
    })
    .await;
}

/// The language of each part of the element that stands by itself.
const LANGUAGES: &str = "
    const parts = [...document.querySelector('longhaul-upload').shadowRoot.children];
    return [...new Set(parts.map((part) => part.lang))];";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_english_on_a_page_of_another_language_is_marked_as_english() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        Page::open(browser, &server.origin()).await;
        for (lang, spoken) in [("fr", "en"), ("zh-Hans", "zh-Hans"), ("no such language", "en")] {
            let set = "document.querySelector('longhaul-upload').lang = arguments[0]";
            browser.run(set, &[json!(lang)]).await;
            assert_eq!(browser.run(LANGUAGES, &[]).await, json!([spoken]), "{lang}");
        }
    })
    .await;
}
