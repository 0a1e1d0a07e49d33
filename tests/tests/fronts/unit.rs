//! The sample of a unit for systemd, judged by systemd itself.

use std::time::Duration;

use longhaul_tests::artefacts;
use longhaul_tests::files::Folder;
use longhaul_tests::server::{Options, Server};
use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::front::{sample, written};

/// What it may be exposed to at most, in tenths: systemd calls up to 2 OK.
const EXPOSED_MAX: &str = "20";
const SOON: Duration = Duration::from_secs(20);

async fn analyze(arguments: &[&str], unit: &std::path::Path) -> String {
    let said = Command::new("systemd-analyze").args(arguments).arg(unit).output().await.unwrap();
    let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.status.success(), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_finds_nothing_wrong_with_the_unit_and_little_that_it_is_exposed_to() {
    let folder = Folder::new();
    let server = artefacts::server().canonicalize().unwrap().display().to_string();
    let own = ("/usr/local/bin/longhaul-server", &*server);
    let text = uncommented(&sample("longhaul.service", &[own]));
    for line in ["Group=www-data", "AmbientCapabilities=CAP_NET_BIND_SERVICE"] {
        assert!(text.contains(line), "{text}");
    }
    // As systemd has it: an empty one takes back what was said before, and of one of a kind the last counts.
    assert_eq!(holds(&text, "CapabilityBoundingSet"), ["CAP_NET_BIND_SERVICE"]);
    assert_eq!(
        holds(&text, "PrivateUsers").last(),
        Some(&"no"),
        "no port of the machine's is in it"
    );
    let unit = written(folder.path(), "longhaul.service", &text);
    assert_eq!(analyze(&["verify"], &unit).await, "");
    let unit = written(folder.path(), "longhaul.service", &sample("longhaul.service", &[own]));
    assert_eq!(analyze(&["verify"], &unit).await, "");
    let threshold = format!("--threshold={EXPOSED_MAX}");
    let judged = analyze(&["security", "--offline=true", &threshold], &unit).await;
    assert!(judged.contains("Overall exposure level"), "{judged}");
}

/// With every line that is there to be uncommented.
fn uncommented(text: &str) -> String {
    let is_one = |line: &str| {
        let key = line.split_once('=').map(|(key, _)| key);
        key.is_some_and(|key| !key.is_empty() && key.chars().all(char::is_alphanumeric))
    };
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if is_one(rest) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// What is said of a key, once the whole of it is read.
fn holds<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let said = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    said.fold(Vec::new(), |mut held, value| {
        if value.is_empty() {
            held.clear();
        } else {
            held.push(value);
        }
        held
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_is_told_when_the_server_listens_and_when_it_stops() {
    let folder = Folder::new();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let env = vec![("NOTIFY_SOCKET".to_owned(), socket.display().to_string())];
    let more = ["--drain-delay", "1s"].map(str::to_owned).into();
    let mut server = Server::start(Options { env, more, ..Options::default() }).await;
    assert_eq!(told(&manager).await, ["READY=1"]);
    server.tell_to_stop();
    assert_eq!(told(&manager).await, ["STOPPING=1"]);
    assert!(server.ends(SOON).await.success());
}

/// The next message, line by line.
async fn told(manager: &UnixDatagram) -> Vec<String> {
    let mut message = vec![0; 1024];
    let len =
        tokio::time::timeout(SOON, manager.recv(&mut message)).await.expect("a word").unwrap();
    String::from_utf8_lossy(&message[..len]).lines().map(str::to_owned).collect()
}
