//! Whether the disk has room for what the tests build and send. Without this, whichever test comes to the full
//! disk fails, and does not say why.

use std::path::Path;

use crate::error::Error;
use crate::workspace::target;

/// What is built from an empty target folder, GiB.
const BUILDS_GIB: u64 = 22;

/// What tests that run side by side send and fetch, GiB: a few files of up to 4 GiB.
const FILES_GIB: u64 = 10;

/// # Errors
/// [`Error::NoRoom`].
pub(crate) fn check() -> Result<(), Error> {
    let target = target();
    let is_built = target.join("release").is_dir();
    require(&std::env::temp_dir(), FILES_GIB)?;
    require(&target, FILES_GIB + if is_built { 0 } else { BUILDS_GIB })
}

fn require(folder: &Path, needed: u64) -> Result<(), Error> {
    let made = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(folder);
    let disk = rustix::fs::statvfs(made)
        .map_err(|error| Error::File { path: made.to_owned(), source: error.into() })?;
    let free = (disk.f_bavail * disk.f_frsize) >> 30;
    if free < needed {
        return Err(Error::NoRoom { folder: made.to_owned(), needed, free });
    }
    Ok(())
}
