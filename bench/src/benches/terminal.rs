//! How fast the terminal's client sends and fetches a file, beside curl and nginx with the same file.
//!
//! Whole programs, from their start to their exit. curl neither hashes nor syncs; what it leaves is
//! synced afterwards for the second figure.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::path;
use longhaul_tests::files::Folder;

use super::{Bench, Setup};
use crate::calm;
use crate::disk;
use crate::error::{Error, Result, io};
use crate::measure::{Entrant, Series, Turn, interleave, speed_ratios, values};
use crate::peers::longhaul::Longhaul;
use crate::peers::nginx::Nginx;
use crate::process;
use crate::report::{Report, Table, median_and_ends};
use crate::warm::Warm;

pub(super) const BENCH: Bench = Bench {
    name: "terminal",
    about: "one file sent and fetched by longhaul, beside curl -T to nginx and curl -o",
    run,
};

/// Rounds of a full run.
const ROUNDS: usize = 5;
/// The file, bytes; and that of a quick run.
const FILE_LEN: u64 = 1 << 30;
const QUICK_FILE_LEN: u64 = 64 << 20;
/// How much memory is made ready for the pages of a file, by the file's length.
const WARM_TIMES: u64 = 3;
const SEED: u64 = 5;

const SEND: &str = "longhaul send";
const PUT: &str = "curl -T to nginx";
const FETCH: &str = "longhaul fetch";
const GET: &str = "curl -o from longhaul";
const GET_NGINX: &str = "curl -o from nginx";
/// Who is beside whom.
const PAIRS: [(&str, &str); 3] = [(SEND, PUT), (FETCH, GET), (FETCH, GET_NGINX)];

/// To the program's exit, seconds; and until the file was synced too.
const DONE: &str = "done";
const DURABLE: &str = "durable";

