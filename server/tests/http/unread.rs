//! Downloads that nobody reads, and what they keep from others.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use longhaul_protocol::wire::{FileInfo, SealRequest, UploadStatus, path};
use longhaul_protocol::{Digest, ProblemCode, digest};
use longhaul_server::Config;

use crate::program::{command, start, terminate};
use crate::support::{Answer, Connection, MIB_8, Request, Server, bytes, chunk, create_request};

/// More than both systems keep between a server and who does not read, bytes.
pub const SIZE: usize = 5 * MIB_8;

/// Room for one such file.
pub fn server(idle_answer_timeout: Duration) -> Server {
    let impatient = |config: &mut Config| {
        config.chunk_len = MIB_8 as u64;
        config.limits.idle_answer_timeout = idle_answer_timeout;
    };
    Server::start_with_disk(impatient, |disk| disk.bytes_total_max = Some(SIZE as u64 + (64 << 10)))
}

pub fn file(server: &Server, whole: &[u8]) -> FileInfo {
    let upload = server.create(whole.len() as u64);
    for (index, chunk) in (0..).zip(whole.chunks(MIB_8)) {
        assert_eq!(server.put(upload.id, index, chunk).status, 204);
    }
    server.seal(upload.id, digest::root(whole.chunks(MIB_8).map(Digest::of))).ok(201)
}

/// A download of which only the head was read.
fn begun(server: &Server, file: &FileInfo) -> Connection {
    let mut connection = server.connect();
    connection.send_head(&Request::new("GET", &path::file(file.id)));
    assert_eq!(connection.read_head().0, 200);
    connection
}

fn create(server: &Server) -> Answer {
    server.send(Request::new("POST", path::UPLOADS).json(&create_request(SIZE as u64)))
}

#[test]
fn who_takes_no_byte_is_cut_off_and_what_was_deleted_meanwhile_makes_room_then() {
    let server = server(Duration::from_millis(700));
    let file = file(&server, &bytes(SIZE));
    let mut connection = begun(&server, &file);
    let deleted = server.send(Request::new("DELETE", &path::file(file.id)));
    assert_eq!(deleted.status, 204);
    create(&server).problem(ProblemCode::NoSpace);
    let since = Instant::now();
    while create(&server).status != 201 {
        assert!(since.elapsed() < Duration::from_secs(20), "the room never comes back");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut came = 0;
    while let len @ 1.. = connection.read(MIB_8).len() {
        came += len;
    }
    assert!(came < SIZE, "all of it came after all");
}

#[test]
fn who_reads_slowly_is_not_cut_off() {
    let server = server(Duration::from_millis(700));
    let whole = bytes(SIZE);
    let mut connection = begun(&server, &file(&server, &whole));
    let mut came = Vec::new();
    // Three seconds, in which what the systems keep in between is never read empty.
    for _ in 0..30 {
        std::thread::sleep(Duration::from_millis(100));
        came.extend(connection.read(200_000));
    }
    assert!(came.len() < SIZE / 2, "{}", came.len());
    while came.len() < SIZE {
        let more = connection.read(MIB_8);
        assert!(!more.is_empty(), "cut off after {} bytes", came.len());
        came.extend(more);
    }
    assert!(came == whole);
}

/// The only file of a data folder that is so long.
pub fn blob(dir: &Path) -> PathBuf {
    let folders = std::fs::read_dir(dir.join("blobs")).unwrap();
    let folders = folders.map(|folder| folder.unwrap().path());
    let blobs = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut blobs = blobs.map(|blob| blob.unwrap().path());
    blobs.find(|blob| blob.metadata().unwrap().len() == SIZE as u64).unwrap()
}

/// The path of a file that was sent to a server elsewhere.
pub fn uploaded(address: SocketAddr, whole: &[u8]) -> String {
    let mut connection = Connection::to(address);
    let create = Request::new("POST", path::UPLOADS).json(&create_request(whole.len() as u64));
    let upload: UploadStatus = connection.send(create).ok(201);
    let chunks = whole.chunks(upload.chunk_size as usize);
    for (index, bytes) in (0..).zip(chunks.clone()) {
        let put = chunk(upload.id, index, bytes).body(bytes);
        assert_eq!(connection.send(put).status, 204);
    }
    let root = digest::root(chunks.map(Digest::of));
    let seal = Request::new("POST", &path::seal(upload.id)).json(&SealRequest { root });
    path::file(connection.send(seal).ok::<FileInfo>(201).id)
}

/// A file that is cut off is to a map what a disk is that cannot give a page.
#[test]
fn what_the_disk_does_not_give_ends_one_download_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    let (whole, small) = (bytes(SIZE), bytes(4096));
    let (large, other) = (uploaded(address, &whole), uploaded(address, &small));
    let get = |path: &str| Request::new("GET", path);
    assert!(Connection::to(address).send(get(&large)).body == whole);
    let mut reader = Connection::to(address);
    reader.send_head(&get(&large));
    assert_eq!(reader.read_head().0, 200);
    // Until nothing more goes into the sockets, and the next pieces wait.
    std::thread::sleep(Duration::from_millis(300));
    let file = std::fs::OpenOptions::new().write(true).open(blob(data.path())).unwrap();
    file.set_len(0).unwrap();
    let mut came = 0;
    while let len @ 1.. = reader.read(MIB_8).len() {
        came += len;
    }
    assert!(came < SIZE, "all of it came after all");
    assert!(Connection::to(address).send(get(&other)).body == small);
    let output = terminate(child);
    assert!(output.status.success(), "{}", output.status);
    let log = String::from_utf8(output.stderr).unwrap();
    let told = log.lines().find(|line| line.contains("a download broke off")).expect(&log);
    for what in ["ERROR", "errors of the disk", &large, "peer=127.0.0.1:"] {
        assert!(told.contains(what), "{told}");
    }
}

#[test]
fn what_has_rotten_ends_the_download_and_the_log_tells_which_and_whose() {
    use std::os::unix::fs::FileExt as _;

    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    let whole = bytes(SIZE);
    let large = uploaded(address, &whole);
    assert!(terminate(child).status.success());
    let file = std::fs::OpenOptions::new().write(true).open(blob(data.path())).unwrap();
    file.write_all_at(&[!whole[SIZE - 1]], SIZE as u64 - 1).unwrap();
    let (child, address) = start(command(data.path()));
    let mut reader = Connection::to(address);
    reader.send_head(&Request::new("GET", &large));
    assert_eq!(reader.read_head().0, 200);
    let mut came = 0;
    while let len @ 1.. = reader.read(MIB_8).len() {
        came += len;
    }
    assert!(came < SIZE, "all of it came");
    let log = String::from_utf8(terminate(child).stderr).unwrap();
    let told = log.lines().find(|line| line.contains("a download broke off")).expect(&log);
    for what in ["ERROR", "has rotten", &large, "peer=127.0.0.1:"] {
        assert!(told.contains(what), "{told}");
    }
}
