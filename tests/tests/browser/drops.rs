//! What is dragged over the element and is no file, and an element that is disabled.

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};

use crate::folders::DROP;

/// Drags a file or a text over the element and drops it there; tells of both events whether the browser was kept from
/// doing what it does with what is dropped on a page, and whether it looked as if it would be taken.
const DRAG: &str = r#"
    const [isFile] = arguments;
    const drop = document.querySelector('longhaul-upload').shadowRoot.querySelector('[part=drop]');
    const dataTransfer = new DataTransfer();
    if (isFile) dataTransfer.items.add(new File(['dropped'], 'dropped.txt'));
    else dataTransfer.setData('text/uri-list', 'http://example.org/');
    const told = {};
    for (const type of ['dragover', 'drop']) {
        const event = new DragEvent(type, { bubbles: true, composed: true, cancelable: true, dataTransfer });
        drop.dispatchEvent(event);
        told[type] = [event.defaultPrevented, drop.classList.contains('over')];
    }
    return told;
"#;

async fn drag(browser: &Browser, is_file: bool) -> Value {
    browser.run(DRAG, &[json!(is_file)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_or_a_text_that_is_dragged_over_is_not_asked_for_and_changes_nothing() {
    const NOTICE: &str = "
        const notice = document.querySelector('longhaul-upload').shadowRoot.querySelector('[part=notice]');
        if (arguments[0]) notice.textContent = arguments[0];
        return notice.textContent;";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        browser.run(NOTICE, &[json!("what was said before")]).await;
        let told = drag(browser, false).await;
        assert_eq!(told, json!({ "dragover": [true, false], "drop": [true, false] }));
        assert_eq!(browser.run(NOTICE, &[]).await, json!("what was said before"));
        let told = drag(browser, true).await;
        assert_eq!(told, json!({ "dragover": [true, true], "drop": [true, false] }));
        assert_eq!(page.told().await.iter().filter(|told| told.name == "uncaught").count(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_element_is_there_for_all_to_see_and_takes_nothing() {
    const DISABLE: &str = "
        const element = document.querySelector('longhaul-upload');
        const fieldset = element.closest('fieldset') ?? document.createElement('fieldset');
        if (!fieldset.parentNode) element.before(fieldset);
        fieldset.append(element);
        fieldset.disabled = arguments[0];";
    // How it stands with the input: whether it is disabled, and whether it is kept from who does not see it.
    const INPUT: &str = "
        const input = document.querySelector('longhaul-upload').shadowRoot.querySelector('input');
        return [input.matches(':disabled'), input.closest('[inert], [hidden]') !== null];";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        browser.run(DISABLE, &[json!(true)]).await;
        assert_eq!(browser.run(INPUT, &[]).await, json!([true, false]));
        let told = drag(browser, true).await;
        assert_eq!(
            told["drop"],
            json!([true, false]),
            "else the browser leaves the page for the file"
        );
        assert_eq!(told["dragover"], json!([true, false]));
        browser.run(DISABLE, &[json!(false)]).await;
        assert_eq!(browser.run(INPUT, &[]).await, json!([false, false]));
        assert_eq!(page.rows().await, [], "it was disabled");
        // WebKit reads no file of a drop that a script has made; of this one the items are made too.
        browser.run(DROP, &[json!({ "dropped.txt": "dropped" })]).await;
        page.comes_to(&["done"], UPLOAD).await;
    })
    .await;
}

/// A paste where nobody writes, with a file.
const PASTE: &str = r#"
    const data = new DataTransfer();
    data.items.add(new File(['pasted'], 'pasted.txt', { type: 'text/plain' }));
    const event = new Event('paste', { bubbles: true, composed: true, cancelable: true });
    // Firefox makes none with files.
    Object.defineProperty(event, 'clipboardData', { value: data });
    document.activeElement?.blur();
    document.body.dispatchEvent(event);
    return event.defaultPrevented;
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pasted_goes_to_the_element_that_takes_it() {
    const ANOTHER: &str = "
        const first = document.querySelector('longhaul-upload');
        first.setAttribute('disabled', '');
        window.second = document.createElement('longhaul-upload');
        document.body.append(window.second);";
    const TAKEN: &str =
        "return window.second.shadowRoot.querySelector('[part=row]')?.dataset.state ?? null";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        browser.run(ANOTHER, &[]).await;
        assert_eq!(browser.run(PASTE, &[]).await, json!(true));
        wait::until("the second has it", SOON, async || {
            (browser.run(TAKEN, &[]).await == json!("done")).then_some(())
        })
        .await;
        assert_eq!(page.rows().await, [], "the first is disabled");
        browser.run("window.second.setAttribute('disabled', '')", &[]).await;
        assert_eq!(browser.run(PASTE, &[]).await, json!(false), "nobody takes it");
    })
    .await;
}
