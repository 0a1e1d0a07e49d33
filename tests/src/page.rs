//! The demo page, as a person uses it: pick files, watch their rows, press their buttons.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::wait;
use longhaul_proxy::Proxy;

/// How long the page may take to be ready for a pick.
const READY: Duration = Duration::from_secs(20);
/// How long a click may take to show.
pub const SOON: Duration = Duration::from_secs(15);
/// How long an upload of a few chunks may take on a busy machine.
pub const UPLOAD: Duration = Duration::from_secs(60);

/// The page's element, and what it has told: every event of its own is kept with its time.
const WATCH: &str = r#"
    const element = document.querySelector('longhaul-upload');
    const input = element?.shadowRoot?.querySelector('input[type=file]');
    if (!input) return false;
    window.told = [];
    const tell = (name, detail) =>
        window.told.push({ name, at: performance.timeOrigin + performance.now(), detail });
    for (const name of ['progress', 'state', 'complete', 'error', 'total', 'directory'])
        element.addEventListener('longhaul-' + name, event => tell(name, event.detail));
    input.addEventListener('change', () => tell('pick', null), { capture: true });
    addEventListener('error', event => tell('uncaught', event.message));
    addEventListener('unhandledrejection', event => tell('uncaught', String(event.reason)));
    return true;
"#;

const ROWS: &str = r#"
    const text = (row, part) => row.querySelector(`[part~=${part}]`)?.textContent?.trim() ?? '';
    const rows = document.querySelector('longhaul-upload').shadowRoot.querySelectorAll('[part~=row]');
    return [...rows].map(row => ({
        name: text(row, 'name'),
        state: row.dataset.state,
        status: text(row, 'status'),
        error: text(row, 'error'),
    }));
"#;

/// One file's row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Row {
    /// The file's name.
    pub name: String,
    /// `data-state`: `opening`, `uploading`, `verifying`, `sealing`, `waiting`, `paused`,
    /// `cancelling`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// The line beside the bar.
    pub status: String,
    /// What went wrong, in a line; empty if nothing has.
    pub error: String,
}

/// Something that the element has told.
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    /// `pick`, `progress`, `state`, `complete`, `error`, `total` or `directory`; `uncaught` for a fault
    /// of the page.
    pub name: String,
    /// When, milliseconds since 1970.
    pub at: f64,
    /// The event's detail.
    pub detail: Value,
}

/// The demo page in a browser.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    browser: &'a Browser,
}

impl<'a> Page<'a> {
    /// Opens the demo page of that origin.
    ///
    /// # Panics
    /// When its element does not come up.
    pub async fn open(browser: &'a Browser, url: &str) -> Self {
        browser.open(url).await;
        let page = Self { browser };
        page.watch().await;
        page
    }

    /// The page that is open already.
    #[must_use]
    pub fn here(browser: &'a Browser) -> Self {
        Self { browser }
    }

    /// Loads it again.
    ///
    /// # Panics
    /// When its element does not come up.
    pub async fn reload(&self) {
        self.browser.client().refresh().await.expect("the page to load again");
        self.watch().await;
    }

    async fn watch(&self) {
        wait::until("the upload element is ready", READY, async || {
            (self.browser.run(WATCH, &[]).await == json!(true)).then_some(())
        })
        .await;
    }

    /// Waits until its uploader is loaded and started; before that a pick waits for it.
    ///
    /// # Panics
    /// When it cannot be.
    pub async fn is_loaded(&self) {
        const LOADED: &str = "await document.querySelector('longhaul-upload').authorization()";
        self.browser.run_async(LOADED, &[]).await;
    }

    /// Picks a file.
    ///
    /// # Panics
    /// When the picker does not take it.
    pub async fn pick(&self, file: &Path) {
        self.pick_all(&[file]).await;
    }

    /// Picks several files at once.
    ///
    /// # Panics
    /// When there is no picker, or it does not take them.
    pub async fn pick_all(&self, files: &[&Path]) {
        use fantoccini::Locator::Css;
        let element =
            self.browser.client().find(Css("longhaul-upload")).await.expect("the element");
        let root = element.shadow_root().await.expect("an open shadow root");
        let input = root.find(Css("input[type=file]")).await.expect("a file picker");
        let paths: Vec<_> =
            files.iter().map(|file| file.to_str().expect("a path in UTF-8")).collect();
        input.send_keys(&paths.join("\n")).await.expect("the picker to take the files");
    }

