//! Fetching by a link: without a token, verified, and only until its time.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use longhaul_protocol::wire::link::{LinkInfo, LinkRequest};
use longhaul_protocol::wire::path;
use longhaul_tests::artefacts;
use longhaul_tests::files::{Folder, sha256};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::terminal::{longhaul, run, start_as};

use super::CHUNK;

const SIZE: u64 = 20 * CHUNK + 3;

/// A server that wants tokens, and a file there.
struct Stage {
    server: Server,
    folder: Folder,
    source: PathBuf,
    token: String,
}

impl Stage {
    async fn new() -> Self {
        let folder = Folder::new();
        let key = folder.path().join("key");
        fs::write(&key, "k".repeat(40)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let key = key.to_str().unwrap().to_owned();
        let make = ["token", "--key", &key, "--owner", "alice", "--expires", "1h"];
        let made = Command::new(artefacts::server()).args(make).output().unwrap();
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let more = vec!["--token-key".to_owned(), key];
        let server = Server::start(Options { more, ..Options::default() }).await;
        let source = folder.random("film.mp4", SIZE, 71);
        let mut send = longhaul(["send", source.to_str().unwrap(), "--to", &server.origin()]);
        start_as(send.env("LONGHAUL_TOKEN", &token)).ends().await.good();
        Self { server, folder, source, token }
    }

    async fn link(&self, lasts_seconds: u64, name: Option<&str>) -> String {
        let api = self.server.api().bearing(&self.token);
        let file = api.files().await.remove(0);
        let request = LinkRequest { lasts_seconds, name: name.map(str::to_owned) };
        let reply = api.post(&path::links(file.id), &request).await.unwrap();
        reply.json::<LinkInfo>().url
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("here.mp4")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_fetched_and_verified_by_a_link_without_a_token() {
    let stage = Stage::new().await;
    let link = stage.link(600, Some("other name.mp4")).await;
    let target = stage.target();
    let target = target.to_str().unwrap();
    let plain = link.split('?').next().unwrap();
    let said = run(["fetch", plain, "-o", target]).await;
    assert_eq!(said.code, Some(4), "without it nothing is to be had: {said:?}");
    let said = run(["fetch", &link, "-o", target]).await;
    assert_eq!(said.good(), target);
    let here = Folder::new();
    let said = run(["fetch", &link, "-o", here.path().to_str().unwrap()]).await;
    assert!(said.good().ends_with("/other name.mp4"), "what the link calls it: {said:?}");
    assert_eq!(sha256(&stage.target()), sha256(&stage.source));
    let requests = stage.server.requests();
    let asked = |end: &str| {
        let ok = |status: Option<u16>| status.is_some_and(|status| status < 300);
        requests.iter().filter(|it| it.path.ends_with(end) && ok(it.status)).count()
    };
    assert_eq!(asked("/manifest"), 2, "its digests came by the link too");
}

/// Whoever made the link may have made it to be sent somebody's token.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_not_go_along_with_a_link() {
    use std::sync::{Arc, Mutex};
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&heard);
    let origin = longhaul_tests::liar::fake(move |head| {
        kept.lock().unwrap().push(head.to_owned());
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()
    });
    let link = format!("{}/v1/files/{}?expires=1&signature=x", origin.await, "0".repeat(32));
    let folder = Folder::new();
    let target = folder.path().join("x");
    let to = ["fetch", &link, "-o", target.to_str().unwrap(), "--patience", "0s"];
    let mut fetch = longhaul(to);
    let said = start_as(fetch.env("LONGHAUL_TOKEN", "secret")).ends().await;
    assert_ne!(said.code, Some(0));
    let heard = heard.lock().unwrap().join("\n");
    assert!(heard.contains("signature=x"), "it was asked: {heard}");
    assert!(!heard.contains("secret") && !heard.to_ascii_lowercase().contains("authorization"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_over_or_changed_says_so_and_leaves_nothing() {
    let stage = Stage::new().await;
    let (short, long) = (stage.link(1, None).await, stage.link(600, None).await);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let later = long.replace("expires=", "expires=9");
    for (link, words) in [(short, "has expired"), (later, "was changed")] {
        let target = stage.target();
        let said = run(["fetch", &link, "-o", target.to_str().unwrap()]).await;
        assert_eq!(said.code, Some(4), "{said:?}");
        assert!(said.err.contains(words) && said.err.contains("new one"), "{said:?}");
        assert!(!target.exists());
    }
}
