//! What has a name that longhaul would use, and is somebody else's: it is told and stays as it is.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use longhaul_tests::files::Folder;
use longhaul_tests::terminal::{Said, longhaul, run, start_as};

use super::{CHUNK, server};

const PRECIOUS: &str = "precious";
/// A user who is not the one of the tests.
const NOBODY: u32 = 65_534;

/// Something with this name, and a link of another name that leads to something like it.
fn lay(folder: &Folder, own: &str, link: &str) {
    fs::write(folder.path().join(own), PRECIOUS).unwrap();
    fs::write(folder.path().join("elsewhere"), PRECIOUS).unwrap();
    symlink("elsewhere", folder.path().join(link)).unwrap();
}

fn is_as_it_was(folder: &Folder, names: [&str; 2]) {
    for name in names {
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), PRECIOUS, "{name}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("elsewhere")).unwrap(), PRECIOUS);
}

/// Sends what comes through a pipe, which is nothing.
async fn piped(name: &Path, to: &str) -> Said {
    let (reader, _) = std::io::pipe().unwrap();
    let mut command = longhaul(["send", "-", "--name", text(name), "--to", to]);
    start_as(command.stdin(reader)).ends().await
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_only_has_the_name_of_a_journal_is_no_journal() {
    let (server, folder) = (server().await, Folder::new());
    let [film, song] =
        [("film.mp4", 41), ("song.mp3", 42)].map(|(name, seed)| folder.random(name, CHUNK, seed));
    lay(&folder, "film.mp4.longhaul", "song.mp3.longhaul");
    for file in [&film, &song] {
        let said = run(["send", text(file), "--to", &server.origin()]).await;
        said.good();
        assert!(said.err.contains("nothing can be noted there"), "{said:?}");
    }
    is_as_it_was(&folder, ["film.mp4.longhaul", "song.mp3.longhaul"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_begins_as_a_journal_does_is_no_journal_either() {
    let (server, folder) = (server().await, Folder::new());
    let film = folder.random("film.mp4", CHUNK, 41);
    let path = folder.path().join("film.mp4.longhaul");
    fs::write(&path, "{\"longhaul\":1,\"to\":\"").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let long = 1 << 20;
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(long).unwrap();
    let said = run(["send", text(&film), "--to", &server.origin()]).await;
    said.good();
    assert!(said.err.contains("none of longhaul's"), "{said:?}");
    assert_eq!(path.metadata().unwrap().len(), long);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_else_has_locked_a_file_of_that_name_keeps_nothing_from_being_sent() {
    let (server, folder) = (server().await, Folder::new());
    let film = folder.random("film.mp4", CHUNK, 41);
    let path = folder.path().join("film.mp4.longhaul");
    let theirs = fs::File::create(&path).unwrap();
    theirs.lock().unwrap();
    chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
    let said = run(["send", text(&film), "--to", &server.origin()]).await;
    said.good();
    assert!(said.err.contains("none of longhaul's"), "{said:?}");
    assert!(path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_folder_it_is_sent_like_any_other_file() {
    let (server, folder) = (server().await, Folder::new());
    let trip = folder.path().join("trip");
    fs::create_dir(&trip).unwrap();
    let notes = trip.join("notes.longhaul");
    fs::write(&notes, PRECIOUS).unwrap();
    fs::write(trip.join("empty.longhaul"), "").unwrap();
    fs::write(trip.join("settings.longhaul"), "{\"longhaul\": true}").unwrap();
    // That is one, of a run that was killed.
    fs::write(trip.join("film.longhaul"), b"{\"longhaul\":1,\"to\":\"http://").unwrap();
    let said = run(["send", text(&trip), "--to", &server.origin()]).await;
    assert_eq!(said.good().lines().count(), 3, "{said:?}");
    assert!(said.err.contains("passed over") && said.err.contains("film.longhaul"), "{said:?}");
    let files = server.api().files().await;
    let mut names: Vec<_> = files.iter().map(|file| file.meta.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["empty.longhaul", "notes.longhaul", "settings.longhaul"]);
    assert!(files.iter().any(|file| file.size == notes.metadata().unwrap().len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_no_fetch_has_left_is_not_written_over() {
    let (server, folder) = (server().await, Folder::new());
    let sent = folder.random("film.mp4", CHUNK, 43);
    let address = run(["send", text(&sent), "--to", &server.origin()]).await.good().to_owned();
    lay(&folder, "own.part", "link.part");
    for name in ["own", "link"] {
        let target = folder.path().join(name);
        let said = run(["fetch", &address, "-o", text(&target)]).await;
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(said.err.contains(".part is there already"), "{said:?}");
        assert!(!target.exists());
    }
    is_as_it_was(&folder, ["own.part", "link.part"]);
    // Nor what a link leads to that somebody has put beside a fetch that is not finished.
    fs::write(folder.path().join("link.part.json"), "").unwrap();
    let said = run(["fetch", &address, "-o", text(&folder.path().join("link"))]).await;
    assert!(said.code == Some(3) && said.err.contains("it is a link"), "{said:?}");
    is_as_it_was(&folder, ["own.part", "link.part"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_no_fetch_has_left_is_not_taken_for_one() {
    let (server, folder) = (server().await, Folder::new());
    let sent = folder.random("film.mp4", CHUNK, 43);
    let address = run(["send", text(&sent), "--to", &server.origin()]).await.good().to_owned();
    for name in ["a.part.json", "b.part.json.new"] {
        fs::write(folder.path().join(name), PRECIOUS).unwrap();
    }
    let pipe = folder.path().join("c.part.json");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    for name in ["a", "b", "c"] {
        let said = run(["fetch", &address, "-o", text(&folder.path().join(name))]).await;
        assert!(said.code == Some(3) && said.err.contains("is there already"), "{said:?}");
    }
    for name in ["a.part.json", "b.part.json.new"] {
        assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), PRECIOUS);
    }
    // Nor is what is no file ever replaced.
    for output in [pipe, folder.path().to_owned()] {
        let said = run(["fetch", &address, "--force", "-o", text(&output)]).await;
        assert!(said.code == Some(3) || output.is_dir(), "{said:?}");
        assert!(!output.is_file());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_through_a_pipe_is_not_written_over_what_no_pipe_has_left_nor_where_a_link_leads()
 {
    let (server, folder) = (server().await, Folder::new());
    lay(&folder, "song.mp3.part", "film.mp4.part");
    for name in ["song.mp3", "film.mp4"] {
        let target = folder.path().join(name);
        let said = piped(&target, &server.origin()).await;
        assert_eq!(said.code, Some(3), "{said:?}");
        assert!(said.err.contains(".part: it is there already"), "{said:?}");
        assert!(!folder.path().join(format!("{name}.longhaul")).exists());
    }
    is_as_it_was(&folder, ["song.mp3.part", "film.mp4.part"]);
    // Nor where one leads that was put there after a run that was killed.
    fs::write(folder.path().join("film.mp4.part.json"), "").unwrap();
    let target = folder.path().join("film.mp4");
    let said = piped(&target, &server.origin()).await;
    assert!(said.code == Some(3) && said.err.contains("it is a link"), "{said:?}");
    is_as_it_was(&folder, ["song.mp3.part", "film.mp4.part"]);
}
