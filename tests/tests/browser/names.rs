//! Names of files that are no plain words: markup, and signs that turn the direction of what stands behind them.

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::page::{Page, SOON};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};

use crate::stage::text;

/// Hands the element an empty file of each of these names, and one that is too large.
const ADD: &str = r#"
    const element = document.querySelector('longhaul-upload');
    element.setAttribute('max-size', '10');
    const [names, large] = args;
    const files = names.map((name) => new File([], name));
    await element.addFiles([...files, ...large.map((name) => new File(['more than ten bytes'], name))]);
"#;

async fn add(browser: &Browser, names: &[&str], too_large: &[&str]) {
    browser.run_async(ADD, &[json!(names), json!(too_large)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_markup_is_shown_as_it_is_and_runs_nowhere() {
    const RUNS: &str = "<img src=x onerror=window.ran=1><b>{n}$&.txt";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        add(browser, &[RUNS], &[RUNS]).await;
        page.comes_to(&["done"], SOON).await;
        assert_eq!(page.rows().await[0].name, RUNS);
        let notice = text(browser, "[part=notice]").await;
        assert!(notice.contains(RUNS), "{notice}");
        wait::until("a screen reader is told of it", SOON, async || {
            text(browser, "[aria-live]").await.contains(RUNS).then_some(())
        })
        .await;
        const MADE: &str = "return [document.querySelector('longhaul-upload').shadowRoot.querySelectorAll('img, b').length, window.ran ?? null]";
        assert_eq!(browser.run(MADE, &[]).await, json!([0, null]));
    })
    .await;
}

/// Where on the notice's line its words begin, and the direction of the whole.
const PLACES: &str = r#"
    const notice = document.querySelector('longhaul-upload').shadowRoot.querySelector('[part=notice]');
    notice.style.whiteSpace = 'nowrap';
    const [text] = notice.childNodes;
    const at = (word) => {
        const range = document.createRange();
        range.setStart(text, text.data.indexOf(word));
        range.setEnd(text, text.data.indexOf(word) + word.length);
        return range.getBoundingClientRect().left;
    };
    return [getComputedStyle(notice).direction, ...arguments[0].map(at)];
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_turns_the_direction_of_text_turns_nothing_around_it_and_hides_no_ending() {
    // As they are sent to people: shown as "invoiceexe.pdf", and as one that opens what it does not close.
    const TURNED: &str = "invoice\u{202e}fdp.exe";
    const OPENED: &str = "\u{2067}\u{202e}open.txt";
    const SHOWN: &str = "invoice_fdp.exe";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        add(browser, &[TURNED], &[OPENED, "שלום.txt", "last.txt"]).await;
        assert_eq!(page.rows().await[0].name, SHOWN);
        const LABEL: &str = "return document.querySelector('longhaul-upload').shadowRoot.querySelector('[part=row] [part=clear]').ariaLabel";
        assert_eq!(browser.run(LABEL, &[]).await, json!(format!("Clear: {SHOWN}")));
        let words = json!(["Larger", "left out", "open.txt", "last.txt"]);
        let places = browser.run(PLACES, &[words]).await;
        let (direction, at) = places.as_array().unwrap().split_first().unwrap();
        assert_eq!(direction, "ltr");
        let at: Vec<f64> = at.iter().filter_map(Value::as_f64).collect();
        assert!(at.is_sorted(), "the words stand in another order: {at:?}");
        page.comes_to(&["done"], SOON).await;
        assert_eq!(server.api().files().await[0].meta.name, SHOWN, "what is sent is what is shown");
    })
    .await;
}
