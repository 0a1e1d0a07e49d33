//! Makes keys: what is random comes from the system, what is secret is written for its owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64ct::{Base64, Encoding as _};

use super::KeyError;
use crate::hooks::written;
use crate::token::KEY_BYTES_MIN;

/// A file for its owner only, and one for everybody.
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// The two halves of a key of Ed25519.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What signs.
    pub private: PathBuf,
    /// What judges.
    pub public: PathBuf,
}

/// Makes a secret for HS256, in a file that is not there yet.
///
/// # Errors
/// [`KeyError::Taken`], [`KeyError::Disk`].
pub fn make_secret(path: &Path) -> Result<(), KeyError> {
    let at = |source| KeyError::Disk { path: path.to_owned(), source };
    let digits = random().map_err(at)?;
    write_new(path, SECRET, &format!("{digits}\n"))
}

/// Makes a secret for webhooks, in a file that is not there yet.
///
/// # Errors
/// [`KeyError::Taken`], [`KeyError::Disk`].
pub fn make_hook_secret(path: &Path) -> Result<(), KeyError> {
    let at = |source| KeyError::Disk { path: path.to_owned(), source };
    let secret = random_bytes().map_err(at)?;
    write_new(path, SECRET, &format!("{}\n", written(&secret)))
}

/// Makes a key of Ed25519: the private half at `path`, the public one beside it under the same name and
/// `.pub`, neither of which is there yet.
///
/// # Errors
/// [`KeyError::Taken`], [`KeyError::Disk`].
pub fn make_pair(path: &Path) -> Result<Pair, KeyError> {
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    let pair = Pair { private: path.to_owned(), public: public.into() };
    if pair.public.exists() {
        return Err(KeyError::Taken { path: pair.public });
    }
    let unmade = |_| KeyError::Disk { path: path.to_owned(), source: io::Error::other(UNMADE) };
    let key = Ed25519KeyPair::generate().map_err(unmade)?;
    let private = key.to_pkcs8v1().map_err(unmade)?;
    let point = key.public_key().as_der().map_err(unmade)?;
    write_new(&pair.private, SECRET, &pem("PRIVATE KEY", private.as_ref()))?;
    write_new(&pair.public, PUBLIC, &pem("PUBLIC KEY", point.as_ref()))?;
    Ok(pair)
}

const UNMADE: &str = "the system gives no random numbers";

/// A secret that only this server needs: at `path` all of it is, or nothing.
pub(super) fn own_secret(path: &Path) -> io::Result<()> {
    let digits = random()?;
    let new = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(SECRET).open(&new)?;
    writeln!(file, "{digits}")?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    sync_folder_of(path)
}

fn random_bytes() -> io::Result<[u8; KEY_BYTES_MIN]> {
    let mut secret = [0; KEY_BYTES_MIN];
    getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(secret)
}

fn random() -> io::Result<String> {
    Ok(random_bytes()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// RFC 7468. Keys of Ed25519 take one line of 64 characters at most, which is as long as lines may be.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", Base64::encode_string(der))
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), KeyError> {
    let at = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Taken { path: path.to_owned() },
        _ => KeyError::Disk { path: path.to_owned(), source },
    };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(at)?;
    file.write_all(text.as_bytes()).map_err(at)?;
    file.sync_all().map_err(at)?;
    sync_folder_of(path).map_err(at)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
