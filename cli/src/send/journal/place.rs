//! Where a journal lies, and whether what lies there is one of this user's.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use longhaul_protocol::Digest;

use super::{SUFFIX, is_journal};
use crate::disk::{OTHERS_WRITE, OWN_MODE, folder_of, is_own, lock, own, said};
use crate::ending::Trouble;

/// Nobody else may read it: it says whose files are there.
const OTHERS: u32 = 0o077;
/// Hexadecimal digits of a path's digest that name its journal in the user's folder.
const NAME_DIGITS: usize = 32;

/// Why it cannot be noted there how far it is.
#[derive(Debug)]
pub(super) enum Unopened {
    /// Another program is at it.
    Busy,
    /// It is this user's, and others can have changed what it says.
    OpenToOthers,
    /// It is a copy, or was moved: it may have come out of somebody's archive.
    Moved,
    /// The file system says no, or it is somebody else's; why.
    Failed(String),
}

impl From<io::Error> for Unopened {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::Busy,
            _ => Self::Failed(said(&error)),
        }
    }
}

impl Unopened {
    /// Why it has to be noted elsewhere; or the end of it all.
    pub(super) fn only_failed(self, source: &Path, journal: &Path) -> Result<String, Trouble> {
        let ends = match self {
            Self::Failed(why) => return Ok(why),
            Self::Busy => (source, "another program is sending it; let that end first"),
            Self::OpenToOthers => (
                journal,
                "others may write to it, so what it says of how far it is may be theirs; `chmod go-w` it if it is as you \
                 left it, or remove it to send all anew",
            ),
            Self::Moved => (
                journal,
                "it was copied or moved here, so what it says of how far it is may be somebody else's; move it away to send \
                 all anew, and keep it if you began as a guest: it has the token that gets at what is there",
            ),
        };
        Err(Trouble::at(ends.0, ends.1))
    }
}

/// Locks it, if it is this user's: somebody else can have it locked for as long as they like.
pub(super) fn take(file: &File, path: &Path) -> Result<(), Unopened> {
    let found = file.metadata()?;
    if !found.is_file() || !is_own(&found, 0) {
        return Err(foreign());
    }
    Ok(lock(file, path)?)
}

fn foreign() -> Unopened {
    Unopened::Failed("it is there already and none of longhaul's".to_owned())
}

/// What is known of it, if what it says can only be this user's. It becomes unreadable to others, where it was not.
pub(super) fn is_to_be_believed(file: &File) -> Result<Metadata, Unopened> {
    let found = file.metadata()?;
    if !is_journal(file)? {
        return Err(foreign());
    }
    if found.mode() & OTHERS == 0 {
        return Ok(found);
    }
    // A file system that knows no modes says the same of all of them.
    let is_hidden = file.set_permissions(Permissions::from_mode(OWN_MODE)).is_ok()
        && file.metadata().is_ok_and(|now| now.mode() & OTHERS == 0);
    if !is_hidden {
        return Err(Unopened::Failed("this file system shows it to others".to_owned()));
    }
    if found.len() > 0 && found.mode() & OTHERS_WRITE != 0 {
        file.set_permissions(found.permissions())?;
        return Err(Unopened::OpenToOthers);
    }
    Ok(found)
}

/// A journal's file.
pub(super) struct Made {
    pub(super) file: File,
    /// Whether there was none before.
    pub(super) is_new: bool,
    /// Why nothing can be added to what it says, if nothing can.
    pub(super) fixed: Option<String>,
}

/// The one that is there, or a new one. It may hold a guest's token.
pub(super) fn made(path: &Path) -> io::Result<Made> {
    let mut options = own();
    options.read(true).append(true).mode(OWN_MODE);
    let unmade = match options.clone().create_new(true).open(path) {
        Ok(file) => return Ok(Made { file, is_new: true, fixed: None }),
        Err(error) => error,
    };
    let is_fixed = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
    };
    match options.open(path) {
        Err(error) if is_fixed(&error) => {
            let file = own().read(true).open(path).map_err(|_| io::Error::from(error.kind()))?;
            Ok(Made { file, is_new: false, fixed: Some(said(&error)) })
        }
        // There is none, and why none can be made is what there is to tell.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unmade),
        opened => Ok(Made { file: opened?, is_new: false, fixed: None }),
    }
}

/// Where the journal of a path lies if none can lie beside it, as the XDG Base Directory Specification has it.
pub(super) fn elsewhere(source: &Path) -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))?;
    let whole = folder_of(source).canonicalize().ok()?.join(source.file_name()?);
    let digest = Digest::of(whole.as_os_str().as_bytes()).to_string();
    let name: String = digest.chars().take(NAME_DIGITS).collect();
    Some(state.join("longhaul").join(format!("{name}.{SUFFIX}")))
}
