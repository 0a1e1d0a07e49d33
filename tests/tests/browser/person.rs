//! What a person does with the element beside picking and dropping files, and what a page around it may ask of it.

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::terminal::start;
use longhaul_tests::wait;
use serde_json::{Value, json};

use crate::stage::{HELD, holds, newest_is, press_for_all};

/// Sets attributes of the element; `null` takes one away.
async fn set(browser: &Browser, attributes: Value) {
    const SET: &str = r#"
        const element = document.querySelector('longhaul-upload');
        for (const [name, value] of Object.entries(arguments[0])) {
            if (value === null) element.removeAttribute(name); else element.setAttribute(name, value);
        }
    "#;
    browser.run(SET, &[attributes]).await;
}

/// Hands the element files of these names, types and sizes.
async fn add(browser: &Browser, files: &[(&str, &str, u64)]) {
    const ADD: &str = r#"
        const files = arguments[0].map(([name, type, size]) => new File([new Uint8Array(size)], name, { type }));
        await document.querySelector('longhaul-upload').addFiles(files);
    "#;
    browser.run_async(ADD, &[json!(files)]).await;
}

/// The text of a part of the element.
async fn text(browser: &Browser, selector: &str) -> String {
    const TEXT: &str = r#"
        return document.querySelector('longhaul-upload').shadowRoot.querySelector(arguments[0])?.textContent ?? '';
    "#;
    serde_json::from_value(browser.run(TEXT, &[json!(selector)]).await).unwrap()
}

async fn comes_to_say(browser: &Browser, selector: &str, words: &str) {
    wait::until(&format!("{selector} says {words}"), SOON, async || {
        text(browser, selector).await.contains(words).then_some(())
    })
    .await;
}

