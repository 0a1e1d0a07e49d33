//! How long a seal takes right after an upload, by the file's length; and by its chunks alone.

use std::thread;
use std::time::{Duration, Instant};

use longhaul_protocol::Plan;
use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, CHUNK_LEN_MIN, LANES_MAX};
use longhaul_protocol::wire::ids::UploadId;

use super::{Bench, Setup};
use crate::error::{Result, io};
use crate::measure::Spread;
use crate::payload::Payload;
use crate::peers::longhaul::{Job, Longhaul, root_of};
use crate::report::{Report, Table};
use crate::{calm, disk};

pub(super) const BENCH: Bench = Bench {
    name: "seal",
    about: "the seal right after uploads of 64 MiB to 16 GiB",
    run: by_length,
};
pub(super) const BENCH_ROWS: Bench = Bench {
    name: "seal-rows",
    about: "the seal by the number of chunks, everything synced before",
    run: by_count,
};

/// A length of file, and how often it is uploaded and sealed.
type Case = (u64, usize);
const CASES: &[Case] = &[(64 << 20, 20), (1 << 30, 10), (4 << 30, 5), (16 << 30, 3)];
const QUICK_CASES: &[Case] = &[(64 << 20, 3), (256 << 20, 2)];
/// Numbers of chunks; 8192 of 8 MiB are 64 GiB.
const COUNTS: &[u64] = &[8, 128, 512, 2048, 8192];
const QUICK_COUNTS: &[u64] = &[8, 512];
/// How often each number of chunks is sealed.
const COUNT_REPEATS: usize = 10;
/// `unsynced_bytes_max` of the server, bytes: the most that a seal may find unsynced.
const UNSYNCED_MAX: u64 = 1 << 30;
/// How often a plain file of that length is synced, to know what a seal may take.
const SYNC_REPEATS: usize = 5;
/// What the files are made of, bytes; longer ones repeat it.
const RING_LEN: usize = 1 << 30;
/// How often a status is asked for until everything is held.
const ASK_EVERY: Duration = Duration::from_millis(20);

fn by_length(setup: &Setup) -> Result<Report> {
    let cases = setup.pick(CASES, QUICK_CASES);
    let longest = cases.iter().map(|(len, _)| *len).max().unwrap_or(0);
    disk::check_room(&setup.dir, longest)?;
    let mut report = Report::new(BENCH.name);
    SealBench::new(setup)?.by_length(cases, &mut report)?;
    Ok(report)
}

fn by_count(setup: &Setup) -> Result<Report> {
    let mut report = Report::new(BENCH_ROWS.name);
    SealBench::new(setup)?.by_count(setup.pick(COUNTS, QUICK_COUNTS), &mut report)?;
    Ok(report)
}

struct SealBench<'a> {
    setup: &'a Setup,
    longhaul: Longhaul,
    payload: Payload,
}

impl<'a> SealBench<'a> {
    fn new(setup: &'a Setup) -> Result<Self> {
        let longhaul = Longhaul::start(&setup.longhaul, &setup.dir.join("longhaul"))?;
        Ok(Self { setup, longhaul, payload: Payload::new(setup.pick(RING_LEN, RING_LEN / 4))? })
    }

    fn by_length(&self, cases: &[Case], report: &mut Report) -> Result<()> {
        report.say(format!(
            "Time of the seal's request, right after the last of {LANES_MAX} lanes' 204s, milliseconds. The last row \
             is what the disk takes to `fdatasync` a plain file of {} MiB, as much as the server lets go unsynced.",
            self.synced_len() >> 20
        ));
        let mut table = Table::new(&["file, MiB", "median", "p95", "least", "greatest", "times"]);
        for &(len, repeats) in cases {
            let plan = Plan::new(len, CHUNK_LEN_DEFAULT).unwrap_or(Plan::EMPTY);
            let seals = self.repeat(repeats, || self.seal(plan, &At::Once))?;
            add(report, &mut table, (len >> 20).to_string(), "seal after upload", &seals);
        }
        let syncs = self.repeat(SYNC_REPEATS, || self.plain_sync())?;
        add(report, &mut table, "one sync".to_owned(), "plain fdatasync", &syncs);
        report.table(&table);
        Ok(())
    }

