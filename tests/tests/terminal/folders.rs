//! Folders: their tree, what is passed over, and going on in the middle of one.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use longhaul_protocol::Digest;
use longhaul_tests::files::{Folder, random_bytes, sha256};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::Server;
use longhaul_tests::terminal::{run, start};
use longhaul_tests::wait::until;
use rustix::fs::{Mode, OFlags, mkdirat, openat};

use super::{CHUNK, PATIENCE, server};

fn put(folder: &Path, name: &str, len: u64, seed: u64) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, random_bytes(len, seed)).unwrap();
}

/// What is there, by path.
async fn there(server: &Server) -> BTreeMap<String, Digest> {
    let mut found = BTreeMap::new();
    for file in server.api().files().await {
        let (sha256, _) = server.api().download_sha256(file.id, file.size).await;
        let path = file.meta.relative_path.expect("a path");
        assert_eq!(found.insert(path.clone(), sha256), None, "{path} is there twice");
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_sent_with_its_tree_and_what_is_no_file_is_told() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    for (name, len) in
        [("a.txt", 5), ("day 1/b.jpg", CHUNK + 3), ("day 1/deep/er/c", 0), ("é/d", 9)]
    {
        put(&trip, name, len, len);
    }
    fs::create_dir(trip.join("nothing")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", trip.join("link")).unwrap();
    let said = run(["send", trip.to_str().unwrap(), "--to", &server.origin()]).await;
    assert_eq!(said.good().lines().count(), 4);
    assert!(said.out.contains("\ttrip/day 1/b.jpg\n"), "{said:?}");
    assert!(said.err.contains("passed over, because it is no file") && said.err.contains("link"));
    let there = there(&server).await;
    let paths: Vec<_> = there.keys().map(String::as_str).collect();
    assert_eq!(paths, ["trip/a.txt", "trip/day 1/b.jpg", "trip/day 1/deep/er/c", "trip/é/d"]);
    for (path, digest) in &there {
        assert_eq!(*digest, sha256(&folder.path().join(path)), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_is_a_failure_and_the_rest_is_sent() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    put(&trip, "a.txt", 5, 5);
    // So deep that no path leads there, not even root's.
    let name = "d".repeat(250);
    let mut at = OwnedFd::from(fs::File::open(&trip).unwrap());
    for _ in 0..20 {
        mkdirat(&at, &name, Mode::RWXU).unwrap();
        at = openat(&at, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let said = run(["send", trip.to_str().unwrap(), "--to", &server.origin()]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains(&name) && said.err.contains("File name too long"), "{said:?}");
    assert_eq!(there(&server).await.into_keys().collect::<Vec<_>>(), ["trip/a.txt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_goes_on_after_a_kill_and_no_file_is_there_twice() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    (0..20).for_each(|n| put(&trip, &format!("small/{n:02}"), 1000 + n, n));
    put(&trip, "x large", 6 * CHUNK, 77);
    let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(23)).await;
    let args = ["send", trip.to_str().unwrap(), "--to", &proxy.origin()].map(str::to_owned);
    let running = start(&args);
    until("the large one halfway", PATIENCE, async || {
        let uploads = server.api().uploads().await;
        (uploads.first()?.holding.held.count() >= 3).then_some(())
    })
    .await;
    running.kill().await;
    let before = server.requests().len();
    proxy.release_when_left().await;
    run(&args).await.good();
    assert_eq!(there(&server).await.len(), 21);
    let requests = server.requests();
    let stored = requests[before..].iter().filter(|request| request.path == "/v1/files");
    assert!(stored.count() <= 1, "small files are not sent again");
    assert!(!trip.with_file_name("trip.longhaul").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_that_fails_is_told_and_the_others_are_sent() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    put(&trip, "a", 5, 1);
    put(&trip, &format!("{}.x", "n".repeat(240)), 5, 2);
    put(&trip, "z", 5, 3);
    // Room for any two: each counts for its rows as well, by its name.
    let more = ["--owner-bytes-max", "8000"].map(str::to_owned).to_vec();
    let options = longhaul_tests::server::Options { more, ..Default::default() };
    let limited = Server::start(options).await;
    let said = run(["send", trip.to_str().unwrap(), "--to", &limited.origin()]).await;
    assert_eq!((said.code, said.out.lines().count()), (Some(1), 2), "{said:?}");
    assert!(said.err.contains("no room") || said.err.contains("limit"), "{said:?}");
    let missing = folder.path().join("missing");
    let (trip, missing) = (trip.to_str().unwrap(), missing.to_str().unwrap());
    let said = run(["send", missing, trip, "--to", &server.origin()]).await;
    assert_eq!((said.code, said.out.lines().count()), (Some(3), 3), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_folder_is_nothing_to_send() {
    let (server, folder) = (server().await, Folder::new());
    let said = run(["send", folder.path().to_str().unwrap(), "--to", &server.origin()]).await;
    assert_eq!(said.good(), "");
    assert!(said.err.contains("no files in it"), "{said:?}");
}
