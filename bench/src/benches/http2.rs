//! How fast one file is taken in through TLS: by HTTP/1.1, on which each lane has a connection of its own, and by
//! HTTP/2, on which all share one. From memory, by a client of the same library, and from a page in Chromium.

use std::time::Duration;

use longhaul_protocol::plan::LANES_MAX;
use longhaul_tests::files::Folder;

use super::work::{DURABLE, RECEIVED, Watch, Work, throughput};
use super::{Bench, Setup};
use crate::disk;
use crate::encrypted::{Encrypted, Sent, Version};
use crate::error::Result;
use crate::measure::{Entrant, Series, Turn, interleave, speed_ratios, values};
use crate::peers::longhaul::{Longhaul, root_of};
use crate::report::{Report, Table, against_goal, median_and_ends};
use crate::visit::{Field, TIME, To, Visit, costs};
use crate::warm::Warm;

pub(super) const BENCH: Bench = Bench {
    name: "http2",
    about: "one file of 1 GiB through TLS, by HTTP/2 beside HTTP/1.1, from memory and from a page",
    run,
};

/// Rounds of a full run.
const ROUNDS: usize = 5;
/// The file, bytes; and that of a quick run.
const FILE_LEN: u64 = 1 << 30;
const QUICK_FILE_LEN: u64 = 128 << 20;
/// As in the ingest bench.
const WARM_TIMES: u64 = 3;
/// The file's bytes.
const SEED: u64 = 6;
/// How long an upload may take.
const WITHIN: Duration = Duration::from_secs(240);

const HTTP1: &str = "HTTP/1.1";
const HTTP2: &str = "HTTP/2";
const HTTP1_ONE_LANE: &str = "HTTP/1.1, one lane";
const HTTP2_ONE_LANE: &str = "HTTP/2, one lane";
const FROM_MEMORY: [(&str, Version, u64); 4] = [
    (HTTP1, Version::Http1, LANES_MAX),
    (HTTP2, Version::Http2, LANES_MAX),
    (HTTP1_ONE_LANE, Version::Http1, 1),
    (HTTP2_ONE_LANE, Version::Http2, 1),
];
const PAGE_HTTP1: &str = "a page, HTTP/1.1";
const PAGE_HTTP2: &str = "a page, HTTP/2";
const PAGES: [(&str, Version); 2] = [(PAGE_HTTP1, Version::Http1), (PAGE_HTTP2, Version::Http2)];
/// What HTTP/2 should have of the rate of HTTP/1.1.
const GOAL: f64 = 0.8;

fn run(setup: &Setup) -> Result<Report> {
    let len = setup.pick(FILE_LEN, QUICK_FILE_LEN);
    disk::check_room(&setup.dir, 4 * len)?;
    let mut report = Report::new(BENCH.name);
    let rounds = setup.rounds(ROUNDS).count;
    report.say(format!(
        "One file of {} MiB, {rounds} interleaved rounds: median (least–greatest). {}.",
        len >> 20,
        Longhaul::version(&setup.longhaul)?
    ));
    from_memory(setup, len, &mut report)?;
    from_a_page(setup, len, &mut report)?;
    Ok(report)
}

fn from_memory(setup: &Setup, len: u64, report: &mut Report) -> Result<()> {
    let work = Work::new(setup, len)?;
    let start = |version, name| Encrypted::start(&setup.longhaul, &setup.dir.join(name), version);
    let servers = (start(Version::Http1, "http1")?, start(Version::Http2, "http2")?);
    let wanted = FROM_MEMORY.into_iter().filter(|(name, ..)| setup.has(name));
    let mut entrants: Vec<Box<dyn Entrant + '_>> = wanted
        .map(|(name, version, lanes)| -> Box<dyn Entrant> {
            let server = if version == Version::Http1 { &servers.0 } else { &servers.1 };
            Box::new(Ours { name, server, lanes, work: &work })
        })
        .collect();
    let series = interleave(&mut entrants, setup.rounds(ROUNDS))?;
    report.say(
        "From memory, in chunks of 8 MiB with digests computed beforehand: by HTTP/1.1 on a connection for each of 5 \
         lanes, by HTTP/2 on one for all. What a connection brings is decrypted by one thread of the server, and client \
         and server share the cores.",
    );
    throughput(&series, len, &FROM_MEMORY.map(|(name, ..)| name), report);
    let pairs = [(HTTP1, HTTP2), (HTTP1_ONE_LANE, HTTP2_ONE_LANE)];
    ratios(&series, &pairs, &[RECEIVED, DURABLE], report);
    Ok(())
}

fn from_a_page(setup: &Setup, len: u64, report: &mut Report) -> Result<()> {
    let folder = Folder::new();
    let field = Field::new(setup, vec![folder.random("bench.bin", len, SEED)], WITHIN)?;
    let _warm = Warm::new(WARM_TIMES * len)?;
    let wanted = PAGES.into_iter().filter(|(name, _)| setup.has(name));
    let mut entrants: Vec<Box<dyn Entrant + '_>> = wanted
        .map(|(name, version)| -> Box<dyn Entrant> {
            Box::new(Visit { name, page: "ours.html", to: To::Encrypted(version), field: &field })
        })
        .collect();
    let series = interleave(&mut entrants, setup.rounds(ROUNDS))?;
    report.say(
        "From the pick to the end in Chromium, each time on a new server and in a new browser:",
    );
    let rate = |seconds: f64| len as f64 / seconds / 1e6;
    let gib = len as f64 / f64::from(1 << 30);
    costs(report, &series, &PAGES.map(|(name, _)| name), gib, ("GiB", ("MB/s", &rate)));
    ratios(&series, &[(PAGE_HTTP1, PAGE_HTTP2)], &[TIME], report);
    Ok(())
}

/// The client from memory.
struct Ours<'a> {
    name: &'static str,
    server: &'a Encrypted,
    lanes: u64,
    work: &'a Work,
}

impl Entrant for Ours<'_> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn turn(&mut self) -> Result<Turn> {
        let Self { server, lanes, work: Work { payload, plan, digests, .. }, .. } = *self;
        self.work.prepare()?;
        let mut watch = Watch::start(Some(server.server()))?;
        let id = server.create(*plan)?;
        server.send_chunks(id, &Sent { payload, plan: *plan, digests, lanes })?;
        watch.note(RECEIVED);
        let file = server.seal(id, root_of(digests))?;
        watch.note(DURABLE);
        let turn = watch.stop()?;
        server.delete(file)?;
        Ok(turn)
    }
}

fn ratios(
    series: &Series,
    pairs: &[(&'static str, &'static str)],
    metrics: &[&'static str],
    report: &mut Report,
) {
    let mut table = Table::new(&["", "metric", "times as fast as HTTP/1.1", "goal"]);
    let has = |name: &str| series.contains_key(name);
    for (old, new) in pairs.iter().filter(|(old, new)| has(old) && has(new)) {
        for metric in metrics {
            let ratios = speed_ratios(&values(series, new, metric), &values(series, old, metric));
            report.record(&format!("{new} / {old}"), metric, "ratio", &ratios);
            let goal = against_goal(&ratios, GOAL);
            let row = [(*new).to_owned(), (*metric).to_owned(), median_and_ends(&ratios, 2), goal];
            table.row(row);
        }
    }
    report.table(&table);
}
