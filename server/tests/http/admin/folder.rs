//! A data folder with something in it, and the program that is asked about it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{FileInfo, FileMeta};
use longhaul_protocol::{ChunkIndex, Digest, Millis, digest};
use longhaul_server::store::disk::{Clock, Config, DiskStore};
use longhaul_server::store::{ChunkBegin, ChunkWriter as _, NewUpload, Owner, Store as _};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::CHUNK;

pub const HOUR: u64 = 60 * 60 * 1000;

/// Made some time ago: two files of alice's, one of them empty, and two uploads of everybody's who asks without a
/// token, one of which has nothing.
pub struct Folder {
    pub dir: tempfile::TempDir,
    pub film: FileInfo,
    pub film_blob: UploadId,
    pub half: UploadId,
    pub empty: UploadId,
}

/// What a chunk of all files here has.
pub fn chunk_bytes(index: u64) -> Vec<u8> {
    (index + 1).to_le_bytes().repeat(CHUNK as usize / 8)
}

impl Folder {
    pub fn new() -> Self {
        Self::made(0)
    }

    pub fn made(hours_ago: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let maker = Maker::new(dir.path(), hours_ago);
        let made = runtime.block_on(async {
            let (film_blob, film) = maker.file("alice", "film.mp4", 3).await;
            maker.file("alice", "none", 0).await;
            let half = maker.upload("local", "half.bin", 3, &[0, 2]).await;
            let empty = maker.upload("local", "empty.bin", 2, &[]).await;
            (film, film_blob, half, empty)
        });
        let (film, film_blob, half, empty) = made;
        Self { dir, film, film_blob, half, empty }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn blob(&self, blob: UploadId) -> PathBuf {
        blob_in(self.path(), blob)
    }

    pub fn ask(&self, args: &[&str]) -> Output {
        ask(self.path(), args)
    }

    /// What is told with `--json`, by a command that goes well.
    pub fn told(&self, args: &[&str]) -> Vec<Value> {
        told(&self.ask(&[args, &["--json"]].concat()), 0)
    }

    /// Every file below it, but the lock, which says who had it last, and the socket.
    pub fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut contents, mut folders) = (BTreeMap::new(), vec![self.path().to_owned()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let (path, kind) = entry.map(|it| (it.path(), it.file_type().unwrap())).unwrap();
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && !path.ends_with("lock") {
                    contents.insert(path.clone(), std::fs::read(path).unwrap());
                }
            }
        }
        contents
    }
}

pub fn blob_in(folder: &Path, blob: UploadId) -> PathBuf {
    let name = blob.to_string();
    folder.join("blobs").join(&name[..2]).join(name)
}

/// The program, asked about a folder.
pub fn asking(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    command.args(args).arg("--data").arg(folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub fn ask(folder: &Path, args: &[&str]) -> Output {
    asking(folder, args).output().unwrap()
}

/// The lines of JSON of a command that ends so.
pub fn told(output: &Output, code: i32) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Fills a folder as a server did some hours ago.
pub struct Maker {
    store: DiskStore,
}

impl Maker {
    pub fn new(dir: &Path, hours_ago: u64) -> Self {
        let clock = Clock::new(move || Millis(Clock::system().now().0 - hours_ago * HOUR));
        let config =
            Config { chunk_len: CHUNK, clock, index_spare_bytes: 1 << 20, ..Config::default() };
        Self { store: DiskStore::open(dir, config).unwrap() }
    }

    pub async fn upload(&self, owner: &str, name: &str, chunks: u64, held: &[u64]) -> UploadId {
        let owner = Owner(owner.to_owned());
        let meta = FileMeta { name: name.to_owned(), ..FileMeta::default() };
        let size = chunks * CHUNK;
        let new = NewUpload { meta, size, chunk_size: None, idempotency: None, id: None };
        let id = self.store.create(&owner, new).await.unwrap().id;
        for &index in held {
            let bytes = chunk_bytes(index);
            let (index, digest) = (ChunkIndex(index), Digest::of(&bytes));
            let headers = ChunkHeaders { index, offset: 0, digest, replace: None };
            if let ChunkBegin::Write(mut writer) =
                self.store.begin_chunk(&owner, id, headers).await.unwrap()
            {
                writer.write(Bytes::from(bytes)).await.unwrap();
                writer.finish().await.unwrap();
            }
        }
        while !self.store.upload(&owner, id).await.unwrap().holding.pending.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        id
    }

    async fn file(&self, owner: &str, name: &str, chunks: u64) -> (UploadId, FileInfo) {
        let indexes: Vec<_> = (0..chunks).collect();
        let id = self.upload(owner, name, chunks, &indexes).await;
        let root = digest::root(indexes.iter().map(|&index| Digest::of(&chunk_bytes(index))));
        (id, self.store.seal(&Owner(owner.to_owned()), id, root).await.unwrap())
    }
}
