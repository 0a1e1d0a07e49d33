//! What a person does with the element beside picking and dropping files, and what a page around it may ask of it.

use longhaul_tests::browser::{Browser, in_every_engine};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::wait;
use serde_json::{Value, json};

use crate::stage::{HELD, comes_to_say, holds, newest_is, press_for_all, text};

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
        for words in ["c.pdf", "1.00 kB", "d.png", ": secrets stay here."] {
            assert!(notice.contains(words), "{words}: {notice}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_and_sizes_are_held_to_as_a_file_input_and_the_attributes_words_have_it() {
    // What is accepted, what a file is, and whether it is taken: what is no kind counts for nothing.
    const KINDS: [(&str, &str, &str, bool); 10] = [
        ("*/*", "a.pdf", "application/pdf", true),
        ("*", "a.pdf", "application/pdf", true),
        ("pdf", "a.pdf", "application/pdf", true),
        (" , ,", "a.pdf", "application/pdf", true),
        ("pdf, .txt", "b.pdf", "application/pdf", false),
        ("VIDEO/WEBM", "a.webm", "video/webm;codecs=vp9,opus", true),
        ("video/*", "a.webm", "video/webm;codecs=vp9", true),
        (".tar.gz", "A.TAR.GZ", "application/gzip", true),
        (".gz", "gz", "", false),
        ("image/*", "a.txt", "imagery/x", false),
    ];
    in_every_engine(async |browser| {
        let server = Server::start(Options::demo()).await;
        let page = Page::open(browser, &server.origin()).await;
        let mut taken = 0;
        for (accept, name, media_type, is_taken) in KINDS {
            set(browser, json!({ "accept": accept })).await;
            add(browser, &[(name, media_type, 10)]).await;
            taken += usize::from(is_taken);
            assert_eq!(names(&page).await.len(), taken, "{accept}: {name} of {media_type}");
        }
        set(browser, json!({ "accept": null, "max-size": "1000" })).await;
        add(browser, &[("exact.bin", "", 1000), ("nothing.bin", "", 0), ("more.bin", "", 1001)])
            .await;
        assert_eq!(names(&page).await[taken..], ["exact.bin", "nothing.bin"]);
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
        // The page's own uploader was made before it was told.
        page.is_loaded().await;
        set(browser, json!({ "auto-start": "false" })).await;
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
        browser.run("const form = document.createElement('form'); const element = document.querySelector('longhaul-upload'); element.before(form); form.append(element); form.reset();", &[]).await;
        set(browser, json!({ "auto-start": null })).await;
        page.pick(&first).await;
        page.comes_to(&["done"], UPLOAD).await;
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
