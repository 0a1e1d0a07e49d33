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

use base64ct::{Base64, Encoding as _};
use rustls_pki_types::pem::{PemObject as _, SectionKind};

use crate::hooks::{PREFIX, SecretError, Secrets};
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
/// What lines of OpenSSH begin with that are public keys (its `PROTOCOL` and RFC 5656, section 3.1), in files that may hold many.
const OPENSSH: [&[u8]; 4] = [b"ssh-", b"ecdsa-", b"sk-ssh-", b"sk-ecdsa-"];

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
    /// What may be known to everybody is no secret, whatever is written around it.
    #[error(
        "the key {}: it holds {what}, which taken for a secret would let everybody sign who has the public half. Give \
         the public key of Ed25519 by itself, in PEM, beginning with `-----BEGIN PUBLIC KEY-----` (`openssl pkey -pubout` \
         writes it); or a secret of random bytes. `longhaul-server key --help` tells how to make either", .path.display()
    )]
    NotASecret {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: &'static str,
    },
    /// Others have it by design.
    #[error(
        "the key {}: it holds a secret of webhooks (`{PREFIX}…`), which whoever receives them has too, and could make tokens with. \
         Make a key of its own: longhaul-server key --out FILE", .path.display()
    )]
    OfWebhooks {
        /// The file.
        path: PathBuf,
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
    /// What webhooks are signed with.
    OfWebhooks,
    /// No secret: what it looks like.
    NoSecret(&'static str),
}

/// Reads a key for tokens.
///
/// # Errors
/// [`KeyError`].
pub fn read(path: &Path) -> Result<TokenKey, KeyError> {
    let (bytes, mode) = read_file(path)?;
    let found = found(&bytes);
    if !matches!(found, Found::NoSecret(_)) {
        check_mode(path, mode, &found)?;
    }
    let key = match found {
        Found::Secret => TokenKey::new(secret(&bytes)),
        Found::Private(der) => TokenKey::private(&der),
        Found::Public(der) => TokenKey::public(&der),
        Found::Other => Err(BadKey::NotEd25519),
        Found::OfWebhooks => return Err(KeyError::OfWebhooks { path: path.to_owned() }),
        Found::NoSecret(what) => {
            return Err(KeyError::NotASecret { path: path.to_owned(), what });
        }
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
    if bytes.trim_ascii_start().starts_with(PREFIX.as_bytes()) {
        return Found::OfWebhooks;
    }
    if !bytes.trim_ascii_start().starts_with(PEM) {
        return key_of_others(bytes).map_or(Found::Secret, Found::NoSecret);
    }
    match <(SectionKind, Vec<u8>)>::from_pem_slice(bytes) {
        Ok((SectionKind::PrivateKey, der)) => Found::Private(der),
        Ok((SectionKind::PublicKey, der)) => Found::Public(der),
        _ => Found::Other,
    }
}

/// What other programs' keys look like, in part or with something before them: a mark of an encoding, a comment, a
/// `Bag Attributes` of OpenSSL's. Said of what no random bytes and no text that stands for them are.
fn key_of_others(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii();
    let mut lines = text.split(|&byte| matches!(byte, b'\r' | b'\n'));
    let is_of_openssh =
        |line: &[u8]| OPENSSH.iter().any(|kind| line.trim_ascii_start().starts_with(kind));
    let pem = PEM.trim_ascii_end();
    if bytes.windows(pem.len()).any(|part| part == pem) || is_wide(bytes) {
        Some("a key in PEM with something before it")
    } else if lines.any(is_of_openssh) || text.starts_with(b"---- BEGIN SSH2") {
        Some("a key of OpenSSH")
    } else if serde_json::from_slice::<serde_json::Map<_, _>>(text).is_ok() {
        Some("a JSON object, such as a JWK or a set of them")
    } else if is_der(bytes) || is_der(&from_base64(text)) {
        Some("a key or a certificate in DER")
    } else {
        None
    }
}

/// One SEQUENCE from the first to the last byte (X.690, section 8.1), as every key and certificate is in DER.
fn is_der(bytes: &[u8]) -> bool {
    let (head, len) = match *bytes {
        [0x30, len @ ..=0x7f, ..] => (2, usize::from(len)),
        [0x30, 0x81, len, ..] => (3, usize::from(len)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
        _ => return false,
    };
    bytes.len() == head + len
}

/// What stands in one line or several; nothing where it is none.
fn from_base64(text: &[u8]) -> Vec<u8> {
    let whole: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    str::from_utf8(&whole).ok().and_then(|text| Base64::decode_vec(text).ok()).unwrap_or_default()
}

/// The beginning of PEM in UTF-16, as some editors and shells of Windows write it.
fn is_wide(bytes: &[u8]) -> bool {
    let narrow: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    let pem = PEM.trim_ascii_end();
    narrow.len() < bytes.len() && narrow.windows(pem.len()).any(|part| part == pem)
}

/// Text without its line end; any other bytes as they are.
fn secret(bytes: &[u8]) -> &[u8] {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.iter().all(|byte| matches!(byte, b' '..=b'~')) { text } else { bytes }
}

#[cfg(test)]
mod tests;
