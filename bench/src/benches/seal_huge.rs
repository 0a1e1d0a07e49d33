//! How long the seal of a file takes that no disk here has room for.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use longhaul_protocol::Plan;
use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, LANES_MAX};

use super::{Bench, Setup, seal};
use crate::disk;
use crate::error::{Error, Result};
use crate::payload::Payload;
use crate::peers::longhaul::{Job, Longhaul, root_of};
use crate::report::{Report, Table};
use crate::sparse::SparseDisk;

pub(super) const BENCH: Bench = Bench {
    name: "seal-huge",
    about: "the seal right after an upload of 64 GiB to a sparse loop-mounted disk; as root only",
    run,
};

/// Lengths of files, bytes, and how often each is uploaded and sealed.
const CASES: &[(u64, usize)] = &[(64 << 20, 5), (1 << 30, 3), (64 << 30, 1)];
const QUICK_CASES: &[(u64, usize)] = &[(64 << 20, 2), (2 << 30, 1)];
/// How much larger than the file the disk is, bytes.
const SPARE: u64 = 8 << 30;
/// What may lie on the real disk at once, bytes.
const WRITTEN_MAX: u64 = 4 << 30;
const RING_LEN: usize = 256 << 20;
/// How often what was written is taken away.
const TAKE_AWAY_EVERY: Duration = Duration::from_millis(500);

fn run(setup: &Setup) -> Result<Report> {
    disk::check_room(&setup.dir, WRITTEN_MAX)?;
    let cases = setup.pick(CASES, QUICK_CASES);
    let longest = cases.iter().map(|(len, _)| *len).max().unwrap_or(0);
    let sparse = SparseDisk::new(&setup.dir, longest + SPARE)?;
    let store = sparse.dir().join("longhaul");
    let longhaul = Longhaul::start(&setup.longhaul, &store)?;
    let payload = Payload::new(RING_LEN)?;
    let mut report = Report::new(BENCH.name);
    report.say(
        "Time of the seal's request, right after the last 204, milliseconds, on ext4 in a sparse file. All bytes are \
         sent; what was written is taken away from under the file system as the upload goes on, as there is no room \
         for it, and as a seal reads none of it.",
    );
    let mut table = Table::new(&["file, MiB", "median", "p95", "least", "greatest", "times"]);
    for &(len, repeats) in cases {
        let plan = Plan::new(len, CHUNK_LEN_DEFAULT).unwrap_or(Plan::EMPTY);
        let once = |_| upload_and_seal(&longhaul, &payload, plan, &sparse, &store.join("blobs"));
        let seals: Result<Vec<_>> = (0..setup.rounds.unwrap_or(repeats)).map(once).collect();
        seal::add(&mut report, &mut table, (len >> 20).to_string(), "seal after upload", &seals?);
    }
    report.table(&table);
    drop(longhaul);
    Ok(report)
}

/// Milliseconds.
fn upload_and_seal(
    longhaul: &Longhaul,
    payload: &Payload,
    plan: Plan,
    sparse: &SparseDisk,
    blobs: &Path,
) -> Result<f64> {
    disk::settle(sparse.dir())?;
    let digests = payload.digests(plan)?;
    let id = longhaul.create(plan)?;
    let job = Job { payload, plan, digests: Some(&digests), lanes: LANES_MAX };
    let done = AtomicBool::new(false);
    let (file, took) = thread::scope(|scope| {
        let taken_away = scope.spawn(|| take_away_until(&done, sparse, blobs));
        let sealed = longhaul.send_chunks(id, job).and_then(|digests| {
            let since = Instant::now();
            Ok((longhaul.seal(id, root_of(&digests))?, since.elapsed()))
        });
        done.store(true, Ordering::Relaxed);
        taken_away.join().map_err(|_panic| Error::Panicked)?.and(sealed)
    })?;
    eprintln!("seal of {} chunks: {took:?}", plan.chunk_count());
    longhaul.delete(file)?;
    Ok(took.as_secs_f64() * 1e3)
}

fn take_away_until(done: &AtomicBool, sparse: &SparseDisk, blobs: &Path) -> Result<()> {
    while !done.load(Ordering::Relaxed) {
        sparse.take_away(blobs)?;
        thread::sleep(TAKE_AWAY_EVERY);
    }
    Ok(())
}
