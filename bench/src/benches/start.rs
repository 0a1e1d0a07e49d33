//! How long the server takes to start with many uploads: after a stop, and after a kill.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Bench, Setup};
use crate::error::{Result, io};
use crate::measure::Spread;
use crate::payload::Payload;
use crate::peers::longhaul::{Job, Longhaul, root_of};
use crate::report::{Report, Table};
use crate::rows::{Template, crash, multiply};
use crate::{calm, disk};
use longhaul_protocol::Plan;
use longhaul_protocol::plan::CHUNK_LEN_MIN;

pub(super) const BENCH: Bench = Bench {
    name: "start",
    about: "the start with 100,000 uploads of a million chunks, after a stop and after a kill",
    run,
};

/// How many uploads, half of them sealed.
const UPLOADS: u64 = 100_000;
const QUICK_UPLOADS: u64 = 5000;
/// How many chunks each has.
const CHUNKS: u64 = 10;
/// What the templates are made of, bytes: two chunks.
const RING_LEN: usize = 128 << 10;
/// How often each start is measured.
const STARTS: usize = 7;
/// How many commits are measured after each start.
const COMMITS: u64 = 100;

fn run(setup: &Setup) -> Result<Report> {
    let dir = setup.dir.join("longhaul");
    let index = dir.join("index.redb");
    let uploads = setup.pick(UPLOADS, QUICK_UPLOADS);
    let templates = make_templates(setup, &dir)?;
    let mut report = Report::new(BENCH.name);
    let mut starts = Table::new(&["uploads", "index, MiB", "after", "median", "p95", "times"]);
    let (mut commits, bench) = (Vec::new(), StartBench { setup, dir, index });
    for (count, copies) in [(2, 0), (uploads, uploads - 2)] {
        multiply(&bench.index, &templates, copies)?;
        let (stop, kill) = bench.both(&mut commits)?;
        let mib = bench.index_bytes()? >> 20;
        for (after, times) in [("a stop", &stop), ("a kill", &kill)] {
            let subject = format!("{count} uploads, after {after}");
            report.record(&subject, "start", "ms", times);
            let Some(Spread { median, p95, count: times, .. }) = Spread::of(times) else {
                continue;
            };
            let cells = [count.to_string(), mib.to_string(), after.to_owned()];
            let figures = [format!("{median:.0}"), format!("{p95:.0}"), times.to_string()];
            starts.row(cells.into_iter().chain(figures));
        }
    }
    report.say(format!(
        "From the start of the program to the line that says where it listens, milliseconds, with \
         nothing of the index in memory. Every upload has {CHUNKS} chunks, half of them are sealed."
    ));
    report.table(&starts);
    report.record("one commit", "create", "ms", &commits);
    if let Some(Spread { median, p95, .. }) = Spread::of(&commits) {
        report.say(format!(
            "One commit, as the creation of an upload without a byte, takes {median:.2} ms, the 95th \
             percentile {p95:.2} ms."
        ));
    }
    bench.quick_repair(&mut report)?;
    Ok(report)
}

/// One upload that is open and one that is sealed, on a server that has stopped.
fn make_templates(setup: &Setup, dir: &Path) -> Result<[Template; 2]> {
    let longhaul = Longhaul::start(&setup.longhaul, dir)?;
    let plan = Plan::new(CHUNKS * CHUNK_LEN_MIN, CHUNK_LEN_MIN).unwrap_or(Plan::EMPTY);
    let payload = Payload::new(RING_LEN)?;
    let send = || -> Result<_> {
        let upload = longhaul.create(plan)?;
        let job = Job { payload: &payload, plan, digests: None, lanes: 1 };
        Ok((upload, longhaul.send_chunks(upload, job)?))
    };
    let (open, _) = send()?;
    let (sealed, digests) = send()?;
    let file = Some(longhaul.seal(sealed, root_of(&digests))?);
    let template = |upload, file| Template { upload, file, chunk_count: CHUNKS };
    Ok([template(open, None), template(sealed, file)])
}

struct StartBench<'a> {
    setup: &'a Setup,
    dir: PathBuf,
    index: PathBuf,
}

impl StartBench<'_> {
    /// Starts after stops and after kills, in turn, milliseconds.
    fn both(&self, commits: &mut Vec<f64>) -> Result<(Vec<f64>, Vec<f64>)> {
        let (mut stop, mut kill) = (Vec::new(), Vec::new());
        // What the filling left is brought in order by a start that does not count.
        drop(Longhaul::go_on(&self.setup.longhaul, &self.dir)?);
        for _ in 0..self.setup.rounds.unwrap_or(self.setup.pick(STARTS, 2)) {
            let (longhaul, took) = self.start()?;
            stop.push(took);
            self.commit(&longhaul, commits)?;
            longhaul.kill()?;
            let (longhaul, took) = self.start()?;
            kill.push(took);
            drop(longhaul);
        }
        Ok((stop, kill))
    }

    fn start(&self) -> Result<(Longhaul, f64)> {
        disk::settle(&self.setup.dir)?;
        calm::wait(self.setup.patience)?;
        disk::forget(&self.index)?;
        let since = Instant::now();
        let longhaul = Longhaul::go_on(&self.setup.longhaul, &self.dir)?;
        let took = since.elapsed();
        eprintln!("start: {took:?}");
        Ok((longhaul, ms(took)))
    }

    fn commit(&self, longhaul: &Longhaul, commits: &mut Vec<f64>) -> Result<()> {
        for _ in 0..COMMITS {
            let since = Instant::now();
            longhaul.create(Plan::EMPTY)?;
            commits.push(ms(since.elapsed()));
        }
        Ok(())
    }

    /// Commits of redb alone, and starts after a crash, without quick repair or with it.
    fn quick_repair(&self, report: &mut Report) -> Result<()> {
        report.say(
            "redb alone, on the same index: one commit of one row, and how long the index takes to open \
             after a crash, milliseconds.",
        );
        let mut table =
            Table::new(&["quick repair", "commit, median", "p95", "open, median", "times"]);
        let crashed = self.setup.dir.join("crashed.redb");
        let mut found = [(false, "no", vec![], vec![]), (true, "yes", vec![], vec![])];
        for _ in 0..self.setup.rounds.unwrap_or(self.setup.pick(STARTS, 2)) {
            for (is_quick, _, commits, opens) in &mut found {
                disk::settle(&self.setup.dir)?;
                calm::wait(self.setup.patience)?;
                let (took, open) = crash(&self.index, &crashed, *is_quick, COMMITS)?;
                commits.extend(took);
                opens.push(open);
            }
        }
        for (_, name, commits, opens) in &found {
            report.record(&format!("quick repair: {name}"), "commit", "ms", commits);
            report.record(&format!("quick repair: {name}"), "open after a crash", "ms", opens);
            let (Some(commit), Some(open)) = (Spread::of(commits), Spread::of(opens)) else {
                continue;
            };
            let figures = [commit.median, commit.p95].map(|ms| format!("{ms:.2}"));
            let rest = [format!("{:.0}", open.median), open.count.to_string()];
            table.row([(*name).to_owned()].into_iter().chain(figures).chain(rest));
        }
        report.table(&table);
        Ok(())
    }

    fn index_bytes(&self) -> Result<u64> {
        let found = std::fs::metadata(&self.index).map_err(io("looking at the index"))?;
        Ok(found.len())
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
