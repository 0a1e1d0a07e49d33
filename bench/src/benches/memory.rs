//! What one request in flight costs the server in memory.
//!
//! Every request sends one chunk, slowly and evenly, so that all are in flight all the time; the
//! server's resident memory is looked at meanwhile and the most that was seen counts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use longhaul_protocol::plan::CHUNK_LEN_DEFAULT;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, Digest, Plan};

use super::{Bench, Setup};
use crate::error::{Error, Result};
use crate::measure::Spread;
use crate::payload::Payload;
use crate::peers::longhaul::{Job, Longhaul, chunk_head, root_of};
use crate::report::{Report, Table, median_and_ends};

pub(super) const BENCH: Bench =
    Bench { name: "memory", about: "the server's memory for each chunk request in flight", run };

/// How many requests are in flight.
const COUNTS: [u64; 4] = [1, 5, 64, 256];
/// Fresh servers for each number.
const REPEATS: usize = 5;
/// How long a chunk takes to send.
const PACED_OVER: Duration = Duration::from_secs(3);
/// How much is sent at once, bytes: more than any buffer on the way would hold.
const STEP: usize = 1 << 20;
/// How often the server's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The most a request in flight may cost, bytes.
const GOAL: f64 = 1.5 * 1024.0 * 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

fn run(setup: &Setup) -> Result<Report> {
    let most = COUNTS.iter().copied().max().unwrap_or(1);
    let ring = usize::try_from(CHUNK_LEN_DEFAULT).unwrap_or(usize::MAX) * 8;
    let payload = Payload::new(ring)?;
    let plan = Plan::new(most * CHUNK_LEN_DEFAULT, CHUNK_LEN_DEFAULT).unwrap_or(Plan::EMPTY);
    let digests = payload.digests(plan)?;
    let job = Job { payload: &payload, plan, digests: Some(&digests), lanes: 5 };
    let repeats = setup.rounds.unwrap_or_else(|| setup.pick(REPEATS, 1));
    let mut report = Report::new(BENCH.name);
    report.say(format!(
        "Resident memory of the server, MiB: median (least–greatest) of {repeats} fresh servers. Before: after one \
         upload was sealed. In flight: the most seen while N requests send a chunk of 8 MiB each over {} s.",
        PACED_OVER.as_secs()
    ));
    let mut table = Table::new(&["in flight", "before", "in flight, all", "for each", "goal"]);
    for count in COUNTS {
        let turns: Result<Vec<_>> = (0..repeats).map(|_| turn(setup, job, count)).collect();
        row(&mut report, &mut table, count, &turns?);
    }
    report.table(&table);
    Ok(report)
}

/// Memory before and the most while `count` requests are in flight, bytes.
fn turn(setup: &Setup, job: Job<'_>, count: u64) -> Result<(u64, u64)> {
    let longhaul = Longhaul::start(&setup.longhaul, &setup.dir.join("longhaul"))?;
    warm_up(&longhaul, job)?;
    let before = longhaul.server().resident_bytes()?;
    let id = longhaul.create(job.plan)?;
    let done = AtomicBool::new(false);
    let peak = thread::scope(|scope| {
        let watch = scope.spawn(|| peak(&longhaul, &done));
        let sent = send_paced(&longhaul, id, job, count);
        done.store(true, Ordering::Relaxed);
        let peak = watch.join().map_err(|_panic| Error::Panicked)?;
        sent.and(peak)
    })?;
    eprintln!("{count} in flight: {before} bytes before, {peak} at most");
    Ok((before, peak))
}

/// What is set up once, at the first upload, is not a request's cost.
fn warm_up(longhaul: &Longhaul, job: Job<'_>) -> Result<()> {
    let plan = Plan::new(job.plan.chunk_len(), job.plan.chunk_len()).unwrap_or(Plan::EMPTY);
    let id = longhaul.create(plan)?;
    let digests = longhaul.send_chunks(id, Job { plan, lanes: 1, ..job })?;
    longhaul.seal(id, root_of(&digests)).map(drop)
}

fn peak(longhaul: &Longhaul, done: &AtomicBool) -> Result<u64> {
    let mut peak = 0;
    while !done.load(Ordering::Relaxed) {
        peak = peak.max(longhaul.server().resident_bytes()?);
        thread::sleep(LOOK_EVERY);
    }
    Ok(peak)
}

fn send_paced(longhaul: &Longhaul, id: UploadId, job: Job<'_>, count: u64) -> Result<()> {
    thread::scope(|scope| {
        let send = |index| paced(longhaul, id, job, ChunkIndex(index));
        let threads: Vec<_> = (0..count).map(|index| scope.spawn(move || send(index))).collect();
        let joined =
            threads.into_iter().map(|thread| thread.join().map_err(|_| Error::Panicked)?);
        joined.collect()
    })
}

/// One chunk, in steps; when a step is due is the chunk's own, so that steps are spread evenly.
fn paced(longhaul: &Longhaul, id: UploadId, job: Job<'_>, index: ChunkIndex) -> Result<()> {
    let body = job.payload.chunk(job.plan, index).bytes;
    let mut connection = longhaul.connect()?;
    let since = Instant::now();
    connection.begin(&chunk_head(id, index, Digest::of(body)), body.len() as u64)?;
    let steps = u32::try_from(body.len().div_ceil(STEP)).unwrap_or(u32::MAX);
    let shift = PACED_OVER / steps * u32::try_from(index.0 % 64).unwrap_or(0) / 64;
    for (step, piece) in (0..steps).zip(body.chunks(STEP)) {
        let due = PACED_OVER / steps * step + shift;
        thread::sleep(due.saturating_sub(since.elapsed()));
        connection.write(piece)?;
    }
    connection.answer()?.expect(204).map(drop)
}

fn row(report: &mut Report, table: &mut Table, count: u64, turns: &[(u64, u64)]) {
    let each = |convert: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        turns.iter().map(|&(before, peak)| convert(before as f64, peak as f64)).collect()
    };
    let per_request = each(&|before, peak| (peak - before) / count as f64);
    report.record(&count.to_string(), "resident bytes per request in flight", "B", &per_request);
    let reached = Spread::of(&per_request).is_some_and(|spread| spread.median <= GOAL);
    table.row([
        count.to_string(),
        median_and_ends(&each(&|before, _| before / MIB), 1),
        median_and_ends(&each(&|_, peak| peak / MIB), 1),
        median_and_ends(&each(&|before, peak| (peak - before) / count as f64 / MIB), 2),
        format!("≤ 1.5: {}", if reached { "reached" } else { "missed" }),
    ]);
}
