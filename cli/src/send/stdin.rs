//! What comes through a pipe: kept in a file until it is through.
//!
//! A pipe can be read once, and nobody knows how long it is before its end; the server promises room for
//! a length before the first byte, and a lost connection is gone on from by reading again. So it is taken
//! down first, as `NAME.part` and, once it is whole, as `NAME`, which is sent like any other file: after a
//! kill it is there, and sending it goes on. Memory holds one piece of it at a time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use crate::disk::said;
use crate::ending::{Ending, Trouble};
use crate::endpoint::Endpoint;

/// Standard input, as an argument.
pub const STDIN: &str = "-";

/// What came, in a file of ours.
#[derive(Debug)]
pub(super) struct Taken {
    file: PathBuf,
}

impl Taken {
    /// Takes down all that comes.
    pub(super) async fn down(
        file: &Path,
        mut stop: watch::Receiver<Option<Ending>>,
    ) -> Result<Self, Trouble> {
        if file.exists() {
            let there = "it is there already; what comes through the pipe needs a name of its own";
            return Err(Trouble::at(file, there));
        }
        let part = part_of(file);
        let taking = tokio::task::spawn_blocking({
            let (part, file) = (part.clone(), file.to_owned());
            move || take_down(&part, &file).map_err(|error| Trouble::at(&part, said(&error)))
        });
        let taken = tokio::select! {
            taken = taking => {
                taken.unwrap_or_else(|error| Err(Trouble::new(Ending::Local, error.to_string())))
            }
            // It goes on reading, from a pipe that nobody can read again, until the program is gone.
            ending = stopped(&mut stop) => Err(Trouble::new(ending, "stopped before the pipe's end")),
        };
        match taken {
            Ok(()) => Ok(Self { file: file.to_owned() }),
            Err(trouble) => {
                drop(fs::remove_file(&part));
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

/// What is left of an earlier run is half of what nobody can read again.
fn take_down(part: &Path, file: &Path) -> io::Result<()> {
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).open(part)?;
    io::copy(&mut io::stdin().lock(), &mut out)?;
    out.sync_all()?;
    // Unlike a rename, it replaces nothing.
    fs::hard_link(part, file)?;
    fs::remove_file(part)?;
    File::open(file.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new(".")))?
        .sync_all()
}

fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

async fn stopped(stop: &mut watch::Receiver<Option<Ending>>) -> Ending {
    match stop.wait_for(Option::is_some).await {
        Ok(ending) => (*ending).unwrap_or(Ending::Interrupted),
        Err(_closed) => std::future::pending().await,
    }
}
