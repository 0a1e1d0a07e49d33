//! Crashes by the thousand, each of which can be played again.
//!
//! Clients create, send, replace, offer, seal, cancel and delete, with threads that take turns as
//! the seed says; at some change to the disk the power goes. What was not synced is kept in any
//! mixture, the store starts again (and may crash again while it does), and then must be true what
//! anybody was told.
//!
//! `LONGHAUL_SEED=n cargo test -p longhaul-server --test store crash` plays one history again
//! and tells what the store has to say of it;
//! `LONGHAUL_HISTORIES=n` plays that many.

mod check;
mod client;
mod history;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use history::{Came, Kind, play};

use super::sim::Lie;

/// How many histories a test run plays of each kind.
const HISTORIES: u64 = 120;
/// How many a lie may survive.
const HISTORIES_OF_A_LIE: u64 = 3000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect(name))
}

fn played(seed: u64, kind: Kind) -> Result<Came, String> {
    catch_unwind(AssertUnwindSafe(|| play(seed, kind)))
        .unwrap_or_else(|_| Err("something panicked".to_owned()))
}

/// The first seed among these that shows something wrong.
fn first_wrong(seeds: std::ops::Range<u64>, kind: Kind) -> (Option<(u64, String)>, Came) {
    let next = AtomicU64::new(seeds.start);
    let sum = std::sync::Mutex::new(Came { crashes: 0, answers: 0, failures: 0, trace: 0 });
    let wrong = std::sync::Mutex::new(None);
    let work = || {
        while wrong.lock().unwrap().is_none() {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= seeds.end {
                return;
            }
            match played(seed, kind) {
                Err(told) => drop(wrong.lock().unwrap().get_or_insert((seed, told))),
                Ok(came) => {
                    let mut sum = sum.lock().unwrap();
                    sum.crashes += came.crashes;
                    sum.answers += came.answers;
                    sum.failures += came.failures;
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    (wrong.into_inner().unwrap(), sum.into_inner().unwrap())
}

fn all_right(kind: Kind) {
    let seeds = match number("LONGHAUL_SEED") {
        Some(seed) => {
            let all = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG);
            let _ = all.with_test_writer().try_init();
            seed..seed + 1
        }
        None => 0..number("LONGHAUL_HISTORIES").unwrap_or(HISTORIES),
    };
    let (wrong, came) = first_wrong(seeds.clone(), kind);
    if let Some((seed, told)) = wrong {
        panic!("LONGHAUL_SEED={seed} {kind:?}: {told}");
    }
    println!("{} histories: {came:?}", seeds.end - seeds.start);
}

#[test]
fn after_a_crash_everything_that_was_told_is_true() {
    all_right(Kind::default());
}

#[test]
fn after_calls_that_failed_and_a_crash_everything_that_was_told_is_true() {
    all_right(Kind { fails: true, ..Kind::default() });
}

#[test]
fn a_seed_gives_the_same_history_again() {
    for seed in 0..5 {
        let kind = Kind { fails: seed % 2 == 0, ..Kind::default() };
        assert_eq!(played(seed, kind), played(seed, kind), "seed {seed}");
    }
}

fn is_found_out(lie: Lie) {
    let kind = Kind { lie: Some(lie), ..Kind::default() };
    let (wrong, came) = first_wrong(0..HISTORIES_OF_A_LIE, kind);
    let (seed, told) = wrong.unwrap_or_else(|| panic!("{lie:?} went unnoticed: {came:?}"));
    println!("{lie:?} shows in seed {seed}: {told}");
}

#[test]
fn a_blob_that_was_not_synced_is_found_out() {
    is_found_out(Lie::Blobs);
}

#[test]
fn a_commit_before_its_sync_is_found_out() {
    is_found_out(Lie::LateBlobs);
}

#[test]
fn an_index_that_was_not_synced_is_found_out() {
    is_found_out(Lie::Index);
}

#[test]
fn a_folder_that_was_not_synced_is_found_out() {
    is_found_out(Lie::Folders);
}
