//! What strangers do to a server that stands on the internet: each takes what it can, and somebody else, at another
//! address, notices nothing. Those that try to read or to pretend are in `traversal`, `probing`, `tokens`, `links`
//! and `cross_site`.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::{FileInfo, SealRequest, UploadStatus, path};
use longhaul_protocol::{Digest, ProblemCode};

use crate::limits::{OTHER, connect_from};
use crate::program::{command, start, terminate};
use crate::support::{CHUNK, Connection, Request, Server, bytes, chunk, create_request};

/// Sends a file by chunks over connections of another address, and reads it back: nothing of it is refused.
fn uploads_undisturbed(address: SocketAddr) {
    let connect = || Connection::over(connect_from(OTHER, address));
    let (mut calls, whole) = (connect(), bytes(6 * CHUNK as usize));
    let request = longhaul_protocol::wire::CreateRequest {
        chunk_size: Some(CHUNK),
        ..create_request(whole.len() as u64)
    };
    let upload: UploadStatus =
        calls.send(Request::new("POST", path::UPLOADS).json(&request)).ok(201);
    let chunks = whole.chunks(CHUNK as usize);
    for (index, part) in (0..).zip(chunks.clone()) {
        assert_eq!(connect().send(chunk(upload.id, index, part).body(part)).status, 204);
    }
    let seal = SealRequest { root: root(chunks.map(Digest::of)) };
    let seal = Request::new("POST", &path::seal(upload.id)).json(&seal);
    let file: FileInfo = calls.send(seal).ok(201);
    assert!(calls.send(Request::new("GET", &path::file(file.id))).body == whole);
}

#[test]
fn heads_that_come_byte_by_byte_are_cut_off_and_nobody_waits_for_them() {
    let server =
        Server::start_with(|config| config.limits.header_timeout = Duration::from_millis(700));
    let mut slow: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for connection in &mut slow {
        connection.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-").unwrap();
    }
    uploads_undisturbed(server.address());
    // None of them is ever silent for long.
    for _ in 0..40 {
        std::thread::sleep(Duration::from_millis(50));
        for connection in &mut slow {
            let _ = connection.write(b"a");
        }
    }
    for connection in &mut slow {
        assert!(connection.is_closed());
    }
}

#[test]
fn bodies_that_come_byte_by_byte_are_cut_off_and_what_came_is_kept() {
    let server = Server::start_with(|config| {
        config.limits.idle_body_timeout = Duration::from_millis(500);
        config.limits.body_rate_min = 10_000;
    });
    let (upload, whole) = (server.create(CHUNK), bytes(CHUNK as usize));
    let mut slow = server.connect();
    slow.send_head(&chunk(upload.id, 0, &whole).header("content-length", &CHUNK.to_string()));
    let mut sent = whole.chunks(10);
    // 200 bytes a second, and never silent for long.
    let stopped = (0..60).map(|_| std::thread::sleep(Duration::from_millis(50))).any(|()| {
        slow.write(sent.next().unwrap()).is_err()
            || server.status(upload.id).holding.partial.len() == 1
    });
    assert!(stopped, "it is read for as long as it likes");
    let problem = slow.answer("POST").problem(ProblemCode::Stalled);
    assert!(problem.detail.contains("10000 bytes a second"), "{}", problem.detail);
    let kept = server.status(upload.id).holding.partial[0].offset;
    assert!(kept > 0 && kept.is_multiple_of(10), "{kept}");
}

