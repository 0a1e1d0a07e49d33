//! How fast a file goes out, beside nginx with `sendfile`: one stream, many small ranges, many slow
//! readers, and a file of which nothing is in memory.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use longhaul_protocol::Plan;
use longhaul_protocol::plan::CHUNK_LEN_DEFAULT;
use longhaul_protocol::wire::path;

use super::{Bench, Setup};
use crate::error::{Error, Result, io};
use crate::measure::{Entrant, Series, Spread, Turn, interleave, speed_ratios, values};
use crate::payload::Payload;
use crate::peers::longhaul::{Job, Longhaul, root_of};
use crate::peers::nginx::Nginx;
use crate::peers::wrk::Wrk;
use crate::process::Server;
use crate::report::{Report, Table, against_goal, median_and_ends};
use crate::{calm, disk};

pub(super) const BENCH: Bench =
    Bench { name: "serve", about: "how fast a file goes out, beside nginx with sendfile", run };

/// Rounds of a full run.
const ROUNDS: usize = 5;
const FILE_LEN: u64 = 1 << 30;
const QUICK_FILE_LEN: u64 = 64 << 20;
/// What lies beside it and is asked for meanwhile, bytes.
const SMALL_LEN: u64 = 4096;
/// What is read at once, bytes.
const READ_LEN: usize = 1 << 20;
/// How long ranges are asked for.
const RANGES_FOR: Duration = Duration::from_secs(5);
const QUICK_RANGES_FOR: Duration = Duration::from_secs(1);
/// How long a server may keep what it sent from before.
const GIVEN_BACK_AFTER: Duration = Duration::from_secs(3);
/// Readers who take a little and wait.
const SLOW_READERS: usize = 200;
const SLOW_STEP: usize = 64 << 10;
const SLOW_PAUSE: Duration = Duration::from_millis(200);
const SLOW_STEPS: usize = 20;
/// How many small ranges each of them asks for at once: a few more than he reads.
const SLOW_RANGES: u64 = 24;
/// How far the next of these is from the last, in ranges: no two in what is mapped at once.
const SLOW_STRIDE: u64 = 7919;
/// The most that they may cost, bytes.
const SLOW_GOAL: f64 = 64.0 * MIB;
/// Cold streams of a round. Beside one are some hundred small requests, and of so few the slowest twentieth
/// says more of the moment than of the server.
const COLD_STREAMS: usize = 3;
/// How often the small file is asked for beside a cold one.
const SMALL_EVERY: Duration = Duration::from_millis(5);
const MIB: f64 = 1024.0 * 1024.0;

const OURS: &str = "longhaul";
const BEFORE: &str = "longhaul, before";
const NGINX: &str = "nginx sendfile";

const HOT: &str = "hot, s";
const COLD: &str = "cold, s";
const RANGE: &str = "range, s";
const BESIDE: &str = "beside, p95 ms";
const MEMORY: &str = "memory, MiB";
const OWN: &str = "own memory, MiB";
const RANGED_MEMORY: &str = "memory by ranges, MiB";
const RANGED_OWN: &str = "own memory by ranges, MiB";

fn run(setup: &Setup) -> Result<Report> {
    let wrk = Wrk::obtain(&setup.kept)?;
    let len = setup.pick(FILE_LEN, QUICK_FILE_LEN);
    let payload = Payload::new(usize::try_from(CHUNK_LEN_DEFAULT * 8).unwrap_or(usize::MAX))?;
    let longhaul = unlogged(&setup.longhaul, &setup.dir.join("longhaul"))?;
    let ours = stored(setup, &payload, longhaul, len, OURS)?;
    let before = match &setup.before {
        Some(binary) => {
            let longhaul = unlogged(binary, &setup.dir.join("before"))?;
            Some(stored(setup, &payload, longhaul, len, BEFORE)?)
        }
        None => None,
    };
    let nginx_binary = Nginx::obtain(&setup.kept)?;
    let nginx = Nginx::start(&nginx_binary, &setup.dir.join("nginx"))?;
    let file = nginx.put("large.bin", &payload, len)?;
    nginx.put("small.bin", &payload, SMALL_LEN)?;
    let [large, small] = ["/large.bin", "/small.bin"].map(str::to_owned);
    let theirs = Place { name: NGINX, server: Running::Nginx(nginx), file, large, small };
    let work = Work { setup, wrk, len };
    let places = [Some(ours), before, Some(theirs)];
    let places: Vec<_> =
        places.into_iter().flatten().filter(|place| setup.has(place.name)).collect();
    let mut entrants: Vec<Box<dyn Entrant + '_>> = places
        .iter()
        .map(|place| -> Box<dyn Entrant> { Box::new(Guest { place, work: &work }) })
        .collect();
    let series = interleave(&mut entrants, setup.rounds(ROUNDS))?;
    let versions =
        format!("{}, {}", Longhaul::version(&setup.longhaul)?, Nginx::version(&nginx_binary)?);
    Ok(report(&series, len, &versions))
}

