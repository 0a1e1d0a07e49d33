//! The file that the key of all tokens lies in: whoever reads it can be anybody.
//!
//! A key is at least [`KEY_BYTES_MIN`] random bytes, or text that stands for them; a line end after
//! text is none of it, so that `openssl rand -hex 32 > FILE` makes one. Guests of a server that was
//! given none are signed with one that it makes itself, in its data directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::token::{KEY_BYTES_MIN, TokenKey, WeakKey};

/// The longest file that is taken for a key, bytes: a longer one was named by mistake, and may have
/// no end.
const FILE_BYTES_MAX: u64 = 4096;
/// What nobody but the owner and readers of his group may do to the file. Not less, so that a group
/// may read it as the secrets of service managers and containers are read; and refused rather than
/// warned of, for who reads warnings has a key that is known already.
const MODE_REFUSED: u32 = 0o027;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The disk.
    #[error(
        "the token key {}: {source}. Make one with: (umask 077; openssl rand -hex 32 > FILE)",
        .path.display()
    )]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can be anybody too.
    #[error(
        "the token key {} can be read or written by others (its mode is {mode:o}), who could sign a \
         token for anybody: make a new one, or, if nobody has seen it, chmod 600 it", .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It can be guessed.
    #[error(
        "the token key {}: {source}. Make one with: (umask 077; openssl rand -hex 32 > FILE)",
        .path.display()
    )]
    Weak {
        /// The file.
        path: PathBuf,
        /// How weak.
        source: WeakKey,
    },
    /// It is something else.
    #[error("the token key {} has more than {FILE_BYTES_MAX} bytes: is it a key?", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a key.
///
/// # Errors
/// [`KeyError`].
pub fn read(path: &Path) -> Result<TokenKey, KeyError> {
    let at = |source| KeyError::Disk { path: path.to_owned(), source };
    let file = File::open(path).map_err(at)?;
    let mode = file.metadata().map_err(at)?.permissions().mode() & 0o777;
    if mode & MODE_REFUSED != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(at)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(KeyError::TooLong { path: path.to_owned() });
    }
    TokenKey::new(secret(&bytes)).map_err(|source| KeyError::Weak { path: path.to_owned(), source })
}

/// Reads a key, or makes it if there is none: at `path` all of it is, or nothing.
///
/// # Errors
/// [`KeyError`].
pub fn read_or_make(path: &Path) -> Result<TokenKey, KeyError> {
    if !path.exists() {
        make(path).map_err(|source| KeyError::Disk { path: path.to_owned(), source })?;
    }
    read(path)
}

fn make(path: &Path) -> io::Result<()> {
    let mut secret = [0; KEY_BYTES_MIN];
    getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    writeln!(file, "{digits}")?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

/// Text without its line end; any other bytes as they are.
fn secret(bytes: &[u8]) -> &[u8] {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.iter().all(|byte| matches!(byte, b' '..=b'~')) { text } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Owner;
    use std::time::Duration;

    fn file(bytes: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_line_end_after_text_is_no_part_of_a_key() {
        assert_eq!(secret(b"0123abcd\n"), b"0123abcd");
        assert_eq!(secret(b"0123abcd\r\n"), b"0123abcd");
        assert_eq!(secret(b"\x00\xff\n"), b"\x00\xff\n");
        assert_eq!(secret(b""), b"");
    }

    #[test]
    fn a_key_that_others_can_read_or_write_is_refused() {
        for mode in [0o644, 0o604, 0o620, 0o602, 0o666] {
            let (_dir, path) = file(&[7; 32], mode);
            let refused = read(&path).unwrap_err();
            assert!(matches!(refused, KeyError::Exposed { mode: told, .. } if told == mode));
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
        for mode in [0o600, 0o400, 0o440, 0o640] {
            let (_dir, path) = file(&[7; 32], mode);
            assert!(read(&path).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_key_is_told_from_one() {
        let (_dir, path) = file(&[b'a'; 31], 0o600);
        assert!(matches!(read(&path), Err(KeyError::Weak { source: WeakKey { bytes: 31 }, .. })));
        assert!(matches!(read(Path::new("/dev/zero")), Err(KeyError::Exposed { .. })));
        let (_dir, path) = file(&[7; 4097], 0o600);
        assert!(matches!(read(&path), Err(KeyError::TooLong { .. })));
        assert!(matches!(read(&path.with_extension("none")), Err(KeyError::Disk { .. })));
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token.key");
        let made = read_or_make(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let owner = Owner::new_guest().unwrap();
        let token = made.sign(&owner, Duration::from_secs(60)).unwrap();
        assert_eq!(read_or_make(&path).unwrap().judge(&token), Ok(owner));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
