//! What is sent in a turn from memory, and what is noted of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use longhaul_protocol::plan::CHUNK_LEN_DEFAULT;
use longhaul_protocol::{Digest, Plan};

use super::Setup;
use crate::calm::{self, Busy};
use crate::disk;
use crate::error::Result;
use crate::measure::{Series, Turn, values};
use crate::payload::Payload;
use crate::peers::longhaul::Job;
use crate::process::{Server, own_cpu_seconds};
use crate::report::{Report, Table, median_and_ends};
use crate::warm::Warm;

/// How much memory is made ready for the pages of a file, by the file's length: those, those of the
/// one before that are not free yet, and what the way there takes.
const WARM_TIMES: u64 = 3;
/// The times of a turn, seconds since its start.
pub(super) const RECEIVED: &str = "received";
pub(super) const DURABLE: &str = "durable";
/// Processor time until it was durable, seconds.
pub(super) const SERVER_CPU: &str = "server cpu";
pub(super) const CLIENT_CPU: &str = "client cpu";
/// The share of the machine's processors that neither of them used and that was not idle.
pub(super) const OTHERS: &str = "others";

/// What all send.
pub(super) struct Work {
    pub(super) payload: Payload,
    pub(super) plan: Plan,
    pub(super) digests: Vec<Digest>,
    pub(super) dir: PathBuf,
    patience: Duration,
    _warm: Warm,
}

impl Work {
    pub(super) fn new(setup: &Setup, len: u64) -> Result<Self> {
        let payload = Payload::new(usize::try_from(len).unwrap_or(usize::MAX))?;
        let plan = Plan::new(len, CHUNK_LEN_DEFAULT).unwrap_or(Plan::EMPTY);
        let digests = payload.digests(plan)?;
        let (dir, patience) = (setup.dir.clone(), setup.patience);
        Ok(Self { payload, plan, digests, dir, patience, _warm: Warm::new(WARM_TIMES * len)? })
    }

    /// A disk with nothing left to write, and a machine with nothing else to do.
    pub(super) fn prepare(&self) -> Result<()> {
        disk::settle(&self.dir)?;
        calm::wait(self.patience)
    }

    pub(super) fn job(&self, ahead: bool, lanes: u64) -> Job<'_> {
        let digests = ahead.then_some(self.digests.as_slice());
        Job { payload: &self.payload, plan: self.plan, digests, lanes }
    }
}

/// Takes the times of one turn.
pub(super) struct Watch<'a> {
    server: Option<&'a Server>,
    server_cpu: f64,
    client_cpu: f64,
    machine: Busy,
    since: Instant,
    turn: Turn,
}

impl<'a> Watch<'a> {
    pub(super) fn start(server: Option<&'a Server>) -> Result<Self> {
        let server_cpu = server.map_or(Ok(0.0), Server::cpu_seconds)?;
        let (client_cpu, machine) = (own_cpu_seconds()?, Busy::now()?);
        let (since, turn) = (Instant::now(), Turn::new());
        Ok(Self { server, server_cpu, client_cpu, machine, since, turn })
    }

    pub(super) fn note(&mut self, metric: &'static str) {
        self.turn.insert(metric, self.since.elapsed().as_secs_f64());
    }

    pub(super) fn stop(mut self) -> Result<Turn> {
        let server = self.server.map_or(Ok(0.0), Server::cpu_seconds)? - self.server_cpu;
        let client = own_cpu_seconds()? - self.client_cpu;
        let others = Busy::now()?.since(self.machine).less(server + client).share();
        self.turn.extend([(SERVER_CPU, server), (CLIENT_CPU, client), (OTHERS, others)]);
        Ok(self.turn)
    }
}

/// How fast each of them was, and what that cost whom.
pub(super) fn throughput(
    series: &Series,
    len: u64,
    entrants: &[&'static str],
    report: &mut Report,
) {
    let gib = len as f64 / f64::from(1 << 30);
    let mut table = Table::new(&[
        "",
        "received, MB/s",
        "durable, MB/s",
        "server, core-s/GiB",
        "client, core-s/GiB",
        "others, % of all cores",
    ]);
    for entrant in entrants.iter().copied().filter(|entrant| series.contains_key(entrant)) {
        let rate = |metric| each(&values(series, entrant, metric), |s| len as f64 / s / 1e6);
        let cost = |metric| each(&values(series, entrant, metric), |s| s / gib);
        report.record(entrant, RECEIVED, "s", values(series, entrant, RECEIVED));
        report.record(entrant, DURABLE, "s", values(series, entrant, DURABLE));
        report.record(entrant, SERVER_CPU, "s", values(series, entrant, SERVER_CPU));
        table.row([
            entrant.to_owned(),
            median_and_ends(&rate(RECEIVED), 0),
            median_and_ends(&rate(DURABLE), 0),
            median_and_ends(&cost(SERVER_CPU), 2),
            median_and_ends(&cost(CLIENT_CPU), 2),
            median_and_ends(&each(&values(series, entrant, OTHERS), |share| share * 1e2), 0),
        ]);
    }
    report.table(&table);
}

fn each(values: &[f64], convert: impl Fn(f64) -> f64) -> Vec<f64> {
    values.iter().map(|&value| convert(value)).collect()
}