    fn by_count(&self, counts: &[u64], report: &mut Report) -> Result<()> {
        report.say(format!(
            "Time of the seal's request by the number of chunks, milliseconds, with everything synced before, so that \
             only rows and the root are left: {CHUNK_LEN_MIN} bytes a chunk. 8192 chunks are what 64 GiB have.",
        ));
        let mut table = Table::new(&["chunks", "median", "p95", "least", "greatest", "times"]);
        for &count in counts {
            let plan = Plan::new(count * CHUNK_LEN_MIN, CHUNK_LEN_MIN).unwrap_or(Plan::EMPTY);
            let seals = self.repeat(COUNT_REPEATS, || self.seal(plan, &At::AllHeld))?;
            add(report, &mut table, count.to_string(), "seal of chunks held", &seals);
        }
        report.table(&table);
        Ok(())
    }

    fn repeat(&self, times: usize, mut once: impl FnMut() -> Result<Duration>) -> Result<Vec<f64>> {
        let times = self.setup.rounds.unwrap_or(times);
        (0..times).map(|_| once().map(|took| took.as_secs_f64() * 1e3)).collect()
    }

    /// Uploads, seals, deletes.
    fn seal(&self, plan: Plan, at: &At) -> Result<Duration> {
        disk::settle(&self.setup.dir)?;
        disk::wait_for_room(&self.setup.dir, plan.len())?;
        calm::wait(self.setup.patience)?;
        let digests = self.payload.digests(plan)?;
        let id = self.longhaul.create(plan)?;
        let job = Job { payload: &self.payload, plan, digests: Some(&digests), lanes: LANES_MAX };
        self.longhaul.send_chunks(id, job)?;
        let root = root_of(&digests);
        if matches!(at, At::AllHeld) {
            self.wait_until_held(id)?;
        }
        let since = Instant::now();
        let file = self.longhaul.seal(id, root)?;
        let took = since.elapsed();
        eprintln!("seal of {} chunks: {took:?}", plan.chunk_count());
        self.longhaul.delete(file)?;
        Ok(took)
    }

    fn wait_until_held(&self, id: UploadId) -> Result<()> {
        while self.longhaul.status(id)?.holding.pending.count() > 0 {
            thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    fn synced_len(&self) -> u64 {
        self.setup.pick(UNSYNCED_MAX, UNSYNCED_MAX / 4)
    }

    fn plain_sync(&self) -> Result<Duration> {
        disk::settle(&self.setup.dir)?;
        calm::wait(self.setup.patience)?;
        let path = self.setup.dir.join("plain");
        let writing = || io(format!("writing {}", path.display()));
        let file = disk::write(&path, self.payload.pieces(self.synced_len(), CHUNK_LEN_DEFAULT))?;
        let since = Instant::now();
        file.sync_data().map_err(writing())?;
        let took = since.elapsed();
        std::fs::remove_file(&path).map_err(writing())?;
        Ok(took)
    }
}

/// When an upload is sealed.
enum At {
    /// After the last 204.
    Once,
    /// When nothing of it is left to sync.
    AllHeld,
}

pub(super) fn add(
    report: &mut Report,
    table: &mut Table,
    label: String,
    metric: &str,
    times_ms: &[f64],
) {
    report.record(&label, metric, "ms", times_ms);
    let Some(Spread { median, p95, min, max, count }) = Spread::of(times_ms) else { return };
    let figures = [median, p95, min, max].map(|ms| format!("{ms:.1}"));
    table.row(std::iter::once(label).chain(figures).chain([count.to_string()]));
}
