//! Ranges, which the system sends from the file: the right bytes in the right order, whatever a reader does.

use std::time::Duration;

use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::path;

use crate::program::{command, start, terminate};
use crate::support::{Connection, Request, Server, bytes, create_request};
use crate::unread::{SIZE as LARGE, blob, file, server, uploaded};

const SIZE: usize = 3 << 20;
/// Lengths at the ends of what is sent so, and what is between.
const LENS: [usize; 7] = [16_384, 16_385, 65_536, 100_001, 262_143, 262_144, 262_145];

fn range(path: &str, first: usize, len: usize) -> Request {
    let value = format!("bytes={first}-{}", first + len - 1);
    Request::new("GET", path).header("range", &value)
}

/// What is sent from a file is the system's own memory of it until its reader takes it, so whoever writes there
/// meanwhile is seen. That nobody does is why it may be sent so.
#[test]
#[cfg(target_os = "linux")]
fn a_range_and_a_stream_whose_reader_waits_are_not_copied_and_what_is_tiny_is() {
    use std::os::unix::fs::FileExt as _;

    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    let whole = bytes(LARGE);
    let path = uploaded(address, &whole);
    let file = std::fs::OpenOptions::new().write(true).open(blob(data.path())).unwrap();
    let mut connection = Connection::to(address);
    for (len, is_sent_from_file) in
        [(65_536, true), (262_143, true), (262_144, true), (16_384, false)]
    {
        // What is wanted again is at hand.
        for _ in 0..3 {
            assert!(connection.send(range(&path, 0, len)).body == whole[..len]);
        }
        connection.send_head(&range(&path, 0, len));
        // Until the first of it is in the sockets.
        std::thread::sleep(Duration::from_millis(300));
        file.write_all_at(&[!whole[9]], 9).unwrap();
        let body = connection.answer("GET").body;
        file.write_all_at(&[whole[9]], 9).unwrap();
        assert_eq!(body[9] != whole[9], is_sent_from_file, "{len} bytes");
        assert!(body[10..] == whole[10..len]);
    }
    assert!(terminate(child).status.success());
}

/// The same again: what was read once is at hand.
#[test]
fn ranges_have_their_bytes_however_often_they_are_asked_for() {
    let server = Server::start();
    let whole = bytes(SIZE);
    let path = path::file(server.file(&whole).id);
    let mut connection = server.connect();
    for _ in 0..3 {
        for (at, len) in LENS.into_iter().enumerate() {
            let first = at * 333_333;
            let answer = connection.send(range(&path, first, len));
            assert!(answer.body == whole[first..first + len], "{len} bytes from {first} on");
        }
    }
}

#[test]
fn many_ranges_in_one_answer_have_their_bytes_and_what_stands_between() {
    let server = Server::start();
    let whole = bytes(SIZE);
    let path = path::file(server.file(&whole).id);
    let ranges: Vec<_> = (0..25).map(|at| (at * 120_000 + at, 20_000 + at * 3_000)).collect();
    let value: Vec<_> = ranges.iter().map(|(at, len)| format!("{at}-{}", at + len - 1)).collect();
    let get = Request::new("GET", &path).header("range", &format!("bytes={}", value.join(",")));
    for _ in 0..3 {
        let answer = server.send(get.clone());
        let boundary = answer.header("content-type").unwrap().split_once('=').unwrap().1;
        let mut expected: Vec<u8> = Vec::new();
        for (first, len) in &ranges {
            let head = format!(
                "--{boundary}\r\nContent-Type: application/octet-stream\r\n\
                 Content-Range: bytes {first}-{}/{SIZE}\r\n\r\n",
                first + len - 1
            );
            expected.extend(head.as_bytes());
            expected.extend(&whole[*first..first + len]);
            expected.extend(b"\r\n");
        }
        expected.extend(format!("--{boundary}--\r\n").as_bytes());
        assert!(answer.body == expected);
    }
}

#[test]
fn who_asks_for_many_at_once_and_reads_late_gets_each_in_its_turn() {
    let server = Server::start();
    let whole = bytes(SIZE);
    let path = path::file(server.file(&whole).id);
    assert!(server.get(&path).body == whole);
    let mut connection = server.connect();
    let firsts: Vec<_> = (0..200).map(|at| at * 7_919 % (SIZE - 65_536)).collect();
    for first in &firsts {
        connection.send_head(&range(&path, *first, 65_536));
    }
    // Until nothing more goes into the sockets.
    std::thread::sleep(Duration::from_millis(300));
    for first in firsts {
        assert!(connection.answer("GET").body == whole[first..first + 65_536], "{first}");
    }
}

#[test]
fn who_leaves_midway_and_who_stays_without_asking_keep_nothing_of_the_file() {
    let server = server(Duration::from_secs(30));
    let info = file(&server, &bytes(LARGE));
    let path = path::file(info.id);
    let mut staying = server.connect();
    for _ in 0..3 {
        assert_eq!(staying.send(range(&path, 77, 65_536)).body.len(), 65_536);
    }
    let mut leaving = server.connect();
    (0..100).for_each(|at| leaving.send_head(&range(&path, at * 65_536, 65_536)));
    assert_eq!(leaving.read_head().0, 206);
    drop(leaving);
    assert_eq!(server.send(Request::new("DELETE", &path)).status, 204);
    let create = || Request::new("POST", path::UPLOADS).json(&create_request(LARGE as u64));
    let has_room = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        server.send(create()).status == 201
    });
    assert!(has_room, "the room never comes back");
    staying.send(range(&path, 77, 65_536)).problem(ProblemCode::NotFound);
}

/// A file that is cut off is to the system what a disk is that cannot give a page.
#[test]
fn what_the_disk_does_not_give_ends_one_connection_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    let (whole, small) = (bytes(LARGE), bytes(4096));
    let (large, other) = (uploaded(address, &whole), uploaded(address, &small));
    let get = |path: &str| Connection::to(address).send(Request::new("GET", path)).body;
    assert!(get(&large) == whole);
    let mut reader = Connection::to(address);
    let (count, len) = (400, 100_000);
    (0..count).for_each(|at| reader.send_head(&range(&large, at * len, len)));
    assert_eq!(reader.read_head().0, 206);
    std::thread::sleep(Duration::from_millis(300));
    let file = std::fs::OpenOptions::new().write(true).open(blob(data.path())).unwrap();
    file.set_len(0).unwrap();
    let mut came = 0;
    while let read @ 1.. = reader.read(1 << 20).len() {
        came += read;
    }
    assert!(came < count * len, "all of it came after all");
    assert!(get(&other) == small);
    let output = terminate(child);
    assert!(output.status.success(), "{}", output.status);
    let log = String::from_utf8(output.stderr).unwrap();
    let told = log.lines().find(|line| line.contains("a download broke off")).expect(&log);
    for what in ["ERROR", "errors of the disk", &large] {
        assert!(told.contains(what), "{told}");
    }
}
