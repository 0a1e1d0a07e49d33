//! What a browser is shown: a page of the manual, to which a file is given as a reader would.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::Path;

use fantoccini::Locator::Css;
use longhaul_tests::api::Api;
use longhaul_tests::artefacts;
use longhaul_tests::browser::Browser;
use longhaul_tests::page::{Page, SOON, UPLOAD};
use longhaul_tests::projects::unpack_into;
use longhaul_tests::site::Site;
use longhaul_tests::wait;
use serde_json::json;

use crate::scene::Scene;
use crate::steps::Setting;

/// For those that name the package's parts and have no bundler.
const IMPORTS: [(&str, &str); 8] = [
    ("longhaul", "longhaul-client.js"),
    ("longhaul/upload", "longhaul-upload.js"),
    ("longhaul/download", "longhaul-download.js"),
    ("longhaul/downloader", "longhaul-downloader.js"),
    ("longhaul/map", "longhaul-map.js"),
    ("longhaul/words", "longhaul-words.js"),
    ("longhaul/words/zh", "longhaul-words-zh.js"),
    ("longhaul/inline/upload", "inline/longhaul-upload.js"),
];
/// What a script has beside it if nothing else is said.
const ELEMENT: &str = "<longhaul-upload endpoint=\"http://127.0.0.1:8080\"></longhaul-upload>\n\
                       <script type=\"module\">import \"longhaul/upload\";</script>";
/// What is uploaded if nothing else is said: two chunks.
const FILM: &str = "film.mp4";
const FILM_BYTES: usize = 9_000_000;

/// Presses the button of the page's download, and tells how it stands. Nobody is there to choose where to.
const DOWNLOAD: &str = r#"
    const element = document.querySelector('longhaul-download');
    const start = element?.shadowRoot?.querySelector('[part=start]');
    if (!start) return 'nowhere';
    if (!element.hasAttribute('no-picker')) {
        element.toggleAttribute('no-picker', true);
        start.click();
    }
    return element.dataset.state;
"#;

