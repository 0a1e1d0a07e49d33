//! What comes through a pipe, which can be read once.

use std::fs::{self, File};
use std::io::{PipeWriter, Write as _, pipe};
use std::path::Path;
use std::process::Stdio;

use longhaul_protocol::Digest;
use longhaul_tests::files::{Folder, random_bytes, sha256};
use longhaul_tests::log::sent_again;
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::terminal::{Running, longhaul, run, start_as};
use longhaul_tests::wait::until;

use super::send::Stage;
use super::{CHUNK, PATIENCE, only_file, server};

/// A run that reads a pipe; who writes to it decides when it ends.
fn piped(name: &Path, to: &str) -> (Running, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let name = name.to_str().unwrap();
    let mut command = longhaul(["send", "-", "--name", name, "--to", to]);
    (start_as(command.stdin(reader)), writer)
}

/// All that lies in a folder, by name.
fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_through_a_pipe_is_sent_under_its_name_and_leaves_nothing() {
    for len in [0, 9 * CHUNK + 3] {
        let (server, folder) = (server().await, Folder::new());
        let (running, mut writer) = piped(&folder.path().join("film.mp4"), &server.origin());
        let bytes = random_bytes(len, 31);
        writer.write_all(&bytes).unwrap();
        drop(writer);
        let said = running.ends().await;
        let (file, read) = only_file(&server).await;
        assert_eq!(said.good(), format!("{}/v1/files/{}", server.origin(), file.id));
        assert_eq!((&*file.meta.name, read), ("film.mp4", Digest::of(&bytes)));
        assert_eq!(names(&folder), [""; 0], "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_what_has_come_is_there_and_sending_it_goes_on() {
    let (server, folder) = (server().await, Folder::new());
    let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(3)).await;
    let path = folder.path().join("film.mp4");
    let (running, mut writer) = piped(&path, &proxy.origin());
    let bytes = random_bytes(28 * CHUNK, 32);
    writer.write_all(&bytes).unwrap();
    drop(writer);
    let held = until("the first chunks held", PATIENCE, async || {
        let uploads = server.api().uploads().await;
        let held = uploads.first()?.holding.held.clone();
        (held.count() >= 3).then_some(held)
    });
    let held = held.await;
    running.kill().await;
    assert_eq!(names(&folder), ["film.mp4", "film.mp4.longhaul"]);
    assert_eq!(sha256(&path), Digest::of(&bytes));
    let said = piped(&path, &proxy.origin()).0.ends().await;
    let next = format!("`longhaul send {} --to", path.display());
    assert!(said.code == Some(3) && said.err.contains(&next), "{said:?}");

    proxy.release_when_left().await;
    run(["send", path.to_str().unwrap(), "--to", &proxy.origin()]).await.good();
    assert_eq!(only_file(&server).await.1, Digest::of(&bytes));
    assert!(sent_again(&server.requests(), &held, 0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_stopped_before_the_end_of_the_pipe_sends_no_half_of_it() {
    let (server, folder) = (server().await, Folder::new());
    let path = folder.path().join("film.mp4");
    let part = folder.path().join("film.mp4.part");
    for is_killed in [true, false] {
        let (running, mut writer) = piped(&path, &server.origin());
        writer.write_all(&random_bytes(CHUNK, 33)).unwrap();
        let len = async || part.metadata().is_ok_and(|found| found.len() == CHUNK).then_some(());
        until("what was written, in the file", PATIENCE, len).await;
        if is_killed {
            running.kill().await;
        } else {
            let said = running.interrupt().await;
            assert_eq!(said.code, Some(130), "{said:?}");
            assert!(!said.err.contains("same command"), "{said:?}");
            assert!(said.err.contains("nothing of it is kept"), "{said:?}");
            assert_eq!(names(&folder), [""; 0], "half of what nobody can read again");
        }
    }
    assert!(server.api().files().await.is_empty() && server.api().uploads().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_breaks_off_takes_nothing_from_what_was_begun_under_its_name() {
    let stage = Stage::new().await;
    let (running, held) = stage.halfway().await;
    running.kill().await;
    let kept = stage.file.with_file_name("kept");
    fs::rename(&stage.file, &kept).unwrap();
    let (running, mut writer) = piped(&stage.file, &stage.proxy.origin());
    writer.write_all(b"x").unwrap();
    let part = stage.file.with_file_name("film.mp4.part");
    let has_come = async || part.metadata().is_ok_and(|found| found.len() > 0).then_some(());
    until("what was written, in the file", PATIENCE, has_come).await;
    assert_eq!(running.interrupt().await.code, Some(130));
    assert!(stage.journal().is_file());
    fs::rename(&kept, &stage.file).unwrap();
    stage.goes_on().await;
    assert!(sent_again(&stage.server.requests(), &held, 0).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_pipe_no_empty_file_is_sent() {
    let (server, folder) = (server().await, Folder::new());
    let name = folder.path().join("film.mp4");
    let args = ["send", "-", "--name", name.to_str().unwrap(), "--to", &server.origin()]
        .map(str::to_owned);
    let nothing = || Stdio::from(File::open("/dev/null").unwrap());
    let unreadable = || Stdio::from(File::create(folder.path().join("written to")).unwrap());
    for stdin in [nothing(), unreadable()] {
        let said = start_as(longhaul(&args).stdin(stdin)).ends().await;
        assert_eq!(said.code, Some(3), "{said:?}");
    }
    assert!(server.api().files().await.is_empty() && names(&folder) == ["written to"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_needs_a_name_that_nothing_has() {
    let (server, folder) = (server().await, Folder::new());
    let to = server.origin();
    let said = run(["send", "-", "--to", &to]).await;
    assert!(said.code == Some(2) && said.err.contains("--name"), "{said:?}");
    let path = folder.random("film.mp4", 10, 34);
    let before = sha256(&path);
    let said = piped(&path, &to).0.ends().await;
    assert!(said.code == Some(3) && said.err.contains("film.mp4"), "{said:?}");
    assert_eq!((sha256(&path), names(&folder).len()), (before, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_come_is_kept_when_its_name_was_taken_meanwhile() {
    let (server, folder) = (server().await, Folder::new());
    let path = folder.path().join("film.mp4");
    let (running, mut writer) = piped(&path, &server.origin());
    let bytes = random_bytes(CHUNK, 35);
    writer.write_all(&bytes).unwrap();
    let part = folder.path().join("film.mp4.part");
    until("it has begun", PATIENCE, async || part.exists().then_some(())).await;
    std::fs::write(&path, b"another").unwrap();
    drop(writer);
    let said = running.ends().await;
    assert!(said.err.contains("all that came is in it"), "{said:?}");
    assert_eq!(sha256(&part), Digest::of(&bytes));
    assert_eq!(std::fs::read(&path).unwrap(), b"another");
    // The next pipe does not go over what nobody can read again.
    std::fs::remove_file(&path).unwrap();
    let (running, writer) = piped(&path, &server.origin());
    drop(writer);
    let said = running.ends().await;
    assert!(said.code == Some(3) && said.err.contains("goes on"), "{said:?}");
    assert_eq!(sha256(&path), Digest::of(&bytes));
    run(["send", path.to_str().unwrap(), "--to", &server.origin()]).await.good();
    assert_eq!(only_file(&server).await.1, Digest::of(&bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_never_write_one_file() {
    let (server, folder) = (server().await, Folder::new());
    let path = folder.path().join("film.mp4");
    let (first, mut writer) = piped(&path, &server.origin());
    let bytes = random_bytes(3 * CHUNK, 36);
    writer.write_all(&bytes[..CHUNK as usize]).unwrap();
    let part = folder.path().join("film.mp4.part");
    let begun = async || (part.metadata().ok()?.len() == CHUNK).then_some(());
    until("the first has begun", PATIENCE, begun).await;
    let (second, _) = piped(&path, &server.origin());
    let said = second.ends().await;
    assert!(said.err.contains("another program is sending it"), "{said:?}");
    writer.write_all(&bytes[CHUNK as usize..]).unwrap();
    drop(writer);
    first.ends().await.good();
    assert_eq!(only_file(&server).await.1, Digest::of(&bytes));
}
