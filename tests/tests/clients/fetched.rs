//! A file on a server, a folder to fetch it to, and a program that fetches it.

use std::path::{Path, PathBuf};
use std::process::Output;

use bytes::Bytes;
use longhaul_protocol::Digest;
use longhaul_protocol::wire::{FileInfo, path};
use longhaul_tests::api::create_request;
use longhaul_tests::files::{Folder, MIB, random_bytes, sha256};
use longhaul_tests::proxy::{Fault, Harm, Hold, Proxy, Way};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::stored::store;
use tokio::process::Command;

/// How long the file is, bytes: several pieces for each of eight connections, and no round number.
pub(crate) const LEN: u64 = 16 * MIB + 12_345;

/// What there is to fetch, and where to.
pub(crate) struct Fetched {
    pub(crate) server: Server,
    pub(crate) bytes: Bytes,
    pub(crate) info: FileInfo,
    folder: Folder,
}

impl Fetched {
    pub(crate) async fn new() -> Self {
        let server = Server::start(Options { chunk_size: Some(MIB), ..Options::default() }).await;
        let bytes = Bytes::from(random_bytes(LEN, 21));
        let info = store(&server.api(), &create_request("fetched ü.bin", LEN), &bytes).await;
        Self { server, bytes, info, folder: Folder::new() }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}{}", self.server.origin(), path::file(self.info.id))
    }

    /// The same through a proxy that does something to what comes down.
    pub(crate) async fn through(
        &self,
        faults: impl IntoIterator<Item = (u64, Harm)>,
    ) -> (Proxy, String) {
        let proxy = Proxy::start(self.server.addr(), Hold::Nothing).await;
        for (at, harm) in faults {
            proxy.add(Fault::once(Way::Down, at, harm));
        }
        let url = format!("{}{}", proxy.origin(), path::file(self.info.id));
        (proxy, url)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Its first bytes, as if a program had been killed there.
    pub(crate) fn begun(&self, name: &str, len: usize) -> PathBuf {
        std::fs::write(self.file(name), &self.bytes[..len]).unwrap();
        self.file(name)
    }

    /// What was fetched is the file.
    #[track_caller]
    pub(crate) fn assert_whole(&self, name: &str) {
        assert_eq!(sha256(&self.file(name)), Digest::of(&self.bytes), "{name}");
    }
}

/// Runs a program to its end. It is found on `PATH`; `cargo xtask test` sees to it.
pub(crate) async fn run(program: &str, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.current_dir(folder).env("LC_ALL", "C").env("HOME", folder).args(arguments);
    let output = command.output().await;
    output.unwrap_or_else(|error| {
        panic!("{program}: {error}; `cargo xtask test` says what to install")
    })
}

/// What it printed, and whether it was content.
pub(crate) fn said(output: &Output) -> (bool, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