    /// Picks a folder.
    ///
    /// # Panics
    /// When there is no picker for folders, or it does not take it.
    pub async fn pick_folder(&self, folder: &Path) {
        use fantoccini::Locator::Css;
        let element =
            self.browser.client().find(Css("longhaul-upload")).await.expect("the element");
        let root = element.shadow_root().await.expect("an open shadow root");
        let input = root.find(Css("input[webkitdirectory]")).await.expect("a picker for folders");
        let path = folder.to_str().expect("a path in UTF-8");
        input.send_keys(path).await.expect("the picker to take the folder");
    }

    /// The rows, as they stand now.
    ///
    /// # Panics
    /// When they are not as they are described in [`Row`].
    pub async fn rows(&self) -> Vec<Row> {
        serde_json::from_value(self.browser.run(ROWS, &[]).await).expect("rows")
    }

    /// The last row, which is that of the file picked last.
    pub async fn last_row(&self) -> Option<Row> {
        self.rows().await.pop()
    }

    /// Waits until the file picked last is in one of these states.
    ///
    /// # Panics
    /// When it does not come to it in time, or ends otherwise.
    pub async fn comes_to(&self, states: &[&str], within: Duration) -> Row {
        const ENDS: [&str; 3] = ["done", "failed", "cancelled"];
        let what = format!("the file picked last is {}", states.join(" or "));
        let mut last = None;
        let comes = wait::until(&what, within, async || {
            let row = self.last_row().await?;
            if states.contains(&row.state.as_str()) {
                return Some(row);
            }
            assert!(!ENDS.contains(&row.state.as_str()), "instead of {states:?}: {row:?}");
            if last.as_ref() != Some(&row) {
                println!("the page shows {row:?}");
                last = Some(row);
            }
            None
        });
        comes.await
    }

    /// Waits until a file has been in that state since the page was loaded, however short that was:
    /// a pause before another try may be over at once.
    ///
    /// # Panics
    /// When none has in time.
    pub async fn has_been(&self, state: &str, within: Duration) {
        wait::until(&format!("a file was {state}"), within, async || {
            let told = self.told().await;
            let was = |told: &Told| told.name == "state" && told.detail["state"] == state;
            told.iter().any(was).then_some(())
        })
        .await;
    }

    /// Presses a button of the file picked last: `pause`, `resume` or `cancel`.
    ///
    /// # Panics
    /// When there is none to press.
    pub async fn press(&self, button: &str) {
        const PRESS: &str = r#"
            const root = document.querySelector('longhaul-upload').shadowRoot;
            const row = [...root.querySelectorAll('[part~=row]')].at(-1);
            const button = row?.querySelector(`button[part~=${arguments[0]}]`);
            if (!button || button.hidden || button.disabled) return false;
            button.click();
            return true;
        "#;
        wait::until("the button can be pressed", SOON, async || {
            (self.browser.run(PRESS, &[json!(button)]).await == json!(true)).then_some(())
        })
        .await;
    }

    /// What the element has told since the page was loaded.
    ///
    /// # Panics
    /// When it is not as it is described in [`Told`].
    pub async fn told(&self) -> Vec<Told> {
        serde_json::from_value(self.browser.run("return window.told", &[]).await).expect("events")
    }

    /// How long after the last pick the head of the first chunk came to a proxy that has seen none
    /// before, milliseconds.
    ///
    /// # Panics
    /// When none comes.
    pub async fn first_chunk_ms(&self, proxy: &Proxy) -> f64 {
        let first = wait::until("the first chunk leaves the page", UPLOAD, async || {
            proxy.chunks_seen().into_iter().next()
        });
        let left = first.await.at.duration_since(UNIX_EPOCH).expect("a time after 1970");
        let told = self.told().await;
        let pick = told.iter().rfind(|told| told.name == "pick").expect("a pick");
        left.as_secs_f64() * 1000.0 - pick.at
    }

    /// The download links of the page's list of sealed files.
    ///
    /// # Panics
    /// When they are none.
    pub async fn download_links(&self) -> Vec<String> {
        const LINKS: &str =
            "return [...document.querySelectorAll('#files a[download]')].map(a => a.href)";
        serde_json::from_value(self.browser.run(LINKS, &[]).await).expect("links")
    }
}
