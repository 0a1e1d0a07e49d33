//! Who may read what has come, once it has its name. Until then only its owner may.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fgetxattr, fstat, getxattr, openat};
use rustix::process::umask;

use crate::disk::{OWN_MODE, folder_of, is_own};

/// Of a mode, what says who may read, write and run a file.
const ACCESS_BITS: u32 = 0o777;
/// Of that, what its owner may.
const OWNERS_BITS: u32 = 0o700;
/// What others may.
const OTHERS_BITS: u32 = 0o007;
/// What a new file allows, but for what the folder or the user's mask takes away.
const NEW_MODE: u32 = 0o666;
/// Where Linux keeps whom else a file is for; its group's bits say something else then.
const ACL: &str = "system.posix_acl_access";

/// What a file is to allow.
#[derive(Debug)]
pub(super) struct Access {
    mode: u32,
    /// The group that this is about, where it is that of another file.
    group: Option<u32>,
}

impl Access {
    /// As of any new file in its folder; or where it replaces another, at most what that allowed: whoever could not read
    /// what was there cannot read what comes instead, and what was a program that runs as its owner is none any more. What
    /// takes the place of somebody else's file allows no more than a new one.
    pub(super) fn of(whole: &Path, replaced: Option<&Metadata>) -> Self {
        let new = || new_mode(folder_of(whole));
        match replaced {
            None => Self { mode: new(), group: None },
            Some(there) if !is_own(there, 0) => {
                Self { mode: (there.mode() & new()) | OWN_MODE, group: None }
            }
            Some(there) => {
                let mode = there.mode() & ACCESS_BITS;
                let has_list = getxattr(whole, ACL, &mut [0_u8; 0]).is_ok();
                let mode = if has_list { without_group(mode) } else { mode };
                Self { mode, group: Some(there.gid()) }
            }
        }
    }

    /// Gives it to a file that only its owner may read.
    pub(super) fn give(&self, file: &File) -> io::Result<()> {
        let is_theirs = match self.group {
            None => true,
            Some(group) => {
                fgetxattr(file, ACL, &mut [0_u8; 0]).is_err()
                    && (file.metadata()?.gid() == group || fchown(file, None, Some(group)).is_ok())
            }
        };
        let mode = if is_theirs { self.mode } else { without_group(self.mode) };
        file.set_permissions(Permissions::from_mode(mode))
    }
}

/// What is left of it for a file of another group: of whom that mode is about, nobody knows who is among the others.
fn without_group(mode: u32) -> u32 {
    mode & (OWNERS_BITS | ((mode >> 3) & OTHERS_BITS))
}

/// The mode of a new file there, which the folder may decide: so one without a name is made. Where a file system has none,
/// it is the user's mask, which can only be read by setting it.
fn new_mode(folder: &Path) -> u32 {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let probe = openat(CWD, folder, flags, Mode::from_raw_mode(NEW_MODE));
    match probe.and_then(fstat) {
        Ok(found) => found.st_mode & ACCESS_BITS,
        Err(_) => {
            let mask = umask(Mode::RWXG | Mode::RWXO);
            umask(mask);
            NEW_MODE & !mask.bits()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_groups_file_allowed_everybody_it_allows_and_no_more() {
        assert_eq!(without_group(0o664), 0o604);
        assert_eq!(without_group(0o604), 0o600);
        assert_eq!(without_group(0o777), 0o707);
        assert_eq!(without_group(0o400), 0o400);
    }

    #[test]
    fn a_new_file_allows_what_any_other_new_file_there_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        File::create(&path).unwrap();
        assert_eq!(new_mode(folder.path()), path.metadata().unwrap().mode() & ACCESS_BITS);
    }
}
