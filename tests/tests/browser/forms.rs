//! The element in a form whose page changes its mind.

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};

/// Puts the element into a form.
const FORM: &str = r#"
    const element = document.querySelector('longhaul-upload');
    const form = document.createElement('form');
    element.before(form);
    form.append(element);
"#;
const ADD: &str = "await document.querySelector('longhaul-upload').addFiles([new File(['a few bytes'], args[0])])";
const VALUES: &str = "return [...new FormData(document.forms[0]).keys()]";

async fn is_valid(browser: &Browser) -> bool {
    browser.run("return document.forms[0].checkValidity()", &[]).await == json!(true)
}

async fn comes_to_be_valid(browser: &Browser) {
    wait::until("the form can be sent", SOON, async || is_valid(browser).await.then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_asks_for_no_more_than_the_attributes_say_now() {
    const SET: &str = "
        const [name, value] = arguments;
        const element = document.querySelector('longhaul-upload');
        if (value === null) element.removeAttribute(name); else element.setAttribute(name, value);";
    let set = async |browser: &Browser, name: &str, value: Value| {
        browser.run(SET, &[json!(name), value]).await;
    };
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        browser.run(FORM, &[]).await;
        set(browser, "required", json!("")).await;
        assert!(!is_valid(browser).await, "nothing is chosen");
        set(browser, "required", Value::Null).await;
        assert!(is_valid(browser).await, "nothing is asked for any more");
        set(browser, "name", json!("files")).await;
        browser.run_async(ADD, &[json!("one.txt")]).await;
        page.comes_to(&["done"], UPLOAD).await;
        comes_to_be_valid(browser).await;
        assert_eq!(browser.run(VALUES, &[]).await, json!(["files"]));
        set(browser, "name", Value::Null).await;
        assert_eq!(browser.run(VALUES, &[]).await, json!([]), "it has no name any more");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_reset_as_soon_as_a_file_is_done_has_nothing_left() {
    const RESETS: &str = "
        document.querySelector('longhaul-upload').addEventListener('longhaul-state', ({ detail }) => {
            if (detail.state === 'done') document.forms[0].reset();
        });
        document.querySelector('longhaul-upload').setAttribute('name', 'files');";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        browser.run(FORM, &[]).await;
        browser.run(RESETS, &[]).await;
        browser.run_async(ADD, &[json!("gone.txt")]).await;
        wait::until("all is told", SOON, async || {
            page.told().await.iter().any(|told| told.name == "complete").then_some(())
        })
        .await;
        assert_eq!(page.rows().await, [], "it was reset");
        assert_eq!(browser.run(VALUES, &[]).await, json!([]));
        assert!(is_valid(browser).await, "nothing is under way");
    })
    .await;
}
