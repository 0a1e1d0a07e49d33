//! What the program is told by a file and by the environment, and what `--check-config` says of it.

use std::path::Path;
use std::process::{Command, Output};

use crate::program::refused;

/// The sample that ships.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/longhaul.toml");

/// What the program says of a file; exit code, standard output, standard error.
fn check(file: &Path, environment: &[(&str, &str)], more: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    // What is set around the tests is none of theirs.
    command.env_clear().arg("--check-config").arg("--config").arg(file).args(more);
    let Output { status, stdout, stderr } =
        command.envs(environment.iter().copied()).output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    (status.code().unwrap(), stdout, stderr)
}

#[test]
fn the_sample_is_right_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = ["--data", dir.path().to_str().unwrap()];
    let (code, told, wrong) = check(Path::new(SAMPLE), &[], &data);
    assert_eq!((code, wrong.as_str()), (0, ""), "{told}");
    assert!(told.contains("Nothing is wrong. It would listen on 127.0.0.1:8080"), "{told}");
}

#[test]
fn it_is_told_what_holds_and_who_says_so_but_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let (file, key) = (dir.path().join("c.toml"), dir.path().join("k"));
    let mut make = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    let made = make.args(["key", "--algorithm", "hs256", "--out"]).arg(&key).output().unwrap();
    assert!(made.status.success());
    let data = dir.path().join("data");
    let text = format!("data = {data:?}\ntoken-key = {key:?}\nlisten = \"127.0.0.1:1\"\n");
    std::fs::write(&file, text).unwrap();
    let environment = [("LONGHAUL_LISTEN", "127.0.0.1:2"), ("LONGHAUL_REUSE", "off")];
    let (code, told, wrong) = check(&file, &environment, &["--reuse", "everyone"]);
    assert_eq!(code, 0, "{wrong}");
    let line = |name: &str| told.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("data ").ends_with(&format!("{}, line 1", file.display())), "{told}");
    assert!(line("listen ").contains("127.0.0.1:2 "), "{told}");
    assert!(line("listen ").ends_with(" LONGHAUL_LISTEN"), "{told}");
    assert!(line("reuse ").contains("everyone ") && line("reuse ").ends_with(" command line"));
    assert!(line("log ").ends_with(" default"), "{told}");
    assert!(told.contains("let in those with a token"), "{told}");
    let secret = std::fs::read_to_string(&key).unwrap();
    assert!(!told.contains(secret.trim()) && !wrong.contains(secret.trim()));
    assert!(!data.exists(), "nothing is made");
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_the_exit_code_two() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    let (code, _, wrong) = check(&file, &[], &[]);
    assert_eq!(code, 2);
    assert!(wrong.contains(&format!("--config {}", file.display())), "{wrong}");
    assert!(wrong.contains("No such file"), "{wrong}");

    std::fs::write(&file, "data = \"/d\"\nlisen = \"127.0.0.1:1\"\nchunk-size = \"8M\"\n").unwrap();
    let (code, _, wrong) = check(&file, &[], &[]);
    assert_eq!(code, 2);
    for part in ["line 2: there is no option `lisen`; perhaps `listen`", "line 3: ", "107374182400"]
    {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }

    // Right each by itself, and yet no server starts with it.
    let text = "data = \"/d\"\nlisten = \"0.0.0.0:80\"\nwww = \"/nowhere\"\n";
    std::fs::write(&file, text).unwrap();
    let (code, told, wrong) = check(&file, &[], &[]);
    assert_eq!(code, 2, "{told}");
    for part in ["--www /nowhere: there is no such folder", "0.0.0.0:80 is not a loopback address"]
    {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
    let key = dir.path().join("none");
    let (code, _, wrong) = check(&file, &[("LONGHAUL_TOKEN_KEY", key.to_str().unwrap())], &[]);
    assert_eq!(code, 2);
    assert!(wrong.contains(key.to_str().unwrap()), "{wrong}");
}

#[test]
fn a_server_that_believes_a_proxy_does_not_take_all_who_come_through_it_for_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let (data, socket) = (dir.path().join("data"), dir.path().join("s"));
    let port = ["--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1"];
    let path = ["--unix-socket", socket.to_str().unwrap(), "--unix-socket-mode", "666"];
    let path = [&path[..], &["--trusted-proxy", "unix"]].concat();
    for way in [&port[..], &path] {
        for asked in [&[][..], &["--check-config"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
            command.arg("--data").arg(&data).args(["--host-name", "files.example.org"]);
            let said = refused(command.args(way).args(asked));
            for part in ["--trusted-proxy", "strangers", "--token-key", "--allow-anonymous"] {
                assert!(said.contains(part), "{part}: {said}");
            }
            assert!(!data.exists() && !socket.exists(), "something is made");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
        command.arg("--data").arg(&data).args(way).args(["--allow-anonymous", "--check-config"]);
        assert!(command.output().unwrap().status.success());
    }
}

#[test]
fn what_is_checked_is_refused_as_a_start_refuses_it_and_neither_makes_anything() {
    let dir = tempfile::tempdir().unwrap();
    let (www, file) = (dir.path().join("www"), dir.path().join("file"));
    std::fs::create_dir(&www).unwrap();
    std::fs::write(&file, "").unwrap();
    std::os::unix::fs::symlink(&www, dir.path().join("link")).unwrap();
    for (data, words) in [
        (www.join("data"), "Give two folders apart"),
        (dir.path().join("link/deep/data"), "Give two folders apart"),
        (dir.path().join("none/../www/data"), "Give two folders apart"),
        (file.join("data"), "that is a file"),
        ("/proc/x".into(), "keeps no files"),
    ] {
        for asked in [&[][..], &["--check-config"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
            command.args(["--listen", "127.0.0.1:0", "--www"]).arg(&www).arg("--data").arg(&data);
            let said = refused(command.args(asked));
            assert!(said.contains(words), "{}: {said}", data.display());
            assert_eq!(std::fs::read_dir(&www).unwrap().count(), 0, "something is made");
        }
    }
}

#[test]
fn who_has_read_enough_of_what_holds_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    command.env_clear().args(["--check-config", "--data"]).arg(dir.path());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn a_variable_that_is_no_option_is_told_with_the_one_that_is_meant() {
    let dir = tempfile::tempdir().unwrap();
    let set = |mut command: Command| {
        command.env_clear().args(["--check-config", "--data"]).arg(dir.path());
        command.env("LONGHAUL_LISEN", "127.0.0.1:1").env("LONGHAUL_TOKEN", "not the server's");
        command.output().unwrap()
    };
    let output = set(Command::new(env!("CARGO_BIN_EXE_longhaul-server")));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("LONGHAUL_LISEN: there is no such option; perhaps LONGHAUL_LISTEN is meant")
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    let mut program = crate::program::command(dir.path());
    program.env("LONGHAUL_LISEN", "127.0.0.1:1");
    let (child, _) = crate::program::start(program);
    let log = String::from_utf8(crate::program::terminate(child).stderr).unwrap();
    assert!(log.contains("WARN") && log.contains("perhaps LONGHAUL_LISTEN is meant"), "{log}");
}
