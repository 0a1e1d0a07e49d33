//! The receiver that docs/hooks.md shows, run as it stands there.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::Method;
use longhaul_tests::api::Api;
use longhaul_tests::artefacts;
use longhaul_tests::files::Folder;
use longhaul_tests::process::Process;
use longhaul_tests::receiver::SECRET;
use longhaul_tests::server::{Server, free_port};
use tokio::process::Command;

use super::{private, send, telling, text};

const SOON: Duration = Duration::from_secs(30);

/// The first block of Python in the page.
fn sample() -> String {
    let page = artefacts::workspace().join("docs/hooks.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, from) = page.split_once("```python\n").unwrap();
    from.split_once("```").unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_of_the_manual_takes_what_is_signed_and_nothing_else() {
    let (folder, port) = (Folder::new(), free_port());
    let program = private(&folder, "receiver.py", &sample());
    let secret = private(&folder, "secret", SECRET);
    let mut command = Command::new("python3");
    command.args([text(&program), port.to_string(), text(&secret)]).env("PYTHONUNBUFFERED", "1");
    let mut receiver = Process::start("receiver.py", &mut command);
    receiver.said(0, SOON, |line| line.starts_with("listening").then_some(())).await;

    let more = ["--hook-events", "created,sealed"];
    let server = Server::start(telling(&folder, port, &more)).await;
    let (upload, _) = send(&server.api(), "film.mp4", b"moving").await;
    let told = format!("upload.sealed sealed_{}", upload.id);
    receiver.said(0, SOON, |line| line.contains(&told).then_some(())).await;
    let refused = server.api().create("virus.exe", 5).await.unwrap().problem();
    assert_eq!(refused.detail, "Programs are not taken here.");

    let api = Api::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    let forged = [
        ("webhook-id", "sealed_1".to_owned()),
        ("webhook-timestamp", now),
        ("webhook-signature", "v1,AAAA".to_owned()),
    ];
    let reply = api.request(Method::POST, "/hook", &forged, "{}").await.unwrap();
    assert_eq!(reply.status, 401);
    server.assert_no_fault();
}
