//! The same command after a run that ended at the worst moment: nobody's token is lost, and nothing is there twice.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use longhaul_tests::files::{Folder, change_unnoticed, random_bytes, sha256};
use longhaul_tests::proxy::{Hold, Line, Lines, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::terminal::{Running, Said, longhaul, run, start, start_as};
use longhaul_tests::wait::until;
use tokio::process::Command;

use super::guests::{open_server, put, token};
use super::{CHUNK, PATIENCE, server};

/// How long each answer is on its way: longer than it takes to kill a program.
const SLOW: Duration = Duration::from_secs(1);

/// A server whose answers take long to arrive.
async fn far(server: &Server) -> Proxy {
    let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
    let down = Line { delay: SLOW, ..Line::default() };
    proxy.set_lines(Lines { down, ..Lines::default() });
    proxy
}

/// How many files have been made there, of whomever.
fn made(server: &Server) -> usize {
    let requests = server.requests().into_iter();
    requests.filter(|it| it.status == Some(201) && it.path == "/v1/files").count()
}

pub(super) async fn until_made(server: &Server, count: usize) {
    until("they are there", PATIENCE, async || (made(server) >= count).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_asked_who_they_are_a_small_file_whose_answer_was_lost_is_there_once() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    put(&trip, 12);
    let proxy = far(&server).await;
    let args = ["send", trip.to_str().unwrap(), "--to", &proxy.origin()].map(str::to_owned);
    let running = start(&args);
    until_made(&server, 7).await;
    running.kill().await;
    proxy.set_lines(Lines::default());
    run(&args).await.good();
    assert_eq!(server.api().files().await.len(), 12);
}

/// A server of token owners, the token of one, and what its key lies in.
async fn with_owners() -> (Server, String, Folder) {
    let keys = Folder::new();
    let key = keys.path().join("key");
    fs::write(&key, "a secret of thirty-two bytes, 32").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let more = vec!["--token-key".to_owned(), key.to_str().unwrap().to_owned()];
    let server = Server::start(Options { more, ..Options::default() }).await;
    let mut mint = Command::new(longhaul_tests::artefacts::server());
    mint.args(["token", "--owner", "alice", "--expires", "1h", "--key", key.to_str().unwrap()]);
    let minted = mint.output().await.unwrap();
    assert!(minted.status.success(), "{minted:?}");
    (server, String::from_utf8(minted.stdout).unwrap().trim().to_owned(), keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_it_in_its_first_round_trip_sends_nothing_twice_with_a_token_either() {
    let (server, token, _keys) = with_owners().await;
    let (folder, proxy) = (Folder::new(), far(&server).await);
    let file = folder.random("note.txt", 1000, 3);
    let to = proxy.origin();
    let mut command = longhaul(["send", file.to_str().unwrap(), "--to", &to]);
    command.env("LONGHAUL_TOKEN", &token);
    let running = start_as(&mut command);
    until_made(&server, 1).await;
    assert_eq!(running.interrupt().await.code, Some(130));
    proxy.set_lines(Lines::default());
    start_as(&mut command).ends().await.good();
    assert_eq!(server.api().bearing(&token).files().await.len(), 1);
    assert!(!folder.path().join("note.txt.longhaul").exists());
}

/// Folders of small files that guests began to send.
pub(super) struct Begun {
    server: Server,
    proxy: Proxy,
    folder: Folder,
}

pub(super) const EACH: u64 = 8;

impl Begun {
    pub(super) async fn new() -> Self {
        let server = open_server().await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        Self { server, proxy, folder: Folder::new() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn send(&self, names: &[&str]) -> Command {
        let mut command = longhaul(["send", "--json", "--to", &self.proxy.origin()]);
        command.args(names.iter().map(|name| self.path(name)));
        command
    }

    /// A run that is killed when some of it is there, and none of that answered.
    pub(super) async fn kill(&self, name: &str) {
        put(&self.path(name), EACH);
        let down = Line { delay: SLOW, ..Line::default() };
        self.proxy.set_lines(Lines { down, ..Lines::default() });
        let before = made(&self.server);
        let running: Running = start_as(&mut self.send(&[name]));
        until_made(&self.server, before + 1).await;
        running.kill().await;
        self.proxy.set_lines(Lines::default());
    }

    pub(super) async fn sends(&self, names: &[&str]) -> Said {
        start_as(&mut self.send(names)).ends().await
    }

    /// The one guest whom it tells of has that many files.
    pub(super) async fn has(&self, said: &Said, files: u64) {
        said.good();
        let mine = self.server.api().bearing(&token(said)).files().await;
        assert_eq!(mine.len() as u64, files, "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_guests_journals_in_one_command_are_not_made_one() {
    let begun = Begun::new().await;
    begun.kill("a").await;
    begun.kill("b").await;
    let said = begun.sends(&["a", "b"]).await;
    let failed = said.events("failed");
    assert_eq!((said.code, failed.len()), (Some(2), 1), "{said:?}");
    assert!(failed[0]["message"].as_str().unwrap().contains("send each by itself"), "{said:?}");
    begun.has(&begun.sends(&["a"]).await, EACH).await;
    begun.has(&begun.sends(&["b"]).await, EACH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_began_is_not_gone_on_with_under_another_token() {
    let begun = Begun::new().await;
    begun.kill("a").await;
    let file = begun.folder.random("x", 5, 1);
    let other = token(&begun.sends(&[file.file_name().unwrap().to_str().unwrap()]).await);
    let said = start_as(begun.send(&["a"]).env("LONGHAUL_TOKEN", &other)).ends().await;
    let told = said.events("failed")[0]["message"].to_string();
    assert!(said.code == Some(4) && told.contains("unset that"), "{said:?}");
    begun.has(&begun.sends(&["a"]).await, EACH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whom_the_server_does_not_know_any_more_is_told_what_to_remove() {
    let mut begun = Begun::new().await;
    begun.kill("a").await;
    begun.server.kill().await;
    fs::remove_file(begun.server.data().join("token.key")).unwrap();
    begun.server.restart().await;
    let said = begun.sends(&["a"]).await;
    let told = said.events("failed")[0]["message"].to_string();
    let journal = begun.path("a.longhaul");
    assert!(said.code == Some(4) && told.contains(journal.to_str().unwrap()), "{said:?}");
    fs::remove_file(journal).unwrap();
    begun.has(&begun.sends(&["a"]).await, EACH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_under_way_at_a_kill_is_the_same_with_another_mode_and_another_with_other_bytes()
 {
    for is_same in [true, false] {
        let (server, folder) = (server().await, Folder::new());
        let proxy = far(&server).await;
        let file = folder.random("note.txt", 1000, 3);
        let args = ["send", file.to_str().unwrap(), "--to", &proxy.origin()].map(str::to_owned);
        let running = start(&args);
        until_made(&server, 1).await;
        running.kill().await;
        proxy.set_lines(Lines::default());
        if is_same {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        } else {
            change_unnoticed(&file, 5, 10, 99);
        }
        let url = run(&args).await.good().to_owned();
        let id = url.rsplit('/').next().unwrap().parse().unwrap();
        assert_eq!(server.api().files().await.len(), if is_same { 1 } else { 2 });
        assert_eq!(server.api().download_sha256(id, 1000).await.0, sha256(&file));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_copied_is_neither_believed_nor_emptied() {
    let begun = Begun::new().await;
    begun.kill("a").await;
    let (journal, text) = (begun.path("b.longhaul"), fs::read(begun.path("a.longhaul")).unwrap());
    put(&begun.path("b"), EACH);
    fs::write(&journal, &text).unwrap();
    let said = begun.sends(&["b"]).await;
    let told = said.events("failed")[0]["message"].to_string();
    assert!(said.code == Some(3) && told.contains("copied or moved"), "{said:?}");
    assert_eq!(fs::read(&journal).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_could_not_be_told_is_told_by_the_next_run_and_not_sent_again() {
    let (server, folder) = (server().await, Folder::new());
    let file = folder.random("x", 5000, 1);
    let args = ["send", file.to_str().unwrap(), "--to", &server.origin()].map(str::to_owned);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let said = start_as(longhaul(&args).stdout(full)).ends().await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(run(&args).await.good().contains("/v1/files/"));
    assert_eq!(server.api().files().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_no_text_are_files_of_their_own() {
    let (server, folder) = (server().await, Folder::new());
    let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(5)).await;
    let trip = folder.path().join("trip");
    fs::create_dir(&trip).unwrap();
    for (at, name) in [b"\xe8.bin", b"\xe9.bin", b"\xea.bin"].into_iter().enumerate() {
        let path = trip.join(std::ffi::OsStr::from_bytes(name));
        fs::write(path, random_bytes(2 * CHUNK, at as u64)).unwrap();
    }
    let args = ["send", trip.to_str().unwrap(), "--to", &proxy.origin()].map(str::to_owned);
    let running = start(&args);
    let is_third = async || {
        let held = server.api().uploads().await.first()?.holding.held.count();
        (server.api().files().await.len() == 2 && held > 0).then_some(())
    };
    until("two are there and some of the third", PATIENCE, is_third).await;
    running.kill().await;
    proxy.release_when_left().await;
    let said = run(&args).await;
    assert_eq!(said.good().lines().count(), 3, "{said:?}");
    assert!(said.err.contains("no UTF-8") && !said.err.contains("was changed"), "{said:?}");
    assert_eq!(server.api().files().await.len(), 3);
    assert!(server.api().uploads().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_gives_a_file_another_inode_it_is_the_same_file() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    put(&trip, 3);
    let to = server.origin();
    let args = ["send", trip.to_str().unwrap(), "--to", &to];
    // What is not there keeps the journal.
    assert_eq!(run(args.iter().chain(&["/missing"])).await.code, Some(3));
    let (file, copy) = (trip.join("01"), folder.path().join("copy"));
    let mut cp = Command::new("cp");
    assert!(cp.arg("-p").args([&file, &copy]).status().await.unwrap().success());
    fs::rename(&copy, &file).unwrap();
    run(args).await.good();
    assert_eq!(server.api().files().await.len(), 3);
}