/// A server of ours that writes no line for each request: nor does nginx here.
fn unlogged(binary: &Path, dir: &Path) -> Result<Longhaul> {
    disk::fresh_dir(dir)?;
    let mut command = Command::new(binary);
    Longhaul::go_on_by(command.args(["--listen", "127.0.0.1:0", "--log", "warn"]), dir)
}

/// A server with the files.
struct Place {
    name: &'static str,
    server: Running,
    /// The large one on the disk.
    file: PathBuf,
    large: String,
    small: String,
}

enum Running {
    Longhaul(Longhaul),
    Nginx(Nginx),
}

impl Place {
    fn server(&self) -> &Server {
        match &self.server {
            Running::Longhaul(longhaul) => longhaul.server(),
            Running::Nginx(nginx) => nginx.server(),
        }
    }

    fn address(&self) -> SocketAddr {
        self.server().address()
    }
}

struct Work<'a> {
    setup: &'a Setup,
    wrk: Wrk,
    len: u64,
}

/// Uploads both files to a server of ours.
fn stored(
    setup: &Setup,
    payload: &Payload,
    longhaul: Longhaul,
    len: u64,
    name: &'static str,
) -> Result<Place> {
    let put = |len| {
        let plan = Plan::new(len, CHUNK_LEN_DEFAULT).unwrap_or(Plan::EMPTY);
        let id = longhaul.create(plan)?;
        let digests = longhaul.send_chunks(id, Job { payload, plan, digests: None, lanes: 2 })?;
        longhaul.seal(id, root_of(&digests))
    };
    let (large, small) = (path::file(put(len)?), path::file(put(SMALL_LEN)?));
    disk::settle(&setup.dir)?;
    let blobs = setup.dir.join(if name == OURS { "longhaul" } else { "before" }).join("blobs");
    let file = largest(&blobs)?;
    Ok(Place { name, server: Running::Longhaul(longhaul), file, large, small })
}

/// The largest file below a folder.
fn largest(dir: &Path) -> Result<PathBuf> {
    let mut found = (0, dir.to_owned());
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let listing = || io(format!("listing {}", folder.display()));
        for entry in std::fs::read_dir(&folder).map_err(listing())? {
            let entry = entry.map_err(listing())?;
            let meta = entry.metadata().map_err(listing())?;
            if meta.is_dir() {
                folders.push(entry.path());
            } else if meta.len() > found.0 {
                found = (meta.len(), entry.path());
            }
        }
    }
    Ok(found.1)
}

struct Guest<'a> {
    place: &'a Place,
    work: &'a Work<'a>,
}

impl Entrant for Guest<'_> {
    fn name(&self) -> &'static str {
        self.place.name
    }

    fn turn(&mut self) -> Result<Turn> {
        let Self { place, work } = self;
        disk::settle(&work.setup.dir)?;
        calm::wait(work.setup.patience)?;
        let (address, large) = (place.address(), place.large.as_str());
        fetch(address, large, work.len)?;
        let hot = fetch(address, large, work.len)?;
        let ranges_for = work.setup.pick(RANGES_FOR, QUICK_RANGES_FOR);
        let per_second = work.wrk.ranges(address, large, work.len, ranges_for)?;
        // What was mapped for those before is given back by then.
        thread::sleep(GIVEN_BACK_AFTER);
        let (memory, own) = slow_readers(place, work.len, |_| asked(address, large))?;
        thread::sleep(GIVEN_BACK_AFTER);
        let ranged = |reader| asked_by_ranges(address, large, work.len, reader);
        let (ranged_memory, ranged_own) = slow_readers(place, work.len, ranged)?;
        let (cold, beside) = cold(place, work.len)?;
        Ok(Turn::from([
            (HOT, hot.as_secs_f64()),
            (RANGE, 1.0 / per_second),
            (MEMORY, memory / MIB),
            (OWN, own / MIB),
            (RANGED_MEMORY, ranged_memory / MIB),
            (RANGED_OWN, ranged_own / MIB),
            (COLD, cold),
            (BESIDE, beside),
        ]))
    }
}

