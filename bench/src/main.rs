//! `cargo xtask bench [NAME…]`: measures the server beside what a person would use instead.
//!
//! A bench (`benches/`) starts servers (`peers/`), sends them the same bytes (`payload`, `http`) in
//! interleaved rounds (`measure`) on a settled disk (`disk`), with memory at hand (`warm`), when
//! nobody else works (`calm`), and tells what it found (`report`) and on which machine (`machine`).
//! Some have pages in a browser do it (`visit`, `browser`), one over a path that loses packets (`link`).

mod benches;
mod browser;
mod calm;
mod disk;
mod encrypted;
mod error;
mod http;
mod link;
mod machine;
mod measure;
mod payload;
mod peers;
mod process;
mod report;
mod rows;
mod sparse;
mod visit;
mod warm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use benches::{BENCHES, Bench, Setup};
use clap::Parser;
use error::{Error, Result};
use machine::Machine;

/// Measures the server beside what a person would use instead, and prints medians and ratios.
///
/// Peers that are missing are fetched into target/bench-peers. Figures also go to
/// target/bench/NAME.jsonl, one JSON object a line.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Args {
    /// What to measure; everything if nothing is named.
    names: Vec<String>,

    /// Say what can be measured, and do nothing.
    #[arg(long)]
    list: bool,

    /// A small run, to see that everything works; its figures mean little.
    #[arg(long)]
    quick: bool,

    /// Rounds, instead of each bench's own number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,

    /// A bench begins no further round after this many minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 20)]
    minutes: u64,

    /// Wait this many seconds, at most, for a machine that nobody else uses, before every turn.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    patience: u64,

    /// Of the benches with several, only who is called so; may be given again.
    #[arg(long, value_name = "WHO")]
    only: Vec<String>,

    /// Another binary of the server, to measure a change by: takes part in the ingest bench as well.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,

    /// Measure on the disk of this folder; its subfolder `bench-data` is cleared.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// The server's binary; `cargo xtask bench` builds it.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,

    /// The built site; `cargo xtask bench` builds it.
    #[arg(long, value_name = "DIR")]
    site: Option<PathBuf>,

    /// Put the tables into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let chosen = choose(&args.names)?;
    if args.list {
        chosen.iter().for_each(|bench| println!("{:9} {}", bench.name, bench.about));
        return Ok(());
    }
    let setup = setup(args);
    disk::fresh_dir(&setup.dir)?;
    let machine = Machine::look(&setup.dir)?;
    println!("{}", machine.sentence());
    let outcome = chosen.iter().try_for_each(|bench| measure(args, &setup, &machine, bench));
    let cleared = std::fs::remove_dir_all(&setup.dir);
    outcome.and(cleared.map_err(error::io("clearing the bench's folder")))
}

fn measure(args: &Args, setup: &Setup, machine: &Machine, bench: &Bench) -> Result<()> {
    eprintln!("\n== {}: {}", bench.name, bench.about);
    disk::fresh_dir(&setup.dir)?;
    let report = (bench.run)(setup)?;
    println!("\n== {}\n\n{}", bench.name, report.text());
    let results = target().join("bench");
    std::fs::create_dir_all(&results).map_err(error::io("making target/bench"))?;
    report.write_json(&results, &serde_json::json!({ "bench": bench.name, "machine": machine }))?;
    if args.write {
        report.write_into(&root().join("docs/benchmarks.md"), &machine.sentence())?;
    }
    Ok(())
}

fn choose(names: &[String]) -> Result<Vec<Bench>> {
    if names.is_empty() {
        return Ok(BENCHES.to_vec());
    }
    let find = |name: &String| BENCHES.iter().find(|bench| bench.name == *name).copied();
    let known = |name| find(name).ok_or_else(|| Error::NoSuchBench { name: name.clone() });
    names.iter().map(known).collect()
}

fn setup(args: &Args) -> Setup {
    let built = || target().join("release").join("longhaul-server");
    Setup {
        longhaul: args.server.clone().unwrap_or_else(built),
        before: args.before.clone(),
        only: args.only.clone(),
        site: args.site.clone().unwrap_or_else(|| root().join("dist")),
        packages: root().join("bench/peers"),
        kept: peers::kept_in(&target()),
        dir: args.dir.clone().unwrap_or_else(target).join("bench-data"),
        quick: args.quick,
        rounds: args.rounds.map(usize::from),
        patience: Duration::from_secs(args.patience),
        time_max: Duration::from_secs(60 * args.minutes),
    }
}

/// The repository.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Cargo's build folder.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
