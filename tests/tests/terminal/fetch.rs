//! Fetching: killed, interrupted, cut, damaged on the way, and never whole before it is.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use longhaul_protocol::ChunkSet;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::ids::FileId;
use longhaul_tests::files::{Folder, MIB, change_unnoticed, sha256};
use longhaul_tests::proxy::{Connection, Fault, Harm, Hold, Line, Lines, Proxy, Way};
use longhaul_tests::server::Server;
use longhaul_tests::small_disk::SmallDisk;
use longhaul_tests::terminal::{Running, Said, run, start};
use longhaul_tests::wait::until;
use serde_json::{Value, json};

use super::{CHUNK, PATIENCE, only_file, server};

const CHUNKS: u64 = 48;
const SIZE: u64 = CHUNKS * CHUNK - 77;
/// On each connection: slow enough that a run can be ended in the middle.
const SLOW: u64 = 2 * MIB;

/// A file there, and a proxy before the server.
pub(super) struct Stage {
    pub(super) server: Server,
    proxy: Proxy,
    pub(super) folder: Folder,
    source: PathBuf,
    file: FileInfo,
}

impl Stage {
    pub(super) async fn new() -> Self {
        let (server, folder) = (server().await, Folder::new());
        let source = folder.random("film.mp4", SIZE, 11);
        run(["send", source.to_str().unwrap(), "--to", &server.origin()]).await.good();
        let proxy = Proxy::start(server.addr(), Hold::Nothing).await;
        let (file, _) = only_file(&server).await;
        Self { server, proxy, folder, source, file }
    }

    fn url(&self, file: FileId) -> String {
        format!("{}/v1/files/{file}", self.proxy.origin())
    }

