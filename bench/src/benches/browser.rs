//! How fast a page in Chromium uploads one file over loopback, and what that costs whom.
//!
//! The time is that from the pick to the end as the page is told it: to the seal's answer for
//! Longhaul, whose both ends verify every chunk and whose server has synced, to the last answer for
//! tus-js-client.

use std::time::Duration;

use longhaul_tests::files::Folder;

use super::{Bench, Setup};
use crate::disk;
use crate::error::Result;
use crate::measure::{Entrant, Series, interleave, speed_ratios, values};
use crate::report::{Report, Table, against_goal, median_and_ends};
use crate::visit::{Field, TIME, To, Visit, costs};
use crate::warm::Warm;

pub(super) const BENCH: Bench = Bench {
    name: "browser",
    about: "one file of 1 GiB from a page in Chromium, beside tus-js-client",
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
const SEED: u64 = 4;
/// How long an upload may take.
const WITHIN: Duration = Duration::from_secs(240);

const OURS: &str = "longhaul";
const TUS: &str = "tus-js-client";
const TUS_PARTS: &str = "tus-js-client, 5 parts at once";
const LOOP: &str = "plain loop of 3 lanes";
const LOOP_BARE: &str = "plain loop, sends one buffer";
const ENTRANTS: [(&str, &str, To); 5] = [
    (OURS, "ours.html", To::Longhaul),
    (TUS, "tus.html", To::NodeTus),
    (LOOP, "loop.html?lanes=3", To::Longhaul),
    (TUS_PARTS, "tus.html?parts=5", To::NodeTus),
    (LOOP_BARE, "loop.html?lanes=3&bare=1", To::Longhaul),
];
/// Whom we want to come how near to, of their rate. Five parts are no setting that the Node server
/// takes, only what one could be: they stay five files there.
const GOALS: [(&str, Option<f64>); 2] = [(TUS, Some(0.8)), (TUS_PARTS, None)];

fn run(setup: &Setup) -> Result<Report> {
    let len = setup.pick(FILE_LEN, QUICK_FILE_LEN);
    disk::check_room(&setup.dir, 4 * len)?;
    let folder = Folder::new();
    let field = Field::new(setup, vec![folder.random("bench.bin", len, SEED)], WITHIN)?;
    let _warm = Warm::new(WARM_TIMES * len)?;
    let wanted = ENTRANTS.into_iter().filter(|(name, ..)| setup.has(name));
    let mut entrants: Vec<Box<dyn Entrant + '_>> = wanted
        .map(|(name, page, to)| -> Box<dyn Entrant> {
            Box::new(Visit { name, page, to, field: &field })
        })
        .collect();
    let series = interleave(&mut entrants, setup.rounds(ROUNDS))?;
    Ok(report(&series, len, &field.versions("tus-js-client")?))
}

fn report(series: &Series, len: u64, versions: &str) -> Report {
    let mut report = Report::new(BENCH.name);
    let rounds = series.values().map(Vec::len).max().unwrap_or(0);
    report.say(format!(
        "One file of {} MiB, {rounds} interleaved rounds: median (least–greatest). {versions}.",
        len >> 20
    ));
    report.say(
        "From the pick to the end, each time on a new server and in a new browser. Longhaul hashes every chunk at \
         both ends and its server syncs before the last answer; tus-js-client and its server do neither. The Node \
         server cannot join parts, so `parallelUploads` does not work with it: 5 parts at once are 5 uploads that \
         stay apart. The plain loops are the least that a page can do to send to Longhaul's server: workers that read, hash and send one \
         chunk after the other, and workers that send one buffer again and again.",
    );
    let gib = len as f64 / f64::from(1 << 30);
    let rate = |seconds: f64| len as f64 / seconds / 1e6;
    let names = ENTRANTS.map(|(name, ..)| name);
    costs(&mut report, series, &names, gib, ("GiB", ("MB/s", &rate)));
    ratios(series, &mut report);
    report
}

fn ratios(series: &Series, report: &mut Report) {
    let mut table = Table::new(&["longhaul beside", "times as fast", "goal"]);
    for (peer, goal) in GOALS.into_iter().filter(|(peer, _)| series.contains_key(peer)) {
        let ratios = speed_ratios(&values(series, OURS, TIME), &values(series, peer, TIME));
        report.record(&format!("{OURS} / {peer}"), TIME, "ratio", &ratios);
        let goal = goal.map_or_else(String::new, |goal| against_goal(&ratios, goal));
        table.row([peer.to_owned(), median_and_ends(&ratios, 2), goal]);
    }
    report.table(&table);
}
