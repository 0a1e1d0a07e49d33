//! A page of ours or of a peer's in a Chromium of its own, and what its processes take.
//!
//! The pages are in `bench/peers/pages`: each has a file picker and tells what became of what was
//! picked (`record.js`). The browser is the tests' own, which asks DevTools for nothing: with its
//! Network domain on, Chromium copies every body.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fantoccini::Locator;
use fantoccini::actions::{InputSource, MouseActions, PointerAction};
use longhaul_tests::browser::{Browser, Engine, Setup};
use longhaul_tests::process::descendants;
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::error::{Error, Result, io};
use crate::process;

/// How long a page may take to load.
const LOADED: Duration = Duration::from_secs(30);
/// How often a page is asked: seldom enough to cost next to nothing.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// How long a person has a dialog open at least.
const DIALOG: Duration = Duration::from_secs(1);

/// The picker of a page.
const INPUT: Locator<'static> = Locator::Css("input[type=file]");

/// A browser with one page.
#[derive(Debug)]
pub struct Tab {
    // Dropped before the runtime that it lives on.
    browser: Browser,
    runtime: Runtime,
}

/// What became of what was picked.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// From the pick to the end of the last upload, milliseconds.
    #[serde(default)]
    pub ms: f64,
    /// The longest task on the page's own thread meanwhile that took 50 ms or longer, milliseconds;
    /// 0 if there was none.
    #[serde(default)]
    pub longest_task_ms: f64,
    /// How many tasks took that long.
    #[serde(default)]
    pub long_tasks: f64,
    /// How long the browser was busy on that thread before the page heard of the pick, milliseconds; 0 if
    /// all of that took less than 50 ms.
    #[serde(default)]
    pub pick_task_ms: f64,
    error: Option<String>,
}

/// The processor time of a browser, seconds, by who used it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// The thread of the page itself.
    pub page: f64,
    /// Its workers.
    pub workers: f64,
    /// What else its process does: hashing, passing bytes on, drawing.
    pub beside: f64,
    /// The process that talks to the network.
    pub network: f64,
    /// All other processes; the one that reads files is among them.
    pub rest: f64,
}

/// The same of each thread, by its id.
#[derive(Clone, Debug)]
pub struct CpuByThread(BTreeMap<i32, (Kind, f64)>);

#[derive(Clone, Copy, Debug)]
enum Kind {
    Page,
    Worker,
    Beside,
    Network,
    Rest,
}

impl Tab {
    /// Starts a browser and loads the page; a server that encrypts is trusted by its pin.
    ///
    /// # Errors
    /// [`Error::Page`], [`Error::Io`].
    pub fn open(url: &str, pin: Option<&str>) -> Result<Self> {
        let runtime = Runtime::new().map_err(io("starting a runtime for the browser"))?;
        let setup = pin.map_or_else(Setup::default, Setup::trusting);
        let browser = runtime.block_on(Browser::start_with(Engine::Chromium, &setup));
        runtime.block_on(browser.open(url));
        let tab = Self { browser, runtime };
        let since = Instant::now();
        while tab.run("return window.ready === true") != Value::Bool(true) {
            if since.elapsed() > LOADED {
                return Err(failed(url, "the page does not come up"));
            }
            thread::sleep(ASK_EVERY);
        }
        Ok(tab)
    }

    /// What the browser calls itself.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn version() -> Result<String> {
        let told = process::output(Command::new("chromium").arg("--version"))?;
        Ok(told.split(" built").next().unwrap_or_default().to_owned())
    }

    /// Picks files, after the pointer was moved there, as a person's would be.
    ///
    /// # Errors
    /// [`Error::Page`].
    pub fn pick(&self, files: &[&Path]) -> Result<()> {
        let paths: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        let picked = self.runtime.block_on(async {
            let client = self.browser.client();
            let input = match client.find(Locator::Css("longhaul-upload")).await {
                Ok(element) => element.shadow_root().await?.find(INPUT).await?,
                Err(_) => client.find(INPUT).await?,
            };
            let there = PointerAction::MoveToElement {
                element: input.clone(),
                duration: None,
                x: 0.0,
                y: 0.0,
            };
            client.perform_actions(MouseActions::new("hand".to_owned()).then(there)).await?;
            tokio::time::sleep(DIALOG).await;
            input.send_keys(&paths.join("\n")).await
        });
        picked.map_err(|error| failed("the pick", error.to_string()))
    }

    /// Waits for the end of what was picked.
    ///
    /// # Errors
    /// [`Error::Page`].
    pub fn outcome(&self, who: &str, within: Duration) -> Result<Outcome> {
        let since = Instant::now();
        while since.elapsed() < within {
            let told = self.run("return window.outcome ?? null");
            if !told.is_null() {
                let outcome: Outcome =
                    serde_json::from_value(told).map_err(|error| failed(who, error.to_string()))?;
                return match outcome.error {
                    Some(error) => Err(failed(who, error)),
                    None => Ok(outcome),
                };
            }
            thread::sleep(ASK_EVERY);
        }
        Err(failed(who, format!("it is not over after {within:?}")))
    }

    /// The processor time that the browser's threads have used so far; of those that have ended
    /// nothing is known.
    #[must_use]
    pub fn cpu(&self) -> CpuByThread {
        let mut all = BTreeMap::new();
        for pid in descendants(self.browser.driver_pid()) {
            let process = command_line(pid);
            for thread in process::threads_of(pid) {
                let kind = kind(&process, thread.id == pid, &thread.name);
                all.insert(thread.id, (kind, thread.cpu_seconds));
            }
        }
        CpuByThread(all)
    }

    /// Ends the browser.
    pub fn close(self) {
        self.runtime.block_on(self.browser.close());
    }

    fn run(&self, script: &str) -> Value {
        self.runtime.block_on(self.browser.run(script, &[]))
    }
}

impl CpuByThread {
    /// What was used since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Cpu {
        let mut cpu = Cpu::default();
        for (id, (kind, seconds)) in &self.0 {
            let used = seconds - earlier.0.get(id).map_or(0.0, |(_, seconds)| *seconds);
            *match kind {
                Kind::Page => &mut cpu.page,
                Kind::Worker => &mut cpu.workers,
                Kind::Beside => &mut cpu.beside,
                Kind::Network => &mut cpu.network,
                Kind::Rest => &mut cpu.rest,
            } += used;
        }
        cpu
    }
}

impl Cpu {
    /// All of it.
    #[must_use]
    pub fn all(self) -> f64 {
        self.page + self.workers + self.beside + self.network + self.rest
    }
}

fn command_line(pid: i32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).into_owned()
}

fn kind(process: &str, is_main: bool, thread: &str) -> Kind {
    match (process.contains("--type=renderer"), is_main) {
        (true, true) => Kind::Page,
        (true, false) if thread.starts_with("DedicatedWorker") => Kind::Worker,
        (true, false) => Kind::Beside,
        (false, _) if process.contains("network.mojom.NetworkService") => Kind::Network,
        (false, _) => Kind::Rest,
    }
}

fn failed(who: &str, reason: impl Into<String>) -> Error {
    Error::Page { who: who.to_owned(), reason: reason.into() }
}
