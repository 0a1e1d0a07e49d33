//! How fast one file is taken in, verified, beside servers that verify nothing.
//!
//! *Received* is to the last chunk's 204, or the answer to the peers' one request; *durable* is to
//! the seal's 201, or until a peer's file was followed by `fdatasync`. All send from the same
//! memory, by the same client code, on a disk that had nothing left to write.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, thread};

use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, LANES_MAX};
use longhaul_protocol::{Digest, Plan};

use super::{Bench, Setup};
use crate::calm::{self, Busy};
use crate::disk;
use crate::error::{Error, Result, io};
use crate::measure::{Entrant, Series, Turn, interleave, speed_ratios, values};
use crate::payload::Payload;
use crate::peers::longhaul::{Job, Longhaul, root_of};
use crate::peers::nginx::Nginx;
use crate::peers::node_tus::NodeTus;
use crate::process::{Server, own_cpu_seconds};
use crate::report::{Report, Table, against_goal, median_and_ends};
use crate::warm::Warm;

pub(super) const BENCH: Bench = Bench {
    name: "ingest",
    about: "one file of 1 GiB, received and durable, beside nginx's PUT and the Node tus server",
    run,
};

/// Rounds of a full run.
const ROUNDS: usize = 7;
/// The file, bytes; and that of a quick run.
const FILE_LEN: u64 = 1 << 30;
const QUICK_FILE_LEN: u64 = 128 << 20;
/// How much memory is made ready for the pages of a file, by the file's length: those, those of the
/// one before that are not free yet, and what the way there takes.
const WARM_TIMES: u64 = 3;
/// What `plain write` hands to the kernel at once, bytes.
const WRITE_LEN: u64 = 1 << 20;

const OURS: &str = "longhaul";
const OURS_HASHING: &str = "longhaul, client hashes too";
const OURS_ONE_LANE: &str = "longhaul, one lane";
const OURS_BEFORE: &str = "longhaul before";
const NGINX: &str = "nginx PUT";
const NGINX_MANY: &str = "nginx PUT, 5 files at once";
const TUS: &str = "Node tus";
const PLAIN: &str = "plain write, no server";
const ENTRANTS: [&str; 8] =
    [OURS, OURS_BEFORE, OURS_HASHING, OURS_ONE_LANE, NGINX, NGINX_MANY, TUS, PLAIN];

/// The times of a turn, seconds since its start.
const RECEIVED: &str = "received";
const DURABLE: &str = "durable";
/// Processor time until it was durable, seconds.
const SERVER_CPU: &str = "server cpu";
const CLIENT_CPU: &str = "client cpu";
/// The share of the machine's processors that neither of them used and that was not idle.
const OTHERS: &str = "others";

/// Whom we want to outdo, in what, how many times.
const GOALS: [(&str, &str, f64); 4] =
    [(NGINX, RECEIVED, 1.2), (TUS, RECEIVED, 1.8), (NGINX, DURABLE, 1.0), (TUS, DURABLE, 1.0)];
/// How much faster than before a change should make us.
const CHANGES: [(&str, &str, f64); 2] = [(OURS_BEFORE, RECEIVED, 1.0), (OURS_BEFORE, DURABLE, 1.0)];

fn run(setup: &Setup) -> Result<Report> {
    let len = setup.pick(FILE_LEN, QUICK_FILE_LEN);
    disk::check_room(&setup.dir, 4 * len)?;
    let nginx = Nginx::obtain(&setup.kept)?;
    let tus = NodeTus::obtain(&setup.packages, &setup.kept)?;
    let versions =
        [Longhaul::version(&setup.longhaul)?, Nginx::version(&nginx)?, NodeTus::version(&tus)?];
    let work = Work::new(setup, len)?;
    let servers = Servers {
        longhaul: Longhaul::start(&setup.longhaul, &setup.dir.join("longhaul"))?,
        before: setup
            .before
            .as_deref()
            .map(|binary| Longhaul::start(binary, &setup.dir.join("before")))
            .transpose()?,
        nginx: Nginx::start(&nginx, &setup.dir.join("nginx"))?,
        tus: NodeTus::start(&tus, &setup.dir.join("tus"))?,
    };
    let mut entrants = entrants(&work, &servers);
    entrants.retain(|entrant| setup.has(entrant.name()));
    let series = interleave(&mut entrants, setup.rounds(ROUNDS))?;
    Ok(report(&series, len, &versions))
}

/// What all send.
struct Work {
    payload: Payload,
    plan: Plan,
    digests: Vec<Digest>,
    dir: PathBuf,
    patience: Duration,
    _warm: Warm,
}

