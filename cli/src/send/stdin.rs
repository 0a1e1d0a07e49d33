//! What comes through a pipe: kept in a file until it is through.
//!
//! A pipe can be read once, and nobody knows how long it is before its end; the server promises room for
//! a length before the first byte, and a lost connection is gone on from by reading again. So it is taken
//! down first, as `NAME.part` (`part.rs`) and, once it is whole, as `NAME`, which is sent like any other file: after a
//! kill it is there, and sending it goes on. Memory holds one piece of it at a time.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{FileType, fstat, stat};
use tokio::sync::watch;

use crate::disk::{beside, is_same, said};
use crate::driving::stopped;
use crate::ending::{Ending, Trouble};
use crate::endpoint::Endpoint;
use crate::part::{Noted, Part, Places, Refused, Unnamed};

use super::journal::{Journal, SUFFIX, is_journal};

/// Standard input, as an argument.
pub const STDIN: &str = "-";

const FOREIGN: &str = "it is there already, and not of a send that was stopped; move it away, or give what comes another name";
const NOTHING: &str =
    "`-` is what comes through a pipe, and there is none: standard input is closed or /dev/null";
const TAKEN: &str = "it is there already; what comes through the pipe needs a name of its own";
const FETCHED: &str =
    "a fetch of that name is not finished; finish it, or give what comes another name";
const GONE: &str = "it was removed while what comes was taken down, or replaced by what is none of this run's; nothing of that is touched, and what came is gone: begin both ends of the pipe again";
const STOPPED: &str = "stopped before the pipe's end, so nothing of it is kept or sent: a pipe cannot be read again, begin both its ends anew";

/// What came, in a file of ours.
#[derive(Debug)]
pub(super) struct Taken {
    file: PathBuf,
    part: Arc<Part>,
    was: Version,
}

/// How long it is and when it was written to.
type Version = Option<(u64, SystemTime)>;

fn version(file: &File) -> Version {
    let found = file.metadata().ok()?;
    Some((found.len(), found.modified().ok()?))
}

impl Taken {
    /// Takes down all that comes.
    pub(super) async fn down(
        file: &Path,
        endpoint: &Endpoint,
        mut stop: watch::Receiver<Option<Ending>>,
    ) -> Result<Self, Trouble> {
        if file.symlink_metadata().is_ok() {
            return Err(if was_left(file) {
                left(file, endpoint)
            } else {
                Trouble::at(file, TAKEN)
            });
        }
        if file.as_os_str().as_bytes().ends_with(b"/") {
            return Err(Trouble::at(
                file,
                "this is the name of a folder; give what comes a name in it",
            ));
        }
        if is_nothing() {
            return Err(Trouble::new(Ending::Local, NOTHING));
        }
        let (journal, _) = Journal::beside(file, endpoint)?;
        let (part, note) = Part::open(file, None).map_err(|why| {
            journal.remove_if_empty();
            refused(file, why)
        })?;
        if note.is_some_and(|note| note.is_whole) {
            becomes(&part, file)?;
            return Err(left(file, endpoint));
        }
        let part = Arc::new(part);
        let filled = Arc::clone(&part);
        let taking = tokio::task::spawn_blocking(move || take_down(&filled));
        let taken = tokio::select! {
            taken = taking => {
                taken.unwrap_or_else(|error| Err(Trouble::new(Ending::Local, error.to_string())))
            }
            // It goes on reading, from a pipe that nobody can read again, until the program is gone.
            () = stopped(&mut stop) => {
                let ending = (*stop.borrow()).unwrap_or(Ending::Interrupted);
                Err(Trouble::new(ending, STOPPED))
            }
        };
        match taken {
            Ok(()) => {
                becomes(&part, file)?;
                Ok(Self { file: file.to_owned(), was: version(part.file()), part })
            }
            Err(trouble) => {
                // Half of what nobody can read again.
                part.discard();
                journal.remove_if_empty();
                Err(trouble)
            }
        }
    }

    /// Where it is.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// All of it is on the server. What somebody has put in its place meanwhile, or written to it, is not, and stays.
    pub(super) fn done(self) {
        if is_same(self.part.file(), &self.file) && self.was == version(self.part.file()) {
            drop(fs::remove_file(&self.file));
        }
    }

    /// How to go on with it.
    pub(super) fn kept(&self, endpoint: &Endpoint) -> String {
        format!("all that came is in {}: {}", self.file.display(), goes_on(&self.file, endpoint))
    }
}

fn left(file: &Path, endpoint: &Endpoint) -> Trouble {
    let on = goes_on(file, endpoint);
    Trouble::at(file, format!("it is there already, from a run that was stopped; {on}"))
}

fn goes_on(file: &Path, endpoint: &Endpoint) -> String {
    format!("`longhaul send {} --to {}` goes on", file.display(), endpoint.as_str())
}

/// Whether there is no standard input: a program that is begun without one is given `/dev/null`.
fn is_nothing() -> bool {
    let device = |found: rustix::io::Result<rustix::fs::Stat>| {
        found
            .ok()
            .filter(|found| FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice)
            .map(|found| found.st_rdev)
    };
    let null = device(stat("/dev/null"));
    null.is_some() && device(fstat(io::stdin())) == null
}

fn refused(file: &Path, refused: Refused) -> Trouble {
    let part = || Places::beside(file).part;
    match refused {
        Refused::Busy | Refused::OfAnother => Trouble::at(&part(), FETCHED),
        Refused::Foreign(path) => Trouble::at(&path, FOREIGN),
        Refused::Failed(path, error) => Trouble::at(&path, said(&error)),
    }
}

/// Half of what nobody can read again goes, and all of what comes is put there.
fn take_down(part: &Part) -> Result<(), Trouble> {
    let mut out = part.file();
    let taken = out.set_len(0).and_then(|()| {
        // Read past the standard library, which takes one that is closed for one that has ended.
        let mut pipe = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        io::copy(&mut pipe, &mut out)?;
        out.sync_all()?;
        // Where it cannot be noted that this is all of it, the next run takes it for half.
        drop(part.note(&Noted::All));
        Ok(())
    });
    taken.map_err(|error| Trouble::at(part.path(), said(&error)))
}

/// It is whole, and has its name from now on; where that fails, what came stays.
fn becomes(part: &Part, file: &Path) -> Result<(), Trouble> {
    let whole = file.display();
    part.becomes(file, false).map_err(|unnamed| {
        let why = match unnamed {
            Unnamed::Gone => return Trouble::at(part.path(), GONE),
            Unnamed::Taken => "something has that name".to_owned(),
            Unnamed::Failed(error) => said(&error),
        };
        let path = if part.is_still_there() { part.path() } else { file };
        Trouble::at(
            path,
            format!("all that came is in it, but it could not be made {whole}: {why}"),
        )
    })
}

/// Whether what has that name is what a run was about to send.
fn was_left(file: &Path) -> bool {
    let journal = beside(file, &format!(".{SUFFIX}"));
    let is_file = journal.symlink_metadata().is_ok_and(|found| found.is_file());
    is_file
        && File::open(journal)
            .and_then(|journal| Ok(journal.metadata()?.len() > 0 && is_journal(&journal)?))
            .unwrap_or(false)
}
