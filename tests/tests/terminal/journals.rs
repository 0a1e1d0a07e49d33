//! What a run leaves for the next one: where it lies, whose it is, how long it stays.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use longhaul_tests::files::Folder;
use longhaul_tests::log::sent_again;
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::{Server, free_port};
use longhaul_tests::terminal::{Said, longhaul, run, start_as};
use longhaul_tests::wait::until;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::PATIENCE;
use super::guests::{open_server, put, token};
use super::send::{CHANGED, Stage};

const FILES: u64 = 20;

/// A folder of small files, before a server that lets guests in and is slow to take all of them.
struct Trip {
    server: Server,
    proxy: Proxy,
    folder: Folder,
}

impl Trip {
    async fn new() -> Self {
        let (server, folder) = (open_server().await, Folder::new());
        put(&folder.path().join("trip"), FILES);
        let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(7)).await;
        Self { server, proxy, folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn send_to(&self, to: &str) -> Command {
        let mut command = longhaul(["send", self.path("trip").to_str().unwrap(), "--to", to]);
        command.arg("--json").env("XDG_STATE_HOME", self.path("state"));
        command
    }

    fn send(&self) -> Command {
        self.send_to(&self.proxy.origin())
    }

    /// A run that was killed when some of it was there.
    async fn killed(&self, command: &mut Command, journal: impl Fn() -> bool) {
        let running = start_as(command);
        let sent = || self.server.requests().iter().filter(|it| it.status == Some(201)).count();
        until("some are there", PATIENCE, async || (sent() >= 7 && journal()).then_some(())).await;
        running.kill().await;
        self.proxy.release_when_left().await;
    }

    /// All is of the one guest whom it tells of.
    async fn is_all_there(&self, said: &Said) {
        said.good();
        let mine = self.server.api().bearing(&token(said)).files().await;
        for done in said.events("done") {
            let id = done["file"]["id"].as_str().unwrap();
            assert!(mine.iter().any(|file| file.id.to_string() == id), "{done}");
        }
        assert_eq!(said.events("done").len() as u64, FILES);
    }
}

fn knows_a_guest(journal: &Path) -> bool {
    fs::read_to_string(journal).is_ok_and(|text| text.contains("\"token\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_finished_at_one_server_stays_while_another_is_tried() {
    let (trip, other) = (Trip::new().await, open_server().await);
    let journal = trip.path("trip.longhaul");
    trip.killed(&mut trip.send(), || knows_a_guest(&journal)).await;
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    let said = start_as(&mut trip.send_to(&nowhere)).ends().await;
    assert_eq!(said.code, Some(5), "{said:?}");
    let notes = said.events("note");
    let told = notes.iter().any(|note| note.to_string().contains(&trip.proxy.origin()));
    assert!(told, "it tells where that is: {said:?}");
    let there = start_as(&mut trip.send_to(&other.origin())).ends().await;
    there.good();
    assert_eq!(other.api().bearing(&token(&there)).files().await.len() as u64, FILES);
    assert!(knows_a_guest(&journal));
    let said = start_as(&mut trip.send()).ends().await;
    trip.is_all_there(&said).await;
    assert_ne!(token(&said), token(&there));
    assert!(!journal.exists());
    // What is through at the other is begun anew there.
    assert_eq!(start_as(&mut trip.send_to(&other.origin())).ends().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_none_can_lie_beside_it_one_lies_in_the_users_folder() {
    let trip = Trip::new().await;
    // Not even root writes into a folder of that name.
    fs::create_dir(trip.path("trip.longhaul")).unwrap();
    let state = trip.path("state/longhaul");
    let noted = || {
        let entries = fs::read_dir(&state).into_iter().flatten();
        entries.flatten().any(|entry| knows_a_guest(&entry.path()))
    };
    trip.killed(&mut trip.send(), noted).await;
    let said = start_as(&mut trip.send()).ends().await;
    trip.is_all_there(&said).await;
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "what is through needs no journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_with_a_token_is_not_gone_on_with_as_a_guest() {
    let trip = Trip::new().await;
    let file = trip.folder.random("x", 5, 1);
    let to = trip.server.origin();
    let said = run(["send", file.to_str().unwrap(), "--to", &to, "--json"]).await;
    let token = token(&said);
    let journal = trip.path("trip.longhaul");
    let noted = || fs::read_to_string(&journal).is_ok_and(|text| text.lines().count() > 3);
    trip.killed(trip.send().env("LONGHAUL_TOKEN", &token), noted).await;
    assert!(!fs::read_to_string(&journal).unwrap().contains(&token));
    let said = start_as(&mut trip.send()).ends().await;
    let failed = &said.events("failed")[0];
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(failed["message"].as_str().unwrap().contains("LONGHAUL_TOKEN"), "{failed}");
    start_as(trip.send().env("LONGHAUL_TOKEN", &token)).ends().await.good();
    let mine = trip.server.api().bearing(&token).files().await.len() as u64;
    assert!(mine > FILES, "{mine}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_has_another_number_after_a_restart_is_the_same_disk() {
    let stage = Stage::new().await;
    let (running, held) = stage.halfway().await;
    running.kill().await;
    let text = fs::read_to_string(stage.journal()).unwrap();
    fs::write(stage.journal(), text.replace("\"device\":", "\"device\":1")).unwrap();
    stage.proxy.release_when_left().await;
    let said = run(stage.args()).await;
    said.good();
    assert!(!said.err.contains(CHANGED), "{said:?}");
    assert_eq!(sent_again(&stage.server.requests(), &held, 0), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_until_the_guest_was_told_who_they_are() {
    let (server, folder) = (open_server().await, Folder::new());
    let file = folder.random("x", 5, 1);
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let mut written = 0;
    while let Ok(count) = writer.write(&[b' '; 1024]) {
        written += count;
    }
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let mut command = longhaul(["send", file.to_str().unwrap(), "--to", &server.origin(), "-q"]);
    let mut running = command.stderr(writer).spawn().unwrap();
    drop(command);
    let mut url = [0; 4];
    running.stdout.take().unwrap().read_exact(&mut url).await.unwrap();
    // It waits for somebody who reads what it says.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let journal = folder.path().join("x.longhaul");
    assert!(knows_a_guest(&journal), "a kill would lose who they are");
    let mut said = String::new();
    reader.read_exact(&mut vec![0; written]).unwrap();
    reader.read_to_string(&mut said).unwrap();
    assert!(said.contains("LONGHAUL_TOKEN="), "{said}");
    assert!(running.wait().await.unwrap().success());
    assert!(!journal.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_taken_its_place_meanwhile_is_not_removed() {
    let stage = Stage::new().await;
    let (running, _) = stage.halfway().await;
    fs::remove_file(stage.journal()).unwrap();
    fs::write(stage.journal(), "the user's own").unwrap();
    stage.proxy.release();
    running.ends().await.good();
    assert_eq!(fs::read_to_string(stage.journal()).unwrap(), "the user's own");
}
