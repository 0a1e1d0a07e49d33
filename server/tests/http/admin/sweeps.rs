use std::time::Duration;

use longhaul_protocol::wire::path;
use tokio::runtime::Runtime;

use super::folder::{Folder, Maker, ask, asking, blob_in, told};
use crate::program::{command, start, terminate};
use crate::support::{CHUNK, Connection, Request};

#[test]
fn what_expired_goes_and_what_it_freed_is_told() {
    let folder = Folder::made(3 * 24);
    let tried = folder.told(&["sweep", "--dry-run"]);
    let lines = |lines: &[serde_json::Value]| -> Vec<_> {
        let text = |line: &serde_json::Value, key: &str| line[key].as_str().map(str::to_owned);
        let uploads = lines.iter().filter(|line| line["kind"] == "upload");
        let mut lines: Vec<_> =
            uploads.map(|line| (text(line, "name"), text(line, "state"))).collect();
        lines.sort();
        lines
    };
    let names = ["empty.bin", "half.bin"];
    let both = |state: &str| names.map(|name| (Some(name.to_owned()), Some(state.to_owned())));
    assert_eq!(lines(&tried), both("expired"));
    let last = tried.last().unwrap();
    assert_eq!((&last["uploads"], &last["blobs"]), (&2.into(), &2.into()), "{last}");
    assert_eq!(last["freedBytes"], 5 * CHUNK);
    assert_eq!(folder.told(&["uploads"]).len(), 2, "nothing went");
    let swept = folder.told(&["sweep"]);
    assert_eq!(lines(&swept), both("removed"));
    assert_eq!(swept[2]["freedBytes"], 5 * CHUNK, "{swept:?}");
    assert!(!folder.blob(folder.half).exists() && !folder.blob(folder.empty).exists());
    assert_eq!(folder.told(&["uploads"]).len(), 0);
    assert_eq!(folder.told(&["files"]).len(), 2, "files do not expire");
    assert!(folder.blob(folder.film_blob).exists());
    let again = folder.told(&["sweep"]);
    assert_eq!((again.len(), &again[0]["freedBytes"]), (1, &0.into()));
    let text = String::from_utf8(folder.ask(&["sweep"]).stdout).unwrap();
    assert_eq!(text, "0 expired uploads removed; 0 blobs, 0 B of the disk freed\n");

    let (server, address) = start(command(folder.path()));
    let status = Connection::to(address).send(Request::new("GET", &path::upload(folder.half)));
    assert_eq!(status.status, 410, "its sender is told that it expired");
    terminate(server);
}

#[test]
fn beside_a_server_what_it_spares_stays_and_what_a_deletion_left_goes() {
    let folder = Folder::made(3 * 24);
    let (server, _) = start(command(folder.path()));
    let uploads = folder.told(&["uploads"]);
    assert!(uploads.iter().all(|it| it["state"] != "expired") && uploads.len() == 2, "{uploads:?}");
    // A folder is what no file's deletion removes.
    let blob = folder.blob(folder.film_blob);
    std::fs::remove_file(&blob).unwrap();
    std::fs::create_dir(&blob).unwrap();
    folder.told(&["files", "--delete", &folder.film.id.to_string(), "--yes"]);
    let stays = folder.told(&["sweep"]);
    assert_eq!((&stays[0]["uploads"], &stays[0]["blobs"]), (&0.into(), &0.into()), "{stays:?}");
    std::fs::remove_dir(&blob).unwrap();
    std::fs::write(&blob, vec![7; 2 * CHUNK as usize]).unwrap();
    let tried = folder.told(&["sweep", "--dry-run"]);
    assert_eq!((&tried[0]["blobs"], &tried[0]["freedBytes"]), (&1.into(), &(2 * CHUNK).into()));
    let swept = folder.told(&["sweep"]);
    assert_eq!((&swept[0]["blobs"], &swept[0]["freedBytes"]), (&1.into(), &(2 * CHUNK).into()));
    assert!(!blob.exists());
    assert_eq!(folder.told(&["uploads"]).len(), 2);
    assert!(terminate(server).status.success());
}

/// How many uploads a sweep is killed among.
const MANY: usize = 200;

#[test]
fn a_sweep_that_is_killed_leaves_all_that_is_not_over_and_the_next_finishes_it() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let maker = Maker::new(dir.path(), 3 * 24);
    runtime.block_on(async {
        for at in 0..MANY {
            maker.upload("eve", &format!("{at}"), 1, &[]).await;
        }
    });
    drop(maker);
    let maker = Maker::new(dir.path(), 0);
    let kept = runtime.block_on(maker.upload("local", "kept", 2, &[0, 1]));
    drop(maker);
    let left = || told(&ask(dir.path(), &["uploads", "--json", "--owner", "eve"]), 0).len();
    let mut wait = Duration::from_millis(10);
    // It may be killed too soon, or through already: half of what is left goes while it is looked for.
    while left() == MANY {
        let mut sweeping = asking(dir.path(), &["sweep"]).spawn().unwrap();
        std::thread::sleep(wait);
        sweeping.kill().unwrap();
        sweeping.wait().unwrap();
        wait += Duration::from_millis(5);
    }
    assert!(left() > 0, "it was killed midway");
    let swept = told(&ask(dir.path(), &["sweep", "--json"]), 0);
    assert_eq!(swept.last().unwrap()["kind"], "swept");
    let blobs = std::fs::read_dir(dir.path().join("blobs")).unwrap();
    let blobs: usize = blobs.map(|it| std::fs::read_dir(it.unwrap().path()).unwrap().count()).sum();
    assert_eq!((left(), blobs), (0, 1), "and no blob is left of what went");
    assert!(blob_in(dir.path(), kept).exists());
    let sound = told(&ask(dir.path(), &["verify", "--json"]), 0);
    assert_eq!(sound[0]["chunks"], 2);
}
