//! What a start refuses, `--check-config` refuses with the same words, and what it warns of, the check warns of too: of hooks,
//! of options that would do nothing, and of those that would harm.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::program::{command, refused, start, terminate};

/// What is said of these options by a start and by the check, each of which refuses them.
fn refused_twice(more: &[&str]) -> [String; 2] {
    [&[][..], &["--check-config"]].map(|asked| {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let said = refused(server(&data).args(more).args(asked));
        assert!(!data.exists(), "something is made: {said}");
        said
    })
}

/// What the check says on standard error of these options, with which nothing is wrong.
fn warned(data: &Path, more: &[&str]) -> String {
    let mut program = server(data);
    let output = program.args(more).arg("--check-config").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{more:?}: {said}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("Nothing is wrong."), "{more:?}");
    said
}

/// Without an address, for those that listen at a path; and without what is said to tests by the environment, which the check
/// takes for options that there are not.
fn server(data: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    let is_ours = |name: &OsString| name.as_encoded_bytes().starts_with(b"LONGHAUL_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_ours(name)) {
        program.env_remove(name);
    }
    program.arg("--data").arg(data);
    program
}

fn file(dir: &TempDir, name: &str, mode: u32) -> String {
    let path = dir.path().join(name);
    std::fs::write(&path, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn made(dir: &TempDir, algorithm: &str) -> String {
    let path = dir.path().join(algorithm);
    let mut make = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    let made = make.args(["key", "--algorithm", algorithm, "--out"]).arg(&path).output().unwrap();
    assert!(made.status.success());
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_hook_is_checked_without_being_started() {
    let dir = tempfile::tempdir().unwrap();
    let secret = made(&dir, "webhook");
    let program = file(&dir, "hook", 0o700);
    let port = ["--listen", "127.0.0.1:0"];
    for hook in [
        &["--hook-command", &program][..],
        &["--hook-url", "http://127.0.0.1:9/", "--hook-secret-file", &secret],
    ] {
        let said = warned(dir.path(), &[&port, hook].concat());
        assert_eq!(said, "", "{hook:?}");
    }
    let away = ["--hook-url", "http://192.0.2.7/", "--hook-secret-file", &secret];
    let said = warned(dir.path(), &away);
    assert!(said.contains("http://192.0.2.7/ is plain HTTP"), "{said}");
    let no_web = ["--hook-url", "ftp://h/", "--hook-secret-file", &secret];
    for said in refused_twice(&[&port[..], &no_web].concat()) {
        assert!(said.contains("--hook-url: a hook's address is"), "{said}");
    }
}

#[test]
fn a_hook_that_is_no_program_is_refused_with_its_option_its_path_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let plain = file(&dir, "plain", 0o600);
    let folder = dir.path().to_str().unwrap();
    let missing = format!("{folder}/none");
    for (program, what, todo) in [
        (missing.as_str(), "No such file", "Give the path of a program"),
        (folder, "that is no file", "Give the path of a program"),
        (&plain, "may not be run", "chmod +x"),
        ("no-such-program-anywhere", "in no folder of PATH", "full path"),
        ("./none/at/all", "/none/at/all", "Give the path of a program"),
    ] {
        for said in refused_twice(&["--listen", "127.0.0.1:0", "--hook-command", program]) {
            for part in ["--hook-command", program.trim_start_matches('.'), what, todo] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }
}

#[test]
fn a_program_by_its_name_is_one_of_path_and_a_relative_path_one_of_the_folder_it_is_said_in() {
    let dir = tempfile::tempdir().unwrap();
    file(&dir, "hook-of-tests", 0o700);
    for program in ["sh", "./hook-of-tests", "hook-of-tests"] {
        let mut server = server(&dir.path().join("data"));
        server.args(["--listen", "127.0.0.1:0", "--hook-command", program]);
        let output = server.arg("--check-config").current_dir(dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), program != "hook-of-tests", "{program}: {said}");
    }
}

#[test]
fn what_would_do_nothing_is_refused_with_what_it_needs() {
    let port = ["--listen", "127.0.0.1:0"];
    let long = format!("/tmp/{}", "s".repeat(110));
    for (options, parts) in [
        (&["--hook-events", "created"][..], &["--hook-url", "--hook-command"][..]),
        (&["--hook-timeout", "3s"], &["--hook-url", "--hook-command"]),
        (&["--guest-bytes-max", "1000000"], &["--allow-anonymous"]),
        (
            &["--trusted-proxy", "unix", "--allow-anonymous"],
            &["--trusted-proxy unix", "--unix-socket PATH"],
        ),
        (&["--host-name", "*.example.org"], &["--host-name", "each name", "files.example.org"]),
    ] {
        for said in refused_twice(&[&port, options].concat()) {
            for part in parts {
                assert!(said.contains(part), "{options:?}: {part}: {said}");
            }
        }
    }
    for said in refused_twice(&["--unix-socket", &long]) {
        for part in ["--unix-socket", &long, "too long", "shorter"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn what_is_at_the_path_of_a_unix_socket_and_is_none_is_found_by_the_check_too() {
    let dir = tempfile::tempdir().unwrap();
    let other = file(&dir, "other", 0o600);
    for said in refused_twice(&["--unix-socket", &other]) {
        assert!(said.contains("is there and is no socket"), "{said}");
    }
    assert!(Path::new(&other).is_file());
    // Another server's, or a folder that its service makes: they may be so while it is checked.
    let taken = dir.path().join("taken");
    let _listener = std::os::unix::net::UnixListener::bind(&taken).unwrap();
    for path in [taken, dir.path().join("none/socket")] {
        warned(dir.path(), &["--unix-socket", path.to_str().unwrap()]);
    }
}

#[test]
fn what_a_start_warns_of_is_what_the_check_warns_of() {
    let dir = tempfile::tempdir().unwrap();
    let key = made(&dir, "hs256");
    let open = ["--listen", "0.0.0.0:0", "--token-key", &key];
    let mut program = server(&dir.path().join("data"));
    program.args(open).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let (child, _) = start(program);
    let log = String::from_utf8(terminate(child).stderr).unwrap();
    let said = warned(&dir.path().join("data"), &open);
    for part in ["0.0.0.0:0 is plain HTTP", "no --host-name"] {
        assert!(said.contains(part), "{part}: {said}");
        assert!(log.lines().any(|it| it.contains("WARN") && it.contains(part)), "{part}: {log}");
    }
    let named = [&open[..], &["--host-name", "files.example.org"]].concat();
    assert!(!warned(dir.path(), &named).contains("no --host-name"));
    let here = ["--listen", "127.0.0.1:0", "--token-key", &key];
    assert_eq!(warned(dir.path(), &here), "");
}

#[test]
fn a_secret_of_webhooks_is_no_key_of_tokens_for_who_receives_them_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let secret = made(&dir, "webhook");
    for asked in [&[][..], &["--check-config"]] {
        let said = refused(command(dir.path()).args(["--token-key", &secret]).args(asked));
        for part in [&secret[..], "webhooks", "longhaul-server key"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let token = ["token", "--key", &secret, "--owner", "anna", "--expires", "1h"];
    let mut sign = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    let said = refused(sign.args(token));
    assert!(said.contains("webhooks"), "{said}");
}