#[test]
fn a_body_that_is_slow_but_not_that_slow_is_waited_for() {
    let server = Server::start_with(|config| {
        config.limits.idle_body_timeout = Duration::from_millis(500);
        config.limits.body_rate_min = 10_000;
    });
    let (upload, whole) = (server.create(CHUNK), bytes(CHUNK as usize));
    let mut connection = server.connect();
    connection.send_head(&chunk(upload.id, 0, &whole).header("content-length", &CHUNK.to_string()));
    // 25,000 bytes a second, for longer than a body may be idle.
    for part in whole.chunks(2500) {
        connection.write(part).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(connection.answer("POST").status, 204);
}

#[test]
fn an_address_that_holds_all_of_its_bodies_open_keeps_nobody_else_from_sending() {
    let server = Server::start_with(|config| config.places.place_bodies_max = 20);
    let (upload, whole) = (server.create(20 * CHUNK), bytes(CHUNK as usize));
    let held: Vec<_> = (0..20)
        .map(|index| {
            let mut connection = server.connect();
            let head = chunk(upload.id, index, &whole).header("content-length", &CHUNK.to_string());
            connection.send_head(&head);
            connection.write(b"x").unwrap();
            connection
        })
        .collect();
    let is_refused = |_| {
        std::thread::sleep(Duration::from_millis(20));
        server.put(upload.id, 0, &whole).status == 429
    };
    assert!((0..500).any(is_refused));
    uploads_undisturbed(server.address());
    drop(held);
}

#[test]
fn a_flood_from_one_address_is_held_off_while_another_sends() {
    let server = Server::start_with(|config| {
        config.places.place_requests_per_second = 100;
        config.places.place_requests_burst = 500;
    });
    let (address, is_over) = (server.address(), Arc::new(AtomicBool::new(false)));
    let (served, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let flood = || {
        let (is_over, served, refused) =
            (Arc::clone(&is_over), Arc::clone(&served), Arc::clone(&refused));
        std::thread::spawn(move || {
            let mut answer = vec![0; 4096];
            while !is_over.load(Ordering::Relaxed) {
                let mut stream = TcpStream::connect(address).unwrap();
                // It may be closed before or after this.
                while stream.write_all(b"GET /v1/files HTTP/1.1\r\nhost: localhost\r\n\r\n").is_ok()
                {
                    let len = stream.read(&mut answer).unwrap_or(0);
                    match answer.get(..12.min(len)) {
                        Some(b"HTTP/1.1 200") => served.fetch_add(1, Ordering::Relaxed),
                        Some(b"HTTP/1.1 429") => refused.fetch_add(1, Ordering::Relaxed),
                        _ => break,
                    };
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        })
    };
    let floods: Vec<_> = (0..20).map(|_| flood()).collect();
    let is_held_off = |_| {
        std::thread::sleep(Duration::from_millis(10));
        refused.load(Ordering::Relaxed) > 0
    };
    assert!((0..2000).any(is_held_off), "it is served for as long as it likes");
    uploads_undisturbed(address);
    is_over.store(true, Ordering::Relaxed);
    floods.into_iter().for_each(|flood| flood.join().unwrap());
    // The burst, and no more than so many a second for a time that nobody knows.
    assert!(served.load(Ordering::Relaxed) >= 400, "{served:?}");
}

#[test]
fn heads_that_are_too_many_or_too_large_are_refused() {
    let server = Server::start();
    let many = "x: y\r\n".repeat(200);
    let large = format!("x: {}\r\n", "y".repeat(130 * 1024));
    let endless = "y".repeat(300 * 1024);
    for bomb in [many, large, endless] {
        let mut connection = server.connect();
        // It need not be read to its end.
        let _ = connection
            .write(format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{bomb}").as_bytes());
        let _ = connection.write(b"\r\n");
        let (status, headers) = connection.read_head();
        assert_eq!(status, 431, "{headers:?}");
        assert!(connection.is_closed());
    }
    let mut connection = server.connect();
    let _ = connection.write(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)).as_bytes());
    assert_eq!(connection.read_head().0, 414);
    uploads_undisturbed(server.address());
}

/// 32 KiB that would be 32 MiB: the same block again and again, as gzip has it.
fn bomb() -> Vec<u8> {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    gzip.extend([0; 32 * 1024]);
    gzip
}

#[test]
fn a_body_that_is_to_be_decoded_is_refused_and_one_that_only_looks_so_is_kept_as_it_is() {
    let server = Server::start();
    let (bomb, upload) = (bomb(), server.create(bomb().len() as u64));
    let plain = || chunk(upload.id, 0, &bomb).body(&bomb);
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("content-encoding", "identity, br"),
        ("content-encoding", "aes128gcm"),
    ] {
        let answer = server.send(plain().header(name, value));
        answer.problem(ProblemCode::EncodedBody);
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
    }
    let json = Request::new("POST", path::UPLOADS).json(&create_request(1));
    for request in [json, Request::new("POST", path::GUESTS)] {
        let answer = server.send(request.header("content-encoding", "gzip"));
        answer.problem(ProblemCode::EncodedBody);
    }
    assert_eq!(server.status(upload.id).holding.held.to_string(), "");
    assert_eq!(server.send(plain().header("content-encoding", "Identity")).status, 204);
    let file: FileInfo = server.seal(upload.id, root([Digest::of(&bomb)])).ok(201);
    let answer =
        server.send(Request::new("GET", &path::file(file.id)).header("accept-encoding", "gzip"));
    assert!(answer.body == bomb && answer.header("content-encoding").is_none());
}

#[test]
fn a_body_that_is_coded_for_its_way_is_refused() {
    let server = Server::start();
    let upload = server.create(5);
    let mut connection = server.connect();
    let request = chunk(upload.id, 0, b"hello").header("transfer-encoding", "gzip, chunked");
    connection.send_head(&request);
    let _ = connection.write(b"5\r\nhello\r\n0\r\n\r\n");
    assert!([400, 415].contains(&connection.read_head().0));
    assert_eq!(server.status(upload.id).holding.held.to_string(), "");
}

/// As many connections of a machine as it lets one program have, at most 10,000, a few hundred from each address.
fn idle(address: SocketAddr) -> Vec<TcpStream> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before }).unwrap();
    let most = before.maximum.map_or(10_000, |maximum| (maximum / 2).min(10_000)) as u32;
    let from = |at: u32| Ipv4Addr::new(127, 1, (at / 500) as u8, 1);
    (0..most).map(|at| connect_from(from(at), address)).collect()
}