/// The browser of a page of the manual, and what the scripts in it come from.
pub(crate) struct Shown<'a> {
    browser: &'a Browser,
    headers: Vec<(String, String)>,
    site: Option<Site>,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(browser: &'a Browser) -> Self {
        Self { browser, headers: Vec::new(), site: None }
    }

    /// The page that is open.
    pub(crate) fn page(&self) -> Page<'a> {
        Page::here(self.browser)
    }

    pub(crate) async fn open(&self, scene: &mut Scene, address: &str) {
        Page::open(self.browser, &scene.real(address)).await;
    }

    /// Has all pages from now on come with these headers, of which there is one a line.
    pub(crate) fn headers(&mut self, scene: &mut Scene, text: &str) {
        assert!(self.site.is_none(), "the headers come after a page");
        let text = scene.real(text);
        let headers = text.lines().filter_map(|line| line.split_once(": "));
        self.headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    }

    /// Shows a page, and has it carry a file.
    pub(crate) async fn html(&mut self, scene: &mut Scene, html: &str, setting: &Setting) {
        scene.is_served().await;
        let html = scene.real(html);
        self.site(scene).await;
        let path = scene.site().join("index.html");
        fs::write(path, whole(&html)).unwrap();
        self.carries(scene, "", &html, setting).await;
    }

    /// A script on a page.
    pub(crate) async fn script(&mut self, scene: &mut Scene, script: &str, setting: &Setting) {
        let beside = setting.with.as_deref().unwrap_or(ELEMENT);
        let html = format!("{beside}\n<script type=\"module\">\n{script}\n</script>");
        self.html(scene, &html, setting).await;
    }

    /// What a bundler has made, of a text that is in it.
    pub(crate) async fn built(
        &mut self,
        scene: &mut Scene,
        folder: &Path,
        text: &str,
        setting: &Setting,
    ) {
        scene.is_served().await;
        self.site(scene).await;
        let there = scene.site().join("built");
        let _ = fs::remove_file(&there);
        symlink(folder, there).unwrap();
        self.carries(scene, "built/index.html", text, setting).await;
    }

    async fn site(&mut self, scene: &mut Scene) {
        let folder = scene.site();
        if self.site.is_none() {
            unpack_into(&folder.join("node_modules"));
            symlink(artefacts::dist(), folder.join("longhaul")).unwrap();
            let addr: SocketAddr = (Ipv4Addr::LOCALHOST, scene.port("5173")).into();
            let headers = self.headers.iter().map(|(name, value)| (&**name, &**value));
            let headers: Vec<_> = headers.collect();
            self.site = Some(Site::start_at(addr, &folder, &headers, None).await);
        }
        // What the page's own server answers to it.
        for name in fs::read_dir(scene.cwd()).unwrap().flatten() {
            let _ = symlink(name.path(), folder.join(name.file_name()));
        }
    }

    /// Opens a page and gives it a file, or takes one from it.
    async fn carries(&self, scene: &mut Scene, path: &str, text: &str, setting: &Setting) {
        let before = self.browser.console().all().len();
        let address = format!("http://localhost:5173/{path}");
        if text.contains("<longhaul-upload") || text.contains("<LonghaulUpload") {
            self.open(scene, &address).await;
            self.pick(scene, setting.picks.as_deref().unwrap_or(FILM)).await;
            self.page().comes_to(&["done"], UPLOAD).await;
        } else if text.contains("<longhaul-download") {
            self.browser.open(&scene.real(&address)).await;
            wait::until("the file is there", UPLOAD, async || {
                let state = self.browser.run(DOWNLOAD, &[]).await;
                assert_ne!(state, json!("failed"));
                (state == json!("done")).then_some(())
            })
            .await;
        } else {
            self.browser.open(&scene.real(&address)).await;
            self.takes_a_file(scene).await;
        }
        self.says_what_it_would(text, before).await;
    }

    /// Picks a file, or a folder, of the scene's.
    pub(crate) async fn pick(&self, scene: &Scene, name: &str) {
        let path = scene.cwd().join(name);
        if name == FILM && !path.exists() {
            fs::write(&path, vec![7; FILM_BYTES]).unwrap();
        }
        match name.strip_suffix('/') {
            Some(_) => self.page().pick_folder(&path).await,
            None => self.page().pick(&path).await,
        }
    }

    /// What has no element of ours, but an input.
    async fn takes_a_file(&self, scene: &mut Scene) {
        let server: SocketAddr = (Ipv4Addr::LOCALHOST, scene.port("8080")).into();
        let before = Api::new(server).files().await.len();
        let path = scene.cwd().join(FILM);
        fs::write(&path, vec![8; FILM_BYTES]).unwrap();
        let client = self.browser.client();
        let input = client.find(Css("input[type=file]")).await.expect("an input");
        // Whoever listens to it does so once the client is loaded.
        wait::until("the file is taken", UPLOAD, async || {
            input.send_keys(path.to_str().unwrap()).await.unwrap();
            (Api::new(server).files().await.len() > before).then_some(())
        })
        .await;
    }

    /// What a snippet writes to the console is there, and nothing that the browser complains of.
    async fn says_what_it_would(&self, text: &str, before: usize) {
        let said = || self.browser.console().all().split_off(before);
        for (_, words) in
            text.match_indices("console.log(\"").map(|(at, it)| text[at + it.len()..].split_at(0))
        {
            let words = words.split('"').next().unwrap();
            wait::until(&format!("the page says {words}"), SOON, async || {
                said().iter().any(|line| line.contains(words)).then_some(())
            })
            .await;
        }
        let complaints = said().into_iter().filter(|line| {
            line.contains("CONSOLE") && (line.contains("Uncaught") || line.contains("violates"))
        });
        assert_eq!(complaints.collect::<Vec<_>>(), Vec::<String>::new());
    }
}

/// A page around what the manual shows of one.
fn whole(html: &str) -> String {
    let mut page =
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Longhaul</title>\n".to_owned();
    let is_bare = ["from \"longhaul", "import \"longhaul"].iter().any(|it| html.contains(it));
    if is_bare && !html.contains("importmap") {
        let imports =
            IMPORTS.iter().map(|(name, file)| (*name, format!("/node_modules/longhaul/{file}")));
        let imports: serde_json::Map<_, _> =
            imports.map(|(name, file)| (name.to_owned(), json!(file))).collect();
        writeln!(page, "<script type=\"importmap\">{}</script>", json!({ "imports": imports }))
            .unwrap();
    }
    // Not around one that is whole.
    if html.trim_start().starts_with("<!doctype html>") { html.to_owned() } else { page + html }
}
