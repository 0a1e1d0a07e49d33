use std::time::Duration;

use longhaul_protocol::wire::path;
use serde_json::Value;

use super::folder::{Folder, Maker, ask, chunk_bytes, said, told};
use crate::program::{command, start, terminate};
use crate::support::{CHUNK, Connection, chunk};

/// One line, by its name.
fn line<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    let mut found = lines.iter().filter(|line| line["name"] == name);
    let line = found.next().unwrap_or_else(|| panic!("{name} is not in {lines:?}"));
    assert!(found.next().is_none(), "{name} is listed twice");
    line
}

/// The lines without one of their fields.
fn without(lines: &[Value], key: &str) -> Vec<Value> {
    let mut lines = lines.to_vec();
    lines.iter_mut().for_each(|line| drop(line.as_object_mut().unwrap().remove(key)));
    lines
}

#[test]
fn the_same_is_listed_whether_or_not_a_server_runs() {
    let folder = Folder::new();
    let uploads = folder.told(&["uploads"]);
    let files = folder.told(&["files"]);
    let half = line(&uploads, "half.bin");
    assert_eq!(half["id"], folder.half.to_string());
    assert_eq!((&half["owner"], &half["state"]), (&"local".into(), &"idle".into()));
    assert_eq!((&half["size"], &half["receivedBytes"]), (&(3 * CHUNK).into(), &(2 * CHUNK).into()));
    assert_eq!(line(&uploads, "empty.bin")["state"], "empty");
    assert_eq!(uploads.len(), 2, "those that are files are no uploads: {uploads:?}");
    let film = line(&files, "film.mp4");
    assert_eq!(
        (&film["id"], &film["state"]),
        (&folder.film.id.to_string().into(), &"sealed".into())
    );
    assert_eq!((&film["owner"], &film["size"]), (&"alice".into(), &(3 * CHUNK).into()));
    assert_eq!(line(&files, "none")["size"], 0);

    let (server, _) = start(command(folder.path()));
    // A server that has just started spares what would be over soon.
    assert_eq!(without(&folder.told(&["uploads"]), "expiresAt"), without(&uploads, "expiresAt"));
    let beside = folder.told(&["files"]);
    // The server has computed those that were missing.
    assert_eq!(without(&beside, "sha256"), without(&files, "sha256"));
    assert_eq!(folder.told(&["uploads", "--owner", "alice"]), [] as [Value; 0]);
    assert_eq!(folder.told(&["files", "--owner", "alice"]).len(), 2);
    assert_eq!(folder.told(&["files", "--owner", "alic"]), [] as [Value; 0]);
    assert!(terminate(server).status.success());
    assert_eq!(folder.told(&["uploads", "--owner", "local"]), uploads);
}

#[test]
fn a_person_sees_a_table() {
    let folder = Folder::new();
    let output = folder.ask(&["uploads"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("ID ") && lines[0].ends_with("NAME"), "{text}");
    let half = lines.iter().find(|line| line.ends_with("half.bin")).unwrap();
    assert!(half.starts_with(&folder.half.to_string()), "{text}");
    for cell in [" local ", " 192 KiB ", " 128 KiB  66 % ", " idle "] {
        assert!(half.contains(cell), "{cell}: {text}");
    }
    let at = |line: &str, cell: &str| line.find(cell).map(|at| at + cell.len());
    assert_eq!(at(lines[0], "SIZE"), at(half, "192 KiB"), "below each other: {text}");
}

#[test]
fn a_chunk_on_its_way_is_seen_and_not_disturbed() {
    let folder = Folder::new();
    let (server, address) = start(command(folder.path()));
    let (mut connection, bytes) = (Connection::to(address), chunk_bytes(1));
    let request = chunk(folder.half, 1, &bytes).header("content-length", &bytes.len().to_string());
    connection.send_head(&request);
    connection.write(&bytes[..1000]).unwrap();
    let is_active = || line(&folder.told(&["uploads"]), "half.bin")["state"] == "active";
    while !is_active() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let swept = folder.told(&["sweep"]);
    assert_eq!(swept[0]["uploads"], 0, "{swept:?}");
    connection.write(&bytes[1000..]).unwrap();
    assert_eq!(connection.answer("POST").status, 204);
    let uploads = folder.told(&["uploads"]);
    let half = line(&uploads, "half.bin");
    assert_eq!(half["receivedBytes"], 3 * CHUNK, "what is pending has come: {half}");
    assert!(terminate(server).status.success());
    assert_eq!(line(&folder.told(&["uploads"]), "half.bin")["state"], "complete");
}

#[test]
fn more_than_a_page_is_listed_in_order_and_once() {
    let dir = tempfile::tempdir().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let maker = Maker::new(dir.path(), 0);
        for at in 0..300 {
            maker.upload(["carol", "dave", "eve"][at % 3], &format!("{at}"), 1, &[]).await;
        }
    });
    let names = |args: &[&str]| -> Vec<(String, i64)> {
        let lines = told(&ask(dir.path(), &[args, &["--json"]].concat()), 0);
        let key = |line: &Value| {
            let number: i64 = line["name"].as_str().unwrap().parse().unwrap();
            (line["owner"].as_str().unwrap().to_owned(), -number)
        };
        lines.iter().map(key).collect()
    };
    let all = names(&["uploads"]);
    assert_eq!(all.len(), 300);
    assert!(all.is_sorted(), "by owner, the newest first: {all:?}");
    let daves = names(&["uploads", "--owner", "dave"]);
    assert_eq!(daves.len(), 100);
    assert!(daves.iter().all(|(owner, _)| owner == "dave"));
}

#[test]
fn who_looks_changes_nothing_and_puts_right_in_memory_what_a_kill_has_left() {
    let folder = Folder::new();
    let (mut server, address) = start(command(folder.path()));
    let bytes = chunk_bytes(1);
    let mut connection = Connection::to(address);
    assert_eq!(connection.send(chunk(folder.half, 1, &bytes).body(&bytes)).status, 204);
    while folder.told(&["uploads"]).iter().any(|line| line["state"] == "active") {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(folder.path().join("admin.sock").exists(), "it had no time to take it away");
    let before = folder.contents();
    assert_eq!(line(&folder.told(&["uploads"]), "half.bin")["state"], "complete");
    assert_eq!(folder.told(&["files"]).len(), 2);
    assert_eq!(folder.told(&["verify"]).last().unwrap()["damaged"], 0);
    folder.told(&["sweep", "--dry-run"]);
    let id = folder.film.id.to_string();
    assert_eq!(folder.ask(&["files", "--delete", &id]).status.code(), Some(2));
    assert!(folder.contents() == before, "nothing in the folder changed");

    let (server, address) = start(command(folder.path()));
    let status = Connection::to(address)
        .send(crate::support::Request::new("GET", &path::upload(folder.half)));
    assert_eq!(status.status, 200);
    assert_eq!(folder.told(&["files"]).len(), 2, "the new server answers");
    terminate(server);
    assert!(!folder.path().join("admin.sock").exists());
}

#[test]
fn who_reads_only_the_beginning_is_not_scolded() {
    let folder = Folder::new();
    let mut child = super::folder::asking(folder.path(), &["uploads"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && said(&output).is_empty(), "{output:?}");
}
