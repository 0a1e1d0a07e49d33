//! Files to upload: random, changed, grown, sparse; and the SHA-256 of one.

use std::fs::{File, FileTimes, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use longhaul_protocol::Digest;
use longhaul_protocol::digest::Hasher;
use tempfile::TempDir;

/// One mebibyte, bytes.
pub const MIB: u64 = 1 << 20;
/// One gibibyte, bytes.
pub const GIB: u64 = 1 << 30;

/// A folder of files to upload, gone when it is dropped.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// A new, empty one.
    #[must_use]
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("longhaul-").tempdir().expect("a temporary folder"))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file of random bytes; the same seed and length are the same bytes.
    #[must_use]
    pub fn random(&self, name: &str, len: u64, seed: u64) -> PathBuf {
        let path = self.path().join(name);
        let mut file = File::create(&path).expect("a new file");
        write_random(&mut file, len, seed);
        path
    }

    /// A file of zeros that takes no room on the disk.
    #[must_use]
    pub fn sparse(&self, name: &str, len: u64) -> PathBuf {
        let path = self.path().join(name);
        File::create(&path).and_then(|file| file.set_len(len)).expect("a sparse file");
        path
    }
}

/// A shell script that can be run at once: nothing here ever has it open for writing, which a program that is started
/// meanwhile would have too, and then the system runs it for nobody.
///
/// # Panics
/// When it cannot be written.
#[must_use]
pub fn runnable(path: &Path, script: &str) -> PathBuf {
    let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 700 \"$1\"";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", write, "sh"]).arg(path).arg(script);
    assert!(shell.status().expect("a shell").success(), "{} is not written", path.display());
    path.to_owned()
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds random bytes to the end of a file.
pub fn append(path: &Path, len: u64, seed: u64) {
    let mut file = OpenOptions::new().append(true).open(path).expect("the file to append to");
    write_random(&mut file, len, seed);
}

/// Writes other bytes into a file, at an offset, and leaves its length and its times as they were:
/// nothing but the bytes tells it from what it was.
pub fn change_unnoticed(path: &Path, offset: u64, len: u64, seed: u64) {
    unnoticed(path, |file| {
        file.seek(SeekFrom::Start(offset)).expect("the offset");
        write_random(file, len, seed);
    });
}

/// The same with a text as long as the file.
pub fn replace_unnoticed(path: &Path, text: &str) {
    unnoticed(path, |file| file.write_all(text.as_bytes()).expect("it is written"));
}

fn unnoticed(path: &Path, change: impl FnOnce(&mut File)) {
    let before = path.metadata().expect("the file to change");
    let mut file = OpenOptions::new().write(true).open(path).expect("the file to change");
    change(&mut file);
    let times = FileTimes::new()
        .set_modified(before.modified().expect("its time"))
        .set_accessed(before.accessed().expect("its time"));
    file.set_times(times).expect("the time to be set back");
    let after = path.metadata().expect("the changed file");
    assert_eq!(
        (before.len(), before.modified().ok()),
        (after.len(), after.modified().ok()),
        "the change shows outside the bytes"
    );
}

/// The SHA-256 of a file, read piece by piece.
#[must_use]
pub fn sha256(path: &Path) -> Digest {
    let mut file = File::open(path).expect("the file to hash");
    let (mut hasher, mut buffer) = (Hasher::default(), vec![0; MIB as usize]);
    loop {
        match file.read(&mut buffer).expect("the file's bytes") {
            0 => return hasher.finish(),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Random bytes.
#[must_use]
pub fn random_bytes(len: u64, seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_random(&mut bytes, len, seed);
    bytes
}

fn write_random(into: &mut impl Write, len: u64, seed: u64) {
    let (mut rng, mut left) = (fastrand::Rng::with_seed(seed), len);
    let mut block = vec![0; MIB as usize];
    while left > 0 {
        rng.fill(&mut block);
        let count = left.min(MIB);
        into.write_all(&block[..count as usize]).expect("the bytes to be written");
        left -= count;
    }
}
