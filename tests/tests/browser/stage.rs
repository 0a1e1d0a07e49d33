//! What most of the tests begin and end with.

use std::path::Path;
use std::time::Duration;

use longhaul_protocol::wire::{FileInfo, UploadStatus};
use longhaul_tests::browser::Browser;
use longhaul_tests::files::sha256;
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::server::Server;
use longhaul_tests::wait;
use serde_json::json;

/// How long a few chunks may take to be received and synced.
pub(crate) const HELD: Duration = Duration::from_secs(20);

/// Hands the element so many files of so many random bytes, of a folder with a hundred in each.
pub(crate) const ADD_MANY: &str = r#"
    const [count, size] = arguments;
    const bytes = new Uint8Array(size);
    window.added = document.querySelector('longhaul-upload').addFiles((async function* () {
        for (let at = 0; at < count; at += 1) {
            for (let from = 0; from < size; from += 65536) crypto.getRandomValues(bytes.subarray(from, from + 65536));
            const name = `${at}.bin`;
            yield { file: new File([bytes], name), path: `all/${Math.floor(at / 100)}/${name}` };
        }
    })());
"#;

/// The text of a part of the element.
pub(crate) async fn text(browser: &Browser, selector: &str) -> String {
    const TEXT: &str = r#"
        return document.querySelector('longhaul-upload').shadowRoot.querySelector(arguments[0])?.textContent ?? '';
    "#;
    serde_json::from_value(browser.run(TEXT, &[json!(selector)]).await).unwrap()
}

/// Waits until it has these words in it.
pub(crate) async fn comes_to_say(browser: &Browser, selector: &str, words: &str) {
    wait::until(&format!("{selector} says {words}"), SOON, async || {
        text(browser, selector).await.contains(words).then_some(())
    })
    .await;
}

/// Presses a button for all files.
pub(crate) async fn press_for_all(browser: &Browser, part: &str) {
    const PRESS: &str = r#"
        const root = document.querySelector('longhaul-upload').shadowRoot;
        const button = root.querySelector(`[part~=total] [part~=${arguments[0]}]`);
        if (!button || button.hidden) return false;
        button.click();
        return true;
    "#;
    wait::until(&format!("{part} can be pressed"), SOON, async || {
        (browser.run(PRESS, &[json!(part)]).await == json!(true)).then_some(())
    })
    .await;
}

/// Picks a file, waits until it is done, and checks its download.
pub(crate) async fn upload(page: &Page<'_>, server: &Server, file: &Path) -> FileInfo {
    page.pick(file).await;
    page.comes_to(&["done"], UPLOAD).await;
    newest_is(server, file).await
}

/// Checks that the newest sealed file, downloaded in ranges, is this one.
pub(crate) async fn newest_is(server: &Server, file: &Path) -> FileInfo {
    let info = server.api().files().await.into_iter().next().expect("a sealed file");
    assert_eq!(info.meta.name, file.file_name().unwrap().to_str().unwrap());
    assert_is(server, &info, file).await;
    info
}

/// Checks that a sealed file, downloaded in ranges, is this one.
pub(crate) async fn assert_is(server: &Server, info: &FileInfo, file: &Path) {
    assert_eq!(info.size, file.metadata().unwrap().len());
    let (digest, ranges) = server.api().download_sha256(info.id, info.size).await;
    assert_eq!(digest, sha256(file), "{} came back as another file", info.meta.name);
    println!("{}: {} bytes in {ranges} ranges, SHA-256 {digest}", info.meta.name, info.size);
}

/// Waits until the only open upload holds at least so many chunks, and returns what it said then.
pub(crate) async fn holds(server: &Server, chunks: u64, within: Duration) -> UploadStatus {
    let what = format!("an open upload holds {chunks} chunks");
    wait::until(&what, within, async || {
        let upload = server.api().uploads().await.into_iter().next()?;
        (upload.holding.held.count() >= chunks).then_some(upload)
    })
    .await
}

/// Drops what is at that path on the page's drop area, as a person does: Chromium makes the entries.
pub(crate) async fn really_drop(browser: &Browser, path: &Path) {
    const WHERE: &str = r#"
        const area = document.querySelector('longhaul-upload').shadowRoot.querySelector('[part~=drop]');
        const { x, y, width, height } = area.getBoundingClientRect();
        return { x: x + width / 2, y: y + height / 2 };
    "#;
    let at = browser.run(WHERE, &[]).await;
    for kind in ["dragEnter", "dragOver", "drop"] {
        let data = json!({ "items": [], "files": [path], "dragOperationsMask": 1 });
        let event = json!({ "type": kind, "x": at["x"], "y": at["y"], "data": data });
        browser.devtools("Input.dispatchDragEvent", event).await;
    }
}