async fn names(page: &Page<'_>) -> Vec<String> {
    page.rows().await.into_iter().map(|row| row.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_of_another_kind_or_refused_by_the_page_is_left_out_in_words() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        set(browser, json!({ "accept": "image/*, .txt", "max-size": "1000" })).await;
        browser
            .run(
                "document.querySelector('longhaul-upload').addEventListener('longhaul-accept', (event) => {
                    if (!event.detail.file.name.startsWith('secret')) return;
                    event.preventDefault();
                    event.detail.reason = 'secrets stay here';
                });",
                &[],
            )
            .await;
        let files = [
            ("a.png", "image/png", 10),
            ("B.TXT", "", 10),
            ("c.pdf", "application/pdf", 10),
            ("d.png", "image/png", 1001),
            ("secret.txt", "text/plain", 10),
        ];
        add(browser, &files).await;
        assert_eq!(names(&page).await, ["a.png", "B.TXT"]);
        let notice = text(browser, "[part=notice]").await;
        for words in ["c.pdf", "1.00 kB", "d.png", "Secret.txt: secrets stay here."] {
            assert!(notice.contains(words), "{words}: {notice}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_has_the_ids_of_what_is_sealed_and_is_not_sent_before() {
    const FORM: &str = r#"
        const element = document.querySelector('longhaul-upload');
        const form = document.createElement('form');
        element.before(form);
        form.append(element);
        element.setAttribute('name', 'files');
        element.setAttribute('required', '');
    "#;
    const VALID: &str = "return document.forms[0].checkValidity()";
    const VALUES: &str = "return new FormData(document.forms[0]).getAll('files')";
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("form.bin", 40 * MIB, 71);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(2)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        browser.run(FORM, &[]).await;
        assert_eq!(browser.run(VALID, &[]).await, json!(false), "nothing is chosen");
        page.pick(&file).await;
        holds(&server, 2, HELD).await;
        // What is under way holds a form up that asks for nothing, too.
        set(browser, json!({ "required": null })).await;
        assert_eq!(browser.run(VALID, &[]).await, json!(false), "it is under way");
        assert_eq!(browser.run(VALUES, &[]).await, json!([]));
        proxy.release();
        page.comes_to(&["done"], UPLOAD).await;
        let info = newest_is(&server, &file).await;
        wait::until("the form can be sent", SOON, async || {
            (browser.run(VALID, &[]).await == json!(true)).then_some(())
        })
        .await;
        assert_eq!(browser.run(VALUES, &[]).await, json!([info.id.to_string()]));
        browser.run("document.forms[0].reset()", &[]).await;
        assert_eq!(browser.run(VALUES, &[]).await, json!([]), "it was reset");
        assert_eq!(names(&page).await, [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_to_begin_by_itself_waits_for_a_person_to_start_it() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let [first, second] = [1, 2].map(|n| folder.random(&format!("{n}.bin"), 2 * MIB, n));
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        set(browser, json!({ "auto-start": "false" })).await;
        // The page's own uploader was made before it was told.
        browser.run("document.querySelector('longhaul-upload').token = undefined", &[]).await;
        page.pick_all(&[&first, &second]).await;
        let row = page.comes_to(&["paused"], SOON).await;
        assert_eq!(row.status, "Ready");
        comes_to_say(browser, "[part=resume-all]", "Start all").await;
        assert!(server.api().files().await.is_empty());
        press_for_all(browser, "resume-all").await;
        wait::until("both are sealed", UPLOAD, async || {
            (server.api().files().await.len() == 2).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_pasted_anywhere_but_where_somebody_writes() {
    const PASTE: &str = r#"
        const data = new DataTransfer();
        data.items.add(new File(['pasted'], arguments[1], { type: 'text/plain' }));
        const event = new Event('paste', { bubbles: true, composed: true, cancelable: true });
        // Firefox makes none with files.
        Object.defineProperty(event, 'clipboardData', { value: data });
        const target = document.querySelector(arguments[0]);
        if (target !== document.body) target.focus();
        target.dispatchEvent(event);
        return event.defaultPrevented;
    "#;
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        browser.run("document.body.append(document.createElement('textarea'))", &[]).await;
        let paste =
            async |place: &str, name: &str| browser.run(PASTE, &[json!(place), json!(name)]).await;
        assert_eq!(paste("textarea", "not.txt").await, json!(false));
        browser.run("document.activeElement.blur()", &[]).await;
        assert_eq!(paste("body", "pasted.txt").await, json!(true));
        page.comes_to(&["done"], UPLOAD).await;
        assert_eq!(names(&page).await, ["pasted.txt"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_element_speaks_the_language_of_the_page_and_changes_it() {
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        add(browser, &[("one.txt", "text/plain", 1_234_567)]).await;
        page.comes_to(&["done"], UPLOAD).await;
        assert_eq!(text(browser, "#prompt").await, "Choose files");
        // The driver's scripts import into a world of their own in Firefox.
        let import = "const script = Object.assign(document.createElement('script'), { type: 'module', src: '/longhaul-words-zh.js' });
            document.head.append(script);";
        browser.run(import, &[]).await;
        set(browser, json!({ "lang": "zh" })).await;
        for (selector, words) in
            [("#prompt", "选择文件"), ("[part=status]", "已完成，用时"), ("[part=clear]", "移除")]
        {
            comes_to_say(browser, selector, words).await;
        }
        let label = "return document.querySelector('longhaul-upload').shadowRoot.querySelector('[part=clear]').ariaLabel";
        assert_eq!(browser.run(label, &[]).await, json!("移除：one.txt"));
        set(browser, json!({ "lang": "fr" })).await;
        comes_to_say(browser, "#prompt", "Choose files").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_shown_small_and_what_only_calls_itself_one_is_not() {
    const ADD: &str = r#"
        const canvas = Object.assign(document.createElement('canvas'), { width: 300, height: 100 });
        canvas.getContext('2d').fillRect(0, 0, 300, 100);
        const picture = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
        await document.querySelector('longhaul-upload').addFiles([
            new File(['nothing to be seen'], 'not.png', { type: 'image/png' }),
            new File([picture], 'black.png', { type: 'image/png' }),
        ]);
    "#;
    const SHOWN: &str = r#"
        const rows = [...document.querySelector('longhaul-upload').shadowRoot.querySelectorAll('[part=row]')];
        return rows.map((row) => !row.querySelector('[part=thumbnail]').hidden);
    "#;
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        page.is_loaded().await;
        browser.run_async(ADD, &[]).await;
        wait::until("the picture is shown", SOON, async || {
            (browser.run(SHOWN, &[]).await == json!([false, true])).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_finished_is_offered_by_its_name_where_no_handle_is_kept() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let file = folder.random("unfinished.bin", 80 * MIB, 72);
        let server = Server::start(Options::demo()).await;
        let proxy = Proxy::start(server.addr(), Hold::AfterChunks(3)).await;
        let page = Page::open(browser, &proxy.origin()).await;
        // The driver picks without the dialog, so there is no handle in Chromium either.
        page.pick(&file).await;
        holds(&server, 3, HELD).await;
        page.reload().await;
        comes_to_say(browser, "[part=unfinished]", "unfinished.bin").await;
        comes_to_say(browser, "[part=unfinished]", "Choose it again").await;
        proxy.release();
        page.pick(&file).await;
        page.comes_to(&["done"], UPLOAD).await;
        newest_is(&server, &file).await;
        let hidden = "return document.querySelector('longhaul-upload').shadowRoot.querySelector('[part=unfinished]').hidden";
        assert_eq!(browser.run(hidden, &[]).await, json!(true));
        page.reload().await;
        page.is_loaded().await;
        assert_eq!(text(browser, "[part=unfinished]").await, "", "it is offered although it is done");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_device_has_left_on_the_server_is_offered_and_gone_on_with_or_given_up() {
    in_every_engine(async |browser| {
        let folder = Folder::new();
        let server = Server::start(Options::demo()).await;
        let film = folder.random("film.mp4", 24 * MIB, 71);
        let other = folder.random("other.mp4", 24 * MIB, 72);
        for (name, path) in [("film.mp4", &film), ("other.mp4", &other)] {
            let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(2)).await;
            let sending = start(["send", path.to_str().unwrap(), "--to", &proxy.origin()]);
            let held = async || {
                let uploads = server.api().uploads().await;
                let of_it = uploads.iter().find(|upload| upload.meta.name == name)?;
                (!of_it.holding.held.is_empty()).then_some(())
            };
            wait::until(&format!("some of {name} is there"), UPLOAD, held).await;
            sending.kill().await;
        }
        let page = Page::open(browser, &server.origin()).await;
        // To the page it was a while ago.
        const LATER: &str = "const now = Date.now; Date.now = () => now() + 120_000; return document.querySelector('longhaul-upload').authorization();";
        browser.run(LATER, &[]).await;
        comes_to_say(browser, "[part=unfinished]", "film.mp4").await;
        comes_to_say(browser, "[part=unfinished]", "Choose it again").await;
        const GIVE_UP: &str = r#"
            const rows = [...document.querySelector('longhaul-upload').shadowRoot.querySelectorAll('[part=unfinished-row]')];
            const row = rows.find((row) => row.textContent.includes('other.mp4'));
            row.querySelector('[part=forget]').click();
        "#;
        browser.run(GIVE_UP, &[]).await;
        let is_one = async || (server.api().uploads().await.len() == 1).then_some(());
        wait::until("it is given up there", SOON, is_one).await;
        let before = server.chunk_requests().len();
        page.pick(&film).await;
        page.comes_to(&["done"], UPLOAD).await;
        assert!(!text(browser, "[part=unfinished]").await.contains("film.mp4"));
        let (sent, whole) = (server.chunk_requests().len() - before, server.api().files().await);
        let chunks = usize::try_from(whole[0].chunk_count).unwrap();
        assert!(sent < chunks, "what was there was sent again");
    })
    .await;
}
