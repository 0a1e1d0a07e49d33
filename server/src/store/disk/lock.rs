//! One process owns a data directory: two would each believe their own memory of it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A lock that lasts as long as this value, and no longer than its process.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

/// Why the lock is not ours.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process has it.
    Taken {
        /// What that process wrote into the file: its id.
        holder: String,
    },
    /// The file cannot be opened or locked.
    Io(io::Error),
}

impl DirLock {
    pub(super) fn take(path: &Path) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = locked(options.open(path).map_err(LockError::Io)?)?;
        // Only whoever finds it taken reads it, and a full disk must not keep a server from starting that is
        // to make room there.
        if let Err(error) = sign(&mut file) {
            tracing::warn!(%error, path = %path.display(), "the lock is taken, but not signed");
        }
        Ok(Self { _file: file })
    }

    /// The same for who only looks, where nothing may be written perhaps: `None` where nobody has ever had the lock, as
    /// in a copy that was made without it.
    pub(super) fn take_to_look(path: &Path) -> Result<Option<Self>, LockError> {
        let writable = File::options().read(true).write(true).open(path);
        let is_writable = writable.is_ok();
        match writable.or_else(|_| File::open(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => {
                let mut file = locked(opened.map_err(LockError::Io)?)?;
                if is_writable {
                    // A server that finds it taken tells by whom.
                    let _ = sign(&mut file);
                }
                Ok(Some(Self { _file: file }))
            }
        }
    }
}

fn locked(mut file: File) -> Result<File, LockError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LockError::Taken { holder: holder(&mut file) }),
        Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
    }
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.take(20).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_on_a_full_disk_is_taken_all_the_same() {
        let full = Path::new("/dev/full");
        let mut file = OpenOptions::new().read(true).write(true).open(full).unwrap();
        assert!(sign(&mut file).is_err());
        let _lock = DirLock::take(full).unwrap();
        assert!(matches!(DirLock::take(full), Err(LockError::Taken { .. })));
    }
}
