//! Sending one file: killed, interrupted, changed in between.

use std::path::{Path, PathBuf};

use longhaul_protocol::{ChunkIndex, ChunkSet};
use longhaul_tests::files::{Folder, append, change_unnoticed, random_bytes, sha256};
use longhaul_tests::log::sent_again;
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::server::Server;
use longhaul_tests::terminal::{Running, run, start};
use longhaul_tests::wait::until;

use super::{CHUNK, PATIENCE, only_file, server};

/// How many chunks pass before the others are held up.
const PASS: usize = 3;
const CHUNKS: u64 = 28;

/// What is said of a file that is not what it was when an earlier run began it.
pub(super) const CHANGED: &str = "film.mp4 was changed since it was begun";

/// Where a file is sent from, and a proxy before the server that holds chunks up.
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) proxy: Proxy,
    _folder: Folder,
    pub(super) file: PathBuf,
}

impl Stage {
    pub(super) async fn new() -> Self {
        Self::before(server().await).await
    }

    async fn before(server: Server) -> Self {
        let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(PASS)).await;
        let folder = Folder::new();
        let file = folder.random("film.mp4", CHUNKS * CHUNK - 77, 11);
        Self { server, proxy, _folder: folder, file }
    }

    pub(super) fn args(&self) -> [String; 4] {
        let file = self.file.to_str().unwrap().to_owned();
        ["send".to_owned(), file, "--to".to_owned(), self.proxy.origin()]
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.file.with_file_name("film.mp4.longhaul")
    }

    /// One that has sent as much as is let through; and what is held by then.
    pub(super) async fn halfway(&self) -> (Running, ChunkSet) {
        let running = start(self.args());
        let held = until("the first chunks held", PATIENCE, async || {
            let uploads = self.server.api().uploads().await;
            let held = uploads.first()?.holding.held.clone();
            (held.count() >= PASS as u64 && self.journal().is_file()).then_some(held)
        });
        let held = held.await;
        (running, held)
    }

    /// Sends it again, and checks that it is there as it is now, and nothing else.
    pub(super) async fn goes_on(&self) {
        self.proxy.release_when_left().await;
        let said = run(self.args()).await;
        let (file, read) = only_file(&self.server).await;
        assert_eq!(said.good(), format!("{}/v1/files/{}", self.proxy.origin(), file.id));
        assert_eq!(read, sha256(&self.file));
        assert!(!self.journal().exists(), "what is through needs no journal");
        assert!(self.server.api().uploads().await.is_empty());
        self.server.assert_no_fault();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_there_byte_for_byte_with_its_name_type_and_date() {
    let (server, folder) = (server().await, Folder::new());
    let path = folder.random("Ünter den Linden.png", 2 * CHUNK + 1, 5);
    let origin = server.origin();
    let said = run(["send", path.to_str().unwrap(), "--to", &origin]).await;
    let (file, read) = only_file(&server).await;
    assert_eq!(said.good(), format!("{origin}/v1/files/{}", file.id));
    assert_eq!(said.err, "");
    assert_eq!(
        (file.meta.name.as_str(), file.meta.media_type.as_str()),
        ("Ünter den Linden.png", "image/png")
    );
    assert!(file.meta.last_modified.is_some() && file.meta.relative_path.is_none());
    assert_eq!(read, sha256(&path));
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_and_small_files_are_sent_too() {
    for size in [0, 1, CHUNK, CHUNK + 1] {
        let (server, folder) = (server().await, Folder::new());
        let path = folder.random("small.bin", size, 3);
        run(["send", path.to_str().unwrap(), "--to", &server.origin()]).await.good();
        assert_eq!(only_file(&server).await.1, sha256(&path), "{size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_started_again_only_what_is_missing_is_sent() {
    let stage = Stage::new().await;
    let (running, held) = stage.halfway().await;
    running.kill().await;
    stage.goes_on().await;
    assert_eq!(sent_again(&stage.server.requests(), &held, 0), []);
    let bytes: u64 = stage.server.chunk_requests().iter().map(|request| request.received).sum();
    assert!(bytes <= CHUNKS * CHUNK, "{bytes} bytes for {CHUNKS} chunks");
    let created =
        stage.server.requests().iter().filter(|request| request.status == Some(201)).count();
    assert_eq!(created, 2, "one upload and one seal");
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_says_so_by_its_exit_code_and_goes_on_later() {
    let stage = Stage::new().await;
    let (running, held) = stage.halfway().await;
    let said = running.interrupt().await;
    assert_eq!((said.code, said.out.as_str()), (Some(130), ""));
    assert!(stage.server.api().files().await.is_empty());
    stage.goes_on().await;
    assert_eq!(sent_again(&stage.server.requests(), &held, 0), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_journal_the_servers_list_is_asked() {
    let stage = Stage::new().await;
    let (running, held) = stage.halfway().await;
    running.kill().await;
    std::fs::remove_file(stage.journal()).unwrap();
    stage.goes_on().await;
    assert_eq!(sent_again(&stage.server.requests(), &held, 0), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_rubbish_is_begun_anew() {
    let stage = Stage::new().await;
    let (running, _) = stage.halfway().await;
    running.kill().await;
    std::fs::write(stage.journal(), b"{\"longhaul\":1,\"to\":\"\n\xff\xff{}").unwrap();
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_changed_between_two_runs_is_sent_as_it_is_now() {
    type Change = fn(&Path, u64);
    let changes: [(&str, Change); 4] = [
        ("a chunk that is there, and its date was put back", |path, chunk| {
            change_unnoticed(path, chunk * CHUNK + 5, 10, 99);
        }),
        ("all of it, and its date was put back", |path, _| {
            change_unnoticed(path, 0, 27 * CHUNK, 98);
        }),
        ("it has grown", |path, _| append(path, CHUNK, 97)),
        ("it is another of the same length", |path, _| {
            std::fs::write(path, random_bytes(path.metadata().unwrap().len(), 96)).unwrap();
        }),
    ];
    for (what, change) in changes {
        let stage = Stage::new().await;
        let (running, held) = stage.halfway().await;
        running.kill().await;
        let one = (0..CHUNKS).find(|chunk| held.contains(ChunkIndex(*chunk))).unwrap();
        change(&stage.file, one);
        stage.proxy.release_when_left().await;
        let said = run(stage.args()).await;
        said.good();
        assert!(said.err.contains(CHANGED), "{what}: {said:?}");
        assert_eq!(only_file(&stage.server).await.1, sha256(&stage.file), "{what}");
        assert!(stage.server.api().uploads().await.is_empty(), "{what}: what it was is given up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_was_takes_no_room_from_what_it_is() {
    let more = ["--owner-bytes-max".to_owned(), (CHUNKS * CHUNK + 2 * CHUNK).to_string()];
    let options = longhaul_tests::server::Options { more: more.to_vec(), ..Default::default() };
    let stage = Stage::before(Server::start(options).await).await;
    let (running, _) = stage.halfway().await;
    running.kill().await;
    append(&stage.file, CHUNK, 97);
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_changed_while_it_is_sent_is_noticed_and_not_published() {
    let changes: [fn(&Path); 2] =
        [|path| append(path, 5, 1), |path| change_unnoticed(path, 0, 27 * CHUNK, 98)];
    for change in changes {
        let stage = Stage::new().await;
        let (running, _) = stage.halfway().await;
        change(&stage.file);
        stage.proxy.release();
        let said = running.ends().await;
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(said.err.contains("film.mp4 was changed while it was being sent"), "{said:?}");
        assert!(stage.server.api().files().await.is_empty());
        run(stage.args()).await.good();
        assert_eq!(only_file(&stage.server).await.1, sha256(&stage.file));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_takes_the_place_of_is_sent_as_it_was_and_that_is_told() {
    let a_file = |path: &Path| std::fs::write(path, "other").unwrap();
    let a_pipe = |path: &Path| {
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
    };
    for put in [&a_file as &dyn Fn(&Path), &a_pipe] {
        let stage = Stage::new().await;
        let was = sha256(&stage.file);
        let (running, _) = stage.halfway().await;
        let other = stage.file.with_file_name("other");
        put(&other);
        std::fs::rename(&other, &stage.file).unwrap();
        stage.proxy.release();
        let said = running.ends().await;
        said.good();
        assert!(said.err.contains("what was sent is what it was"), "{said:?}");
        assert_eq!(only_file(&stage.server).await.1, was);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_through_before_is_believed_only_if_it_is_there() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    std::fs::create_dir(&trip).unwrap();
    for (name, seed) in [("a", 1), ("b", 2)] {
        std::fs::write(trip.join(name), random_bytes(CHUNK, seed)).unwrap();
    }
    let args =
        ["send", trip.to_str().unwrap(), "/missing", "--to", &server.origin()].map(str::to_owned);
    assert_eq!(run(&args).await.code, Some(3));
    let files = server.api().files().await;
    assert!(files.len() == 2 && folder.path().join("trip.longhaul").is_file());
    let gone = files.iter().find(|file| file.meta.name == "a").unwrap().id;
    server.api().delete(&longhaul_protocol::wire::path::file(gone)).await.unwrap();
    let said = run([&args[0], &args[1], &args[3], &args[4]]).await;
    let there: Vec<_> = server.api().files().await.iter().map(|file| file.id).collect();
    let told: Vec<_> = said.good().lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!((there.len(), told.len()), (2, 2), "{said:?}");
    for id in there {
        assert!(told.iter().any(|url| url.ends_with(&id.to_string())), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_is_waited_for() {
    let mut stage = Stage::new().await;
    let (running, _) = stage.halfway().await;
    stage.server.kill().await;
    stage.proxy.release();
    stage.server.restart().await;
    let said = running.ends().await;
    said.good();
    assert!(said.err.contains("trying again in"), "{said:?}");
    assert_eq!(only_file(&stage.server).await.1, sha256(&stage.file));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_come_back_is_given_up_in_the_end_and_nothing_is_lost() {
    let mut stage = Stage::new().await;
    let mut args = stage.args().to_vec();
    args.extend(["--patience", "1s", "--json"].map(str::to_owned));
    let running = start(&args);
    until("the first chunks held", PATIENCE, async || {
        let uploads = stage.server.api().uploads().await;
        (uploads.first()?.holding.held.count() >= PASS as u64).then_some(())
    })
    .await;
    stage.server.kill().await;
    let said = running.ends().await;
    assert_eq!(said.code, Some(5), "{said:?}");
    let failed = &said.events("failed")[0];
    assert_eq!(failed["exitCode"], 5);
    assert!(failed["message"].as_str().unwrap().contains("goes on from here"), "{failed}");
    let last = said.events("progress").pop().unwrap();
    assert!(last["acknowledged"].as_u64() < last["total"].as_u64(), "{last}");
    stage.server.restart().await;
    stage.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_do_not_send_the_same_file_at_once() {
    let stage = Stage::new().await;
    let (_running, _) = stage.halfway().await;
    let said = run(stage.args()).await;
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains("another program is sending it"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_journal_can_be_written_it_says_so_and_sends_all_the_same() {
    let (server, folder) = (server().await, Folder::new());
    let file = folder.random("film.mp4", 2 * CHUNK, 5);
    // Not even root writes into a folder of that name.
    std::fs::create_dir(folder.path().join("film.mp4.longhaul")).unwrap();
    let said = run(["send", file.to_str().unwrap(), "--to", &server.origin()]).await;
    said.good();
    assert!(said.err.contains("nothing can be noted there"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_program_every_line_is_an_object_and_the_last_tells_of_the_file() {
    let (server, folder) = (server().await, Folder::new());
    let file = folder.random("film.mp4", 2 * CHUNK, 5);
    let said = run(["send", file.to_str().unwrap(), "--to", &server.origin(), "--json"]).await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert_eq!(said.events("begins")[0]["bytes"], 2 * CHUNK);
    let (info, _) = only_file(&server).await;
    let done = &said.events("done")[0];
    assert_eq!(
        (&done["path"], &done["file"]["id"]),
        (&file.to_str().unwrap().into(), &info.id.to_string().into())
    );
    let last = said.events("progress").pop().unwrap();
    assert_eq!(last["acknowledged"], 2 * CHUNK, "{last}");
    assert!(said.out.lines().last().unwrap().contains(r#""event":"done""#), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_how_much_did_not_have_to_be_sent() {
    let (server, folder) = (server().await, Folder::new());
    let file = folder.random("film.mp4", 2 * CHUNK, 5);
    let args = ["send", file.to_str().unwrap(), "--to", &server.origin(), "--json"];
    run(args).await.good();
    let said = run(args).await;
    said.good();
    let last = said.events("progress").pop().unwrap();
    assert_eq!(
        (&last["acknowledged"], &last["reused"]),
        (&(2 * CHUNK).into(), &(2 * CHUNK).into())
    );
}
