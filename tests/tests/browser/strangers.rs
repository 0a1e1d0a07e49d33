//! Servers that are none, asked for what is not finished there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::liar::fake;
use longhaul_tests::log::Request;
use longhaul_tests::page::{Page, SOON};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::json;
use tokio::time::sleep;

use crate::stage::{comes_to_say, text};

const OFFERED: &str = "[part=unfinished]";
/// How long an answer may take to be shown, if it is.
const SHOWS: Duration = Duration::from_secs(1);

/// A list with one upload that nobody is at.
const THEIRS: &str = r#"{"uploads":[{"id":"1","name":"theirs.mp4","size":5,"lastActivity":0}]}"#;

/// Something that answers everything with the same JSON.
struct Stranger {
    origin: String,
    asked: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
}

impl Stranger {
    /// One that takes so long for each answer.
    async fn saying(json: &'static str, after: Duration) -> Self {
        let [asked, answered] = [0, 0].map(|count| Arc::new(AtomicUsize::new(count)));
        let counts = (Arc::clone(&asked), Arc::clone(&answered));
        let origin = fake(move |_| {
            counts.0.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(after);
            counts.1.fetch_add(1, Ordering::SeqCst);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\naccess-control-allow-origin: *\r\nconnection: close";
            format!("{head}\r\ncontent-length: {}\r\n\r\n{json}", json.len()).into_bytes()
        })
        .await;
        Self { origin, asked, answered }
    }

    async fn is_asked(&self) {
        wait::until("it is asked", SOON, async || some(&self.asked)).await;
    }

    /// And what that came to is shown.
    async fn has_answered(&self) {
        wait::until("it has answered", SOON, async || some(&self.answered)).await;
        sleep(SHOWS).await;
    }
}

/// How often a server was asked for its list.
fn lists(server: &Server) -> usize {
    let is_list = |it: &&Request| it.method == "GET" && it.path == "/v1/uploads";
    server.requests().iter().filter(is_list).count()
}

fn some(count: &AtomicUsize) -> Option<()> {
    (count.load(Ordering::SeqCst) > 0).then_some(())
}

async fn ask_at(browser: &Browser, endpoint: &str) {
    let set = "document.querySelector('longhaul-upload').setAttribute('endpoint', arguments[0])";
    browser.run(set, &[json!(endpoint)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_on_a_server_that_is_no_longer_meant_is_not_offered() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        let slow = Stranger::saying(THEIRS, Duration::from_secs(4)).await;
        ask_at(browser, &slow.origin).await;
        slow.is_asked().await;
        let before = lists(&server);
        ask_at(browser, &server.origin()).await;
        wait::until("the other is asked", SOON, async || (lists(&server) > before).then_some(()))
            .await;
        slow.has_answered().await;
        assert!(!text(browser, OFFERED).await.contains("theirs"), "it is another server's");
        // The alarm rings: where it is meant it is offered.
        ask_at(browser, &slow.origin).await;
        comes_to_say(browser, OFFERED, "theirs.mp4").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_makes_no_sense_is_no_list_and_throws_nothing() {
    const LISTS: [&str; 6] = [
        "null",
        "5",
        r#"{"uploads":5}"#,
        r#"{"uploads":[null]}"#,
        r#"{"uploads":[{"id":{},"name":{"a":1},"size":"<b>","lastActivity":0}]}"#,
        r#"{"uploads":[{"lastActivity":-1e308,"size":1e308}]}"#,
    ];
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        for list in LISTS {
            let stranger = Stranger::saying(list, Duration::ZERO).await;
            ask_at(browser, &stranger.origin).await;
            stranger.has_answered().await;
        }
        // Nor does an address that is none.
        ask_at(browser, "http://[").await;
        let stranger = Stranger::saying(THEIRS, Duration::ZERO).await;
        ask_at(browser, &stranger.origin).await;
        comes_to_say(browser, OFFERED, "theirs.mp4").await;
        let told = page.told().await;
        let uncaught: Vec<_> = told.iter().filter(|told| told.name == "uncaught").collect();
        assert!(uncaught.is_empty(), "{uncaught:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_comes_into_a_page_asks_once_for_what_is_not_finished() {
    const ANOTHER: &str = "
        const another = document.createElement('longhaul-upload');
        another.setAttribute('endpoint', location.origin);
        document.body.append(another);";
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        sleep(SHOWS).await;
        let before = lists(&server);
        browser.run(ANOTHER, &[]).await;
        wait::until("it has asked", SOON, async || (lists(&server) > before).then_some(())).await;
        sleep(SHOWS).await;
        assert_eq!(lists(&server) - before, 1);
    })
    .await;
}
