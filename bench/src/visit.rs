//! One upload from a page in a browser, on a server, a store and a profile of its own: what took how
//! long, and whose processor time it took.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use longhaul_tests::authority::{Authority, Certified};

use crate::benches::Setup;
use crate::browser::{Cpu, Outcome, Tab};
use crate::calm::{self, Busy};
use crate::disk;
use crate::encrypted::{self, Version};
use crate::error::{Result, io};
use crate::link::{self, Link};
use crate::measure::{Entrant, Series, Turn, values};
use crate::peers::longhaul::Longhaul;
use crate::peers::node_tus::NodeTus;
use crate::process::Server;
use crate::report::{Report, Table, median_and_ends};

/// From the pick to the end of the last upload, as the page is told it, seconds.
pub const TIME: &str = "time";
/// The longest task on the page's thread, seconds; 0 if none took 50 ms.
pub const LONGEST_TASK: &str = "longest task";
/// Tasks of 50 ms and more.
pub const LONG_TASKS: &str = "long tasks";
/// How long the browser was busy on the page's thread before the page heard of the pick, seconds; 0 if
/// no 50 ms.
pub const PICK_TASK: &str = "pick task";
/// Processor time until the end, seconds.
pub const CPU: [(&str, &str); 6] = [
    ("page cpu", "page's thread"),
    ("workers cpu", "its workers"),
    ("beside cpu", "its process beside"),
    ("network cpu", "network process"),
    ("rest cpu", "other processes"),
    ("server cpu", "server"),
];
/// The share of the machine's processors that neither of them used and that was not idle.
pub const OTHERS: &str = "others";

/// What all visitors send, and by what.
#[derive(Debug)]
pub struct Field {
    /// What is picked, all at once.
    pub files: Vec<PathBuf>,
    /// How long an upload may take.
    pub within: Duration,
    /// The way to the server, if it is not loopback.
    pub link: Option<Link>,
    longhaul: PathBuf,
    www: PathBuf,
    tus: PathBuf,
    dir: PathBuf,
    patience: Duration,
    authority: Authority,
}

/// Which server a page sends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Ours.
    Longhaul,
    /// Ours, through TLS.
    Encrypted(Version),
    /// The Node tus server.
    NodeTus,
}

/// A page that takes part.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// What a table calls it.
    pub name: &'static str,
    /// A page of `bench/peers/pages` and its settings.
    pub page: &'static str,
    /// Which server it sends to.
    pub to: To,
    /// What it sends.
    pub field: &'a Field,
}

impl Field {
    /// Fetches the peers and lays the pages beside our site.
    ///
    /// # Errors
    /// [`crate::error::Error`].
    pub fn new(setup: &Setup, files: Vec<PathBuf>, within: Duration) -> Result<Self> {
        Ok(Self {
            files,
            within,
            link: None,
            longhaul: setup.longhaul.clone(),
            www: site(setup)?,
            tus: NodeTus::obtain(&setup.packages, &setup.kept)?,
            dir: setup.dir.clone(),
            patience: setup.patience,
            authority: Authority::new(),
        })
    }

    /// What takes part, in what version: our server, that of Node, the browser, and a package.
    ///
    /// # Errors
    /// [`crate::error::Error::Command`].
    pub fn versions(&self, package: &str) -> Result<String> {
        let versions = [
            Longhaul::version(&self.longhaul)?,
            format!("{package} {}", NodeTus::package_version(&self.tus, package)?),
            NodeTus::version(&self.tus)?,
            Tab::version()?,
        ];
        Ok(versions.join(", "))
    }

    fn start_longhaul(&self, tls: Option<(&Certified, Version)>) -> Result<Longhaul> {
        let dir = self.dir.join("longhaul");
        disk::fresh_dir(&dir)?;
        let mut command = self.at_server(&self.longhaul);
        command.args(["--listen", &format!("{}:0", self.address()), "--log", "warn", "--www"]);
        command.arg(&self.www);
        if let Some((certified, version)) = tls {
            encrypted::encrypt(&mut command, certified, version);
        }
        if self.link.is_some() {
            command.arg("--allow-anonymous").args(["--host-name", &self.address().to_string()]);
        }
        Longhaul::go_on_by(&mut command, &dir)
    }

    fn start_tus(&self) -> Result<NodeTus> {
        NodeTus::start_by(self.at_server("node"), &self.tus, &self.dir.join("tus"), self.address())
    }

    fn at_server(&self, program: impl AsRef<OsStr>) -> Command {
        self.link.as_ref().map_or_else(|| Command::new(&program), |link| link.at_server(&program))
    }

