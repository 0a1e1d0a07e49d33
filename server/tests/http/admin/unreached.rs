use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use super::folder::{Folder, ask, asking, said};
use crate::program::{command, start, terminate};

const COMMANDS: [&str; 4] = ["uploads", "files", "sweep", "verify"];

#[test]
fn where_there_is_nothing_it_says_so_and_makes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (empty, none) = (place.path().join("empty"), place.path().join("none"));
    std::fs::create_dir(&empty).unwrap();
    for command in COMMANDS {
        for folder in [&empty, &none] {
            let output = ask(folder, &[command]);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            let said = said(&output);
            assert!(said.contains("no index.redb") && said.contains("--data"), "{said}");
        }
    }
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
    assert!(!none.exists());
    let mut unsaid = asking(&empty, &["uploads"]);
    unsaid.env("LONGHAUL_DATA", &none);
    assert!(
        said(&unsaid.output().unwrap()).contains("empty: there are no"),
        "what is said goes first"
    );
    let from_environment = |value: Option<&Path>| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
        value.map(|value| command.env("LONGHAUL_DATA", value));
        command.arg("verify").output().unwrap()
    };
    assert!(said(&from_environment(Some(&none))).contains("none: there are no"));
    let unsaid = from_environment(None);
    assert!(said(&unsaid).contains("--data DIR") && unsaid.status.code() == Some(2), "{unsaid:?}");
}

/// As somebody else than the folder's owner; as root that is another user, else nobody may look for a while.
fn as_another(folder: &Folder, args: &[&str]) -> std::process::Output {
    let is_root = rustix::process::geteuid().is_root();
    let closed = Permissions::from_mode(if is_root { 0o700 } else { 0o000 });
    std::fs::set_permissions(folder.path(), closed).unwrap();
    // What is built may lie where others cannot go.
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("longhaul-server");
    let mut command = asking(folder.path(), args);
    if is_root {
        std::fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
        std::fs::copy(env!("CARGO_BIN_EXE_longhaul-server"), &program).unwrap();
        command = std::process::Command::new(&program);
        command.args(args).arg("--data").arg(folder.path()).uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    output
}

#[test]
fn who_may_not_look_is_told_as_whom_to_try() {
    let folder = Folder::new();
    let output = as_another(&folder, &["files"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = said(&output);
    assert!(said.contains("Permission denied") && said.contains("sudo -u USER"), "{said}");
}

#[test]
fn the_socket_is_for_the_servers_own_user() {
    let folder = Folder::new();
    let (server, _) = start(command(folder.path()));
    let socket = folder.path().join("admin.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    terminate(server);
}

#[test]
fn who_has_the_folder_and_does_not_answer_is_named() {
    let folder = Folder::new();
    let lock = File::options().write(true).open(folder.path().join("lock")).unwrap();
    lock.set_len(0).unwrap();
    std::fs::write(folder.path().join("lock"), "4711\n").unwrap();
    lock.try_lock().unwrap();
    let output = folder.ask(&["files"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = said(&output);
    assert!(said.contains("process 4711") && said.contains("try again"), "{said}");
}

#[test]
fn a_long_way_to_the_folder_is_no_hindrance() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("d".repeat(200));
    let (server, _) = start(command(&folder));
    let output = ask(&folder, &["files"]);
    assert!(output.status.success(), "{output:?}");
    terminate(server);
}

#[test]
fn what_a_server_of_another_version_does_not_know_is_said() {
    use std::io::{BufRead as _, Write as _};
    let folder = Folder::new();
    let (server, _) = start(command(folder.path()));
    for asked in ["{\"ask\":\"dance\"}\n", "no JSON\n"] {
        let mut socket =
            std::os::unix::net::UnixStream::connect(folder.path().join("admin.sock")).unwrap();
        socket.write_all(asked.as_bytes()).unwrap();
        let mut line = String::new();
        std::io::BufReader::new(socket).read_line(&mut line).unwrap();
        assert!(line.contains("\"kind\":\"failed\"") && line.contains("another version"), "{line}");
    }
    terminate(server);
}
