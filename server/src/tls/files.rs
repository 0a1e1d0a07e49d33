//! The two files of a certificate: read together, and refused together.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as RustlsError, InconsistentKeys};

use crate::key::MODE_REFUSED;

/// The longest file that is taken for a certificate or its key, bytes: a chain of ten certificates; a longer
/// one was named by mistake, and may have no end.
const CERTIFICATE_BYTES_MAX: u64 = 64 * 1024;
/// How a key begins that needs a password (RFC 5958, and what OpenSSL wrote before).
const LOCKED: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The disk.
    #[error("{}: {source}", .path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} has more than {CERTIFICATE_BYTES_MAX} bytes: is it a certificate or a key?", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// There is none.
    #[error(
        "{}: there is no certificate in it. It is to be PEM, the server's own first and then those that \
         vouch for it; certbot calls it fullchain.pem",
        .path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// There is none.
    #[error(
        "{}: there is no private key in it. It is to be PEM; certbot calls it privkey.pem", .path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// It needs a password.
    #[error(
        "{}: the key is locked with a password, which nobody types at a restart. Write it without one: \
         openssl pkey -in {} -out FILE", .path.display(), .path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Others can be this server.
    #[error(
        "{} can be read or written by others (its mode is {mode:o}), who could pass for this server: have a new \
         key certified, or, if nobody has seen it, chmod 600 it", .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// They do not belong together.
    #[error(
        "{} is not the key of the certificate in {}: they have to be renewed together",
        .key.display(), .certificate.display()
    )]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The library does not take it.
    #[error("the certificate in {} cannot be used: {source}", .certificate.display())]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// What rustls says.
        source: RustlsError,
    },
}

/// Where a certificate and its key are.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    key: PathBuf,
}

/// What changes of either file when somebody replaces it or writes to it.
pub(super) type Stamps = [Option<(u64, u64, u64, i64, i64)>; 2];

impl Files {
    pub(super) fn new(certificate: &Path, key: &Path) -> Self {
        Self { certificate: certificate.to_owned(), key: key.to_owned() }
    }

    pub(super) fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let (chain, key) = (self.chain()?, self.private()?);
        CertifiedKey::from_der(chain, key, provider).map_err(|source| self.unusable(source))
    }

    pub(super) fn unusable(&self, source: RustlsError) -> TlsError {
        let certificate = self.certificate.clone();
        match source {
            RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsError::Mismatch { certificate, key: self.key.clone() }
            }
            source => TlsError::Unusable { certificate, source },
        }
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let (text, _) = read(&self.certificate)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let none = || TlsError::NoCertificate { path: self.certificate.clone() };
        chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(none)
    }

    fn private(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let (text, meta) = read(&self.key)?;
        let path = || self.key.clone();
        if LOCKED.iter().any(|sign| text.windows(sign.len()).any(|part| part == *sign)) {
            return Err(TlsError::Locked { path: path() });
        }
        let key = PrivateKeyDer::from_pem_slice(&text);
        let key = key.map_err(|_| TlsError::NoKey { path: path() })?;
        match meta.permissions().mode() & 0o777 {
            mode if mode & MODE_REFUSED != 0 => Err(TlsError::Exposed { path: path(), mode }),
            _ => Ok(key),
        }
    }

    /// What both look like from outside.
    pub(super) fn stamps(&self) -> Stamps {
        [&self.certificate, &self.key].map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.dev(), meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
        })
    }
}

fn read(path: &Path) -> Result<(Vec<u8>, Metadata), TlsError> {
    let at = |source| TlsError::Disk { path: path.to_owned(), source };
    let file = File::open(path).map_err(at)?;
    let meta = file.metadata().map_err(at)?;
    let mut text = Vec::new();
    file.take(CERTIFICATE_BYTES_MAX + 1).read_to_end(&mut text).map_err(at)?;
    if text.len() as u64 > CERTIFICATE_BYTES_MAX {
        return Err(TlsError::TooLong { path: path.to_owned() });
    }
    Ok((text, meta))
}
