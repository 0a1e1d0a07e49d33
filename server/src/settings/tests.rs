use super::*;
use crate::args::ServeArgs;

/// A sample that ships: every option is in it, most of them as a comment.
const SAMPLE: &str = include_str!("../../../docs/longhaul.toml");

fn told(text: &str, environment: &[(&str, &str)], argv: &[&str]) -> Result<Settings, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    std::fs::write(&path, text).unwrap();
    let argv = ["longhaul-server", "--config", path.to_str().unwrap()]
        .into_iter()
        .chain(argv.iter().copied());
    let find = |name: &str| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
    };
    let settings = read(argv.map(OsString::from).collect(), find);
    settings.map_err(|error| error.to_string().replace(path.to_str().unwrap(), "FILE"))
}

fn serve(settings: Result<Settings, String>) -> ServeArgs {
    settings.unwrap().args.serve.unwrap()
}

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let text = "data = \"/d\"\nlisten = \"127.0.0.1:1\"\nallow-anonymous = true\n\
                token-key = [\"a\", \"b\"]\nowner-bytes-max = 1_000\nreuse = \"off\"\n";
    let environment = [("LONGHAUL_LISTEN", "127.0.0.1:3"), ("LONGHAUL_HOST_NAME", "a.org, b.org")];
    let args = serve(told(text, &[], &[]));
    assert_eq!(args.data, std::path::Path::new("/d"));
    assert_eq!((args.listen.port(), args.owner_bytes_max), (1, Some(1000)));
    assert!(args.allow_anonymous);
    assert_eq!(args.token_key.len(), 2);
    let args = serve(told(text, &environment, &[]));
    assert_eq!((args.listen.port(), args.host_name.len()), (3, 2));
    let args = serve(told(text, &environment, &["--listen=127.0.0.1:2", "--token-key=c"]));
    assert_eq!(args.listen.port(), 2);
    assert_eq!(args.token_key, [std::path::Path::new("c")], "they are not mixed");
}

#[test]
fn what_belongs_together_may_stand_in_different_places() {
    let text = "data = \"/d\"\nhook-url = \"https://me:secret@example.org/hook?key=secret\"\n";
    let settings = told(text, &[("LONGHAUL_HOOK_SECRET_FILE", "s")], &[]).unwrap();
    let table = table(&settings.listing);
    let line = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("hook-url").contains("https://…@example.org/hook?…"), "{table}");
    assert!(line("hook-url").ends_with("c, line 2"), "{table}");
    assert!(line("hook-secret-file").ends_with("LONGHAUL_HOOK_SECRET_FILE"), "{table}");
    assert!(line("listen").ends_with("default"), "{table}");
    assert!(!table.contains("secret@") && !table.contains("key=secret"), "{table}");
    let wrong = told(text, &[], &[]).unwrap_err();
    assert!(wrong.contains("--hook-secret-file"), "it is needed: {wrong}");
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_is_allowed() {
    let text = "data = 5.5\nlisen = \"x\"\n\nlisten = \"80\"\nallow-anonymous = \"yes\"\n\
                www = [\"a\"]\nconfig = \"other\"\nreuse = \"all\"\n[more]\nx = 1\n";
    let wrong = told(text, &[("LONGHAUL_CHUNK_SIZE", "1")], &[]).unwrap_err();
    let wrong: Vec<_> = wrong.lines().collect();
    let expected = [
        "LONGHAUL_CHUNK_SIZE: invalid value '1' for '--chunk-size <BYTES>': a chunk has 65536 to",
        "FILE, line 1: `data` is text in quotes or a number",
        "FILE, line 2: there is no option `lisen`; perhaps `listen` is meant",
        "FILE, line 4: invalid value '80' for '--listen <ADDRESS:PORT>'",
        "FILE, line 5: `allow-anonymous` is `true` or `false`",
        "FILE, line 6: `www` has one value",
        "FILE, line 7: there is no option `config`",
        "FILE, line 8: invalid value 'all' for '--reuse <SCOPE>' [possible values: off, owner,",
        "FILE, line 9: there is no option `more`",
    ];
    assert_eq!(wrong.len(), expected.len(), "{wrong:#?}");
    for (told, expected) in wrong.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\nand not {expected}");
    }
    let wrong = told("data = \"/d\"\nlisten =\n", &[], &[]).unwrap_err();
    assert!(wrong.starts_with("FILE, line 2: this is no TOML"), "{wrong}");
}

#[test]
fn the_environment_does_not_disturb_what_is_no_server() {
    let find = |name: &str| (name == "LONGHAUL_DATA").then(|| OsString::from("/d"));
    let argv = ["longhaul-server", "key", "--out", "k"].map(OsString::from).to_vec();
    assert!(read(argv, find).unwrap().args.command.is_some());
    let settings = read(vec!["longhaul-server".into()], find).unwrap();
    assert!(settings.args.serve.is_some(), "it is all that is needed");
}

#[test]
fn the_sample_has_every_option_and_is_right_also_where_it_is_a_comment() {
    let settings = told(SAMPLE, &[], &[]).unwrap();
    let is_option = |line: &&str| {
        line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ') && !key.is_empty())
    };
    let lines = SAMPLE.lines().map(|line| line.trim_start_matches('#'));
    let all: Vec<_> = lines.filter(is_option).collect();
    for Line { name, .. } in &settings.listing {
        let begin = format!("{name} = ");
        assert!(all.iter().any(|line| line.starts_with(&begin)), "{name} is not in the sample");
    }
    for line in all {
        let wrong = told(line, &[], &["--data=/d"]).err().unwrap_or_default();
        assert!(wrong.is_empty() || wrong.contains("required"), "{line}: {wrong}");
    }
}
