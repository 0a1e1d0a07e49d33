//! How many files the system lets the server have open, of which each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::doors::TURNED_AWAY_MAX;

/// What the server has open itself: the index, what it listens on, and what its threads wait with.
const OWN_FILES_MAX: u64 = 32;

/// Of the rest one in so many is left for files.
const ONE_FOR_FILES_IN: u64 = 4;

/// Of those for files one in so many may be open for the answers to one address, and as many for the files of the site:
/// chunks and other people's downloads have the rest.
const ONE_FOR_AN_ADDRESS_IN: u32 = 2;

/// What there can be at once of what has an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Connections.
    pub connections: u32,
    /// Files for the answers to one address, and for the site.
    pub files: u32,
}

/// Asks the system for as many open files as it gives without being told by an administrator: what it gives by
/// itself is often 1024, for programs that cannot count further. Returns how many of `wanted` connections
/// there can be, and what of the rest one may have.
#[must_use]
pub fn share_out(wanted: u32) -> Shared {
    let Some(open_max) = raised() else { return Shared { connections: wanted, files: u32::MAX } };
    let [most, files] = of(open_max).map(|share| u32::try_from(share).unwrap_or(u32::MAX));
    if most < wanted {
        tracing::warn!(
            "the system lets the server have {open_max} files open, so it takes {most} connections at once and not \
             {wanted}: raise the hard limit of open files (`ulimit -Hn`, or LimitNOFILE= of systemd)"
        );
    }
    Shared { connections: most.min(wanted), files: files / ONE_FOR_AN_ADDRESS_IN }
}

/// Connections, and files. Those connections that are only told that they are not let in have descriptors too.
fn of(open_max: u64) -> [u64; 2] {
    let rest = open_max.saturating_sub(OWN_FILES_MAX + u64::from(TURNED_AWAY_MAX));
    let files = rest / ONE_FOR_FILES_IN;
    [rest - files, files]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_what_there_is_is_for_files_and_half_of_that_for_the_answers_to_one_address() {
        assert_eq!(of(200), [78, 26]);
        assert_eq!(of(10), [0, 0]);
    }
}
