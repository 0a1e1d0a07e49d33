//! What comes lies in `NAME.part` until all of it is here: whoever has another file under that name, before a run,
//! between two or during one, keeps it, and nobody's bytes are taken for those that came.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Stdio;
use std::time::UNIX_EPOCH;

use longhaul_tests::artefacts;
use longhaul_tests::files::{Folder, random_bytes, sha256};
use longhaul_tests::proxy::{Hold, Proxy};
use longhaul_tests::terminal::{Running, Said, longhaul, run, start, start_as};
use longhaul_tests::wait::until;
use tokio::process::Command;

use super::fetch::Stage;
use super::{CHUNK, PATIENCE, server};

const OWN: &str = "the user's own";
/// Another user of this machine.
const SOMEBODY: u32 = 65534;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_has_taken_the_parts_place_meanwhile_is_not_given_the_name() {
    let stage = Stage::new().await;
    let (running, _) = stage.halfway().await;
    fs::remove_file(stage.beside(".part")).unwrap();
    fs::write(stage.beside(".part"), OWN).unwrap();
    stage.is_slow(false);
    let said = running.ends().await;
    assert!(said.code == Some(3) && said.err.contains("was removed"), "{said:?}");
    assert!(!stage.target().exists());
    assert_eq!(read(&stage.beside(".part")), OWN);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_fetches_to_one_name_none_takes_the_part_of_the_other() {
    let stage = Stage::new().await;
    let (first, _) = stage.halfway().await;
    for suffix in [".part", ".part.json"] {
        fs::remove_file(stage.beside(suffix)).unwrap();
    }
    let second = start(stage.args());
    until("the second has begun", PATIENCE, async || stage.noted()).await;
    stage.is_slow(false);
    let said = first.ends().await;
    assert_eq!(said.code, Some(3), "{said:?}");
    stage.is_there(&second.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_replaces_the_part_of_another_by_force_keeps_its_name() {
    let stage = Stage::new().await;
    let other = stage.folder.random("other", 3 * CHUNK, 12);
    let sent = run(["send", text(&other), "--to", &stage.server.origin()]).await;
    let (first, _) = stage.halfway().await;
    run(["fetch", sent.good(), "-o", text(&stage.beside(".part")), "--force"]).await.good();
    stage.is_slow(false);
    let said = first.ends().await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(!stage.target().exists());
    assert_eq!(sha256(&stage.beside(".part")), sha256(&other));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_fetch_has_noted_is_of_its_own_part_and_of_no_other() {
    let stage = Stage::new().await;
    let (running, _) = stage.halfway().await;
    running.kill().await;
    stage.is_slow(false);
    fs::rename(stage.beside(".part"), stage.beside(".kept")).unwrap();
    fs::write(stage.beside(".part"), OWN).unwrap();
    let said = run(stage.args()).await;
    assert!(said.code == Some(3) && said.err.contains(".part is there already"), "{said:?}");
    assert_eq!(read(&stage.beside(".part")), OWN);
    // It goes on with the one that it is about.
    fs::rename(stage.beside(".kept"), stage.beside(".part")).unwrap();
    stage.is_there(&run(stage.args()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_shared_folder_nothing_is_believed_that_somebody_else_has_put_there() {
    let (server, folder) = (server().await, Folder::new());
    let sent = folder.random("sent", CHUNK, 41);
    let url = run(["send", text(&sent), "--to", &server.origin()]).await.good().to_owned();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let target = folder.path().join("o");
    let (part, note) = (folder.path().join("o.part"), folder.path().join("o.part.json"));
    // The second has a note like a run's own, which anybody may write to.
    for (owner, mode, is_like) in
        [(SOMEBODY, 0o666, false), (0, 0o666, true), (SOMEBODY, 0o600, true)]
    {
        for path in [&part, &note] {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            chown(path, Some(owner), Some(owner)).unwrap();
        }
        if is_like {
            let made = part.metadata().unwrap();
            let born = made.created().unwrap().duration_since(UNIX_EPOCH).unwrap().as_nanos();
            let (inode, from) = (made.ino(), &url);
            let like = format!(
                r#"{{"longhaul":1,"inode":{inode},"born":{born},"from":"{from}","record":null}}"#
            );
            fs::write(&note, like).unwrap();
        }
        let said = run(["fetch", &url, "-o", text(&target)]).await;
        assert!(said.code == Some(3) && said.err.contains("is there already"), "{said:?}");
        assert!(!target.exists() && part.metadata().unwrap().uid() == owner);
        fs::remove_file(&part).unwrap();
        fs::remove_file(&note).unwrap();
    }
    run(["fetch", &url, "-o", text(&target)]).await.good();
    assert_eq!(target.metadata().unwrap().uid(), 0);
}

/// All calls that change one of the files, or look into one.
const CALLS: [&str; 10] = [
    "openat",
    "flock",
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "fsync",
    "rename",
    "renameat2",
    "unlink",
];

/// Runs it until a thread comes to its nth call of that name that touches one of the files, and kills it there.
async fn killed_at(call: &str, nth: u32, args: &[&str], files: &[&Path]) -> Option<i32> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:signal=KILL:when={nth}")]);
    strace.args(files.iter().flat_map(|file| [Path::new("-P"), file]));
    strace.arg(artefacts::cli()).args(args).env_remove("LONGHAUL_TOKEN");
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    strace.status().await.expect("strace; run\n  apt-get install strace").code()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_of_its_calls_the_same_command_goes_on() {
    let (server, folder) = (server().await, Folder::new());
    let sent = folder.random("sent", 2 * CHUNK, 42);
    let url = run(["send", text(&sent), "--to", &server.origin()]).await.good().to_owned();
    for call in CALLS {
        let mut nth = 1;
        loop {
            let here = Folder::new();
            let beside = ["o", "o.part", "o.part.json", "o.part.json.new"];
            let files = beside.map(|name| here.path().join(name));
            let args = ["fetch", &url, "-o", text(&files[0])];
            let paths = files.each_ref().map(|file| &**file);
            let code = killed_at(call, nth, &args, &paths).await;
            let left: Vec<_> = fs::read_dir(here.path()).unwrap().collect();
            let said = run(args).await;
            assert_eq!(said.code, Some(0), "killed at {call} {nth}: {left:?}: {said:?}");
            let names = fs::read_dir(here.path()).unwrap().count();
            assert_eq!(names, 1, "killed at {call} {nth}: {left:?}");
            assert_eq!(sha256(&files[0]), sha256(&sent), "killed at {call} {nth}");
            if code == Some(0) {
                break;
            }
            nth += 1;
        }
        assert!(nth > 1, "{call} is never called");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_to_be_noted_while_it_got_its_name_ends_nothing() {
    let (server, folder) = (server().await, Folder::new());
    let sent = folder.random("sent", 4 * CHUNK, 43);
    let url = run(["send", text(&sent), "--to", &server.origin()]).await.good().to_owned();
    let (target, part) = (folder.path().join("o"), folder.path().join("o.part"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2", "-P", text(&part)]);
    // It has its name for so long before it hears of it, and notes what it has each second.
    strace.args(["-e", "inject=renameat2:delay_exit=3000000"]).arg(artefacts::cli());
    strace.args(["fetch", &url, "-o", text(&target), "--jobs", "1"]).env_remove("LONGHAUL_TOKEN");
    let ended = strace.stdin(Stdio::null()).output().await.unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(!folder.path().join("o.part.json").exists());
}

/// A run that reads a pipe with this in it, and ends when the pipe is dropped.
fn piped(name: &Path, to: &str, bytes: &[u8]) -> (Running, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut command = longhaul(["send", "-", "--name", text(name), "--to", to]);
    let running = start_as(command.stdin(reader));
    writer.write_all(bytes).unwrap();
    (running, writer)
}

async fn sends(name: &Path, to: &str, bytes: &[u8]) -> Said {
    let (running, writer) = piped(name, to, bytes);
    drop(writer);
    running.ends().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_took_the_place_of_what_came_through_a_pipe_is_not_removed() {
    let (server, folder) = (server().await, Folder::new());
    for is_written_to in [false, true] {
        let proxy = Proxy::start(server.addr(), Hold::ButBodiesAfter(0)).await;
        let name = folder.path().join(format!("{is_written_to}"));
        let (running, writer) = piped(&name, &proxy.origin(), &random_bytes(5, 1));
        drop(writer);
        let is_sent = async || (proxy.chunks_on_the_way() > 0).then_some(());
        until("it is on its way", PATIENCE, is_sent).await;
        if is_written_to {
            fs::write(&name, OWN).unwrap();
        } else {
            let own = folder.path().join("own");
            fs::write(&own, OWN).unwrap();
            fs::rename(&own, &name).unwrap();
        }
        proxy.release();
        let said = running.ends().await;
        assert_eq!(read(&name), OWN, "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_pipe_has_left_is_its_own_part_and_no_other() {
    let (server, folder) = (server().await, Folder::new());
    let name = folder.path().join("si");
    let part = folder.path().join("si.part");
    let (running, _writer) = piped(&name, &server.origin(), &random_bytes(10, 1));
    let len = async || part.metadata().is_ok_and(|found| found.len() == 10).then_some(());
    until("what was written, in the file", PATIENCE, len).await;
    running.kill().await;
    fs::rename(&part, folder.path().join("kept")).unwrap();
    fs::write(&part, OWN).unwrap();
    let said = sends(&name, &server.origin(), b"anew").await;
    assert!(said.code == Some(3) && said.err.contains("si.part: it is there already"), "{said:?}");
    assert_eq!(read(&part), OWN);
    fs::rename(folder.path().join("kept"), &part).unwrap();
    let url = run(["send", text(&folder.random("sent", 5, 5)), "--to", &server.origin()]).await;
    let said = run(["fetch", url.good(), "-o", text(&name)]).await;
    assert!(said.code == Some(3) && said.err.contains("longhaul send -"), "{said:?}");
    assert_eq!(part.metadata().unwrap().len(), 10);
    sends(&name, &server.origin(), b"anew").await.good();
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["sent"]);
}