fn run(setup: &Setup) -> Result<Report> {
    let len = setup.pick(FILE_LEN, QUICK_FILE_LEN);
    disk::check_room(&setup.dir, 6 * len)?;
    let nginx = Nginx::obtain(&setup.kept)?;
    let program = setup.longhaul.with_file_name("longhaul");
    let versions = [
        process::output(Command::new(&program).arg("--version"))?,
        process::output(Command::new("curl").arg("--version"))?,
        Nginx::version(&nginx)?,
    ];
    let folder = Folder::new();
    let source = setup.dir.join("source.bin");
    disk::fresh_dir(&setup.dir)?;
    fs::rename(folder.random("source.bin", len, SEED), &source)
        .or_else(|_| fs::copy(folder.random("source.bin", len, SEED), &source).map(drop))
        .map_err(io("making the file"))?;
    let longhaul = Longhaul::start(&setup.longhaul, &setup.dir.join("longhaul"))?;
    let nginx = Nginx::start(&nginx, &setup.dir.join("nginx"))?;
    let stage = Stage {
        program,
        source,
        target: setup.dir.join("target.bin"),
        dir: setup.dir.clone(),
        ours: format!("http://{}", longhaul.server().address()),
        theirs: format!("http://{}/source.bin", nginx.server().address()),
        put: setup.dir.join("nginx/files/source.bin"),
        longhaul,
        patience: setup.patience,
        _warm: Warm::new(WARM_TIMES * len)?,
    };
    let sent = measured(&stage, setup, &[(SEND, Stage::send), (PUT, Stage::put)])?;
    let file = stage.sent()?;
    stage.curl_put()?;
    let stage = Stage { ours: format!("{}{}", stage.ours, path::file(file)), ..stage };
    let of: [(&'static str, Work); 3] =
        [(FETCH, Stage::fetch), (GET, Stage::get), (GET_NGINX, Stage::get_nginx)];
    let mut series = measured(&stage, setup, &of)?;
    series.extend(sent);
    Ok(report(&series, len, &versions))
}

type Work = fn(&Stage) -> Result<Turn>;

fn measured(stage: &Stage, setup: &Setup, of: &[(&'static str, Work)]) -> Result<Series> {
    let wanted = of.iter().filter(|(name, _)| setup.has(name));
    let mut entrants: Vec<Box<dyn Entrant + '_>> = wanted
        .map(|&(name, work)| -> Box<dyn Entrant> { Box::new(Program { name, work, stage }) })
        .collect();
    interleave(&mut entrants, setup.rounds(ROUNDS))
}

/// What all programs work with.
struct Stage {
    program: PathBuf,
    source: PathBuf,
    target: PathBuf,
    dir: PathBuf,
    /// Our server, or a file of it.
    ours: String,
    /// A file of nginx.
    theirs: String,
    /// Where that lies.
    put: PathBuf,
    longhaul: Longhaul,
    patience: Duration,
    _warm: Warm,
}

struct Program<'a> {
    name: &'static str,
    work: Work,
    stage: &'a Stage,
}

impl Entrant for Program<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    /// The file that is read lies in memory, for whoever reads it.
    fn turn(&mut self) -> Result<Turn> {
        disk::settle(&self.stage.dir)?;
        calm::wait(self.stage.patience)?;
        (self.work)(self.stage)
    }
}

impl Stage {
    fn send(&self) -> Result<Turn> {
        let since = Instant::now();
        let file = self.sent()?;
        let turn = took(since, None)?;
        self.longhaul.delete(file)?;
        Ok(turn)
    }

    fn sent(&self) -> Result<FileId> {
        let address = self.output([
            OsStr::new("send"),
            self.source.as_ref(),
            "--to".as_ref(),
            self.ours.as_ref(),
        ])?;
        let id = address.rsplit('/').next().and_then(|id| id.parse().ok());
        id.ok_or_else(|| Error::Command { command: "longhaul send".to_owned(), reason: address })
    }

    fn put(&self) -> Result<Turn> {
        let since = Instant::now();
        self.curl_put()?;
        let turn = took(since, Some(&self.put))?;
        fs::remove_file(&self.put).map_err(io("removing what was put"))?;
        Ok(turn)
    }

    fn curl_put(&self) -> Result<()> {
        let mut curl = Command::new("curl");
        curl.args(["-fsS", "-T"]).arg(&self.source).arg(&self.theirs);
        process::output(&mut curl).map(drop)
    }

    fn fetch(&self) -> Result<Turn> {
        let since = Instant::now();
        self.output([
            OsStr::new("fetch"),
            self.ours.as_ref(),
            "-o".as_ref(),
            self.target.as_ref(),
        ])?;
        self.fetched(since)
    }

    fn get(&self) -> Result<Turn> {
        self.curl_get(&self.ours)
    }

    fn get_nginx(&self) -> Result<Turn> {
        self.curl_get(&self.theirs)
    }

    fn curl_get(&self, url: &str) -> Result<Turn> {
        let since = Instant::now();
        process::output(Command::new("curl").args(["-fsS", "-o"]).arg(&self.target).arg(url))?;
        self.fetched(since)
    }

    fn fetched(&self, since: Instant) -> Result<Turn> {
        let turn = took(since, Some(&self.target))?;
        fs::remove_file(&self.target).map_err(io("removing what was fetched"))?;
        Ok(turn)
    }

    fn output<'a>(&self, args: impl IntoIterator<Item = &'a OsStr>) -> Result<String> {
        process::output(Command::new(&self.program).args(args)).map(|out| out.trim().to_owned())
    }
}

/// Whatever the program did not sync itself is synced for the second figure.
fn took(since: Instant, file: Option<&Path>) -> Result<Turn> {
    let done = since.elapsed().as_secs_f64();
    file.map_or(Ok(()), disk::sync_file)?;
    Ok(Turn::from([(DONE, done), (DURABLE, since.elapsed().as_secs_f64())]))
}

fn report(series: &Series, len: u64, versions: &[String]) -> Report {
    let mut report = Report::new(BENCH.name);
    let rounds = series.values().map(Vec::len).max().unwrap_or(0);
    let versions: Vec<_> = versions.iter().filter_map(|version| version.lines().next()).collect();
    report.say(format!(
        "One file of {} MiB, {rounds} interleaved rounds: median (least–greatest). {}.",
        len >> 20,
        versions.join(", ")
    ));
    report.say(
        "Done: from the program's start to its exit. Durable: until the file is synced as well, by the program or after \
         it. `longhaul` hashes every byte and so does its server; what it sends is synced by the server before it is \
         told, what it fetches by itself. curl and nginx do neither. All share the cores; the file that is read lies in \
         memory.",
    );
    let mut table = Table::new(&["", "done, MB/s", "durable, MB/s"]);
    for name in [SEND, PUT, FETCH, GET, GET_NGINX] {
        let rate = |metric| each(&values(series, name, metric), |s| len as f64 / s / 1e6);
        report.record(name, DONE, "s", values(series, name, DONE));
        report.record(name, DURABLE, "s", values(series, name, DURABLE));
        table.row([
            name.to_owned(),
            median_and_ends(&rate(DONE), 0),
            median_and_ends(&rate(DURABLE), 0),
        ]);
    }
    report.table(&table);
    let mut table = Table::new(&["", "beside", "done, times as fast", "durable, times as fast"]);
    for (ours, theirs) in PAIRS {
        let ratio =
            |metric| speed_ratios(&values(series, ours, metric), &values(series, theirs, metric));
        table.row([
            ours.to_owned(),
            theirs.to_owned(),
            median_and_ends(&ratio(DONE), 2),
            median_and_ends(&ratio(DURABLE), 2),
        ]);
    }
    report.table(&table);
    report
}

fn each(values: &[f64], convert: impl Fn(f64) -> f64) -> Vec<f64> {
    values.iter().map(|&value| convert(value)).collect()
}
