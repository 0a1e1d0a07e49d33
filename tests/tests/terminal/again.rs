//! The same command after a run that ended at the worst moment: nobody's token is lost, and nothing is there twice.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use longhaul_tests::files::{Folder, change_unnoticed, sha256};
use longhaul_tests::proxy::{Hold, Line, Lines, Proxy};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::terminal::{Running, Said, longhaul, run, start, start_as};
use longhaul_tests::wait::until;
use tokio::process::Command;

use super::guests::{open_server, put, token};
use super::{PATIENCE, server};

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

async fn until_made(server: &Server, count: usize) {
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
struct Begun {
    server: Server,
    proxy: Proxy,
    folder: Folder,
}

const EACH: u64 = 8;

impl Begun {
    async fn new() -> Self {
        let server = open_server().await;
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        Self { server, proxy, folder: Folder::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn send(&self, names: &[&str]) -> Command {
        let mut command = longhaul(["send", "--json", "--to", &self.proxy.origin()]);
        command.args(names.iter().map(|name| self.path(name)));
        command
    }

    /// A run that is killed when some of it is there, and none of that answered.
    async fn kill(&self, name: &str) {
        put(&self.path(name), EACH);
        let down = Line { delay: SLOW, ..Line::default() };
        self.proxy.set_lines(Lines { down, ..Lines::default() });
        let before = made(&self.server);
        let running: Running = start_as(&mut self.send(&[name]));
        until_made(&self.server, before + 1).await;
        running.kill().await;
        self.proxy.set_lines(Lines::default());
    }

    async fn sends(&self, names: &[&str]) -> Said {
        start_as(&mut self.send(names)).ends().await
    }

    /// The one guest whom it tells of has that many files.
    async fn has(&self, said: &Said, files: u64) {
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
    assert!(said.code == Some(2) && told.contains("unset that"), "{said:?}");
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
