//! What was sent is not sent again: nor made two files, nor given to a guest whom nobody knows.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use longhaul_tests::files::{Folder, random_bytes, sha256};
use longhaul_tests::log::sent_again;
use longhaul_tests::proxy::{Fault, Harm, Hold, Line, Lines, Proxy, Way};
use longhaul_tests::server::{Server, free_port};
use longhaul_tests::terminal::{run, start};
use longhaul_tests::wait::until;

use super::guests::{open_server, put, token};
use super::send::{CHANGED, Stage};
use super::{CHUNK, PATIENCE, only_file, server};

/// How long each answer is on its way: longer than it takes to kill a program.
const SLOW: Duration = Duration::from_secs(1);

fn whole_files(server: &Server) -> usize {
    let is_whole = |path: &str| path.ends_with("/seal") || path == "/v1/files";
    let requests = server.requests().into_iter();
    requests.filter(|it| it.status == Some(201) && is_whole(&it.path)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_seal_was_answered_to_nobody_is_taken_by_the_next_run() {
    let (server, folder) = (server().await, Folder::new());
    let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
    let down = Line { delay: SLOW, ..Line::default() };
    proxy.set_lines(Lines { down, ..Lines::default() });
    let file = folder.random("film.mp4", 3 * CHUNK + 5, 3);
    let args = ["send", file.to_str().unwrap(), "--to", &proxy.origin()].map(str::to_owned);
    let running = start(&args);
    let is_there = async || (server.api().files().await.len() == 1).then_some(());
    until("it is sealed", PATIENCE, is_there).await;
    running.kill().await;
    proxy.set_lines(Lines::default());
    let said = run(&args).await;
    let (info, read) = only_file(&server).await;
    assert!(said.good().ends_with(&info.id.to_string()), "{said:?}");
    assert_eq!(read, sha256(&file));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_first_answers_are_lost_leaves_no_file_that_nobody_can_reach() {
    let (server, folder) = (open_server().await, Folder::new());
    let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
    (0..3).for_each(|_| proxy.add(Fault::once(Way::Down, 0, Harm::Close)));
    let file = folder.random("note.txt", 1000, 3);
    let to = proxy.origin();
    let args = ["send", file.to_str().unwrap(), "--to", &to, "--json"];
    // One that never answered is given up at once.
    let said = loop {
        let said = run(&args).await;
        if said.code != Some(5) {
            break said;
        }
    };
    said.good();
    assert_eq!(proxy.harmed(Harm::Close), 3);
    assert_eq!(whole_files(&server), 1);
    assert_eq!(server.api().bearing(&token(&said)).files().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_only_got_another_name_and_mode_while_it_was_sent_is_the_same_file() {
    let stage = Stage::new().await;
    let (running, _) = stage.halfway().await;
    fs::hard_link(&stage.file, stage.file.with_file_name("other name")).unwrap();
    fs::set_permissions(&stage.file, fs::Permissions::from_mode(0o600)).unwrap();
    stage.proxy.release();
    running.ends().await.good();
    assert_eq!(only_file(&stage.server).await.1, sha256(&stage.file));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_only_got_another_mode_between_two_runs_goes_on() {
    let stage = Stage::new().await;
    let (running, held) = stage.halfway().await;
    running.kill().await;
    fs::set_permissions(&stage.file, fs::Permissions::from_mode(0o600)).unwrap();
    stage.proxy.release_when_left().await;
    let said = run(stage.args()).await;
    said.good();
    assert!(!said.err.contains(CHANGED), "{said:?}");
    assert_eq!(sent_again(&stage.server.requests(), &held, 0), []);
    assert_eq!(only_file(&stage.server).await.1, sha256(&stage.file));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_through_before_is_known_by_its_bytes_if_only_its_mode_is_another() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    fs::create_dir(&trip).unwrap();
    let files = [("a", 1), ("b", 2)].map(|(name, seed)| {
        fs::write(trip.join(name), random_bytes(CHUNK, seed)).unwrap();
        trip.join(name)
    });
    let to = server.origin();
    let args = ["send", trip.to_str().unwrap(), "--to", &to];
    assert_eq!(run(args.iter().chain(&["/missing"])).await.code, Some(3));
    fs::set_permissions(&files[0], fs::Permissions::from_mode(0o600)).unwrap();
    longhaul_tests::files::change_unnoticed(&files[1], 5, 10, 99);
    run(args).await.good();
    assert_eq!(server.api().files().await.len(), 3, "the one that has other bytes was sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_folder_and_given_by_itself_too_is_sent_once() {
    for is_first in [true, false] {
        let (server, folder) = (server().await, Folder::new());
        let trip = folder.path().join("trip");
        fs::create_dir_all(trip.join("sub")).unwrap();
        fs::write(trip.join("a"), "a").unwrap();
        fs::write(trip.join("sub/b"), "b").unwrap();
        let mut paths = [trip.clone(), trip.join("a"), trip.join("sub")];
        if !is_first {
            paths.reverse();
        }
        let mut args = vec!["send".to_owned(), "--to".to_owned(), server.origin()];
        args.extend(paths.map(|path| path.to_str().unwrap().to_owned()));
        let said = run(&args).await;
        assert_eq!(said.good().lines().count(), 2, "{said:?}");
        assert!(said.err.contains("is given twice"), "{said:?}");
        assert_eq!(server.api().files().await.len(), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no journal stays");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_is_not_through_with_is_passed_over() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    fs::create_dir(&trip).unwrap();
    for (name, text) in [
        ("film.part", "half of it"),
        ("film.part.json", r#"{"longhaul":1,"inode":5,"born":null,"from":null,"record":null}"#),
        ("begun.part", ""),
        ("begun.part.json", ""),
        ("own.part", "a part of a machine"),
        ("other.part", "of another program"),
        ("other.part.json", "{\"kept\": true}"),
        ("alone.part.json", ""),
    ] {
        fs::write(trip.join(name), text).unwrap();
    }
    let said = run(["send", trip.to_str().unwrap(), "--to", &server.origin()]).await;
    assert_eq!(said.good().lines().count(), 4, "{said:?}");
    assert!(
        said.err.contains("begun.part.json") && said.err.contains("film.part.json"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_of_once_and_not_for_each_file() {
    let folder = Folder::new();
    let trip = folder.path().join("trip");
    put(&trip, 20);
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let said = run(["send", trip.to_str().unwrap(), "--to", &nowhere, "--json"]).await;
    assert_eq!((said.code, said.events("failed").len()), (Some(5), 1), "{said:?}");
}
