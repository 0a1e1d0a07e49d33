//! An authority that certifies servers of this machine, and that nobody trusts who is not told to.

use std::fmt;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use longhaul_protocol::Digest;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData as _,
};

use crate::files::Folder;

/// The names that a certificate is for.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// An authority, with a folder for what it writes.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: Folder,
}

/// A certificate in two files, as `--tls-cert` and `--tls-key` take them.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
    /// It, as the file had it when it was certified.
    pub pem: String,
    /// The SHA-256 of its public key, which Chromium can be told to trust.
    pub pin: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// When the system gives no random numbers.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        // Another name than the servers have, or they would be taken for certified by themselves.
        params.distinguished_name.push(DnType::CommonName, "an authority of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = Folder::new();
        std::fs::write(folder.path().join("authority.pem"), issuer.pem()).expect("it is written");
        Self { issuer, folder }
    }

    /// The file that those need who are to trust it.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Certifies a new key for this machine, in the files `NAME.pem` and `NAME.key` of its folder, whose old
    /// ones are replaced.
    ///
    /// # Panics
    /// When they cannot be written.
    #[must_use]
    pub fn certify(&self, name: &str) -> Certified {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(NAMES.map(str::to_owned)).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let certified = Certified {
            certificate: self.folder.path().join(format!("{name}.pem")),
            key: self.folder.path().join(format!("{name}.key")),
            pem: certificate.pem(),
            pin: Digest::of(&key.subject_public_key_info()).to_base64(),
        };
        replace(&certified.certificate, &certified.pem);
        replace(&certified.key, &key.serialize_pem());
        certified
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.file().display())
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// In one step, as certbot does, and for its owner only.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(&new).expect("a file");
    file.write_all(text.as_bytes()).expect("it is written");
    std::fs::rename(&new, path).expect("it is replaced");
}
