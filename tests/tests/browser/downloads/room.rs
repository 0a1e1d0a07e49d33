//! No room for what is downloaded: told in words, and gone on with once there is.

use longhaul_tests::browser::{Browser, Engine};
use longhaul_tests::files::MIB;
use serde_json::json;

use super::{CHUNK, Downloading, address, stored};

/// What Chromium gives the page's site, bytes.
const QUOTA: u64 = 64 * MIB;
/// What something else of the site takes of it.
const FILLED: u64 = 50 * MIB;

const FILL: &str = r#"
    const root = await navigator.storage.getDirectory();
    const writable = await (await root.getFileHandle('of something else', { create: true })).createWritable();
    await writable.write(new Uint8Array(args[0]));
    await writable.close();
"#;

const MAKE_ROOM: &str = r#"
    const root = await navigator.storage.getDirectory();
    await root.removeEntry('of something else');
"#;

/// A page of a site whose storage is nearly full. Firefox reads its limit once, from a profile.
async fn filled(origin: &str) -> Option<Browser> {
    Engine::wanted().into_iter().find(|engine| *engine == Engine::Chromium)?;
    let browser = Browser::start(Engine::Chromium).await;
    browser.open(origin).await;
    let quota = json!({ "origin": origin, "quotaSize": QUOTA });
    browser.devtools("Storage.overrideQuotaForOrigin", quota).await;
    browser.run_async(FILL, &[json!(FILLED)]).await;
    Some(browser)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_without_room_is_told_before_a_byte_is_asked_for_and_used_once_there_is() {
    let (server, file) = stored(24 * CHUNK, 111).await;
    let Some(browser) = filled(&server.origin()).await else { return };
    let download = Downloading::begin(&browser, &address(&server.origin(), &file)).await;
    download.comes_to(&["failed"]).await;
    let told = download.last("error").await.unwrap();
    assert_eq!(told["code"], json!("full"), "{told}");
    assert!(!told["advice"].as_str().unwrap().is_empty(), "{told}");
    assert!(!download.has_been("downloading").await);
    browser.run_async(MAKE_ROOM, &[]).await;
    download.does("resume").await;
    download.comes_to(&["done"]).await;
    assert_eq!(Some(download.sha256().await), file.sha256);
    browser.close().await;
}

/// What was written since a picked file was opened is gone with the write that failed.
#[tokio::test(flavor = "multi_thread")]
async fn a_picked_file_for_which_there_is_no_room_is_looked_through_before_it_goes_on() {
    let (server, file) = stored(24 * CHUNK, 112).await;
    let Some(browser) = filled(&server.origin()).await else { return };
    let url = address(&server.origin(), &file);
    let download = Downloading::begin_into_picked(&browser, &url).await;
    download.comes_to(&["failed"]).await;
    let told = download.last("error").await.unwrap();
    assert_eq!(told["code"], json!("full"), "{told}");
    assert!(download.has_been("downloading").await, "some of it came");
    browser.run_async(MAKE_ROOM, &[]).await;
    download.does("resume").await;
    download.comes_to(&["done"]).await;
    assert_eq!(Some(download.sha256().await), file.sha256);
    browser.close().await;
}
