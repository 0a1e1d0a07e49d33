//! How long a file takes over a long path that loses packets, beside tus-js-client at its defaults and
//! at its best setting, and through TLS by HTTP/1.1 and by HTTP/2.

use std::thread;
use std::time::Duration;

use longhaul_tests::files::Folder;

use super::{Bench, Setup};
use crate::encrypted::Version;
use crate::error::{Error, Result};
use crate::link::{Link, Way};
use crate::measure::{Entrant, Series, interleave_cold, speed_ratios, values};
use crate::report::{Report, Table, median_and_ends};
use crate::visit::{Field, TIME, To, Visit};

pub(super) const BENCH: Bench = Bench {
    name: "path",
    about: "one file over a path of 80 ms that loses packets, beside tus-js-client; needs root",
    run,
};

/// Rounds of a full run.
const ROUNDS: usize = 1;
/// The share of packets that each direction loses, and the file that is sent then, bytes: for which
/// the slowest takes some minutes.
const PATHS: [(f64, u64); 2] = [(0.001, 64 << 20), (0.01, 64 << 20)];
const QUICK_FILE_LEN: u64 = 8 << 20;
/// One way; the way there and back takes twice as long.
const DELAY: Duration = Duration::from_millis(40);
const MBIT_PER_S: f64 = 100.0;
/// As much as the path holds, which is what a router at its narrow place should have.
const QUEUE: Duration = Duration::from_millis(80);
const SEED: u64 = 5;
/// How long an upload may take.
const WITHIN: Duration = Duration::from_secs(600);

const OURS: &str = "longhaul";
const TUS: &str = "tus-js-client";
const TUS_PARTS: &str = "tus-js-client, 5 parts at once";
const OURS_TLS: &str = "longhaul, TLS";
const OURS_HTTP2: &str = "longhaul, TLS and HTTP/2";
const ENTRANTS: [(&str, &str, To); 5] = [
    (OURS, "ours.html", To::Longhaul),
    (OURS_TLS, "ours.html", To::Encrypted(Version::Http1)),
    (OURS_HTTP2, "ours.html", To::Encrypted(Version::Http2)),
    (TUS_PARTS, "tus.html?parts=5", To::NodeTus),
    (TUS, "tus.html", To::NodeTus),
];
/// The share of a peer's time that ours may be.
const GOALS: [(&str, f64); 2] = [(TUS, 1.0 / 3.0), (TUS_PARTS, 1.0)];

fn run(setup: &Setup) -> Result<Report> {
    let mut report = Report::new(BENCH.name);
    for (index, (loss, len)) in PATHS.into_iter().enumerate() {
        let len = setup.pick(len, QUICK_FILE_LEN);
        let setup = setup.clone();
        // Threads and programs are in the namespace of the thread that starts them.
        let measured = thread::spawn(move || over(&setup, loss, len)).join();
        let (series, versions) = measured.map_err(|_panic| Error::Panicked)??;
        if index == 0 {
            report.say(about(&versions));
        }
        tell(&mut report, &series, loss, len);
    }
    Ok(report)
}

fn over(setup: &Setup, loss: f64, len: u64) -> Result<(Series, String)> {
    let folder = Folder::new();
    let file = folder.random("bench.bin", len, SEED);
    let way = Way { delay: DELAY, loss, bytes_per_s: MBIT_PER_S * 1e6 / 8.0, queue: QUEUE };
    let mut field = Field::new(setup, vec![file], WITHIN)?;
    let versions = field.versions("tus-js-client")?;
    field.link = Some(Link::between(way, SEED)?);
    let wanted = ENTRANTS.into_iter().filter(|(name, ..)| setup.has(name));
    let mut entrants: Vec<Box<dyn Entrant + '_>> = wanted
        .map(|(name, page, to)| -> Box<dyn Entrant> {
            Box::new(Visit { name, page, to, field: &field })
        })
        .collect();
    let series = interleave_cold(&mut entrants, setup.rounds(ROUNDS))?;
    let lost = field.link.as_ref().map_or(0.0, Link::lost);
    eprintln!("{:.2} % of all packets were lost, full queues included", lost * 100.0);
    Ok((series, versions))
}

fn about(versions: &str) -> String {
    format!(
        "Each packet takes {} ms each way through {MBIT_PER_S} Mbit/s with a queue of {} ms before them, and is lost \
         by chance, by the same seed for everybody. TCP is the kernel's, with cubic. From the pick to the end, each \
         time on a new server and in a new browser. By HTTP/2 all lanes share one connection, and so one congestion \
         window, which each loss halves. {versions}.",
        DELAY.as_millis(),
        QUEUE.as_millis()
    )
}

fn tell(report: &mut Report, series: &Series, loss: f64, len: u64) {
    let rounds = series.values().map(Vec::len).max().unwrap_or(0);
    report.say(format!(
        "{} % of the packets of each direction lost, one file of {} MiB, {rounds} interleaved rounds:",
        loss * 100.0,
        len >> 20
    ));
    let mut table = Table::new(&["", "seconds", "longhaul's time in that", "goal"]);
    for (name, ..) in ENTRANTS.into_iter().filter(|(name, ..)| series.contains_key(name)) {
        let times = values(series, name, TIME);
        report.record(&format!("{name}, {loss} lost"), TIME, "s", &times);
        let shares = speed_ratios(&times, &values(series, OURS, TIME));
        let goal = GOALS.into_iter().find(|(peer, _)| *peer == name);
        table.row([
            name.to_owned(),
            median_and_ends(&times, 1),
            if name == OURS { String::new() } else { median_and_ends(&shares, 2) },
            goal.map_or_else(String::new, |(_, most)| against(&shares, most)),
        ]);
    }
    report.table(&table);
}

fn against(shares: &[f64], most: f64) -> String {
    let reached = crate::measure::Spread::of(shares).is_some_and(|spread| spread.median <= most);
    format!("≤ {most:.2}: {}", if reached { "reached" } else { "missed" })
}
