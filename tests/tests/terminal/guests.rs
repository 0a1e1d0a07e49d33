//! Guests: one for all that is sent, whatever becomes of the run, and told who they are.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

use longhaul_tests::files::{Folder, random_bytes};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::terminal::{Said, longhaul, run, start, start_as};
use longhaul_tests::wait::until;

use super::{CHUNK, PATIENCE};

pub(super) async fn open_server() -> Server {
    let more = vec!["--allow-anonymous".to_owned()];
    Server::start(Options { more, ..Options::default() }).await
}

pub(super) fn token(said: &Said) -> String {
    let guests = said.events("guest");
    assert_eq!(guests.len(), 1, "{said:?}");
    guests[0]["token"].as_str().unwrap().to_owned()
}

pub(super) fn put(folder: &Path, count: u64) {
    fs::create_dir(folder).unwrap();
    for at in 0..count {
        fs::write(folder.join(format!("{at:02}")), random_bytes(1000 + at, at)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_run_was_killed_is_the_same_in_the_next() {
    let (server, folder) = (open_server().await, Folder::new());
    let trip = folder.path().join("trip");
    put(&trip, 20);
    let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(7)).await;
    let args =
        ["send", trip.to_str().unwrap(), "--to", &proxy.origin(), "--json"].map(str::to_owned);
    let running = start(&args);
    let sent = || server.requests().iter().filter(|it| it.status == Some(201)).count();
    until("some are there", PATIENCE, async || (sent() >= 7).then_some(())).await;
    let journal = folder.path().join("trip.longhaul");
    let noted = async || fs::read_to_string(&journal).ok()?.contains("\"token\"").then_some(());
    until("the guest is noted", PATIENCE, noted).await;
    running.kill().await;
    proxy.release_when_left().await;
    let said = run(&args).await;
    said.good();
    let mine = server.api().bearing(&token(&said)).files().await;
    for done in said.events("done") {
        let id = done["file"]["id"].as_str().unwrap();
        assert!(mine.iter().any(|file| file.id.to_string() == id), "{done}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_file_that_fails_makes_no_more_guests_than_one() {
    let more = ["--allow-anonymous", "--file-bytes-max", "100000"].map(str::to_owned).to_vec();
    let server = Server::start(Options { more, ..Options::default() }).await;
    let folder = Folder::new();
    let trip = folder.path().join("trip");
    put(&trip, 20);
    fs::write(trip.join("000"), random_bytes(100_001, 3)).unwrap();
    let said = run(["send", trip.to_str().unwrap(), "--to", &server.origin(), "--json"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(server.api().bearing(&token(&said)).files().await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_told_who_they_are_also_where_little_is_told() {
    let (server, folder) = (open_server().await, Folder::new());
    let file = folder.random("x", 5, 1);
    let said = run(["send", file.to_str().unwrap(), "--to", &server.origin(), "-q"]).await;
    assert!(said.good().contains("/v1/files/"), "{said:?}");
    let (_, token) = said.err.trim().rsplit_once("LONGHAUL_TOKEN=").unwrap();
    assert_eq!(server.api().bearing(token).files().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_somebody_else_has_made_gives_nothing_to_them() {
    let (server, folder) = (open_server().await, Folder::new());
    let theirs = folder.random("theirs", 5, 2);
    let said = run(["send", theirs.to_str().unwrap(), "--to", &server.origin(), "--json"]).await;
    let theirs = server.api().bearing(&token(&said));
    let mine = folder.random("report.txt", 5, 1);
    let journal = folder.path().join("report.txt.longhaul");
    let key = said.events("guest")[0]["token"].clone();
    // The last two are as one's own would be, and are believed; the first three may be copies of anybody's, of whose inodes one
    // or all are guessed, and the fourth what others have written.
    let cases = [
        (0o600, 1..2, 1, 0),
        (0o600, 0..9, 1, 0),
        (0o600, 0..1, 1, 0),
        (0o620, 0..1, 0, 0),
        (0o640, 0..1, 0, 1),
        (0o600, 0..1, 0, 1),
    ];
    for (mode, others, later, given) in cases {
        fs::write(&journal, "").unwrap();
        let found = fs::metadata(&journal).unwrap();
        let made = found.created().unwrap().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let written = others.clone().map(|other| {
            let (inode, born) = (found.ino() + other, u64::try_from(made).unwrap() + later);
            let head = format!(
                r#"{{"longhaul":1,"to":"{}","inode":{inode},"born":{born},"key":"0"}}"#,
                server.origin()
            );
            format!("{head}\n{{\"token\":{key}}}\n")
        });
        fs::write(&journal, written.collect::<String>()).unwrap();
        fs::set_permissions(&journal, fs::Permissions::from_mode(mode)).unwrap();
        let said = run(["send", mine.to_str().unwrap(), "--to", &server.origin()]).await;
        let is_refused = given == 0;
        assert_eq!(said.code, Some(if is_refused { 3 } else { 0 }), "{said:?}");
        assert_eq!(said.err.contains("chmod go-w"), mode == 0o620, "{said:?}");
        assert_eq!(theirs.files().await.len(), 1 + given, "{mode:o} {others:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_are_told_the_token_that_gets_at_what_they_sent() {
    let options = Options { more: vec!["--allow-anonymous".to_owned()], ..Default::default() };
    let (server, folder) = (Server::start(options).await, Folder::new());
    let files = [folder.random("a", 9, 5), folder.random("b", 9, 6), folder.random("c", CHUNK, 7)];
    let origin = server.origin();
    let mut args = vec!["send", "--to", &origin, "--json"];
    args.extend(files.iter().map(|file| file.to_str().unwrap()));
    let said = run(args).await;
    said.good();
    let guests = said.events("guest");
    let token = guests[0]["token"].as_str().unwrap();
    assert_eq!(server.api().bearing(token).files().await.len(), 3, "one guest has them all");
    let again = longhaul(["send", "--to", &origin, files[0].to_str().unwrap(), "--json"])
        .env("LONGHAUL_TOKEN", token)
        .output()
        .await
        .unwrap();
    assert!(again.status.success(), "{again:?}");
    assert_eq!(server.api().bearing(token).files().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_could_be_told_nowhere_stays_in_the_journal() {
    let (server, folder) = (open_server().await, Folder::new());
    let file = folder.random("x", 5, 1);
    let args = ["send", file.to_str().unwrap(), "--to", &server.origin()].map(str::to_owned);
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut silent = longhaul(&args);
    let said = start_as(silent.stderr(full())).ends().await;
    assert!(said.code == Some(3) && said.out.contains("/v1/files/"), "{said:?}");
    let mut silent = longhaul(&args);
    let said = start_as(silent.arg("--json").stdout(full())).ends().await;
    assert_eq!(said.code, Some(3), "{said:?}");
    let said = run([&args[..], &["--json".to_owned()]].concat()).await;
    said.good();
    assert_eq!(server.api().bearing(&token(&said)).files().await.len(), 1, "it is still theirs");
    assert!(!folder.path().join("x.longhaul").exists());
}
