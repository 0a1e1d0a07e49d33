//! How many files the system lets the server have open, of which each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::doors::TURNED_AWAY_MAX;

/// What the server has open itself: the index, what it listens on, and what its threads wait with.
const OWN_FILES_MAX: u64 = 32;

/// Of the rest one in so many is left for files.
const ONE_FOR_FILES_IN: u64 = 4;

/// Asks the system for as many open files as it gives without being told by an administrator: what it gives by
/// itself is often 1024, for programs that cannot count further. Returns how many of `wanted` connections
/// there can be; the rest is for files.
#[must_use]
pub fn connections(wanted: u32) -> u32 {
    let Some(open_max) = raised() else { return wanted };
    let most = u32::try_from(of(open_max)).unwrap_or(u32::MAX);
    if most < wanted {
        tracing::warn!(
            "the system lets the server have {open_max} files open, so it takes {most} connections at once and not \
             {wanted}: raise the hard limit of open files (`ulimit -Hn`, or LimitNOFILE= of systemd)"
        );
    }
    most.min(wanted)
}

/// Those that are only told that they are not let in have descriptors too.
fn of(open_max: u64) -> u64 {
    let rest = open_max.saturating_sub(OWN_FILES_MAX + u64::from(TURNED_AWAY_MAX));
    rest - rest / ONE_FOR_FILES_IN
}

/// How many there may be from now on; `None` is no limit.
fn raised() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: before.maximum, ..before };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => before.maximum,
        Err(error) => {
            tracing::warn!(%error, "the number of open files stays as it was");
            before.current
        }
    }
}
