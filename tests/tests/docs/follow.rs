//! Follows the pages.

use longhaul_tests::browser::{Browser, Engine};
use longhaul_tests::page::{SOON, UPLOAD};
use serde_json::Value;

use crate::markdown::{Page, What, pages};
use crate::react;
use crate::said::is_shown;
use crate::scene::Scene;
use crate::shown::Shown;
use crate::steps::{Setting, Step};

/// What no test runs here, by page and reason: each has one that is better than none.
const NOT_RUN: [(&str, &str); 12] = [
    ("README.md", "they are what runs this test, and what it ends with"),
    ("README.md", "tests/tests/browser/cross_origin.rs runs trunk beside a server"),
    ("README.md", "tests/tests/browser/demo.rs breaks the network by the same switch"),
    ("docs/benchmarks.md", "it takes an hour, and a machine that does nothing else"),
    ("docs/hooks.md", "tests/tests/hooks/sample.rs runs it and has a server tell it things"),
    (
        "docs/how-to/caddy.md",
        "it needs a Caddy that systemd runs; tests/tests/fronts runs one with this file",
    ),
    (
        "docs/how-to/nginx.md",
        "it needs an nginx that systemd runs; tests/tests/fronts runs one with this file",
    ),
    ("docs/tutorial.md", "the tests are run on what these two have built"),
    (
        "npm/README.md",
        "it is not on the registry for a test; tests/src/projects.rs lays the package there",
    ),
    ("npm/README.md", "the tests are run on what this has built"),
    ("npm/README.md", "tests/tests/npm/bundlers.rs has Vite serve and build such a page"),
    ("npm/README.md", "tests/tests/npm/pages.rs has a page with this"),
];

/// Follows those that `wanted` wants.
async fn follow_all(wanted: impl Fn(&str) -> bool) {
    let browser = Browser::start(Engine::Chromium).await;
    let wanted: Vec<_> = pages().into_iter().filter(|path| wanted(path)).collect();
    assert!(!wanted.is_empty());
    for path in wanted {
        Reader::new(&browser).follow(&Page::read(&path)).await;
    }
    browser.close().await;
}

/// Does what a page says.
struct Reader<'a> {
    scene: Scene,
    shown: Shown<'a>,
    /// What the last commands have printed.
    output: String,
}

impl<'a> Reader<'a> {
    fn new(browser: &'a Browser) -> Self {
        Self { scene: Scene::new(), shown: Shown::new(browser), output: String::new() }
    }

    async fn follow(mut self, page: &Page) {
        let mut setting = Setting::default();
        for item in &page.items {
            match &item.what {
                What::Try(step) => {
                    if let Some(step) = setting.take(step.clone()) {
                        println!("{}:{} {step:?}", page.path, item.line);
                        self.step(step).await;
                    }
                }
                What::Block { language, text } => {
                    println!("{}:{} {language}", page.path, item.line);
                    self.block(language, text, &std::mem::take(&mut setting)).await;
                }
            }
        }
        self.scene.stop().await;
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Run(text) => self.run(&text, true).await,
            Step::Server(text) => self.scene.serve(&text).await,
            Step::Open(address) => self.shown.open(&mut self.scene, &address).await,
            Step::Pick(name) => self.shown.pick(&self.scene, &name).await,
            Step::Reload => self.shown.page().reload().await,
            Step::HasBeen(state) => self.shown.page().has_been(&state, SOON).await,
            Step::ComesTo(state) => self.comes_to(&state).await,
            Step::StopServer => self.scene.stop().await,
            next_block => panic!("{next_block:?} is for a block"),
        }
    }

    async fn comes_to(&mut self, state: &str) {
        self.shown.page().comes_to(&[state], UPLOAD).await;
        let told = self.shown.page().told().await;
        let id = told.iter().rev().find_map(|told| match &told.detail["file"]["id"] {
            Value::String(id) => Some(id.clone()),
            _ => None,
        });
        if let Some(id) = id {
            self.scene.set("FILE_ID", &id);
        }
    }

    async fn run(&mut self, text: &str, is_good: bool) {
        let (output, was_good) = self.scene.run(text).await;
        assert_eq!(was_good, is_good, "{text}\n{output}");
        self.output = output;
    }

    async fn block(&mut self, language: &str, text: &str, setting: &Setting) {
        if setting.not_run.is_some() {
            return;
        }
        if let Some(name) = &setting.save_as {
            let name = self.scene.real(name);
            let path = self.scene.cwd().join(name);
            std::fs::write(path, self.scene.real(text) + "\n").unwrap();
            return;
        }
        match language {
            "sh" if setting.as_server => self.scene.serve(text).await,
            "sh" => self.run(text, !setting.fails).await,
            "text" => {
                let shown = self.scene.real(text);
                assert!(is_shown(&shown, &self.output), "{shown}\nis not\n{}", self.output);
            }
            "html" => self.shown.html(&mut self.scene, text, setting).await,
            "js" => self.shown.script(&mut self.scene, text, setting).await,
            "jsx" | "tsx" => {
                let built = react::built(&self.scene.real(text));
                self.shown.built(&mut self.scene, &built, text, setting).await;
            }
            // Read by TypeScript with all others.
            "ts" => {}
            "http" => self.shown.headers(&mut self.scene, text),
            "toml" => self.config(text).await,
            "json" => drop(serde_json::from_str::<Value>(text).unwrap()),
            "mermaid" => assert!(is_drawing(text), "{text}"),
            _ => panic!("nobody knows how to try `{language}`: it needs a comment"),
        }
    }

    async fn config(&mut self, text: &str) {
        let path = self.scene.cwd().join("checked.toml");
        std::fs::write(path, self.scene.real(text)).unwrap();
        self.run("longhaul-server --config checked.toml --check-config", true).await;
    }
}

fn is_drawing(text: &str) -> bool {
    ["sequenceDiagram", "flowchart ", "stateDiagram-v2"].iter().any(|kind| text.starts_with(kind))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorial_can_be_followed() {
    follow_all(|path| path == "docs/tutorial.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_does_what_it_says() {
    follow_all(|path| path == "README.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_page_of_the_package_does_what_it_says() {
    follow_all(|path| path == "npm/README.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_how_to_gets_there() {
    follow_all(|path| path.starts_with("docs/how-to/")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_page_does_what_it_says() {
    let followed = ["docs/tutorial.md", "README.md", "npm/README.md"];
    follow_all(|path| !followed.contains(&path) && !path.starts_with("docs/how-to/")).await;
}

#[test]
fn what_is_not_run_is_known() {
    let mut found = Vec::new();
    for path in pages() {
        for item in Page::read(&path).items {
            if let What::Try(Step::NotRun(reason)) = item.what {
                println!("{path}:{}: {reason}", item.line);
                found.push((path.clone(), reason));
            }
        }
    }
    let found: Vec<_> = found.iter().map(|(path, reason)| (&**path, &**reason)).collect();
    assert_eq!(found, NOT_RUN);
}