impl Work {
    fn new(setup: &Setup, len: u64) -> Result<Self> {
        let payload = Payload::new(usize::try_from(len).unwrap_or(usize::MAX))?;
        let plan = Plan::new(len, CHUNK_LEN_DEFAULT).unwrap_or(Plan::EMPTY);
        let digests = payload.digests(plan)?;
        let (dir, patience) = (setup.dir.clone(), setup.patience);
        Ok(Self { payload, plan, digests, dir, patience, _warm: Warm::new(WARM_TIMES * len)? })
    }

    /// A disk with nothing left to write, and a machine with nothing else to do.
    fn prepare(&self) -> Result<()> {
        disk::settle(&self.dir)?;
        calm::wait(self.patience)
    }

    fn job(&self, ahead: bool, lanes: u64) -> Job<'_> {
        let digests = ahead.then_some(self.digests.as_slice());
        Job { payload: &self.payload, plan: self.plan, digests, lanes }
    }
}

struct Servers {
    longhaul: Longhaul,
    before: Option<Longhaul>,
    nginx: Nginx,
    tus: NodeTus,
}

fn entrants<'a>(work: &'a Work, servers: &'a Servers) -> Vec<Box<dyn Entrant + 'a>> {
    let Servers { longhaul, before, nginx, tus } = servers;
    let ours_of = |longhaul, name, ahead, lanes| -> Box<dyn Entrant + 'a> {
        Box::new(Ours { name, longhaul, job: work.job(ahead, lanes), work })
    };
    let ours = |name, ahead, lanes| ours_of(longhaul, name, ahead, lanes);
    let before = before.iter().map(|before| ours_of(before, OURS_BEFORE, true, LANES_MAX));
    let theirs = |name, server, send| -> Box<dyn Entrant + 'a> {
        Box::new(Theirs { name, server, send, work })
    };
    let len = work.plan.len();
    let mut entrants = vec![
        ours(OURS, true, LANES_MAX),
        theirs(NGINX, Some(nginx.server()), Box::new(move || put(nginx, work, len, 1))),
        theirs(
            TUS,
            Some(tus.server()),
            Box::new(move || Ok(vec![tus.upload(&work.payload, len)?])),
        ),
        ours(OURS_HASHING, false, LANES_MAX),
        theirs(
            NGINX_MANY,
            Some(nginx.server()),
            Box::new(move || put(nginx, work, len, LANES_MAX)),
        ),
        ours(OURS_ONE_LANE, true, 1),
        theirs(PLAIN, None, Box::new(move || plain_write(work, len))),
    ];
    entrants.extend(before);
    entrants
}

/// Our own server.
struct Ours<'a> {
    name: &'static str,
    longhaul: &'a Longhaul,
    job: Job<'a>,
    work: &'a Work,
}

impl Entrant for Ours<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn turn(&mut self) -> Result<Turn> {
        self.work.prepare()?;
        let mut watch = Watch::start(Some(self.longhaul.server()))?;
        let id = self.longhaul.create(self.job.plan)?;
        let digests = self.longhaul.send_chunks(id, self.job)?;
        watch.note(RECEIVED);
        let file = self.longhaul.seal(id, root_of(&digests))?;
        watch.note(DURABLE);
        let turn = watch.stop()?;
        self.longhaul.delete(file)?;
        Ok(turn)
    }
}

/// A server that leaves syncing to whoever wants it.
struct Theirs<'a> {
    name: &'static str,
    server: Option<&'a Server>,
    /// Sends everything, and says where it lies.
    send: Box<dyn Fn() -> Result<Vec<PathBuf>> + 'a>,
    work: &'a Work,
}

impl Entrant for Theirs<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn turn(&mut self) -> Result<Turn> {
        self.work.prepare()?;
        let mut watch = Watch::start(self.server)?;
        let files = (self.send)()?;
        watch.note(RECEIVED);
        files.iter().try_for_each(|file| disk::sync_file(file))?;
        watch.note(DURABLE);
        let turn = watch.stop()?;
        files.iter().try_for_each(|file| {
            fs::remove_file(file).map_err(io(format!("removing {}", file.display())))
        })?;
        Ok(turn)
    }
}

fn put(nginx: &Nginx, work: &Work, len: u64, files: u64) -> Result<Vec<PathBuf>> {
    thread::scope(|scope| {
        let put = |file| nginx.put(&format!("file{file}"), &work.payload, len / files);
        let threads: Vec<_> = (0..files).map(|file| scope.spawn(move || put(file))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_panic| Error::Panicked)?).collect()
    })
}