/// One answer, read and thrown away; how long it took.
fn fetch(address: SocketAddr, path: &str, len: u64) -> Result<Duration> {
    let since = Instant::now();
    let mut stream = asked(address, path)?;
    let (mut buffer, mut came) = (vec![0; READ_LEN], 0);
    // The head is part of what comes; a body that is too short is not.
    while came < len {
        match stream.read(&mut buffer).map_err(io("reading a file"))? {
            0 => return Err(short(path)),
            read => came += read as u64,
        }
    }
    Ok(since.elapsed())
}

fn asked(address: SocketAddr, path: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).map_err(io(format!("connecting to {address}")))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(io("asking for a file"))?;
    Ok(stream)
}

/// Many small ranges, asked for before any is read.
fn asked_by_ranges(address: SocketAddr, path: &str, len: u64, reader: u64) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).map_err(io(format!("connecting to {address}")))?;
    let (range_len, mut requests) = (SLOW_STEP as u64, String::new());
    for nth in 0..SLOW_RANGES {
        let place = (reader * SLOW_RANGES + nth).wrapping_mul(SLOW_STRIDE) % (len / range_len);
        let (first, last) = (place * range_len, (place + 1) * range_len - 1);
        requests += &format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nrange: bytes={first}-{last}\r\n\r\n"
        );
    }
    stream.write_all(requests.as_bytes()).map_err(io("asking for ranges"))?;
    Ok(stream)
}

fn short(path: &str) -> Error {
    Error::Unreadable { request: format!("GET {path}"), reason: "it is too short".to_owned() }
}

/// The most memory that the server has while many take a little of a file now and then, bytes: all that
/// it has, and what of that is not the file itself in the system's memory.
fn slow_readers(
    place: &Place,
    len: u64,
    ask: impl Fn(u64) -> Result<TcpStream>,
) -> Result<(f64, f64)> {
    let readers: Result<Vec<_>> = (0..SLOW_READERS as u64).map(ask).collect();
    let (mut readers, mut most) = (readers?, (0, 0));
    let mut buffer = vec![0; SLOW_STEP];
    for _ in 0..SLOW_STEPS.min(usize::try_from(len).unwrap_or(usize::MAX) / SLOW_STEP) {
        thread::sleep(SLOW_PAUSE);
        for reader in &mut readers {
            reader.read(&mut buffer).map_err(io("reading slowly"))?;
        }
        let server = place.server();
        most.0 = most.0.max(server.resident_bytes()?);
        most.1 = most.1.max(server.anonymous_bytes()?);
    }
    Ok((most.0 as f64, most.1 as f64))
}

/// Streams of what the disk alone has: the median in seconds, and how long small requests beside them take,
/// p95 of all in milliseconds.
fn cold(place: &Place, len: u64) -> Result<(f64, f64)> {
    let (mut took, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..COLD_STREAMS {
        // The system keeps what is mapped.
        thread::sleep(GIVEN_BACK_AFTER);
        disk::forget(&place.file)?;
        took.push(cold_once(place, len, &mut beside)?.as_secs_f64());
    }
    let [took, beside] = [took, beside].map(|all| Spread::of(&all));
    Ok((took.map_or(0.0, |took| took.median), beside.map_or(0.0, |beside| beside.p95)))
}

fn cold_once(place: &Place, len: u64, beside: &mut Vec<f64>) -> Result<Duration> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let small = scope.spawn(|| small_ones(place, &done));
        let took = fetch(place.address(), &place.large, len);
        done.store(true, Ordering::Relaxed);
        beside.extend(small.join().map_err(|_panic| Error::Panicked)??);
        took
    })
}

