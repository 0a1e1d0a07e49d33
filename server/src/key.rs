//! The files that keys lie in: whoever reads a secret one can be anybody.
//!
//! A key for tokens is a secret of at least [`KEY_BYTES_MIN`] random bytes, or text that stands for them,
//! for HS256; or one of Ed25519 in PEM, private or public, as `openssl genpkey -algorithm ed25519` writes
//! them. A line end after text is no part of a secret, so that `openssl rand -hex 32 > FILE` makes one.
//! What a server signs for itself is signed with secrets that it makes in its data directory.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{PemObject as _, SectionKind};

use crate::hooks::{SecretError, Secrets};
use crate::token::{BadKey, KEY_BYTES_MIN, TokenKey};

mod make;

pub use make::{Pair, make_hook_secret, make_pair, make_secret};

/// The longest file that is taken for a key, bytes: a longer one was named by mistake, and may have
/// no end.
const FILE_BYTES_MAX: u64 = 4096;
/// What nobody but the owner and readers of his group may do to a secret file. Not less, so that a group
/// may read it as the secrets of service managers and containers are read; and refused rather than
/// warned of, for who reads warnings has a key that is known already.
pub(crate) const MODE_REFUSED: u32 = 0o027;
/// The same of a public one, which anybody may read: who can write it can be anybody too.
const MODE_REFUSED_PUBLIC: u32 = 0o022;
/// What every file in PEM begins with (RFC 7468, section 3).
const PEM: &[u8] = b"-----BEGIN ";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The disk.
    #[error(
        "the key {}: {source}. `longhaul-server key --help` tells how to make one", .path.display()
    )]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can be anybody too.
    #[error(
        "the key {} can be read or written by others (its mode is {mode:o}), who could sign \
         whatever they like: make a new one, or, if nobody has seen it, chmod 600 it", .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It can be guessed, or is one of another algorithm.
    #[error(
        "the key {}: {source}. `longhaul-server key --help` tells how to make one", .path.display()
    )]
    Bad {
        /// The file.
        path: PathBuf,
        /// How bad.
        source: BadKey,
    },
    /// It signs no webhooks.
    #[error(
        "the secret {}: {source}. Make one with: longhaul-server key --algorithm webhook --out FILE",
        .path.display()
    )]
    NoSecret {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: SecretError,
    },
    /// It is something else.
    #[error("the key {} has more than {FILE_BYTES_MAX} bytes: is it a key?", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A new one would take the place of what is there.
    #[error(
        "{} is there already, and what was signed with it would be worth nothing: choose another name",
        .path.display()
    )]
    Taken {
        /// The file.
        path: PathBuf,
    },
}

/// What lies in a file.
enum Found {
    Secret,
    Private(Vec<u8>),
    Public(Vec<u8>),
    Other,
}

/// Reads a key for tokens.
///
/// # Errors
/// [`KeyError`].
pub fn read(path: &Path) -> Result<TokenKey, KeyError> {
    let (bytes, mode) = read_file(path)?;
    let found = found(&bytes);
    check_mode(path, mode, &found)?;
    let key = match found {
        Found::Secret => TokenKey::new(secret(&bytes)),
        Found::Private(der) => TokenKey::private(&der),
        Found::Public(der) => TokenKey::public(&der),
        Found::Other => Err(BadKey::NotEd25519),
    };
    key.map_err(|source| KeyError::Bad { path: path.to_owned(), source })
}

/// Reads a secret, or makes it if there is none: at `path` all of it is, or nothing.
///
/// # Errors
/// [`KeyError`].
pub fn read_or_make(path: &Path) -> Result<Vec<u8>, KeyError> {
    if !path.exists() {
        make::own_secret(path)
            .map_err(|source| KeyError::Disk { path: path.to_owned(), source })?;
    }
    let (bytes, mode) = read_file(path)?;
    check_mode(path, mode, &Found::Secret)?;
    let secret = secret(&bytes);
    if secret.len() < KEY_BYTES_MIN {
        let source = BadKey::Weak { bytes: secret.len() };
        return Err(KeyError::Bad { path: path.to_owned(), source });
    }
    Ok(secret.to_vec())
}

/// Reads what webhooks are signed with.
///
/// # Errors
/// [`KeyError`].
pub fn read_hook_secrets(path: &Path) -> Result<Secrets, KeyError> {
    let (bytes, mode) = read_file(path)?;
    check_mode(path, mode, &Found::Secret)?;
    Secrets::parse(&bytes).map_err(|source| KeyError::NoSecret { path: path.to_owned(), source })
}

/// All of a file, and its permission bits.
fn read_file(path: &Path) -> Result<(Vec<u8>, u32), KeyError> {
    let at = |source| KeyError::Disk { path: path.to_owned(), source };
    let file = File::open(path).map_err(at)?;
    let mode = file.metadata().map_err(at)?.permissions().mode() & 0o777;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(at)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(KeyError::TooLong { path: path.to_owned() });
    }
    Ok((bytes, mode))
}

fn check_mode(path: &Path, mode: u32, found: &Found) -> Result<(), KeyError> {
    let refused = match found {
        Found::Public(_) => MODE_REFUSED_PUBLIC,
        _ => MODE_REFUSED,
    };
    if mode & refused != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

fn found(bytes: &[u8]) -> Found {
    if !bytes.trim_ascii_start().starts_with(PEM) {
        return Found::Secret;
    }
    match <(SectionKind, Vec<u8>)>::from_pem_slice(bytes) {
        Ok((SectionKind::PrivateKey, der)) => Found::Private(der),
        Ok((SectionKind::PublicKey, der)) => Found::Public(der),
        _ => Found::Other,
    }
}

/// Text without its line end; any other bytes as they are.
fn secret(bytes: &[u8]) -> &[u8] {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.iter().all(|byte| matches!(byte, b' '..=b'~')) { text } else { bytes }
}

#[cfg(test)]
mod tests;
