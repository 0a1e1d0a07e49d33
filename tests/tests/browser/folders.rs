//! Folders: dropped with their tree, or picked.

use std::collections::BTreeMap;
use std::fs;

use longhaul_tests::browser::{Browser, Engine, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};

use crate::stage::{assert_is, really_drop};

/// Drops a tree that is told in JSON: a string is a file with that text, an object a folder, `null` a file
/// that the browser may not read. Its entries are as browsers make them: a folder tells of two at a time,
/// and that there are no more by telling none.
pub(crate) const DROP: &str = r#"
    const entry = (name, what, above) => {
        const fullPath = `${above}/${name}`;
        const made = { name, fullPath, isFile: what === null || typeof what === 'string', isDirectory: false };
        if (what === null) return { ...made, file: (_, no) => setTimeout(() => no(new DOMException('no', 'NotReadableError'))) };
        if (made.isFile) return { ...made, file: ok => setTimeout(() => ok(new File([what], name))) };
        const inside = Object.entries(what).map(([name, what]) => entry(name, what, fullPath));
        return { ...made, isDirectory: true, createReader: () => {
            let at = 0;
            return { readEntries: ok => setTimeout(() => ok(inside.slice(at, at += 2))) };
        } };
    };
    const items = Object.entries(arguments[0]).map(([name, what]) => ({
        kind: 'file',
        webkitGetAsEntry: () => entry(name, what, ''),
        getAsFile: () => typeof what === 'string' ? new File([what], name) : null,
    }));
    const event = new Event('drop', { bubbles: true, cancelable: true });
    event.dataTransfer = { items };
    document.querySelector('longhaul-upload').shadowRoot.querySelector('[part~=drop]').dispatchEvent(event);
"#;

const NOTICE: &str = r#"
    return document.querySelector('longhaul-upload').shadowRoot.querySelector('[part~=notice]').textContent;
"#;

/// Waits until so many files are sealed, and returns their names by their paths.
async fn sealed(server: &Server, count: usize) -> BTreeMap<String, String> {
    let files = wait::until("all files are sealed", UPLOAD, async || {
        let files = server.api().files().await;
        (files.len() >= count).then_some(files)
    });
    let files = files.await;
    assert_eq!(files.len(), count, "{files:?}");
    let path = |meta: &longhaul_protocol::wire::FileMeta| meta.relative_path.clone();
    files
        .iter()
        .map(|file| (path(&file.meta).unwrap_or_default(), file.meta.name.clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_dropped_arrives_with_its_tree() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let tree = json!({
            "alone.txt": "by itself",
            "trip": {
                "a.txt": "1", "b.txt": "22", "c.txt": "333", "d.txt": "", "nothing here": {},
                "deep": { "er": { "est": { "a.txt": "the same name elsewhere" } } },
                "secret": null,
            },
        });
        browser.run(DROP, &[tree]).await;
        let files = sealed(&server, 6).await;
        let expected = [
            ("", "alone.txt"),
            ("trip/a.txt", "a.txt"),
            ("trip/b.txt", "b.txt"),
            ("trip/c.txt", "c.txt"),
            ("trip/d.txt", "d.txt"),
            ("trip/deep/er/est/a.txt", "a.txt"),
        ];
        let expected = expected.map(|(path, name)| (path.to_owned(), name.to_owned()));
        assert_eq!(files, expected.into());
        // Files may be sealed before the last of them is looked at.
        wait::until("an empty folder and what cannot be read are told", SOON, async || {
            let notice = browser.run(NOTICE, &[]).await.to_string();
            let is_told = notice.contains("trip/nothing here") && notice.contains("trip/secret");
            is_told.then_some(())
        })
        .await;
        let told = page.told().await;
        let empty = told.iter().find(|told| told.name == "directory").expect("an event of it");
        assert_eq!(empty.detail, json!({ "path": "trip/nothing here" }));
        assert!(!told.iter().any(|told| told.name == "uncaught"), "{told:?}");
        server.assert_no_fault();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_file_is_taken_a_folder_is_refused_in_words() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let alone = "const element = document.querySelector('longhaul-upload');
            element.removeAttribute('multiple'); element.removeAttribute('directory');";
        browser.run(alone, &[]).await;
        browser.run(DROP, &[json!({ "trip": { "a.txt": "1" } })]).await;
        wait::until("the notice is there", SOON, async || {
            let notice = browser.run(NOTICE, &[]).await.to_string();
            notice.contains("A folder cannot be dropped here").then_some(())
        })
        .await;
        assert_eq!(page.rows().await, []);
    })
    .await;
}

