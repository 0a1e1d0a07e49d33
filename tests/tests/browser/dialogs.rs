//! The browser's own dialogs, with a keyboard at a virtual screen: where a file is picked and where one is
//! saved, and whether the page may have it again after a reload. Chromium only: it alone has them for pages.
//!
//! They are Chromium's and GTK's and may look otherwise in another release, so this is for `cargo xtask soak`;
//! what the client does with the handles is tested without a screen too (`handles`, `downloads::picked`).

use std::path::Path;
use std::time::Duration;

use fantoccini::Locator::Css;
use longhaul_tests::browser::{Browser, Engine, Setup};
use longhaul_tests::files::{Folder, MIB, sha256};
use longhaul_tests::log::sent_again;
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Lines, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::json;
use tokio::time::sleep;

use crate::downloads::element::{comes_to, stands};
use crate::downloads::{CHUNK, DOWNLOAD, slow, stored};
use crate::stage::{HELD, holds, newest_is};

/// What Chromium calls its dialogs, and its windows.
const SAVE: &str = "this site can see edits";
const OPEN: &str = "this site can read";
const WINDOW: &str = "Chromium$";
/// A press that comes sooner after a question appears is ignored, so that nobody is made to answer it.
const UNHEARD: Duration = Duration::from_secs(2);

/// Presses a button as a person does: a page may only ask when somebody has.
async fn press(browser: &Browser, host: &str, button: &str) {
    let element = browser.client().find(Css(host)).await.unwrap();
    let root = element.shadow_root().await.unwrap();
    root.find(Css(button)).await.unwrap().click().await.unwrap();
}

/// Has a dialog take that path: `before` makes it ready to be typed into, `key` is its button's.
async fn answer(browser: &Browser, dialog: &str, path: &Path, before: &str, key: &str) {
    let screen = browser.screen();
    wait::until(dialog, SOON, async || screen.window(dialog).await).await;
    wait::until(&format!("`{dialog}` is answered"), SOON, async || {
        let Some(window) = screen.window(dialog).await else { return Some(()) };
        window.press(&[before]).await;
        window.write(path.to_str().unwrap()).await;
        window.press(&[key]).await;
        sleep(Duration::from_millis(500)).await;
        None
    })
    .await;
}

/// Says yes to what the browser asks below its address bar, until it is heard; the close button comes first
/// there.
async fn allow(browser: &Browser, is_heard: impl AsyncFn() -> bool) {
    wait::until("the permission is given", SOON, async || {
        sleep(UNHEARD).await;
        if is_heard().await {
            return Some(());
        }
        let window = browser.screen().window(WINDOW).await?;
        window.press(&["ctrl+l", "Tab", "Tab", "Tab", "Return"]).await;
        None
    })
    .await;
}

async fn on_screen() -> Option<Browser> {
    Engine::wanted().into_iter().find(|engine| *engine == Engine::Chromium)?;
    Some(
        Browser::start_with(Engine::Chromium, &Setup { on_screen: true, ..Setup::default() }).await,
    )
}

const ELEMENT: &str = "#files longhaul-download";

/// Goes on with a download after a reload, by a click and a permission, and how much of it was there.
async fn goes_on(browser: &Browser) -> u64 {
    wait::until("it can be gone on with", SOON, async || {
        let name = stands(browser).await["names"][0].as_str()?.to_owned();
        name.starts_with("Go on downloading").then_some(())
    })
    .await;
    const HEAR: &str = "document.querySelector(arguments[0])
        .addEventListener('longhaul-download-progress', ({ detail }) => window.progress = detail)";
    browser.run(HEAR, &[json!(ELEMENT)]).await;
    press(browser, ELEMENT, "[part=start]").await;
    allow(browser, async || stands(browser).await["state"] != json!("idle")).await;
    comes_to(browser, "done").await;
    browser.run("return window.progress.reused", &[]).await.as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "drives Chromium's own dialogs by keys: cargo xtask soak"]
async fn a_file_is_saved_where_the_dialog_says_and_gone_on_with_after_a_reload() {
    saved_though_left(async |browser, picked| {
        press(browser, ELEMENT, "[part=pause]").await;
        comes_to(browser, "paused").await;
        wait::until("it is in its place", SOON, async || {
            (picked.metadata().ok()?.len() > 0).then_some(())
        })
        .await;
        browser.client().refresh().await.unwrap();
    })
    .await;
}

