//! Who uploads: guests, and owners whose page gets their tokens.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use longhaul_tests::api::Api;
use longhaul_tests::artefacts;
use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::files::{Folder, MIB, sha256};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};

/// The names that the page lists, once it has asked the server.
const LISTED: &str = r#"
    const notice = document.getElementById('notice').textContent;
    const names = [...document.querySelectorAll('#files li > :first-child')];
    return notice || names.length ? names.map(name => name.textContent) : null;
"#;

/// A token function that hands out these, one each time it is asked and a while after, and the last for
/// ever. The while lets several files ask for one at once.
const HAND_OUT: &str = r#"
    const tokens = arguments[0];
    window.asked = 0;
    document.querySelector('longhaul-upload').token =
        async () => {
            const token = tokens[Math.min(window.asked++, tokens.length - 1)];
            await new Promise(done => setTimeout(done, 1000));
            return token;
        };
"#;

const TWO_AT_ONCE: &str =
    "document.querySelector('longhaul-upload').setAttribute('files-at-once', 2)";

/// A server that asks for tokens signed with what is in the file.
pub(crate) async fn keyed(key: &Path) -> Server {
    let more = vec!["--token-key".to_owned(), key.to_str().unwrap().to_owned()];
    Server::start(Options { more, ..Options::demo() }).await
}

pub(crate) fn new_key(folder: &Folder, name: &str, secret: char) -> PathBuf {
    let key = folder.path().join(name);
    write_key(&key, secret);
    key
}

/// Readable by nobody else, as the server demands.
fn write_key(key: &Path, secret: char) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(key, String::from(secret).repeat(40)).unwrap();
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn token(key: &Path, owner: &str) -> String {
    let mut command = Command::new(artefacts::server());
    command.arg("token").arg("--key").arg(key).args(["--owner", owner, "--expires", "1d"]);
    let out = command.output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

pub(crate) async fn listed(browser: &Browser) -> Value {
    wait::until("the page has asked for the files", SOON, async || {
        Some(browser.run(LISTED, &[]).await).filter(|names| !names.is_null())
    })
    .await
}

async fn asked(browser: &Browser) -> Value {
    browser.run("return window.asked", &[]).await
}

async fn only_file_is(api: &Api, file: &Path) {
    let files = api.files().await;
    assert_eq!(files.len(), 1, "{files:?}");
    let (digest, _) = api.download_sha256(files[0].id, files[0].size).await;
    assert_eq!(digest, sha256(file));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_uploads_sees_what_is_his_after_a_reload_and_nobody_else_does() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("guest.bin", 20 * MIB, 71);
        let more = vec!["--allow-anonymous".to_owned()];
        let server = Server::start(Options { more, ..Options::demo() }).await;
        let page = Page::open(browser, &server.origin()).await;
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        let kept = "return Object.entries(localStorage).find(([k]) => k.startsWith('longhaul-guest:'))?.[1]";
        let token = browser.run(kept, &[]).await;
        only_file_is(&server.api().bearing(token.as_str().expect("a kept token")), &file).await;

        page.reload().await;
        assert_eq!(listed(browser).await, json!(["guest.bin"]));
        assert_eq!(page.download_links().await, Vec::<String>::new(), "links that must fail");
        let sent = server.chunk_requests().len();
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        assert_eq!(server.chunk_requests().len(), sent, "the guest was not known again");

        browser.run("localStorage.clear()", &[]).await;
        page.reload().await;
        assert_eq!(listed(browser).await, json!([]));
        server.assert_no_fault();
    })
    .await;
}

/// Another element, before the one there is.
const ANOTHER: &str = r#"
    const first = document.querySelector('longhaul-upload');
    first.before(document.createElement('longhaul-upload'));
"#;

