//! The disk that is measured: room, a clean start for every turn, and what it can do by itself.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::Advice;

use crate::error::{Error, Result, io};
use crate::payload::Piece;

/// What is left free, bytes: a full disk is slow, and other people's programs need some.
const SPARE_BYTES: u64 = 4 << 30;
/// How long room is waited for, and how often it is looked for.
const ROOM_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Waits until the file system has nothing left to write, so that nobody pays for the one before.
///
/// # Errors
/// [`Error::Io`].
pub fn settle(dir: &Path) -> Result<()> {
    let opened = File::open(dir).map_err(io(format!("opening {}", dir.display())))?;
    rustix::fs::syncfs(&opened).map_err(|error| io("syncing the disk")(error.into()))
}

/// `fdatasync` of a file that another process wrote.
///
/// # Errors
/// [`Error::Io`].
pub fn sync_file(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(io(format!("opening {}", path.display())))?;
    file.sync_data().map_err(io(format!("syncing {}", path.display())))
}

/// Leaves nothing of a file in memory, as a restart of the machine would.
///
/// # Errors
/// [`Error::Io`].
pub fn forget(path: &Path) -> Result<()> {
    sync_file(path)?;
    let doing = || io(format!("forgetting {}", path.display()));
    let file = File::open(path).map_err(doing())?;
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).map_err(|error| doing()(error.into()))
}

/// Writes a file, and syncs nothing.
///
/// # Errors
/// [`Error::Io`].
pub fn write<'a>(path: &Path, mut pieces: impl Iterator<Item = Piece<'a>>) -> Result<File> {
    let writing = || io(format!("writing {}", path.display()));
    let mut file = File::create(path).map_err(writing())?;
    pieces.try_for_each(|piece| file.write_all(piece.bytes)).map_err(writing())?;
    Ok(file)
}

/// Empties or makes a folder.
///
/// # Errors
/// [`Error::Io`].
pub fn fresh_dir(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(io(format!("clearing {}", dir.display())))?;
    }
    fs::create_dir_all(dir).map_err(io(format!("making {}", dir.display())))
}

/// Waits for room: what a server deleted is free a moment later.
///
/// # Errors
/// [`Error::NoRoom`], [`Error::Io`].
pub fn wait_for_room(dir: &Path, needed: u64) -> Result<()> {
    let since = Instant::now();
    loop {
        let room = check_room(dir, needed);
        if room.is_ok() || since.elapsed() > ROOM_PATIENCE {
            return room;
        }
        settle(dir)?;
        thread::sleep(LOOK_EVERY);
    }
}

/// Refuses what would fill the disk.
///
/// # Errors
/// [`Error::NoRoom`], [`Error::Io`].
pub fn check_room(dir: &Path, needed: u64) -> Result<()> {
    let asking = io("asking how much room there is");
    let stat = rustix::fs::statvfs(dir).map_err(|error| asking(error.into()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if needed.saturating_add(SPARE_BYTES) <= free {
        return Ok(());
    }
    Err(Error::NoRoom { needed, dir: dir.display().to_string(), free })
}