/// A folder on the disk, with more entries than a browser tells at once.
fn on_the_disk(folder: &Folder) -> usize {
    let many = folder.path().join("trip/many");
    fs::create_dir_all(&many).unwrap();
    fs::create_dir_all(folder.path().join("trip/empty")).unwrap();
    for number in 0..250 {
        fs::write(many.join(format!("{number}.txt")), format!("file {number}")).unwrap();
    }
    let large = folder.random("large.bin", 9 * MIB, 91);
    fs::rename(large, folder.path().join("trip/large.bin")).unwrap();
    251
}

/// Checks that the folder of [`on_the_disk`] is on the server.
async fn arrives(server: &Server, folder: &Folder, count: usize) {
    let files = sealed(server, count).await;
    assert!((0..250).all(|number| files.contains_key(&format!("trip/many/{number}.txt"))));
    let large = server.api().files().await.into_iter().find(|file| file.meta.name == "large.bin");
    let large = large.expect("the large file");
    assert_eq!(large.meta.relative_path.as_deref(), Some("trip/large.bin"));
    assert_is(server, &large, &folder.path().join("trip/large.bin")).await;
    server.assert_no_fault();
}

/// Chooses a folder as a picker hands it over: files that tell where they lie.
const PICK: &str = r#"
    const input = document.querySelector('longhaul-upload').shadowRoot.querySelector('input[webkitdirectory]');
    const files = arguments[0].map(path => Object.defineProperty(
        new File([path], path.split('/').at(-1)), 'webkitRelativePath', { value: path }));
    Object.defineProperty(input, 'files', { configurable: true, value: files });
    input.dispatchEvent(new Event('change'));
"#;

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_picker_for_folders_keep_where_they_lie() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        Page::open(browser, &server.origin()).await;
        browser.run(PICK, &[json!(["trip/a.txt", "trip/deep/er/a.txt"])]).await;
        let files = sealed(&server, 2).await;
        assert!(
            files.contains_key("trip/a.txt") && files.contains_key("trip/deep/er/a.txt"),
            "{files:?}"
        );
        server.assert_no_fault();
    })
    .await;
}

/// Only Chromium's driver can pick a folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_folder_that_is_picked_arrives_with_its_tree() {
    let browser = Browser::start(Engine::Chromium).await;
    let folder = Folder::new();
    let count = on_the_disk(&folder);
    let server = Server::start(Options::demo()).await;
    let page = Page::open(&browser, &server.origin()).await;
    page.pick_folder(&folder.path().join("trip")).await;
    arrives(&server, &folder, count).await;
    browser.close().await;
}

/// Only Chromium's driver can drop what is really there.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_folder_that_is_dropped_arrives_with_its_tree() {
    let browser = Browser::start(Engine::Chromium).await;
    let folder = Folder::new();
    let count = on_the_disk(&folder);
    let server = Server::start(Options::demo()).await;
    let page = Page::open(&browser, &server.origin()).await;
    really_drop(&browser, &folder.path().join("trip")).await;
    arrives(&server, &folder, count).await;
    let told: Vec<Value> = page.told().await.into_iter().map(|told| told.detail).collect();
    assert!(told.contains(&json!({ "path": "trip/empty" })), "the empty folder is not told");
    browser.close().await;
}