    fn address(&self) -> Ipv4Addr {
        self.link.as_ref().map_or(Ipv4Addr::LOCALHOST, |_| link::SERVER)
    }

    /// The way from the pick to the end, on a settled disk and a calm machine.
    fn send(&self, visit: &Visit<'_>, server: &Server, tls: Option<&Certified>) -> Result<Turn> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let page = format!("{scheme}://{}/{}", server.address(), visit.page);
        let tab = Tab::open(&page, tls.map(|certified| &*certified.pin))?;
        disk::settle(&self.dir)?;
        calm::wait(self.patience)?;
        let (server_before, before, machine) = (server.cpu_seconds()?, tab.cpu(), Busy::now()?);
        tab.pick(&self.files.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        let outcome = tab.outcome(visit.name, self.within)?;
        let cpu = tab.cpu().since(&before);
        let server = server.cpu_seconds()? - server_before;
        let others = Busy::now()?.since(machine).less(server + cpu.all()).share();
        tab.close();
        Ok(turn(&outcome, cpu, server, others))
    }
}

impl Entrant for Visit<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn turn(&mut self) -> Result<Turn> {
        match self.to {
            To::Longhaul => {
                let longhaul = self.field.start_longhaul(None)?;
                self.field.send(self, longhaul.server(), None)
            }
            To::Encrypted(version) => {
                let certified = self.field.authority.certify("server");
                let longhaul = self.field.start_longhaul(Some((&certified, version)))?;
                self.field.send(self, longhaul.server(), Some(&certified))
            }
            To::NodeTus => {
                let tus = self.field.start_tus()?;
                self.field.send(self, tus.server(), None)
            }
        }
    }
}

fn turn(outcome: &Outcome, cpu: Cpu, server: f64, others: f64) -> Turn {
    let cpu = [cpu.page, cpu.workers, cpu.beside, cpu.network, cpu.rest, server];
    let mut turn = Turn::from([
        (TIME, outcome.ms / 1e3),
        (LONGEST_TASK, outcome.longest_task_ms / 1e3),
        (LONG_TASKS, outcome.long_tasks),
        (PICK_TASK, outcome.pick_task_ms / 1e3),
        (OTHERS, others),
    ]);
    turn.extend(CPU.iter().zip(cpu).map(|((metric, _), seconds)| (*metric, seconds)));
    turn
}

/// The built site with the bench's pages in it.
fn site(setup: &Setup) -> Result<PathBuf> {
    let www = setup.dir.join("www");
    disk::fresh_dir(&www)?;
    for folder in [setup.site.clone(), setup.packages.join("pages")] {
        let entries = fs::read_dir(&folder).map_err(io(format!("listing {}", folder.display())))?;
        let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
        files.into_iter().try_for_each(|path| copy(&path, &www))?;
    }
    Ok(www)
}

fn copy(path: &Path, folder: &Path) -> Result<()> {
    let to = folder.join(path.file_name().unwrap_or_default());
    fs::copy(path, to).map(drop).map_err(io(format!("copying {}", path.display())))
}

/// Adds the table of what each of them cost, in seconds of a processor's time for `unit`, of which
/// `units` were sent; before that comes the column of `speed`, made of the seconds of a turn.
pub fn costs(
    report: &mut Report,
    series: &Series,
    names: &[&'static str],
    units: f64,
    (unit, speed): (&str, (&str, &dyn Fn(f64) -> f64)),
) {
    let heads = CPU.iter().map(|(_, head)| *head);
    let first = format!("page's thread, core-s/{unit}");
    let columns = ["", speed.0, &first].into_iter().chain(heads.skip(1));
    let columns: Vec<_> = columns.chain(["others, % of all cores"]).collect();
    let mut table = Table::new(&columns);
    for &name in names.iter().filter(|name| series.contains_key(*name)) {
        let of = |metric, convert: &dyn Fn(f64) -> f64| -> Vec<f64> {
            values(series, name, metric).into_iter().map(convert).collect()
        };
        let mut row = vec![name.to_owned(), median_and_ends(&of(TIME, speed.1), 0)];
        report.record(name, TIME, "s", values(series, name, TIME));
        for (metric, _) in CPU {
            report.record(name, metric, "s", values(series, name, metric));
            row.push(median_and_ends(&of(metric, &|seconds| seconds / units), 2));
        }
        row.push(median_and_ends(&of(OTHERS, &|share| share * 1e2), 0));
        table.row(row);
    }
    report.table(&table);
}
