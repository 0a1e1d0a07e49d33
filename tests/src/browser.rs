//! A browser of its own for each test, driven over WebDriver.
//!
//! Nothing here turns on DevTools' Network domain: with it, Chromium copies every request body and
//! an 8 MiB chunk takes a second. Console messages come by the browser's own output instead (WebKit
//! keeps them to itself).

use std::fs;
use std::path::Path;
use std::time::Duration;

use fantoccini::error::NewSessionError;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tokio::process::Command;

use crate::artefacts;
use crate::files::Folder;
use crate::memory::Memory;
use crate::process::{Lines, Process};
use crate::screen::Screen;
use crate::server::free_port;
use crate::small_disk::SmallDisk;

/// How long a driver, a display or a browser may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);
/// The size of the window, so that screenshots compare.
const WINDOW: (u32, u32) = (1100, 800);
/// The size of a screen on which a dialog finds room too.
const SCREEN: (u32, u32) = (1400, 1000);

/// An engine that the page has to work in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Chromium, by chromedriver.
    Chromium,
    /// Firefox, by geckodriver.
    Firefox,
    /// WebKitGTK's MiniBrowser, by WebKitWebDriver, on a display of its own.
    WebKit,
}

impl Engine {
    /// Those to test in: `LONGHAUL_ENGINES`, a list like `chromium,firefox,webkit`; Chromium alone
    /// if it is not set.
    ///
    /// # Panics
    /// When it names another.
    #[must_use]
    pub fn wanted() -> Vec<Self> {
        let wanted = std::env::var("LONGHAUL_ENGINES").unwrap_or_else(|_| "chromium".to_owned());
        wanted.split(',').map(|name| Self::named(name.trim())).collect()
    }

    fn named(name: &str) -> Self {
        match name {
            "chromium" => Self::Chromium,
            "firefox" => Self::Firefox,
            "webkit" => Self::WebKit,
            _ => panic!("LONGHAUL_ENGINES: `{name}` is none of chromium, firefox, webkit"),
        }
    }

    fn driver(self, profile: &Path, screen: Option<&Screen>) -> Command {
        let program = match self {
            Self::Chromium => "chromedriver",
            Self::Firefox => "geckodriver",
            Self::WebKit => "WebKitWebDriver",
        };
        let mut command = Command::new(program);
        match self {
            // Its own choice of a port, which it tells.
            Self::Chromium => command.args(["--port=0", "--enable-chrome-logs"]),
            // Where the profile comes to lie.
            Self::Firefox => command.arg("--port=0").env("HOME", profile).env("TMPDIR", profile),
            Self::WebKit => command
                .arg(format!("--port={}", free_port()))
                .env_remove("WEBKIT_DISABLE_COMPOSITING_MODE"),
        };
        if let Some(screen) = screen {
            // What its dialogs remember is the profile's too.
            command.env("DISPLAY", screen.display()).env("HOME", profile);
        }
        command
    }

    fn capabilities(self, profile: &Path, setup: &Setup) -> Capabilities {
        let capabilities = match self {
            Self::Chromium => json!({
                "goog:chromeOptions": { "args": chromium_args(profile, setup) },
            }),
            Self::Firefox => json!({ "moz:firefoxOptions": {
                "args": ["-headless"],
                "prefs": firefox_prefs(setup),
            } }),
            Self::WebKit => json!({ "webkitgtk:browserOptions": {
                "binary": "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser",
                "args": ["--automation"],
            } }),
        };
        serde_json::from_value(capabilities).expect("an object")
    }
}

/// What a browser is to be beyond what most tests need.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// Chromium draws on a screen of its own, so that it opens dialogs; else it has none. WebKit has
    /// one anyway.
    pub on_screen: bool,
    /// Firefox's preferences that are numbers.
    pub prefs: &'static [(&'static str, u64)],
    /// All that it keeps lies on a disk of its own, of so many bytes.
    pub disk_bytes: Option<u64>,
    /// Chromium's further arguments.
    pub chromium_args: &'static [&'static str],
}

impl Setup {
    /// A Chromium that trusts servers with this one public key ([`crate::authority::Certified`]).
    #[must_use]
    pub fn trusting(pin: &str) -> Self {
        let trust = format!("--ignore-certificate-errors-spki-list={pin}");
        Self { chromium_args: Vec::leak(vec![&*String::leak(trust)]), ..Self::default() }
    }
}

