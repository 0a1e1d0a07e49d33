//! What comes through a pipe: kept in a file until it is through.
//!
//! A pipe can be read once, and nobody knows how long it is before its end; the server promises room for
//! a length before the first byte, and a lost connection is gone on from by reading again. So it is taken
//! down first, as `NAME.part` and, once it is whole, as `NAME`, which is sent like any other file: after a
//! kill it is there, and sending it goes on. Memory holds one piece of it at a time.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, RenameFlags, fstat, renameat_with, stat};
use rustix::io::Errno;
use tokio::sync::watch;

use crate::disk::{PART, beside, folder_of, lock, own, said};
use crate::driving::stopped;
use crate::ending::{Ending, Trouble};
use crate::endpoint::Endpoint;

use super::journal::Journal;

/// Standard input, as an argument.
pub const STDIN: &str = "-";

const FOREIGN: &str = "it is there already, and not of a send that was stopped; move it away, or give what comes another name";
const NOTHING: &str =
    "`-` is what comes through a pipe, and there is none: standard input is closed or /dev/null";
const TAKEN: &str = "it is there already; what comes through the pipe needs a name of its own";
const FETCHED: &str =
    "a fetch of that name is not finished; finish it, or give what comes another name";

/// What came, in a file of ours.
#[derive(Debug)]
pub(super) struct Taken {
    file: PathBuf,
}

impl Taken {
    /// Takes down all that comes.
    pub(super) async fn down(
        file: &Path,
        endpoint: &Endpoint,
        mut stop: watch::Receiver<Option<Ending>>,
    ) -> Result<Self, Trouble> {
        if file.symlink_metadata().is_ok() {
            return Err(Trouble::at(file, TAKEN));
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
        let part = Part::open(file, journal.was_there()).inspect_err(|_| {
            if !journal.was_there() {
                journal.remove();
            }
        })?;
        let path = part.path.clone();
        let taking = tokio::task::spawn_blocking(move || part.take_down());
        let taken = tokio::select! {
            taken = taking => {
                taken.unwrap_or_else(|error| Err(Trouble::new(Ending::Local, error.to_string())))
            }
            // It goes on reading, from a pipe that nobody can read again, until the program is gone.
            () = stopped(&mut stop) => {
                let ending = (*stop.borrow()).unwrap_or(Ending::Interrupted);
                Err(Trouble::new(ending, "stopped before the pipe's end"))
            }
        };
        match taken {
            Ok(part) => {
                part.becomes(file)?;
                Ok(Self { file: file.to_owned() })
            }
            Err(trouble) => {
                // Half of what nobody can read again.
                drop(fs::remove_file(&path));
                journal.remove();
                Err(trouble)
            }
        }
    }

    /// Where it is.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// All of it is on the server.
    pub(super) fn done(self) {
        drop(fs::remove_file(&self.file));
    }

    /// How to go on with it.
    pub(super) fn kept(&self, endpoint: &Endpoint) -> String {
        let (file, to) = (self.file.display(), endpoint.as_str());
        format!("all that came is in {file}: `longhaul send {file} --to {to}` goes on")
    }
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

/// `NAME.part`, which nobody else writes: one of `fetch` has the same name and the same lock.
struct Part {
    path: PathBuf,
    out: File,
}

impl Part {
    /// Where an earlier run `was_here`, what it left of it may go: half of what nobody can read again.
    fn open(file: &Path, was_here: bool) -> Result<Self, Trouble> {
        let path = beside(file, PART);
        if beside(file, ".part.json").exists() {
            return Err(Trouble::at(&path, FETCHED));
        }
        let out = own().write(true).create(was_here).create_new(!was_here).open(&path);
        let out = out.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Trouble::at(&path, FOREIGN),
            _ => Trouble::at(&path, said(&error)),
        })?;
        lock(&out, &path).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Trouble::at(&path, FETCHED),
            _ => Trouble::at(&path, said(&error)),
        })?;
        Ok(Self { path, out })
    }

    fn take_down(mut self) -> Result<Self, Trouble> {
        let taken = self.out.set_len(0).and_then(|()| {
            // Read past the standard library, which takes one that is closed for one that has ended.
            let mut pipe = File::from(io::stdin().as_fd().try_clone_to_owned()?);
            io::copy(&mut pipe, &mut self.out)?;
            self.out.sync_all()
        });
        match taken {
            Ok(()) => Ok(self),
            Err(error) => Err(Trouble::at(&self.path, said(&error))),
        }
    }

    /// It is whole, and has its name from now on; where that fails, what came stays.
    fn becomes(self, file: &Path) -> Result<(), Trouble> {
        let renamed = renameat_with(CWD, &self.path, CWD, file, RenameFlags::NOREPLACE);
        let renamed = match renamed.map_err(io::Error::from) {
            // Not every file system can refuse to replace.
            Err(error) if !can_refuse(&error) && file.symlink_metadata().is_err() => {
                fs::rename(&self.path, file)
            }
            other => other,
        };
        let synced = renamed.and_then(|()| File::open(folder_of(file))?.sync_all());
        synced.map_err(|error| {
            let path = if self.path.exists() { &self.path } else { file };
            let said = said(&error);
            let text = format!(
                "all that came is in it, but it could not be made {}: {said}",
                file.display()
            );
            Trouble::at(path, text)
        })
    }
}

fn can_refuse(error: &io::Error) -> bool {
    !matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}