/// What the disk and one copy of the bytes cost by themselves.
fn plain_write(work: &Work, len: u64) -> Result<Vec<PathBuf>> {
    let path = work.dir.join("plain");
    disk::write(&path, work.payload.pieces(len, WRITE_LEN))?;
    Ok(vec![path])
}

/// Takes the times of one turn.
struct Watch<'a> {
    server: Option<&'a Server>,
    server_cpu: f64,
    client_cpu: f64,
    machine: Busy,
    since: Instant,
    turn: Turn,
}

impl<'a> Watch<'a> {
    fn start(server: Option<&'a Server>) -> Result<Self> {
        let server_cpu = server.map_or(Ok(0.0), Server::cpu_seconds)?;
        let (client_cpu, machine) = (own_cpu_seconds()?, Busy::now()?);
        let (since, turn) = (Instant::now(), Turn::new());
        Ok(Self { server, server_cpu, client_cpu, machine, since, turn })
    }

    fn note(&mut self, metric: &'static str) {
        self.turn.insert(metric, self.since.elapsed().as_secs_f64());
    }

    fn stop(mut self) -> Result<Turn> {
        let server = self.server.map_or(Ok(0.0), Server::cpu_seconds)? - self.server_cpu;
        let client = own_cpu_seconds()? - self.client_cpu;
        let others = Busy::now()?.since(self.machine).less(server + client).share();
        self.turn.extend([(SERVER_CPU, server), (CLIENT_CPU, client), (OTHERS, others)]);
        Ok(self.turn)
    }
}

fn report(series: &Series, len: u64, versions: &[String]) -> Report {
    let mut report = Report::new(BENCH.name);
    let rounds = values(series, OURS, RECEIVED).len();
    report.say(format!(
        "One file of {} MiB, {rounds} interleaved rounds: median (least–greatest). {}.",
        len >> 20,
        versions.join(", ")
    ));
    report.say(
        "Received: to the last 204, or the answer to the peers' one request. Durable: to the seal's 201, or to the \
         end of an `fdatasync` after the peers' answer. Longhaul verifies a SHA-256 of every chunk and syncs; the \
         peers do neither. Client and server share the cores. Longhaul is sent chunks of 8 MiB by 5 connections \
         unless said otherwise, with digests computed beforehand, as it is the server that is measured.",
    );
    throughput(series, len, &mut report);
    ratios(series, &mut report);
    report
}

fn throughput(series: &Series, len: u64, report: &mut Report) {
    let gib = len as f64 / f64::from(1 << 30);
    let mut table = Table::new(&[
        "",
        "received, MB/s",
        "durable, MB/s",
        "server, core-s/GiB",
        "client, core-s/GiB",
        "others, % of all cores",
    ]);
    for entrant in ENTRANTS.into_iter().filter(|entrant| series.contains_key(entrant)) {
        let rate = |metric| each(&values(series, entrant, metric), |s| len as f64 / s / 1e6);
        let cost = |metric| each(&values(series, entrant, metric), |s| s / gib);
        report.record(entrant, RECEIVED, "s", values(series, entrant, RECEIVED));
        report.record(entrant, DURABLE, "s", values(series, entrant, DURABLE));
        report.record(entrant, SERVER_CPU, "s", values(series, entrant, SERVER_CPU));
        table.row([
            entrant.to_owned(),
            median_and_ends(&rate(RECEIVED), 0),
            median_and_ends(&rate(DURABLE), 0),
            median_and_ends(&cost(SERVER_CPU), 2),
            median_and_ends(&cost(CLIENT_CPU), 2),
            median_and_ends(&each(&values(series, entrant, OTHERS), |share| share * 1e2), 0),
        ]);
    }
    report.table(&table);
}

fn ratios(series: &Series, report: &mut Report) {
    let mut table = Table::new(&["longhaul beside", "metric", "times as fast", "goal"]);
    let pairs = GOALS.into_iter().chain(CHANGES);
    for (peer, metric, goal) in pairs.filter(|(peer, ..)| series.contains_key(peer)) {
        let ratios = speed_ratios(&values(series, OURS, metric), &values(series, peer, metric));
        report.record(&format!("{OURS} / {peer}"), metric, "ratio", &ratios);
        table.row([
            peer.to_owned(),
            metric.to_owned(),
            median_and_ends(&ratios, 2),
            against_goal(&ratios, goal),
        ]);
    }
    report.table(&table);
}

fn each(values: &[f64], convert: impl Fn(f64) -> f64) -> Vec<f64> {
    values.iter().map(|&value| convert(value)).collect()
}