#[tokio::test(flavor = "multi_thread")]
async fn files_and_elements_of_one_page_are_one_guest() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let more = vec!["--allow-anonymous".to_owned()];
        let server = Server::start(Options { more, ..Options::demo() }).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(0)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        browser.run(ANOTHER, &[]).await;
        for (seed, name) in (76..).zip(["one.bin", "two.bin"]) {
            page.pick(&folder.random(name, 9 * MIB, seed)).await;
            browser.run(ANOTHER, &[]).await;
        }
        proxy.release();
        wait::until("both files are sealed", UPLOAD, async || {
            let sealed = server.requests().into_iter().filter(|seen| seen.path.ends_with("/seal"));
            (sealed.count() == 2).then_some(())
        })
        .await;
        page.reload().await;
        let mut names: Vec<_> = listed(browser).await.as_array().unwrap().clone();
        names.sort_by_key(Value::to_string);
        assert_eq!(names, [json!("one.bin"), json!("two.bin")]);
        server.assert_no_fault();
    })
    .await;
}

async fn all_done(page: &Page<'_>, files: usize) {
    wait::until("all files are done", UPLOAD, async || {
        let rows = page.rows().await;
        (rows.len() == files && rows.iter().all(|row| row.state == "done")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_midway_is_asked_for_anew_and_the_upload_goes_on() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("renewed.bin", 64 * MIB, 72);
        let other = folder.random("other.bin", 40 * MIB, 75);
        let (key, next_key) = (new_key(&folder, "key", 'a'), new_key(&folder, "next", 'b'));
        let tokens = [token(&key, "alice"), token(&next_key, "alice")];
        let mut server = keyed(&key).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(3)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        browser.run(TWO_AT_ONCE, &[]).await;
        browser.run(HAND_OUT, &[json!(tokens)]).await;
        page.pick(&file).await;
        page.pick(&other).await;
        let alice = server.api().bearing(&tokens[0]);
        wait::until("both uploads are under way", SOON, async || {
            (alice.uploads().await.len() == 2).then_some(())
        })
        .await;

        server.kill().await;
        write_key(&key, 'b');
        server.restart().await;
        proxy.release();
        all_done(&page, 2).await;
        assert_eq!(asked(browser).await, json!(2), "once at first, once for both");
        assert_eq!(server.api().bearing(&tokens[1]).files().await.len(), 2);
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_token_is_asked_for_anew_once_for_all_files_that_begin_with_it() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let (key, other) = (new_key(&folder, "key", 'a'), new_key(&folder, "other", 'b'));
        let server = keyed(&key).await;
        let page = Page::open(browser, &server.origin()).await;
        browser.run(TWO_AT_ONCE, &[]).await;
        browser.run(HAND_OUT, &[json!([token(&other, "alice"), token(&key, "alice")])]).await;
        let files = [(77, "one.bin"), (78, "two.bin")];
        let [one, two] = files.map(|(seed, name)| folder.random(name, MIB, seed));
        page.pick_all(&[&one, &two]).await;
        all_done(&page, 2).await;
        assert_eq!(asked(browser).await, json!(2), "once at first, once for both");
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_a_line_end_behind_it_is_the_token() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("trimmed.bin", 9 * MIB, 79);
        let key = new_key(&folder, "key", 'a');
        let server = keyed(&key).await;
        let as_read = format!("{}\r\n", token(&key, "alice"));
        let page = Page::open(browser, &server.origin()).await;
        browser.run(HAND_OUT, &[json!([as_read])]).await;
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        let alice = server.api().bearing(as_read.trim());
        only_file_is(&alice, &file).await;

        let page = Page::open(browser, &server.origin()).await;
        browser
            .run(
                "document.querySelector('longhaul-upload').token = arguments[0]",
                &[json!(as_read)],
            )
            .await;
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        assert_eq!(alice.files().await.len(), 2);
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_has_no_good_token_is_told_so_and_asked_once_more_only() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("refused.bin", MIB, 73);
        let (key, other) = (new_key(&folder, "key", 'a'), new_key(&folder, "other", 'b'));
        let server = keyed(&key).await;
        let page = Page::open(browser, &server.origin()).await;
        browser.run(HAND_OUT, &[json!([token(&other, "mallory")])]).await;
        page.pick(&file).await;
        let row = page.comes_to(&["failed"], SOON).await;
        assert!(row.error.to_lowercase().contains("token"), "{row:?}");
        assert_eq!(asked(browser).await, json!(2));
        assert_eq!(server.chunk_requests(), []);
        server.assert_no_fault();
    })
    .await;
}
