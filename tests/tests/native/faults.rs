//! A disk that fails, is full or dawdles, below a real server: strace makes its system calls do so.

use std::path::PathBuf;

use bytes::Bytes;
use longhaul_protocol::wire::{FileInfo, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};
use longhaul_tests::api::{Api, Reply, chunk_headers, chunk_of, root_of};
use longhaul_tests::files::random_bytes;
use longhaul_tests::server::{Options, Server};
use longhaul_tests::strace::Faults;
use longhaul_tests::wait::until;

use super::crash::blob_of;

const CHUNK: u64 = 256 * 1024;
/// Far longer than a request takes, microseconds.
const DAWDLE: &str = "delay_enter=4000000:when=1";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// A server, and an upload of three chunks of which the first is held.
struct Begun {
    server: Server,
    api: Api,
    file: Bytes,
    upload: UploadStatus,
}

impl Begun {
    async fn new() -> Self {
        let server = Server::start(Options { chunk_size: Some(CHUNK), ..Options::default() }).await;
        let (api, file) = (server.api(), Bytes::from(random_bytes(3 * CHUNK, 7)));
        let upload = api.create("faults.bin", 3 * CHUNK).await.unwrap().json();
        let begun = Self { server, api, file, upload };
        assert_eq!(begun.put(0).await.status, 204);
        begun.until_held("0").await;
        begun
    }

    fn chunk(&self, index: u64) -> Bytes {
        chunk_of(&self.file, self.upload.plan().unwrap(), ChunkIndex(index))
    }

    async fn put(&self, index: u64) -> Reply {
        let chunk = self.chunk(index);
        self.api.chunk(self.upload.id, chunk_headers(index, &chunk), chunk).await.unwrap()
    }

    async fn status(&self) -> UploadStatus {
        self.api.status(self.upload.id).await.unwrap().json()
    }

    async fn until_held(&self, wanted: &str) {
        let what = format!("{wanted} held and nothing pending");
        let settled = until(&what, PATIENCE, async || {
            let holding = self.status().await.holding;
            (holding.held.to_string() == wanted && holding.pending.is_empty()).then_some(())
        });
        settled.await;
    }

    fn blob(&self) -> PathBuf {
        blob_of(&self.server, self.upload.id)
    }

    async fn inject(&self, call: &str, what: &str) -> Faults {
        Faults::inject(self.server.pid(), &self.blob(), call, what).await
    }

    /// Sends what is missing, seals, and reads it all.
    async fn goes_on(&self) -> FileInfo {
        for index in 0..3 {
            assert_eq!(self.put(index).await.status, 204);
        }
        let root = root_of(&self.file, self.upload.plan().unwrap());
        let info: FileInfo = self.api.seal(self.upload.id, root).await.unwrap().json();
        assert_eq!(self.api.download_sha256(info.id, info.size).await.0, Digest::of(&self.file));
        info
    }

    fn said(&self, what: &str) -> bool {
        self.server.lines().iter().any(|line| line.contains(what))
    }
}

fn assert_problem(reply: &Reply, code: ProblemCode) {
    assert_eq!(reply.problem().code, code.row().code, "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_whose_sync_failed_is_never_told_held_and_is_asked_for_again() {
    let begun = Begun::new().await;
    let mut faults = begun.inject("fdatasync", "error=EIO").await;
    assert_eq!(begun.put(1).await.status, 204, "received");
    faults.struck().await;
    begun.until_held("0").await;
    faults.end().await;
    assert!(begun.said("unsynced chunks are dropped"));
    begun.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_is_told_and_costs_nothing_that_is_held() {
    for (error, code) in [("EIO", ProblemCode::Internal), ("ENOSPC", ProblemCode::NoSpace)] {
        let begun = Begun::new().await;
        let faults = begun.inject("pwrite64", &format!("error={error}")).await;
        assert_problem(&begun.put(1).await, code);
        begun.until_held("0").await;
        faults.end().await;
        begun.goes_on().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_calls_are_made_again() {
    let begun = Begun::new().await;
    let mut faults = begun.inject("pwrite64", "error=EINTR:when=1+2").await;
    assert_eq!(begun.put(1).await.status, 204);
    faults.struck().await;
    begun.until_held("0-1").await;
    faults.end().await;
    begun.goes_on().await;
}

/// strace cannot make the system write less than it was told to; it can make it claim to have
/// written that much, and write nothing. So the beginning is lost, and the rest shows what a write
/// does that stopped short.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_stops_short_is_gone_on_with_and_one_that_writes_nothing_is_an_error() {
    const SHORT: usize = 64 * 1024;
    let mut begun = Begun::new().await;
    let faults = begun.inject("pwrite64", "retval=0").await;
    assert_problem(&begun.put(1).await, ProblemCode::Internal);
    faults.end().await;
    let mut faults = begun.inject("pwrite64", &format!("retval={SHORT}:when=1")).await;
    assert_eq!(begun.put(1).await.status, 204);
    faults.struck().await;
    begun.until_held("0-1").await;
    faults.end().await;
    let (whole, written) = (begun.chunk(1), std::fs::read(begun.blob()).unwrap());
    let written = &written[whole.len()..2 * whole.len()];
    assert!(written[..SHORT] != whole[..SHORT], "nothing was injected");
    assert!(written[SHORT..] == whole[SHORT..], "the rest is not where it belongs");
    // What a disk loses in this way is found when the sender comes back.
    begun.server.kill().await;
    begun.server.restart().await;
    assert_eq!(begun.put(0).await.status, 204);
    begun.until_held("0").await;
    begun.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_waits_for_no_slow_sync_and_calls_pending_what_is() {
    let begun = Begun::new().await;
    let faults = begun.inject("fdatasync", DAWDLE).await;
    assert_eq!(begun.put(1).await.status, 204);
    let holding = begun.status().await.holding;
    assert_eq!((holding.held.to_string(), holding.pending.to_string()), ("0".into(), "1".into()));
    begun.until_held("0-1").await;
    faults.end().await;
    begun.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_cannot_be_read_is_refused_and_served_when_it_can() {
    let mut begun = Begun::new().await;
    let info = begun.goes_on().await;
    // Nor will the next server read it by itself, to know the digest of the whole.
    let hashed =
        async || begun.api.files().await.iter().all(|it| it.sha256.is_some()).then_some(());
    until("hashed", PATIENCE, hashed).await;
    // A server that has not read it yet.
    begun.server.kill().await;
    begun.server.restart().await;
    let faults = begun.inject("pread64", "error=EIO").await;
    assert_problem(&begun.api.get(&path::file(info.id)).await.unwrap(), ProblemCode::Internal);
    faults.end().await;
    let read = begun.api.download_sha256(info.id, info.size).await;
    assert_eq!(read.0, Digest::of(&begun.file));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_cannot_be_synced_makes_the_server_read_only_until_a_restart() {
    let mut begun = Begun::new().await;
    let index = begun.server.data().join("index.redb");
    let faults = Faults::inject(begun.server.pid(), &index, "fdatasync", "error=EIO").await;
    assert_problem(&begun.api.create("more.bin", 5).await.unwrap(), ProblemCode::Unavailable);
    faults.end().await;
    assert_problem(&begun.put(1).await, ProblemCode::Unavailable);
    assert_eq!(begun.status().await.holding.held.to_string(), "0");
    assert!(begun.said("READ-ONLY"));
    begun.server.kill().await;
    begun.server.restart().await;
    begun.goes_on().await;
}
