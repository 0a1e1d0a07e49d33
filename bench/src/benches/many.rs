//! How many small files a second a page in Chromium uploads, and whether the page can be used
//! meanwhile: the longest task on its own thread.

use std::time::Duration;

use longhaul_tests::files::Folder;

use super::{Bench, Setup};
use crate::error::Result;
use crate::measure::{Entrant, Series, interleave_cold, speed_ratios, values};
use crate::report::{Report, Table, median_and_ends};
use crate::visit::{Field, LONG_TASKS, LONGEST_TASK, PICK_TASK, TIME, To, Visit, costs};

pub(super) const BENCH: Bench = Bench {
    name: "many",
    about: "10,000 files of 4 KiB from a page in Chromium, beside Uppy's tus plugin",
    run,
};

/// Rounds of a full run.
const ROUNDS: usize = 3;
/// How many files, and in a quick run.
const FILES: usize = 10_000;
const QUICK_FILES: usize = 500;
/// The length of each, bytes.
const FILE_LEN: u64 = 4096;
/// How long all of them may take.
const WITHIN: Duration = Duration::from_secs(600);

const OURS: &str = "longhaul";
const OURS_DIALOG: &str = "longhaul, by its dialog";
const UPPY: &str = "Uppy";
const UPPY_TEN: &str = "Uppy, limit 10";
const ENTRANTS: [(&str, &str, To); 4] = [
    (OURS, "ours.html", To::Longhaul),
    (OURS_DIALOG, "ours.html?dialog", To::Longhaul),
    (UPPY, "uppy.html", To::NodeTus),
    (UPPY_TEN, "uppy.html?limit=10", To::NodeTus),
];
/// What the page's thread may do at most without a pause, seconds.
const TASK_MAX: f64 = 0.05;

fn run(setup: &Setup) -> Result<Report> {
    let count = setup.pick(FILES, QUICK_FILES);
    let folder = Folder::new();
    let file = |index| folder.random(&format!("{index:05}.bin"), FILE_LEN, index as u64);
    let field = Field::new(setup, (0..count).map(file).collect(), WITHIN)?;
    let wanted = ENTRANTS.into_iter().filter(|(name, ..)| setup.has(name));
    let mut entrants: Vec<Box<dyn Entrant + '_>> = wanted
        .map(|(name, page, to)| -> Box<dyn Entrant> {
            Box::new(Visit { name, page, to, field: &field })
        })
        .collect();
    let series = interleave_cold(&mut entrants, setup.rounds(ROUNDS))?;
    Ok(report(&series, count, &field.versions("@uppy/tus")?))
}

fn report(series: &Series, count: usize, versions: &str) -> Report {
    let mut report = Report::new(BENCH.name);
    let rounds = series.values().map(Vec::len).max().unwrap_or(0);
    report.say(format!(
        "{count} files of {FILE_LEN} bytes picked at once, {rounds} interleaved rounds: median (least–greatest). \
         {versions}.",
    ));
    report.say(
        "From the pick to the end of the last, each time on a new server and in a new browser. Longhaul's element \
         shows its list meanwhile, Uppy has no dashboard and shows nothing; 20 files at once are its own choice. \
         Files are put into an `<input>`, for which Chromium makes all of them in one task before any page hears of \
         it; somebody who clicks on Longhaul's gets a dialog that gives handles instead, which is the second row.",
    );
    let names = ENTRANTS.map(|(name, ..)| name);
    let thousands = count as f64 / 1e3;
    let rate = |seconds: f64| count as f64 / seconds;
    costs(&mut report, series, &names, thousands, ("1000 files", ("files/s", &rate)));
    tasks(series, &names, &mut report);
    ratios(series, &mut report);
    report
}

fn tasks(series: &Series, names: &[&'static str], report: &mut Report) {
    let mut table = Table::new(&[
        "",
        "longest task of the page, ms",
        "of 50 ms and more",
        "before it, the browser's, ms",
        "goal",
    ]);
    for &name in names.iter().filter(|name| series.contains_key(*name)) {
        let longest = values(series, name, LONGEST_TASK);
        report.record(name, LONGEST_TASK, "s", &longest);
        let worst = longest.iter().copied().fold(0.0, f64::max);
        let reached = if worst <= TASK_MAX { "reached" } else { "missed" };
        table.row([
            name.to_owned(),
            ms_or_less(&longest),
            median_and_ends(&values(series, name, LONG_TASKS), 0),
            ms_or_less(&values(series, name, PICK_TASK)),
            if [OURS, OURS_DIALOG].contains(&name) {
                format!("none above 50: {reached}")
            } else {
                String::new()
            },
        ]);
    }
    report.table(&table);
}

fn ms_or_less(seconds: &[f64]) -> String {
    let ms: Vec<f64> = seconds.iter().map(|seconds| seconds * 1e3).collect();
    let all_below = ms.iter().all(|ms| *ms == 0.0);
    if all_below { "below 50".to_owned() } else { median_and_ends(&ms, 0) }
}

fn ratios(series: &Series, report: &mut Report) {
    let mut table = Table::new(&["longhaul beside", "times as many files a second"]);
    for peer in [UPPY, UPPY_TEN].into_iter().filter(|peer| series.contains_key(peer)) {
        let ratios = speed_ratios(&values(series, OURS, TIME), &values(series, peer, TIME));
        report.record(&format!("{OURS} / {peer}"), TIME, "ratio", &ratios);
        table.row([peer.to_owned(), median_and_ends(&ratios, 2)]);
    }
    report.table(&table);
}