/// The driver answers the question whether to leave, and at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "drives Chromium's own dialogs by keys: cargo xtask soak"]
async fn a_page_that_is_left_in_the_middle_of_a_picked_file_keeps_what_was_written() {
    saved_though_left(async |browser, _| {
        browser.screen().window(WINDOW).await.unwrap().press(&["ctrl+r"]).await;
    })
    .await;
}

/// A download into a file of the dialog's, whose page is left in the middle and comes back.
async fn saved_though_left(leave: impl AsyncFn(&Browser, &Path)) {
    let Some(browser) = on_screen().await else { return };
    let (folder, (server, file)) = (Folder::new(), stored(32 * CHUNK + 5, 161).await);
    let picked = folder.path().join("picked.bin");
    let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
    browser.open(&proxy.origin()).await;
    comes_to(&browser, "idle").await;
    slow(&proxy);
    press(&browser, ELEMENT, "[part=start]").await;
    answer(&browser, SAVE, &picked, "ctrl+a", "alt+s").await;
    wait::until("some of it is there", DOWNLOAD, async || {
        stands(&browser).await["bar"].as_f64().filter(|bar| *bar > 0.4)
    })
    .await;
    leave(&browser, &picked).await;
    comes_to(&browser, "idle").await;
    proxy.set_lines(Lines::default());
    let reused = goes_on(&browser).await;
    println!("{reused} of {} bytes were there", file.size);
    assert!(reused >= 8 * CHUNK, "only {reused} bytes were there");
    assert_eq!(Some(sha256(&picked)), file.sha256);
    const PLACE: &str = "const { placeOf } = await import('/longhaul-places.js');
        return await placeOf(document.querySelector(args[0]).href) ?? null";
    let place = browser.run_async(PLACE, &[json!(ELEMENT)]).await;
    assert!(place.is_null(), "what is done is forgotten");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "drives Chromium's own dialogs by keys: cargo xtask soak"]
async fn who_thinks_better_of_it_in_the_dialog_downloads_nothing() {
    let Some(browser) = on_screen().await else { return };
    let (server, file) = stored(CHUNK, 162).await;
    browser.open(&server.origin()).await;
    comes_to(&browser, "idle").await;
    press(&browser, ELEMENT, "[part=start]").await;
    let screen = browser.screen();
    let dialog = wait::until(SAVE, SOON, async || screen.window(SAVE).await).await;
    dialog.press(&["Escape"]).await;
    wait::until("it is gone", SOON, async || screen.window(SAVE).await.is_none().then_some(()))
        .await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stands(&browser).await["state"], json!("idle"));
    let path = longhaul_protocol::wire::path::file(file.id);
    assert!(server.requests().iter().all(|request| request.path != path), "it was fetched");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "drives Chromium's own dialogs by keys: cargo xtask soak"]
async fn an_upload_goes_on_after_a_reload_by_a_click_and_a_permission_without_picking_again() {
    let Some(browser) = on_screen().await else { return };
    let folder = Folder::new();
    let file = folder.random("recording.bin", 60 * MIB + 17, 163);
    let server = Server::start(Options::demo()).await;
    let proxy = Proxy::start(server.addr(), Hold::AfterChunks(4)).await;
    let page = Page::open(&browser, &proxy.origin()).await;
    press(&browser, "longhaul-upload", "[part~=drop]").await;
    answer(&browser, OPEN, &file, "ctrl+l", "alt+o").await;
    let before = holds(&server, 4, HELD).await;
    page.reload().await;
    let row = "[part=unfinished-row] [part=resume]";
    wait::until("it is shown as not finished", SOON, async || {
        const SEEN: &str = "return document.querySelector('longhaul-upload').shadowRoot.querySelector(arguments[0]) !== null";
        (browser.run(SEEN, &[json!(row)]).await == json!(true)).then_some(())
    })
    .await;
    proxy.release();
    press(&browser, "longhaul-upload", row).await;
    allow(&browser, async || !page.rows().await.is_empty()).await;
    page.comes_to(&["done"], UPLOAD).await;
    newest_is(&server, &file).await;
    assert_eq!(sent_again(&server.requests(), &before.holding.held, 0), []);
    browser.close().await;
}
