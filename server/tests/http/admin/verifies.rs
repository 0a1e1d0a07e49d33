use std::os::unix::fs::FileExt as _;
use std::path::Path;

use longhaul_protocol::wire::{UploadStatus, path};
use serde_json::{Value, json};

use super::folder::{Folder, chunk_bytes, said, told};
use crate::program::{command, start, terminate};
use crate::support::{CHUNK, Connection, Request, chunk};

fn flip(path: &Path, byte: u64) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut read = [0];
    file.read_exact_at(&mut read, byte).unwrap();
    file.write_all_at(&[read[0] ^ 8], byte).unwrap();
}

fn damage(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["kind"] == "damage").collect()
}

fn film(folder: &Folder) -> Value {
    json!([{ "file": folder.film.id, "owner": "alice", "name": "film.mp4" }])
}

fn half(folder: &Folder) -> Value {
    json!([{ "upload": folder.half, "owner": "local", "name": "half.bin" }])
}

#[test]
fn a_flipped_byte_is_named_with_its_file_its_chunk_and_its_place() {
    let folder = Folder::new();
    let sound = folder.told(&["verify", "--rate", "1000000000"]);
    let all =
        json!({ "kind": "verified", "blobs": 3, "chunks": 5, "bytes": 5 * CHUNK, "damaged": 0 });
    assert_eq!(sound, [all], "two of them are an upload's, and one blob is of nothing");
    flip(&folder.blob(folder.film_blob), CHUNK + 70);
    let before = folder.contents();
    let rotten = told(&folder.ask(&["verify", "--json"]), 3);
    let expected = json!({
        "kind": "damage", "what": "rotten", "blob": folder.film_blob, "chunk": 1, "chunks": 1,
        "offset": CHUNK, "bytes": CHUNK, "holders": film(&folder),
    });
    assert_eq!(rotten[0], expected);
    assert_eq!((rotten.len(), &rotten[1]["damaged"]), (2, &1.into()));
    let shown = folder.ask(&["verify"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    let line = format!(
        "file {} of alice, \"film.mp4\": chunk 1 (65536 bytes from 65536) has ROTTEN",
        folder.film.id
    );
    assert!(text.contains(&line) && shown.status.code() == Some(3), "{text}");
    assert!(folder.contents() == before, "nothing in the folder changed");
}

#[test]
fn beside_a_server_it_names_the_same_and_the_server_goes_by_it() {
    let folder = Folder::new();
    flip(&folder.blob(folder.film_blob), 2 * CHUNK);
    flip(&folder.blob(folder.half), 5);
    let (server, address) = start(command(folder.path()));
    let mut connection = Connection::to(address);
    let first = told(&folder.ask(&["verify", "--json"]), 3);
    let found = damage(&first);
    let of = |holders: Value| found.iter().find(|it| it["holders"] == holders).copied().unwrap();
    assert_eq!((found.len(), &of(film(&folder))["chunk"]), (2, &2.into()));
    assert_eq!(
        (&of(half(&folder))["chunk"], &of(half(&folder))["what"]),
        (&0.into(), &"rotten".into())
    );
    assert_eq!(folder.told(&["files"])[0]["name"], "none");
    assert_eq!(folder.told(&["files"])[1]["state"], "rotten", "it is lent to nobody any more");

    let status = |connection: &mut Connection| -> String {
        let asked = Request::new("GET", &path::upload(folder.half));
        connection.send(asked).ok::<UploadStatus>(200).holding.held.to_string()
    };
    assert_eq!(status(&mut connection), "2", "its sender is asked for it again");
    let bytes = chunk_bytes(0);
    assert_eq!(connection.send(chunk(folder.half, 0, &bytes).body(&bytes)).status, 204);
    while status(&mut connection) != "0,2" {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let second = told(&folder.ask(&["verify", "--json"]), 3);
    assert_eq!(damage(&second).len(), 1, "only the file's is left: {second:?}");
    let log = String::from_utf8(terminate(server).stderr).unwrap();
    assert!(log.contains("a sealed file has ROTTEN"), "{log}");
}

#[test]
fn a_blob_that_is_missing_or_cut_off_is_named_with_all_that_is_gone() {
    for is_served in [false, true] {
        let folder = Folder::new();
        std::fs::remove_file(folder.blob(folder.half)).unwrap();
        let cut = std::fs::OpenOptions::new().write(true).open(folder.blob(folder.film_blob));
        cut.unwrap().set_len(CHUNK + 9).unwrap();
        let server = is_served.then(|| start(command(folder.path())).0);
        let lines = told(&folder.ask(&["verify", "--json"]), 3);
        let found = damage(&lines);
        let of =
            |holders: Value| (*found.iter().find(|it| it["holders"] == holders).unwrap()).clone();
        let (cut_off, missing) = (of(film(&folder)), of(half(&folder)));
        assert_eq!(found.len(), 2, "{found:?}");
        let facts =
            |it: &Value| ["what", "chunk", "chunks", "offset", "bytes"].map(|key| it[key].clone());
        assert_eq!(
            facts(&cut_off),
            [json!("cutOff"), 1.into(), 2.into(), CHUNK.into(), (2 * CHUNK).into()]
        );
        assert_eq!(
            facts(&missing),
            [json!("missing"), 0.into(), 2.into(), 0.into(), (2 * CHUNK).into()]
        );
        assert_eq!(lines.last().unwrap()["damaged"], 4);
        server.map(terminate);
    }
}

#[test]
fn a_server_that_is_started_meanwhile_says_who_has_the_folder() {
    let folder = Folder::new();
    let slow = ["verify", "--rate", "65536"];
    let mut verifying = super::folder::asking(folder.path(), &slow).spawn().unwrap();
    let taken = format!("in use by process {}", verifying.id());
    while std::fs::read_to_string(folder.path().join("lock")).unwrap().trim()
        != verifying.id().to_string()
    {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let refused = crate::program::refused(&mut command(folder.path()));
    assert!(refused.contains(&taken) && refused.contains("wait for it"), "{refused}");
    verifying.kill().unwrap();
    verifying.wait().unwrap();
    assert_eq!(folder.told(&["verify"]).last().unwrap()["damaged"], 0);
}

#[test]
fn a_server_that_is_killed_while_it_verifies_leaves_a_word_of_it() {
    let folder = Folder::new();
    let (mut server, _) = start(command(folder.path()));
    // A second for each chunk, so that it is under way.
    let slow = ["verify", "--json", "--rate", "65536"];
    let verifying = super::folder::asking(folder.path(), &slow).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    server.kill().unwrap();
    server.wait().unwrap();
    let output = verifying.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).contains("run this again"), "{output:?}");
    assert_eq!(folder.told(&["verify"]).last().unwrap()["damaged"], 0);
}
