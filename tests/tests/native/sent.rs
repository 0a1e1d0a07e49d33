//! Sealed files on their way out of a real server: where their bytes are meanwhile, and what becomes of
//! readers whose file is damaged below them.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::{FileInfo, path};
use longhaul_tests::api::create_request;
use longhaul_tests::files::{MIB, random_bytes};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::stored::store;

/// More than both systems keep between the server and who does not read.
const LEN: u64 = 64 * MIB;
/// The same, where memory is counted.
const LEN_IN_MEMORY: usize = 64 << 20;

async fn served() -> (Server, FileInfo, Bytes) {
    let server = Server::start(Options { chunk_size: Some(MIB), ..Options::default() }).await;
    let bytes = Bytes::from(random_bytes(LEN, 31));
    let info = store(&server.api(), &create_request("sent.bin", LEN), &bytes).await;
    (server, info, bytes)
}

/// A download of which some is there and nothing is read yet.
fn begun(server: &Server, info: &FileInfo, range: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (to, host) = (path::file(info.id), server.addr());
    let request = format!("GET {to} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={range}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 206");
    stream
}

/// The one large file below the server's folder.
fn blob(server: &Server) -> PathBuf {
    let folders = std::fs::read_dir(server.data().join("blobs")).unwrap().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten());
    let mut large = files.filter(|file| file.metadata().unwrap().len() == LEN);
    large.next().expect("the blob").path()
}

/// What the server has of its own, bytes: no file that the system keeps in memory anyway.
fn own_memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_readers_who_do_not_read_cost_next_to_no_memory() {
    let (server, info, _) = served().await;
    // What is set up once is no reader's cost.
    drop(begun(&server, &info, "0-"));
    let before = own_memory(&server);
    let readers: Vec<_> = (0..200).map(|_| begun(&server, &info, "0-")).collect();
    let after = own_memory(&server);
    let each = after.saturating_sub(before) / readers.len() as u64;
    assert!(each < 128 * 1024, "{each} bytes for each of them");
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
    assert!(maps.contains(blob(&server).to_str().unwrap()), "what they get lies in the file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_off_below_its_readers_ends_their_answers_and_nothing_else() {
    let (server, info, bytes) = served().await;
    let other = Bytes::from(random_bytes(LEN / 2, 32));
    let other_info = store(&server.api(), &create_request("other.bin", LEN / 2), &other).await;
    let [mut reader, mut of_other] = [&info, &other_info].map(|info| begun(&server, info, "0-"));
    let blob = OpenOptions::new().write(true).open(blob(&server)).unwrap();
    blob.set_len(MIB).unwrap();
    let mut came = Vec::new();
    let ended = reader.read_to_end(&mut came);
    assert!((came.len() as u64) < LEN, "{ended:?}: all of it came");
    // A page that is not there would have been the end of the server, and of who reads another file.
    let mut came = Vec::new();
    while !came.ends_with(&other[other.len() - 1000..]) {
        let mut piece = vec![0; 1 << 20];
        let read = of_other.read(&mut piece).unwrap();
        assert!(read > 0, "the other file goes on");
        came.extend_from_slice(&piece[..read]);
    }
    assert!(came.ends_with(&other));
    assert_eq!(server.api().get("/healthz").await.unwrap().status, 200);
    let first = server.api().range(info.id, 0..1000, LEN).await;
    assert_eq!(first, bytes.slice(..1000), "what is there is served on");
    let (api, to) = (server.api(), path::file(info.id));
    let last = [("range", format!("bytes={}-", LEN - 10))];
    let gone = api.request(http::Method::GET, &to, &last, "").await;
    assert_eq!(gone.unwrap().status, 500, "and what is not is an error");
    // What is put back is served again.
    blob.write_all_at(&bytes[1 << 20..], MIB).unwrap();
    let rest = server.api().range(info.id, LEN - 1000..LEN, LEN).await;
    assert_eq!(rest, bytes.slice(LEN_IN_MEMORY - 1000..));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_reads_is_gone_for_others_once_it_is_deleted() {
    let (server, info, bytes) = served().await;
    let mut reader = begun(&server, &info, "0-");
    // Found as somebody has it open.
    assert_eq!(server.api().range(info.id, 5..10, LEN).await, bytes.slice(5..10));
    assert_eq!(server.api().delete(&path::file(info.id)).await.unwrap().status, 204);
    assert_eq!(server.api().get(&path::file(info.id)).await.unwrap().status, 404);
    let (mut came, mut piece) = (Vec::new(), vec![0; 1 << 20]);
    while came.len() < LEN_IN_MEMORY {
        let read = reader.read(&mut piece).unwrap();
        assert!(read > 0, "who has begun reads on");
        came.extend_from_slice(&piece[..read]);
    }
    let body = came.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let mut rest = vec![0; LEN_IN_MEMORY - (came.len() - body)];
    reader.read_exact(&mut rest).unwrap();
    assert!([&came[body..], &rest].concat() == bytes);
    server.assert_no_fault();
}