fn small_ones(place: &Place, done: &AtomicBool) -> Result<Vec<f64>> {
    let mut took = Vec::new();
    while !done.load(Ordering::Relaxed) {
        took.push(fetch(place.address(), &place.small, SMALL_LEN)?.as_secs_f64() * 1e3);
        thread::sleep(SMALL_EVERY);
    }
    Ok(took)
}

fn report(series: &Series, len: u64, versions: &str) -> Report {
    let mut report = Report::new(BENCH.name);
    let rounds = series.values().map(Vec::len).max().unwrap_or(0);
    report.say(format!(
        "One file of {} MiB, {rounds} interleaved rounds: median (least–greatest). {versions}, neither with a line in a log for each request. Hot: one stream of all \
         of it, from memory. Ranges: 64 KiB each at random places, by wrk, 64 connections. Slow readers: the most \
         memory of the server while {SLOW_READERS} take up to 64 KiB every {} ms; of it, what is not the file itself as the \
         system keeps it (for nginx its first process only). By ranges: each of them has asked for {SLOW_RANGES} ranges of \
         64 KiB at once. Cold: one stream with nothing of the file in memory, {COLD_STREAMS} times, and the \
         95th percentile of all requests for 4 KiB beside them.",
        len >> 20,
        SLOW_PAUSE.as_millis(),
    ));
    let mut table = Table::new(&[
        "",
        "hot, MB/s",
        "64 KiB ranges/s",
        "slow readers, MiB",
        "of it own",
        "by ranges, MiB",
        "of it own",
        "cold, MB/s",
        "beside, p95 ms",
    ]);
    for name in series.keys() {
        let rates = |metric| {
            values(series, name, metric).iter().map(|s| len as f64 / s / 1e6).collect::<Vec<_>>()
        };
        let ranges: Vec<_> = values(series, name, RANGE).iter().map(|s| 1.0 / s).collect();
        for (metric, unit) in [
            (HOT, "s"),
            (RANGE, "s"),
            (COLD, "s"),
            (BESIDE, "ms"),
            (MEMORY, "MiB"),
            (OWN, "MiB"),
            (RANGED_MEMORY, "MiB"),
            (RANGED_OWN, "MiB"),
        ] {
            report.record(name, metric, unit, values(series, name, metric));
        }
        table.row([
            (*name).to_owned(),
            median_and_ends(&rates(HOT), 0),
            median_and_ends(&ranges, 0),
            median_and_ends(&values(series, name, MEMORY), 1),
            median_and_ends(&values(series, name, OWN), 1),
            median_and_ends(&values(series, name, RANGED_MEMORY), 1),
            median_and_ends(&values(series, name, RANGED_OWN), 1),
            median_and_ends(&rates(COLD), 0),
            median_and_ends(&values(series, name, BESIDE), 2),
        ]);
    }
    report.table(&table);
    goals(series, &mut report);
    report
}

fn goals(series: &Series, report: &mut Report) {
    let mut table = Table::new(&["longhaul beside nginx", "times as fast", "goal"]);
    for (what, metric, goal) in [
        ("hot", HOT, 1.3),
        ("64 KiB ranges", RANGE, 1.0),
        ("cold", COLD, 1.0),
        ("beside a cold one", BESIDE, 1.0),
    ] {
        let ratios = speed_ratios(&values(series, OURS, metric), &values(series, NGINX, metric));
        table.row([what.to_owned(), median_and_ends(&ratios, 2), against_goal(&ratios, goal)]);
    }
    report.table(&table);
    for (metric, how) in [(MEMORY, "of all of it"), (RANGED_MEMORY, "of small ranges")] {
        let most = values(series, OURS, metric).into_iter().fold(0.0, f64::max);
        let verdict = if most * MIB <= SLOW_GOAL { "reached" } else { "missed" };
        report.say(format!(
            "{SLOW_READERS} slow readers {how}: {most:.1} MiB at most, of 64 wanted: {verdict}."
        ));
    }
}