    pub(super) fn target(&self) -> PathBuf {
        self.folder.path().join("here.mp4")
    }

    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("here.mp4{suffix}"))
    }

    pub(super) fn args(&self) -> [String; 4] {
        let target = self.target().to_str().unwrap().to_owned();
        ["fetch".to_owned(), self.url(self.file.id), "-o".to_owned(), target]
    }

    pub(super) fn is_slow(&self, slow: bool) {
        let line = Line { bytes_per_second: slow.then_some(SLOW), ..Line::default() };
        self.proxy.set_lines(Lines { down: line, ..Lines::default() });
    }

    /// Bytes that went to the client.
    fn down(&self) -> u64 {
        self.proxy.connections().iter().map(|connection| connection.down.passed).sum()
    }

    /// What is noted to be here; nothing is in its first moments.
    pub(super) fn noted(&self) -> Option<ChunkSet> {
        let text = fs::read(self.beside(".part.json")).ok().filter(|text| !text.is_empty())?;
        let note: Value = serde_json::from_slice(&text).expect("a whole note");
        note["record"]["held"].as_str().map(|held| held.parse().expect("chunks"))
    }

    /// One that has some chunks and not all; and which, by its note.
    pub(super) async fn halfway(&self) -> (Running, ChunkSet) {
        self.is_slow(true);
        let mut running = start(self.args());
        let held = until("some chunks here", PATIENCE, async || {
            assert_eq!(running.has_ended(), None);
            self.noted().filter(|held| held.count() >= 2)
        });
        let held = held.await;
        (running, held)
    }

    pub(super) fn is_there(&self, said: &Said) {
        assert_eq!(said.good(), self.target().to_str().unwrap());
        assert_eq!(sha256(&self.target()), sha256(&self.source));
        for suffix in [".part", ".part.json", ".part.json.new"] {
            assert!(!self.beside(suffix).exists(), "{suffix} is left");
        }
    }

    /// Nothing has the target's name, and this is what is left.
    fn is_not_there(&self, left: bool) {
        assert!(!self.target().exists());
        assert_eq!(self.beside(".part").exists(), left);
        assert_eq!(self.beside(".part.json").exists(), left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_fetched_byte_for_byte_with_its_date() {
    let stage = Stage::new().await;
    stage.is_there(&run(stage.args()).await);
    let seconds = |path: &Path| {
        let modified = path.metadata().unwrap().modified().unwrap();
        modified.duration_since(UNIX_EPOCH).unwrap().as_secs()
    };
    assert_eq!(seconds(&stage.target()), seconds(&stage.source));
    let down = stage.down();
    assert!(down < SIZE + MIB, "{down} bytes for {SIZE}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_name_it_gets_the_one_that_it_has_there() {
    let stage = Stage::new().await;
    let into = stage.folder.path().join("into");
    fs::create_dir(&into).unwrap();
    let url = stage.url(stage.file.id);
    run(["fetch", &url, "--output", into.to_str().unwrap()]).await.good();
    assert_eq!(sha256(&into.join("film.mp4")), sha256(&stage.source));
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_files_and_files_of_one_chunk_are_fetched_too() {
    for size in [0, 1, CHUNK, CHUNK + 1] {
        let (server, folder) = (server().await, Folder::new());
        let source = folder.random("x", size, 5);
        let said = run(["send", source.to_str().unwrap(), "--to", &server.origin()]).await;
        let target = folder.path().join("y");
        run(["fetch", said.good(), "-o", target.to_str().unwrap()]).await.good();
        assert_eq!(sha256(&target), sha256(&source), "{size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_started_again_only_what_is_missing_is_fetched() {
    let stage = Stage::new().await;
    let (running, held) = stage.halfway().await;
    running.kill().await;
    stage.is_not_there(true);
    let before = stage.down();
    stage.is_slow(false);
    stage.is_there(&run(stage.args()).await);
    let missing = SIZE - held.bytes(stage.file_plan());
    let came = stage.down() - before;
    assert!(came < missing + MIB, "{came} bytes came, {missing} were missing");
}

impl Stage {
    fn file_plan(&self) -> longhaul_protocol::Plan {
        longhaul_protocol::Plan::new(SIZE, self.file.chunk_size).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_where_no_name_was_given_only_what_is_missing_is_fetched_too() {
    let stage = Stage::new().await;
    let into = stage.folder.path().join("into");
    fs::create_dir(&into).unwrap();
    let args =
        ["fetch", &stage.url(stage.file.id), "-o", into.to_str().unwrap()].map(str::to_owned);
    stage.is_slow(true);
    let running = start(&args);
    let note = into.join("film.mp4.part.json");
    let has_some = async || fs::read_to_string(&note).ok()?.contains("\"held\":\"0-").then_some(());
    until("some chunks here", PATIENCE, has_some).await;
    running.kill().await;
    let before = stage.down();
    stage.is_slow(false);
    run(&args).await.good();
    assert_eq!(sha256(&into.join("film.mp4")), sha256(&stage.source));
    let came = stage.down() - before;
    assert!(came < SIZE - CHUNK, "{came} bytes came of {SIZE}, two chunks were here");
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_says_so_by_its_exit_code_and_goes_on_later() {
    let stage = Stage::new().await;
    let (running, _) = stage.halfway().await;
    let said = running.interrupt().await;
    assert_eq!(said.code, Some(130), "{said:?}");
    stage.is_not_there(true);
    stage.is_slow(false);
    stage.is_there(&run(stage.args()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_in_the_part_meanwhile_is_noticed_and_fetched_again() {
    let stage = Stage::new().await;
    let (running, held) = stage.halfway().await;
    running.kill().await;
    let chunk = held.first().unwrap();
    change_unnoticed(&stage.beside(".part"), chunk.0 * CHUNK + 100, 1, 3);
    stage.is_slow(false);
    stage.is_there(&run(stage.args()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_lies_or_is_empty_does_no_harm() {
    let stage = Stage::new().await;
    let (running, _) = stage.halfway().await;
    running.kill().await;
    let text = fs::read_to_string(stage.beside(".part.json")).unwrap();
    let mut note: Value = serde_json::from_str(&text).unwrap();
    note["record"]["held"] = json!("0-524287");
    fs::write(stage.beside(".part.json"), note.to_string()).unwrap();
    stage.is_slow(false);
    stage.is_there(&run(stage.args()).await);
    // A kill has come before there was anything to note, or anything in the part.
    fs::remove_file(stage.target()).unwrap();
    fs::write(stage.beside(".part.json"), "").unwrap();
    fs::write(stage.beside(".part"), "").unwrap();
    stage.is_there(&run(stage.args()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_under_the_same_name_is_never_mixed_with_the_first_and_gives_it_up_only_by_force()
 {
    let stage = Stage::new().await;
    let (running, held) = stage.halfway().await;
    running.kill().await;
    stage.is_slow(false);
    let other = stage.folder.random("other", 4 * CHUNK, 12);
    let said = run(["send", other.to_str().unwrap(), "--to", &stage.server.origin()]).await;
    let target = stage.target();
    let mut args = vec!["fetch", said.good(), "-o", target.to_str().unwrap()];
    let refused = run(&args).await;
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let (first, force) = (stage.file.id.to_string(), "--force");
    assert!(refused.err.contains(&first) && refused.err.contains(force), "{refused:?}");
    assert!(stage.noted().is_some_and(|noted| noted.count() >= held.count()));
    args.push(force);
    run(&args).await.good();
    assert_eq!(sha256(&stage.target()), sha256(&other));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_is_turned_on_the_way_is_caught_and_its_chunk_fetched_again() {
    let stage = Stage::new().await;
    stage.proxy.add(Fault::once(Way::Down, 3 * MIB, Harm::Corrupt));
    let said = run(stage.args()).await;
    stage.is_there(&said);
    assert_eq!(stage.proxy.harmed(Harm::Corrupt), 0, "it ends no connection");
    assert!(said.err.contains("arrived with other bytes"), "{said:?}");
    let down = stage.down();
    assert!((SIZE + CHUNK - MIB..SIZE + CHUNK + MIB).contains(&down), "{down}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_again_and_again_it_goes_on_at_the_very_byte() {
    let stage = Stage::new().await;
    stage.proxy.add(Fault::each(Way::Down, 5 * MIB, Harm::Close));
    let running = start(stage.args());
    until("some cuts", PATIENCE, async || (stage.proxy.harmed(Harm::Close) >= 6).then_some(()))
        .await;
    stage.proxy.mend();
    stage.is_there(&running.ends().await);
    let down = stage.down();
    assert!(down < SIZE + 2 * MIB, "{down} bytes for {SIZE}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_is_waited_for() {
    let mut stage = Stage::new().await;
    let (running, _) = stage.halfway().await;
    stage.server.kill().await;
    stage.is_slow(false);
    // What was on its way is in the system's hands; the next request finds out.
    until("a connection in vain", PATIENCE, async || {
        let in_vain = |connection: &Connection| connection.over && connection.down.passed == 0;
        stage.proxy.connections().iter().any(in_vain).then_some(())
    })
    .await;
    stage.server.restart().await;
    let said = running.ends().await;
    stage.is_there(&said);
    assert!(said.err.contains("trying again in"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_come_back_is_given_up_and_what_is_here_is_kept() {
    let mut stage = Stage::new().await;
    stage.is_slow(true);
    let mut args = stage.args().to_vec();
    args.extend(["--patience", "1s"].map(str::to_owned));
    let running = start(&args);
    until("some chunks", PATIENCE, async || stage.noted()).await;
    stage.server.kill().await;
    let said = running.ends().await;
    assert_eq!(said.code, Some(5), "{said:?}");
    stage.is_not_there(true);
    stage.is_slow(false);
    stage.server.restart().await;
    stage.is_there(&run(stage.args()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_the_name_already_stays_unless_it_is_to_go() {
    let stage = Stage::new().await;
    fs::write(stage.target(), b"mine").unwrap();
    let said = run(stage.args()).await;
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains("is there already") && said.err.contains("--force"), "{said:?}");
    assert_eq!(fs::read(stage.target()).unwrap(), b"mine");
    let mut args = stage.args().to_vec();
    args.push("--force".to_owned());
    stage.is_there(&run(args).await);
    let said = run(stage.args()).await;
    assert!(said.err.contains("is here already"), "{said:?}");
    stage.is_there(&said);
    // Whoever could not read the old one cannot read the new one.
    fs::set_permissions(stage.target(), fs::Permissions::from_mode(0o600)).unwrap();
    let mut args = stage.args().to_vec();
    args.push("--force".to_owned());
    run(args).await.good();
    assert_eq!(fs::metadata(stage.target()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_has_the_name_is_not_waited_for() {
    let stage = Stage::new().await;
    let mut mkfifo = tokio::process::Command::new("mkfifo");
    assert!(mkfifo.arg(stage.target()).status().await.unwrap().success());
    let said = run(stage.args()).await;
    assert!(said.code == Some(3) && said.err.contains("is there already"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_do_not_write_one_target() {
    let stage = Stage::new().await;
    let (running, _) = stage.halfway().await;
    let said = run(stage.args()).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("being fetched by another program"), "{said:?}");
    stage.is_not_there(true);
    stage.is_there(&running.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_says_so_at_once_and_keeps_nothing() {
    let stage = Stage::new().await;
    let small = stage.folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let _disk = SmallDisk::mount_on(&small, 40 * MIB);
    let target = small.join("x");
    let said = run(["fetch", &stage.url(stage.file.id), "-o", target.to_str().unwrap()]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.err.contains("there is no room for") && !said.err.contains("kept"), "{said:?}");
    assert!(!target.exists() && !small.join("x.part").exists());
    let down = stage.down();
    assert!(down < MIB, "{down} bytes came for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_others_fill_meanwhile_has_the_room_that_it_promised() {
    let stage = Stage::new().await;
    let small = stage.folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let disk = SmallDisk::mount_on(&small, 80 * MIB);
    stage.is_slow(true);
    let target = small.join("x");
    let running = start(["fetch", &stage.url(stage.file.id), "-o", target.to_str().unwrap()]);
    let has_room =
        async || (small.join("x.part").metadata().ok()?.blocks() * 512 >= SIZE).then_some(());
    until("its room", PATIENCE, has_room).await;
    disk.fill();
    stage.is_slow(false);
    running.ends().await.good();
    assert_eq!(sha256(&target), sha256(&stage.source));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_may_not_be_written_is_told() {
    let stage = Stage::new().await;
    for (target, words) in [("/proc/x", "/proc/x.part"), ("/nowhere/x", "/nowhere is no folder")] {
        let said = run(["fetch", &stage.url(stage.file.id), "-o", target]).await;
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(said.err.contains(words), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_told_and_a_root_that_is_another_too() {
    let stage = Stage::new().await;
    let target = stage.target();
    let target = target.to_str().unwrap();
    let said = run(["fetch", &stage.url(FileId([1; 16])), "-o", target]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("nothing at this address"), "{said:?}");
    assert!(!said.err.contains("swept"), "no upload is meant: {said:?}");
    let url = stage.url(stage.file.id);
    let other = longhaul_protocol::Digest::of(b"other").to_base64();
    let said = run(["fetch", &url, "-o", target, "--root", &other]).await;
    assert_eq!(said.code, Some(6), "{said:?}");
    stage.is_not_there(false);
    let root = stage.file.root.to_base64();
    stage.is_there(&run(["fetch", &url, "-o", target, "--root", &root]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_program_it_tells_what_it_fetched() {
    let stage = Stage::new().await;
    let mut args = stage.args().to_vec();
    args.push("--json".to_owned());
    let said = run(args).await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    let done = &said.events("done")[0];
    assert_eq!(done["file"]["root"], stage.file.root.to_base64());
    assert_eq!(done["path"], stage.target().to_str().unwrap());
    assert_eq!(said.events("progress").pop().unwrap()["acknowledged"], SIZE);
}
