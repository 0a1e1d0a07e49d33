//! Hooks: who is told what happens to uploads, and asked before it does. Real servers, receivers and programs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's panic is its report"
)]

mod asked;
mod command;
mod sample;
mod tls;
mod told;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::{FileInfo, UploadStatus};
use longhaul_protocol::{ChunkIndex, Digest};
use longhaul_tests::api::Api;
use longhaul_tests::files::Folder;
use longhaul_tests::receiver::SECRET;
use longhaul_tests::server::Options;

/// A file that nobody else can read.
fn private(folder: &Folder, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A server that tells whoever listens at this port.
fn telling(folder: &Folder, port: u16, more: &[&str]) -> Options {
    telling_at(folder, &format!("http://127.0.0.1:{port}/hook"), more)
}

/// The same, by its whole address.
fn telling_at(folder: &Folder, url: &str, more: &[&str]) -> Options {
    let secret = private(folder, "hook.secret", SECRET);
    let mut all = vec!["--hook-url".to_owned(), url.to_owned()];
    all.extend(["--hook-secret-file".to_owned(), text(&secret)]);
    all.extend(more.iter().map(|&it| it.to_owned()));
    Options { more: all, ..Options::default() }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Begins, sends and seals a file of one chunk.
async fn send(api: &Api, name: &str, bytes: &[u8]) -> (UploadStatus, FileInfo) {
    let upload: UploadStatus = api.create(name, bytes.len() as u64).await.unwrap().json();
    let file = send_to(api, &upload, bytes).await;
    (upload, file)
}

async fn send_to(api: &Api, upload: &UploadStatus, bytes: &[u8]) -> FileInfo {
    let digest = Digest::of(bytes);
    let headers = ChunkHeaders { index: ChunkIndex(0), digest, offset: 0, replace: None };
    let reply = api.chunk(upload.id, headers, bytes.to_vec()).await.unwrap();
    assert_eq!(reply.status, 204, "{reply:?}");
    api.seal(upload.id, root([digest])).await.unwrap().json()
}

/// A number that the server counts, by its name and labels.
async fn counted(api: &Api, name: &str) -> u64 {
    let reply = api.get("/metrics").await.unwrap();
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not counted:\n{text}")).parse().unwrap()
}
