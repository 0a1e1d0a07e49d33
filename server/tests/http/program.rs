//! The program itself: what it prints, how it stops, and what it says when it cannot start.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::{FileInfo, SealRequest, UploadStatus, path};

use crate::support::{Connection, Request, Server, chunk, create_request};

/// For a server to end in, whatever else the machine does.
const ENDED: Duration = Duration::from_secs(60);

pub fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    command.arg("--data").arg(data).args(["--listen", "127.0.0.1:0"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running server and its address, from the line that it prints when it is ready.
pub fn start(mut command: Command) -> (Child, SocketAddr) {
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("longhaul-server listening on http://").expect(&line);
    (child, address.trim_end().parse().unwrap())
}

/// Tells it to stop, and waits until it has.
pub fn terminate(child: Child) -> Output {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    ended(child)
}

/// What it said, once it has ended; one that goes on is killed, and that is a failure.
fn ended(child: Child) -> Output {
    let id = child.id().to_string();
    let (ended, waits) = channel::<()>();
    let watcher = thread::spawn(move || {
        let goes_on = waits.recv_timeout(ENDED) == Err(RecvTimeoutError::Timeout);
        goes_on.then(|| Command::new("kill").args(["-KILL", &id]).status().unwrap())
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    assert!(watcher.join().unwrap().is_none(), "it does not end: {output:?}");
    output
}

/// Why it does not start; one that does is killed.
pub fn refused(command: &mut Command) -> String {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = ended(child.unwrap());
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn it_prints_its_address_logs_its_requests_and_stops_when_told() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    let mut connection = Connection::to(address);
    let create = Request::new("POST", path::UPLOADS).json(&create_request(5));
    let upload: UploadStatus = connection.send(create).ok(201);
    assert_eq!(connection.send(chunk(upload.id, 0, b"hello").body(b"hello")).status, 204);
    let refused = chunk(upload.id, 1, b"more").body(b"more");
    connection.send(refused).problem(ProblemCode::ChunkOutOfRange);
    let output = terminate(child);
    assert!(output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    let chunks = path::chunks(upload.id);
    for (status, bytes, chunk) in [(204, 5, 0), (400, 4, 1)] {
        let line = format!(
            "longhaul::request: answered method=POST path={chunks} status={status} in={bytes} "
        );
        let rest = format!(" from=127.0.0.1 chunk={chunk} offset=0 received={bytes} request=");
        assert!(log.lines().any(|text| text.contains(&line) && text.contains(&rest)), "{log}");
    }
}

#[test]
fn what_a_request_is_called_is_told_with_its_answer_and_with_each_line_of_the_log_about_it() {
    for format in ["text", "json"] {
        let data = tempfile::tempdir().unwrap();
        let mut command = command(data.path());
        command.args(["--log-format", format, "--log", "info,longhaul_server=debug"]);
        let (child, address) = start(command);
        let mut connection = Connection::to(address);
        let create = connection.send(Request::new("POST", path::UPLOADS).json(&create_request(5)));
        let upload: UploadStatus = create.ok(201);
        let taken = connection.send(chunk(upload.id, 0, b"hello").body(b"hello"));
        assert_eq!(taken.status, 204);
        let refused = connection.send(chunk(upload.id, 1, b"more").body(b"more"));
        let problem = refused.problem(ProblemCode::ChunkOutOfRange);
        let ids = [create, taken, refused].map(|it| it.header("request-id").unwrap().to_owned());
        assert!(problem.to_string().contains(&ids[2]), "{problem}");
        let log = String::from_utf8(terminate(child).stderr).unwrap();
        let about = |id: &str| log.lines().filter(|line| line.contains(id)).collect::<Vec<_>>();
        for id in &ids {
            let answered = about(id).iter().filter(|line| line.contains("answered")).count();
            assert_eq!(answered, 1, "{format}: {id}\n{log}");
        }
        let received = about(&ids[1]);
        assert!(received.iter().any(|line| line.contains("chunk received")), "{format}: {log}");
        if format == "json" {
            for line in log.lines() {
                let line: serde_json::Value = serde_json::from_str(line).expect(line);
                assert!(line["fields"]["message"].is_string(), "{line}");
            }
            let line: serde_json::Value = serde_json::from_str(received[0]).unwrap();
            assert_eq!(line["requestId"], ids[1]);
        }
    }
}

#[test]
fn that_a_proxy_is_there_of_which_nobody_told_stands_in_the_log_once() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    let mut connection = Connection::to(address);
    for _ in 0..3 {
        let request = Request::new("GET", path::FILES).header("via", "1.1 example");
        connection.send(request).problem(ProblemCode::Unauthorized);
    }
    let log = String::from_utf8(terminate(child).stderr).unwrap();
    let told = |line: &&str| line.contains("WARN") && line.contains("--trusted-proxy");
    assert_eq!(log.lines().filter(told).count(), 1, "{log}");
}

#[test]
fn a_chunk_in_flight_may_finish_while_it_stops() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    let mut connection = Connection::to(address);
    let create = Request::new("POST", path::UPLOADS).json(&create_request(5));
    let upload: UploadStatus = connection.send(create).ok(201);
    connection.send_head(&chunk(upload.id, 0, b"hello").header("content-length", "5"));
    connection.write(b"hel").unwrap();
    thread::sleep(Duration::from_millis(200));
    let stopping = thread::spawn(move || terminate(child));
    thread::sleep(Duration::from_millis(200));
    assert!(std::net::TcpStream::connect(address).is_err(), "no new connection is taken");
    connection.write(b"lo").unwrap();
    assert_eq!(connection.answer("POST").status, 204);
    assert!(stopping.join().unwrap().status.success());
    let (child, address) = start(command(data.path()));
    let status: UploadStatus =
        Connection::to(address).send(Request::new("GET", &path::upload(upload.id))).ok(200);
    assert_eq!(status.holding.held.to_string(), "0", "what was received is held");
    terminate(child);
}

#[test]
fn what_was_held_when_it_was_killed_is_held_when_it_starts_again() {
    let data = tempfile::tempdir().unwrap();
    let (mut child, address) = start(command(data.path()));
    let mut connection = Connection::to(address);
    let create = Request::new("POST", path::UPLOADS).json(&create_request(5));
    let upload: UploadStatus = connection.send(create).ok(201);
    assert_eq!(connection.send(chunk(upload.id, 0, b"hello").body(b"hello")).status, 204);
    let ask = Request::new("GET", &path::upload(upload.id));
    for _ in 0..100 {
        thread::sleep(Duration::from_millis(50));
        let status: UploadStatus = connection.send(ask.clone()).ok(200);
        if status.holding.held.to_string() == "0" {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (child, address) = start(command(data.path()));
    let mut connection = Connection::to(address);
    let status: UploadStatus = connection.send(ask).ok(200);
    assert_eq!(status.holding.held.to_string(), "0");
    let root = longhaul_protocol::digest::root([longhaul_protocol::Digest::of(b"hello")]);
    let seal = Request::new("POST", &path::seal(upload.id)).json(&SealRequest { root });
    let file: FileInfo = connection.send(seal).ok(201);
    assert_eq!(connection.send(Request::new("GET", &path::file(file.id))).body, b"hello");
    terminate(child);
}

#[test]
fn what_keeps_it_from_starting_is_said_with_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    let locked = refused(&mut command(data.path()));
    assert!(locked.contains("in use by process") && locked.contains("stop that one"), "{locked}");
    let other = tempfile::tempdir().unwrap();
    let mut taken = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    taken.arg("--data").arg(other.path()).args(["--listen", &address.to_string()]);
    let taken = refused(&mut taken);
    assert!(taken.contains("is in use") && taken.contains("--listen"), "{taken}");
    let mut public = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    public.arg("--data").arg(other.path()).args(["--listen", "0.0.0.0:0"]);
    let public = refused(&mut public);
    assert!(
        public.contains("not a loopback address") && public.contains("--token-key"),
        "{public}"
    );
    let www = refused(command(other.path()).args(["--www", "/nowhere/at/all"]));
    assert!(www.contains("no such folder"), "{www}");
    let small = refused(command(other.path()).args(["--chunk-size", "1000"]));
    assert!(small.contains("65536"), "{small}");
    terminate(child);
}

#[test]
fn the_page_is_served_with_its_types_and_is_never_stale() {
    let www = tempfile::tempdir().unwrap();
    for name in ["index.html", "app.js", "app_bg.wasm", "style.css"] {
        std::fs::write(www.path().join(name), name).unwrap();
    }
    let server = Server::start_with(|config| config.www = Some(www.path().to_owned()));
    for (path, media_type, body) in [
        ("/", "text/html", "index.html"),
        ("/index.html?x", "text/html", "index.html"),
        ("/app.js", "text/javascript", "app.js"),
        ("/app_bg.wasm", "application/wasm", "app_bg.wasm"),
        ("/style.css", "text/css", "style.css"),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.body.as_slice()), (200, body.as_bytes()), "{path}");
        assert_eq!(answer.header("content-type"), Some(media_type));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    for path in [
        "/none.js",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/v1",
        "/v1/none",
        "/v1%2fuploads",
        "/app.js/x",
        "/%ff",
        "/%00",
        &format!("/{}", "x".repeat(300)),
    ] {
        server.get(path).problem(ProblemCode::NotFound);
    }
}

#[test]
fn what_is_hidden_beside_a_page_or_linked_out_of_its_folder_is_not_there() {
    let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let www = place.path().join("www");
    for (name, text) in [
        ("index.html", "the page"),
        (".env", "SECRET"),
        (".git/config", "SECRET"),
        (".well-known/security.txt", "whom to tell"),
        ("assets/app.js", "app"),
        ("assets/.key", "SECRET"),
    ] {
        std::fs::create_dir_all(www.join(name).parent().unwrap()).unwrap();
        std::fs::write(www.join(name), text).unwrap();
    }
    for name in ["index.html", "other"] {
        std::fs::write(outside.path().join(name), "SECRET").unwrap();
    }
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, www.join(name)).unwrap();
    link(outside.path(), "out");
    link(&outside.path().join("other"), "other.txt");
    std::fs::create_dir(www.join("folder")).unwrap();
    link(&outside.path().join("index.html"), "folder/index.html");
    link(&www.join("assets/app.js"), "same.js");
    let linked = place.path().join("linked");
    std::os::unix::fs::symlink(&www, &linked).unwrap();
    let server = Server::start_with(|config| config.www = Some(linked));
    for (path, body) in [
        ("/", "the page"),
        ("/assets/app.js", "app"),
        ("/same.js", "app"),
        ("/.well-known/security.txt", "whom to tell"),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.body.as_slice()), (200, body.as_bytes()), "{path}");
    }
    for pipe in ["pipe", "folder2/index.html"] {
        std::fs::create_dir_all(www.join(pipe).parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(www.join(pipe)).status().unwrap().success());
    }
    for path in [
        "/pipe",
        "/folder2/",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/assets/.key",
        "/out/other",
        "/out/",
        "/other.txt",
        "/%6fther.txt",
        "/folder/",
        "/folder/index.html",
    ] {
        server.get(path).problem(ProblemCode::NotFound);
    }
}