fn firefox_prefs(setup: &Setup) -> Map<String, Value> {
    let console = ("devtools.console.stdout.content".to_owned(), json!(true));
    let more = setup.prefs.iter().map(|(name, number)| ((*name).to_owned(), json!(number)));
    more.chain([console]).collect()
}

fn chromium_args(profile: &Path, setup: &Setup) -> Vec<String> {
    let args = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        // A page that asks how much memory it takes is answered at once, not after 20 s.
        "--enable-blink-features=ForceEagerMeasureMemory",
    ];
    let own = [
        format!("--user-data-dir={}", profile.display()),
        format!("--window-size={},{}", WINDOW.0, WINDOW.1),
    ];
    let headless = (!setup.on_screen).then(|| "--headless".to_owned());
    let more = setup.chromium_args.iter().map(|arg| (*arg).to_owned());
    args.map(str::to_owned).into_iter().chain(own).chain(headless).chain(more).collect()
}

/// One browser with an empty profile; it ends with its driver when it is dropped.
#[derive(Debug)]
pub struct Browser {
    engine: Engine,
    client: Client,
    driver: Process,
    // Dropped after the processes that use them.
    screen: Option<Screen>,
    disk: Option<SmallDisk>,
    profile: Folder,
}

/// How often a driver is started. Chromium's takes a free port of IPv4 and then wants the same one of
/// IPv6; where another program has that, it ends.
const DRIVER_TRIES: usize = 5;

/// A driver, and the port it listens on.
async fn start_driver(engine: Engine, profile: &Path, screen: Option<&Screen>) -> (Process, u16) {
    for _ in 0..DRIVER_TRIES {
        let mut command = engine.driver(profile, screen);
        let port = command.as_std().get_args().filter_map(|arg| port_in(arg.to_str()?)).next();
        let mut driver = Process::start("the WebDriver", &mut command);
        let said = match port {
            Some(port) if port != 0 => Ok(port),
            _ => driver.said_or_ended(0, START, port_said).await,
        };
        match said {
            Ok(port) => return (driver, port),
            Err(status) => eprintln!("the WebDriver ended: {status}; it is started again"),
        }
    }
    panic!("the WebDriver of {engine:?} does not start, {DRIVER_TRIES} times in a row")
}

/// Runs a test in every engine that is wanted, one after the other.
pub async fn in_every_engine(test: impl AsyncFn(&Browser)) {
    for engine in Engine::wanted() {
        eprintln!("in {engine:?}");
        let browser = Browser::start(engine).await;
        test(&browser).await;
        browser.close().await;
    }
}

