//! Whether a data folder can be where it is to be, found out without making anything there.

use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use crate::StartError;

/// Refuses what no server could keep anything in.
///
/// # Errors
/// [`StartError`].
pub fn check(data: &Path) -> Result<(), StartError> {
    let path = || data.to_owned();
    let refused = |source| StartError::NotWritable { path: path(), source };
    let there = nearest(&std::path::absolute(data).map_err(refused)?);
    if !there.is_dir() {
        return Err(StartError::NoFolder { path: there });
    }
    access(&there, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| refused(error.into()))?;
    match statvfs(&there) {
        Err(error) => Err(refused(error.into())),
        // As `/proc` and `/sys` tell it.
        Ok(stat) if stat.f_blocks == 0 => Err(StartError::NoDisk { path: path() }),
        Ok(_) => Ok(()),
    }
}

/// Where it is, or will be once it is made, without links.
///
/// # Errors
/// Whatever the system says.
pub fn meant(data: &Path) -> io::Result<PathBuf> {
    let data = std::path::absolute(data)?;
    let there = nearest(&data);
    let mut meant = there.canonicalize()?;
    for component in data.strip_prefix(&there).unwrap_or(Path::new("")).components() {
        match component {
            Component::ParentDir => drop(meant.pop()),
            other => meant.push(other),
        }
    }
    Ok(meant)
}

/// What is there already of a path.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(path).to_owned()
}