#[test]
fn without_a_page_only_the_api_is_served() {
    let server = Server::start();
    let problem = server.get("/").problem(ProblemCode::NotFound);
    assert!(problem.detail.contains("--www"));
    assert_eq!(server.get(path::HEALTHZ).status, 200);
    assert_eq!(server.get(path::READYZ).status, 200);
    let table = server.get(path::PROBLEMS);
    assert_eq!(table.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(String::from_utf8(table.body).unwrap().contains("id=\"chunks-missing\""));
}

#[test]
fn help_tells_every_option() {
    let mut help = String::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    let mut child = command.arg("--help").stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.take().unwrap().read_to_string(&mut help).unwrap();
    assert!(child.wait().unwrap().success());
    for option in [
        "--config",
        "--check-config",
        "--data",
        "--www",
        "--listen",
        "--token-key",
        "--allow-anonymous",
        "--allow-origin",
        "--host-name",
        "--chunk-size",
        "--owner-bytes-max",
        "--guest-bytes-max",
        "--total-bytes-max",
        "--disk-free-min",
        "--drain-delay",
        "--stop-timeout",
        "--log",
        "--log-format",
    ] {
        assert!(help.contains(option), "{option}");
    }
}

#[test]
fn a_server_told_to_stop_ends_idle_connections() {
    let mut server = Server::start();
    let mut connection = server.connect();
    assert_eq!(connection.send(Request::new("GET", path::READYZ)).status, 200);
    server.stop();
    assert!(connection.is_closed());
}

#[test]
fn a_server_without_tls_that_is_told_to_read_its_files_again_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let (child, address) = start(command(data.path()));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    thread::sleep(Duration::from_millis(300));
    let ready = Connection::to(address).send(Request::new("GET", path::READYZ));
    assert_eq!(ready.status, 200);
    let output = terminate(child);
    assert!(output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("SIGHUP: there is no certificate to read again"), "{log}");
}

