//! A disk that is full, to the last block: what was promised is kept, and whoever makes room can.

use bytes::Bytes;
use longhaul_protocol::wire::{FileInfo, UploadStatus, path};
use longhaul_protocol::{ChunkIndex, ProblemCode};
use longhaul_tests::api::{Api, chunk_headers, chunk_of, create_request, root_of};
use longhaul_tests::files::{Folder, MIB, random_bytes};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::small_disk::SmallDisk;

/// The smallest: of these a file has the most rows.
const CHUNK: u64 = 64 * 1024;
const DISK: u64 = 512 * MIB;
const FILE: u64 = 24 * MIB;
/// What a disk has left that others have filled nearly, bytes.
const LEFT: u64 = 60 * MIB;

/// Next to nothing of the disk has to stay free.
fn options() -> Options {
    let more = ["--disk-free-min", "1000000"].map(str::to_owned).to_vec();
    Options { chunk_size: Some(CHUNK), more, ..Options::default() }
}

async fn put(api: &Api, upload: &UploadStatus, file: &Bytes, chunks: std::ops::Range<u64>) {
    for index in chunks {
        let chunk = chunk_of(file, upload.plan().unwrap(), ChunkIndex(index));
        let reply = api.chunk(upload.id, chunk_headers(index, &chunk), chunk).await.unwrap();
        assert_eq!(reply.status, 204, "{reply:?}");
    }
}

async fn seal(api: &Api, upload: &UploadStatus, file: &Bytes) -> FileInfo {
    api.seal(upload.id, root_of(file, upload.plan().unwrap())).await.unwrap().json()
}

/// Uploads, until the server says that there is no room for another.
async fn begin_until_refused(api: &Api) -> Vec<UploadStatus> {
    let mut begun = Vec::new();
    loop {
        let reply = api.create("full.bin", FILE).await.unwrap();
        if reply.status != 201 {
            assert_eq!(reply.problem().code, ProblemCode::NoSpace.row().code);
            return begun;
        }
        begun.push(reply.json());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_what_was_promised_is_completed_and_what_is_deleted_makes_room() {
    let data = Folder::new();
    let disk = SmallDisk::mount_on(data.path(), DISK);
    let mut server = Server::start_in(data, options()).await;
    let (api, file, count) = (server.api(), Bytes::from(random_bytes(FILE, 3)), FILE / CHUNK);

    let begun = begin_until_refused(&api).await;
    assert!(begun.len() > 5, "{}", begun.len());
    put(&api, &begun[0], &file, 0..count).await;
    let first = seal(&api, &begun[0], &file).await;
    put(&api, &begun[1], &file, 0..count / 2).await;

    disk.fill();
    assert_eq!(disk.free(), 0);
    put(&api, &begun[1], &file, count / 2..count).await;
    server.kill().await;
    server.restart().await;
    // What was pending is sent again.
    for upload in &begun[1..] {
        put(&api, upload, &file, 0..count).await;
        seal(&api, upload, &file).await;
    }
    assert_eq!(api.files().await.len(), begun.len());

    server.kill().await;
    disk.fill();
    server.restart().await;
    assert_eq!(api.create("more.bin", 1).await.unwrap().status, 507);
    let before = disk.free();
    assert_eq!(api.delete(&path::file(first.id)).await.unwrap().status, 204);
    assert!(disk.free() > before + FILE / 2, "{} of {before}", disk.free());
}

/// XFS wants as much free as it is asked to reserve, also for what a file has already.
#[tokio::test(flavor = "multi_thread")]
async fn on_an_xfs_disk_with_little_room_left_what_was_promised_has_its_room_after_a_restart() {
    let data = Folder::new();
    let Some(disk) = SmallDisk::mount_xfs_on(data.path(), DISK) else { return };
    let mut server = Server::start_in(data, options()).await;
    let (api, file) = (server.api(), Bytes::from(random_bytes(2 * LEFT, 3)));
    let upload: UploadStatus = api.create("large.bin", 2 * LEFT).await.unwrap().json();
    disk.leave(LEFT);
    server.kill().await;
    server.restart().await;
    put(&api, &upload, &file, 0..file.len() as u64 / CHUNK).await;
    seal(&api, &upload, &file).await;

    // Rows are promised until the room kept for them has to grow.
    let spare = server.data().join("index.redb.spare");
    let kept = || spare.metadata().unwrap().len();
    let (before, mut request) = (kept(), create_request("small.bin", 1));
    assert!(before > LEFT, "{before}");
    request.meta.relative_path = Some("d/".repeat(2000) + "small.bin");
    while kept() == before {
        let reply = api.post(path::UPLOADS, &request).await.unwrap();
        assert_eq!(reply.status, 201, "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_leaves_of_a_small_disk_what_is_to_stay_free() {
    let data = Folder::new();
    let disk = SmallDisk::mount_on(data.path(), 120 * MIB);
    let _server = Server::start_in(data, options()).await;
    assert!(disk.free() > 900_000, "{}", disk.free());
}
