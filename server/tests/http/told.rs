//! What the program is told by a file and by the environment, and what `--check-config` says of it.

use std::path::Path;
use std::process::{Command, Output};

/// The sample that ships.
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/longhaul.toml");

/// What the program says of a file; exit code, standard output, standard error.
fn check(file: &Path, environment: &[(&str, &str)], more: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    command.arg("--check-config").arg("--config").arg(file).args(more);
    let Output { status, stdout, stderr } =
        command.envs(environment.iter().copied()).output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    (status.code().unwrap(), stdout, stderr)
}

#[test]
fn the_sample_is_right_and_changes_nothing() {
    let (code, told, wrong) = check(Path::new(SAMPLE), &[], &[]);
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