#[test]
fn it_does_not_serve_a_page_from_where_its_data_lies() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let page = data.join("page");
    std::fs::create_dir_all(&page).unwrap();
    for www in [place.path(), data.as_path(), page.as_path()] {
        let said = refused(command(&data).arg("--www").arg(www));
        assert!(said.contains("Give two folders apart"), "{said}");
    }
}

#[test]
fn a_log_filter_that_is_none_is_refused_like_any_other_option() {
    let data = tempfile::tempdir().unwrap();
    let said = refused(command(data.path()).args(["--log", "a=b=c"]));
    assert!(said.contains("invalid value 'a=b=c' for '--log <FILTER>'"), "{said}");
}

/// A process that may not make files any longer than they are.
fn end_its_writing(child: &Child) {
    let id = child.id().to_string();
    let limited = Command::new("prlimit").args(["--fsize=1", "--pid", &id]).status();
    assert!(limited.unwrap().success());
}

#[test]
fn a_stop_that_could_not_close_the_index_says_so_and_fails() {
    let data = tempfile::tempdir().unwrap();
    // What is ignored stays so for the program: else the limit would kill it.
    let program = command(data.path());
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(program.get_program());
    command.args(program.get_args()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (child, address) = start(command);
    let create = Request::new("POST", path::UPLOADS).json(&create_request(5));
    let _: UploadStatus = Connection::to(address).send(create).ok(201);
    end_its_writing(&child);
    let output = terminate(child);
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains("longhaul-server: the index could not be closed"), "{log}");
    let (child, _) = start(self::command(data.path()));
    let output = terminate(child);
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{log}");
    assert!(log.contains("checking the index"), "{log}");
}
