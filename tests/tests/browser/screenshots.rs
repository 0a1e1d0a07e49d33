//! Pictures of the demo page for somebody to look at: `target/screenshots/*.png`.

use std::time::Duration;

use longhaul_protocol::ProblemCode;
use longhaul_tests::browser::{Engine, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Early, Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use serde_json::json;
use tokio::time::sleep;

use crate::folders::DROP;
use crate::stage::{ADD_MANY, HELD, holds, press_for_all};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "pictures for somebody to look at, nothing that could be wrong by itself"]
async fn the_page_idle_uploading_paused_failed_and_done_for_the_eye() {
    in_every_engine(async |browser| {
        browser.client().set_window_size(1100, 1500).await.unwrap();
        let shot = async |name: &str| {
            // The bar moves smoothly to where it stands.
            sleep(Duration::from_millis(600)).await;
            browser.screenshot(&format!("{:?}-{name}", browser.engine()).to_lowercase()).await;
        };
        let folder = Folder::new();
        let file = folder.random("A walk in the mountains.mov", 160 * MIB, 23);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(7)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        shot("1-idle").await;
        page.pick(&file).await;
        holds(&server, 7, HELD).await;
        shot("2-uploading").await;
        page.press("pause").await;
        page.comes_to(&["paused"], SOON).await;
        shot("3-paused").await;
        proxy.release();
        page.press("resume").await;
        page.comes_to(&["done"], UPLOAD).await;
        shot("4-done").await;
        proxy.answer_next_chunk(Early::of(ProblemCode::TooLarge));
        page.pick(&folder.random("too large.zip", 12 * MIB, 24)).await;
        page.comes_to(&["failed"], SOON).await;
        shot("5-failed").await;
        let long = format!("{}.tar.gz", "a-very-long-name-".repeat(14));
        page.pick(&folder.random(&long, MIB, 25)).await;
        page.comes_to(&["done"], UPLOAD).await;
        shot("6-long-name").await;
        browser.client().set_window_size(420, 1900).await.unwrap();
        shot("7-narrow").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "pictures for somebody to look at, nothing that could be wrong by itself"]
async fn a_folder_and_ten_thousand_files_for_the_eye() {
    in_every_engine(async |browser| {
        browser.client().set_window_size(1100, 1200).await.unwrap();
        let shot = async |name: &str| {
            sleep(Duration::from_millis(800)).await;
            browser.screenshot(&format!("{:?}-{name}", browser.engine()).to_lowercase()).await;
        };
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(46)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        let tree = json!({ "A trip to the mountains": {
            "notes.txt": "up", "maps": { "north.svg": "<svg/>", "south.svg": "<svg/>" }, "to do": {},
        } });
        browser.run(DROP, &[tree]).await;
        page.comes_to(&["done"], UPLOAD).await;
        shot("8-folder").await;
        for _ in 0..6 {
            proxy.answer_next_chunk(Early::of_proxy(413));
        }
        browser.run(ADD_MANY, &[json!(10_000), json!(3000)]).await;
        sleep(Duration::from_secs(12)).await;
        shot("9-many").await;
        press_for_all(browser, "pause-all").await;
        press_for_all(browser, "show-failed").await;
        shot("10-many-paused").await;
        browser.client().set_window_size(420, 1400).await.unwrap();
        shot("11-many-narrow").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "pictures for somebody to look at, nothing that could be wrong by itself"]
async fn the_page_in_chinese_in_the_dark_and_from_right_to_left_for_the_eye() {
    const CHINESE: &str = r#"
        document.documentElement.lang = 'zh';
        const script = Object.assign(document.createElement('script'), { type: 'module', src: '/longhaul-words-zh.js' });
        document.head.append(script);
    "#;
    const DRAG: &str = r#"
        const drop = document.querySelector('longhaul-upload').shadowRoot.querySelector('[part=drop]');
        drop.dispatchEvent(new DragEvent('dragover', { cancelable: true }));
    "#;
    in_every_engine(async |browser| {
        browser.client().set_window_size(1100, 1300).await.unwrap();
        let shot = async |name: &str| {
            sleep(Duration::from_millis(600)).await;
            browser.screenshot(&format!("{:?}-{name}", browser.engine()).to_lowercase()).await;
        };
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(9)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        page.pick(&folder.random("山间漫步.mov", 160 * MIB, 26)).await;
        holds(&server, 9, HELD).await;
        browser.run(CHINESE, &[]).await;
        shot("12-chinese").await;
        if browser.engine() == Engine::Chromium {
            let features =
                json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
            browser.devtools("Emulation.setEmulatedMedia", features).await;
        }
        browser.run(DRAG, &[]).await;
        shot("13-dark-and-dragging").await;
        browser.run("document.documentElement.dir = 'rtl'", &[]).await;
        shot("14-right-to-left").await;
    })
    .await;
}
