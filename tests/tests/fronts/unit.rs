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
    let for_a_proxy = ["RuntimeDirectory=", "Group="].map(|key| (format!("#{key}"), key));
    let for_a_proxy = for_a_proxy.each_ref().map(|(old, new)| (&**old, *new));
    let text = sample("longhaul.service", &[&[own][..], &for_a_proxy].concat());
    let unit = written(folder.path(), "longhaul.service", &text);
    assert_eq!(analyze(&["verify"], &unit).await, "");
    let unit = written(folder.path(), "longhaul.service", &sample("longhaul.service", &[own]));
    assert_eq!(analyze(&["verify"], &unit).await, "");
    let threshold = format!("--threshold={EXPOSED_MAX}");
    let judged = analyze(&["security", "--offline=true", &threshold], &unit).await;
    assert!(judged.contains("Overall exposure level"), "{judged}");
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