impl Browser {
    /// Starts a driver and a browser.
    ///
    /// # Panics
    /// When one of them does not start; the message names what has to be installed.
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, &Setup::default()).await
    }

    /// The same, with what the test needs.
    ///
    /// # Panics
    /// When one of them does not start; the message names what has to be installed.
    pub async fn start_with(engine: Engine, setup: &Setup) -> Self {
        let profile = Folder::new();
        let disk = setup.disk_bytes.map(|bytes| SmallDisk::mount_on(profile.path(), bytes));
        let screen = match engine == Engine::WebKit || setup.on_screen {
            true => Some(Screen::start(SCREEN).await),
            false => None,
        };
        let (driver, port) = start_driver(engine, profile.path(), screen.as_ref()).await;
        let client = connect(engine.capabilities(profile.path(), setup), port).await;
        let client = client.unwrap_or_else(|error| {
            panic!("{engine:?} does not start (is it installed with its driver?): {error}")
        });
        client.set_window_size(WINDOW.0, WINDOW.1).await.expect("a window of that size");
        Self { engine, client, driver, screen, disk, profile }
    }

    /// Which engine it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// What WebDriver can do beyond what this type does.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The screen it draws on.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn screen(&self) -> &Screen {
        self.screen.as_ref().expect("a browser that was started on a screen")
    }

    /// The disk on which lies what it keeps.
    ///
    /// # Panics
    /// When it has none of its own.
    #[must_use]
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("a browser that was started on a disk of its own")
    }

    /// Goes to an address, and waits until it is loaded.
    ///
    /// # Panics
    /// When it is not.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Runs a function body in the page and returns what it returns.
    ///
    /// # Panics
    /// When it throws.
    pub async fn run(&self, script: &str, args: &[Value]) -> Value {
        let result = self.client.execute(script, args.to_vec()).await;
        result.unwrap_or_else(|error| panic!("{error}\nin {script}"))
    }

    /// Runs the body of an async function in the page and returns what it resolves to.
    ///
    /// # Panics
    /// When it throws, or takes longer than the driver waits for a script.
    pub async fn run_async(&self, script: &str, args: &[Value]) -> Value {
        let wrapped = format!(
            "const done = arguments[arguments.length - 1];
             (async (...args) => {{ {script} }})(...arguments)
                 .then(value => done({{ value }}), error => done({{ error: String(error) }}));"
        );
        let result = self.client.execute_async(&wrapped, args.to_vec()).await;
        let result = result.unwrap_or_else(|error| panic!("{error}\nin {script}"));
        assert_eq!(result["error"], Value::Null, "in {script}");
        result["value"].clone()
    }

    /// The process id of its driver, whose descendants the browser's processes are.
    #[must_use]
    pub fn driver_pid(&self) -> i32 {
        self.driver.pid()
    }

    /// The home folder of its processes, where it has one of its own: Firefox, and what has a screen.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.profile.path()
    }

    /// Has Chromium's DevTools do something.
    ///
    /// # Panics
    /// When it cannot, or is another engine.
    pub async fn devtools(&self, method: &'static str, params: Value) -> Value {
        let answer = self.client.issue_cmd(DevTools { method, params }).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The memory that its processes take now.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory::of_browser(self.driver.pid())
    }

    /// What the driver and the browser have said, the page's console messages among it.
    #[must_use]
    pub fn console(&self) -> &Lines {
        self.driver.lines()
    }

    /// Saves what the window shows as `target/screenshots/<name>.png`.
    ///
    /// # Panics
    /// When it cannot.
    pub async fn screenshot(&self, name: &str) {
        let png = self.client.screenshot().await.expect("a screenshot");
        let folder = artefacts::target().join("screenshots");
        fs::create_dir_all(&folder).expect("a folder for screenshots");
        fs::write(folder.join(format!("{name}.png")), png).expect("the screenshot to be saved");
    }

    /// Ends it in good order.
    pub async fn close(self) {
        // Its processes are killed anyway.
        let _ = self.client.clone().close().await;
    }
}

/// A command that only chromedriver has.
#[derive(Debug)]
struct DevTools {
    method: &'static str,
    params: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(
        &self,
        base_url: &url::Url,
        session_id: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base_url.join(&format!("session/{}/goog/cdp/execute", session_id.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        let body = json!({ "cmd": self.method, "params": self.params });
        (http::Method::POST, Some(body.to_string()))
    }
}

async fn connect(capabilities: Capabilities, port: u16) -> Result<Client, NewSessionError> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(START));
    let mut builder = ClientBuilder::new(connector);
    builder.capabilities(capabilities);
    let url = format!("http://127.0.0.1:{port}");
    let client = crate::wait::until("a WebDriver that answers", START, async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        Some(builder.connect(&url).await)
    });
    client.await
}

/// The port in an argument `--port=<number>`.
fn port_in(argument: &str) -> Option<u16> {
    argument.strip_prefix("--port=")?.parse().ok()
}

/// The port in what chromedriver and geckodriver say when they listen.
fn port_said(line: &str) -> Option<u16> {
    let by_chromedriver = line.split_once("successfully on port ").map(|(_, rest)| rest);
    let by_geckodriver = line.split_once("Listening on 127.0.0.1:").map(|(_, rest)| rest);
    let number = by_chromedriver.or(by_geckodriver)?;
    number.trim_end_matches('.').trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_what_each_driver_says() {
        assert_eq!(port_said("ChromeDriver was started successfully on port 34567."), Some(34567));
        assert_eq!(
            port_said("1700000\tgeckodriver\tINFO\tListening on 127.0.0.1:4444"),
            Some(4444)
        );
        assert_eq!(port_said("Starting ChromeDriver 1.2.3 on port 0"), None);
    }
}
