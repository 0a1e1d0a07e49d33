//! How fast one file is taken in, verified, beside servers that verify nothing.
//!
//! *Received* is to the last chunk's 204, or the answer to the peers' one request; *durable* is to
//! the seal's 201, or until a peer's file was followed by `fdatasync`. All send from the same
//! memory, by the same client code, on a disk that had nothing left to write.

use std::path::PathBuf;
use std::{fs, thread};

use longhaul_protocol::plan::LANES_MAX;

use super::work::{DURABLE, RECEIVED, Watch, Work, throughput};
use super::{Bench, Setup};
use crate::disk;
use crate::error::{Error, Result, io};
use crate::measure::{Entrant, Series, Turn, interleave, speed_ratios, values};
use crate::peers::longhaul::{Job, Longhaul, root_of};
use crate::peers::nginx::Nginx;
use crate::peers::node_tus::NodeTus;
use crate::process::Server;
use crate::report::{Report, Table, against_goal, median_and_ends};

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
    throughput(series, len, &ENTRANTS, &mut report);
    ratios(series, &mut report);
    report
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
