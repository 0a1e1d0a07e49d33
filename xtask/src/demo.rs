//! `cargo xtask demo`: one command from a fresh clone to a page that uploads, and whose network can be broken.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::error::Error;
use crate::run::{heading, line, run};
use crate::wasm::{self, at, changed, cleared, copy, files};
use crate::workspace::{cargo, dist, proxy, server, target};

/// Where people go: the network between the page and the server. Loopback only, as the demo lets anybody upload who can
/// reach it.
const LISTEN: &str = "127.0.0.1:8080";
/// Where the server is behind it.
const UPSTREAM: &str = "127.0.0.1:8081";
/// Where the page breaks it.
const CONTROL: &str = "127.0.0.1:8082";

/// What tells the page that it can.
const NO_NETWORK: &str = "<meta name=\"longhaul-network\" content=\"\">";

/// Builds everything and serves until interrupted. Ctrl-c reaches the server and the network too, which are in our
/// process group.
pub(crate) fn run_demo() -> Result<(), Error> {
    heading("client");
    wasm::build(&wasm::Options::default())?;
    heading("server, and a network to break");
    run(&mut cargo(["build", "--release", "-p", "longhaul-server", "-p", "longhaul-proxy"]))?;
    let site = site()?;
    let _network = network()?;
    heading(&format!("open http://{LISTEN}/ and pick a file; ctrl-c stops the server"));
    run(Command::new(server())
        .arg("--data")
        .arg(target().join("demo-data"))
        .arg("--www")
        .arg(site)
        .args(["--listen", UPSTREAM]))
}

/// The site, with a page that knows where its network is broken.
fn site() -> Result<PathBuf, Error> {
    let site = cleared(target().join("demo-site"))?;
    fs::create_dir_all(&site).map_err(at(&site))?;
    files(&dist())?.iter().try_for_each(|file| copy(file, &site))?;
    let page = site.join("index.html");
    let text = fs::read_to_string(&page).map_err(at(&page))?;
    let with = NO_NETWORK.replace("\"\"", &format!("\"http://{CONTROL}\""));
    fs::write(&page, changed(&text, NO_NETWORK, &with, &page)?).map_err(at(&page))?;
    Ok(site)
}

/// A process that is killed when it is dropped: the server may not have started.
struct Network {
    child: Child,
    /// It would end if what it prints had nowhere to go.
    _said: BufReader<ChildStdout>,
}

impl Drop for Network {
    fn drop(&mut self) {
        // It has ended already if ctrl-c reached it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One that listens: where something else has its address, it says so and ends.
fn network() -> Result<Network, Error> {
    let mut command = Command::new(proxy());
    command.args(["--listen", LISTEN, "--upstream", UPSTREAM, "--control", CONTROL]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let spawned = command.spawn();
    let mut child = spawned.map_err(|source| Error::Start { command: line(&command), source })?;
    let said = child.stdout.take().map(BufReader::new).and_then(listens);
    if let Some(said) = said {
        return Ok(Network { child, _said: said });
    }
    let status = child.wait().map_err(|source| Error::Start { command: line(&command), source })?;
    Err(Error::Failed { command: line(&command), status })
}

/// It says so by its first line.
fn listens(mut said: BufReader<ChildStdout>) -> Option<BufReader<ChildStdout>> {
    said.read_line(&mut String::new()).is_ok_and(|count| count > 0).then_some(said)
}