/// What a process has in memory, KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_keep_nobody_out() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    uploads_undisturbed(address);
    let before = resident_kib(child.id());
    let mut idle = idle(address);
    uploads_undisturbed(address);
    // The last of them is in too, so all were looked at.
    let last = idle.last_mut().unwrap();
    last.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    last.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let each = (resident_kib(child.id()) - before) * 1024 / idle.len() as u64;
    println!("{} idle connections take {each} bytes each", idle.len());
    assert!(each < 32 * 1024, "{each} bytes each");
    drop(idle);
    assert!(terminate(child).status.success());
}

/// The same program, to which the system allows no more open files than so many.
pub fn with_few_files(data: &Path, most: u64) -> Command {
    let program = command(data);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {most} && exec \"$0\" \"$@\"")]);
    shell.arg(program.get_program()).args(program.get_args());
    shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[test]
fn connections_leave_files_to_those_who_are_in_where_the_system_allows_few() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(with_few_files(data.path(), 200));
    let mut connection = Connection::to(address);
    let create = Request::new("POST", path::UPLOADS).json(&create_request(5));
    let upload: UploadStatus = connection.send(create).ok(201);
    let open: Vec<_> =
        (0..=u8::MAX).map(|at| connect_from(Ipv4Addr::new(127, 1, 0, at), address)).collect();
    // The last of them was looked at, and is one too many.
    let mut last = Connection::to(address);
    let _ = last.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let told = last.read(12);
    assert!(told.is_empty() || told == b"HTTP/1.1 503", "{}", String::from_utf8_lossy(&told));
    assert_eq!(connection.send(chunk(upload.id, 0, b"hello").body(b"hello")).status, 204);
    let seal = SealRequest { root: root([Digest::of(b"hello")]) };
    let file: FileInfo =
        connection.send(Request::new("POST", &path::seal(upload.id)).json(&seal)).ok(201);
    assert_eq!(connection.send(Request::new("GET", &path::file(file.id))).body, b"hello");
    drop(open);
    let log = String::from_utf8(terminate(child).stderr).unwrap();
    assert!(log.contains("it takes 78 connections") && log.contains("LimitNOFILE"), "{log}");
}

#[test]
fn ten_thousand_connections_of_one_address_are_a_thousand_and_keep_nobody_out() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    let mut open = Vec::new();
    for _ in 0..10_000 {
        let stream = TcpStream::connect(address).unwrap();
        // Those that are closed at once are let go, for nobody has descriptors without end.
        stream.set_nonblocking(true).unwrap();
        open.push(stream);
        if open.len() == 2000 {
            open.retain_mut(|stream| {
                let read = stream.read(&mut [0]);
                read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
            });
        }
    }
    uploads_undisturbed(address);
    let log = {
        drop(open);
        String::from_utf8(terminate(child).stderr).unwrap()
    };
    let told = log.lines().filter(|line| line.contains("--address-connections-max"));
    assert_eq!(told.count(), 1, "told once, and not ten thousand times");
}
