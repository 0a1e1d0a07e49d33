//! Sealed files are told: at least once, with a good signature, whatever falls over meanwhile.

use std::time::Duration;

use longhaul_protocol::Digest;
use longhaul_protocol::digest::root;
use longhaul_tests::files::Folder;
use longhaul_tests::receiver::{Answer, Heard, Receiver};
use longhaul_tests::server::{Server, free_port};
use longhaul_tests::wait;
use serde_json::json;

use super::{counted, send, telling};

/// How long a server may take to forget what was heard.
const SOON: Duration = Duration::from_secs(20);

async fn waits_for_nothing(server: &Server) {
    wait::until("nothing waits to be told", SOON, async || {
        (counted(&server.api(), "longhaul_hook_events_waiting").await == 0).then_some(())
    })
    .await;
}

fn ids(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(|it| it.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_file_is_told_once_however_often_its_seal_is_asked_for() {
    let (folder, receiver) = (Folder::new(), Receiver::start().await);
    let server = Server::start(telling(&folder, receiver.addr().port(), &[])).await;
    let (upload, file) = send(&server.api(), "film.mp4", b"moving").await;
    let again = server.api().seal(upload.id, root([Digest::of(b"moving")])).await.unwrap();
    assert_eq!(again.status, 201);
    let (other, _) = send(&server.api(), "other.mp4", b"others").await;
    let heard = receiver.hears(2).await;
    waits_for_nothing(&server).await;
    let mut told = ids(&heard);
    told.sort_unstable();
    let mut sealed = [upload.id, other.id].map(|id| format!("sealed_{id}"));
    sealed.sort_unstable();
    assert_eq!(told, sealed);

    let first = heard.iter().find(|it| it.id.ends_with(&upload.id.to_string())).unwrap();
    let data = &first.json()["data"];
    assert_eq!(first.json()["type"], "upload.sealed");
    assert_eq!(data["file"], json!(file.id));
    assert_eq!((&data["root"], &data["size"]), (&json!(file.root), &json!(6)));
    assert_eq!((&data["name"], &data["owner"]), (&json!("film.mp4"), &json!("local")));
    assert_eq!(data["sealedAt"], json!(file.sealed_at));
    let of_sealed = "longhaul_hook_calls_total{event=\"sealed\",outcome=";
    assert_eq!(counted(&server.api(), &format!("{of_sealed}\"heard\"}}")).await, 2);
    assert_eq!(counted(&server.api(), &format!("{of_sealed}\"failed\"}}")).await, 0);
    server.assert_no_fault();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_is_good_for_what_was_signed_and_for_nothing_else() {
    let (folder, receiver) = (Folder::new(), Receiver::start().await);
    let server = Server::start(telling(&folder, receiver.addr().port(), &[])).await;
    send(&server.api(), "film.mp4", b"moving").await;
    let heard = receiver.hears(1).await.remove(0);
    assert!(heard.is_good(), "{heard:?}");
    let mut body = heard.body.to_vec();
    body[10] ^= 1;
    let id = heard.id.replace("sealed", "created");
    for tampered in [
        Heard { body: body.into(), ..heard.clone() },
        Heard { id, ..heard.clone() },
        Heard { timestamp: format!("{}0", heard.timestamp), ..heard.clone() },
        Heard { timestamp: "1".to_owned(), ..heard.clone() },
        Heard { signature: heard.signature.to_lowercase(), ..heard.clone() },
    ] {
        assert!(!tampered.is_good(), "{tampered:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_nobody_listened_is_told_to_who_comes() {
    let (folder, port) = (Folder::new(), free_port());
    let server = Server::start(telling(&folder, port, &[])).await;
    let mut sealed = Vec::new();
    for name in ["a", "b", "c"] {
        let (upload, _) = send(&server.api(), name, name.as_bytes()).await;
        sealed.push(format!("sealed_{}", upload.id));
    }
    wait::until("a try fails", SOON, async || {
        let failed = "longhaul_hook_calls_total{event=\"sealed\",outcome=\"failed\"}";
        (counted(&server.api(), failed).await > 0).then_some(())
    })
    .await;
    assert_eq!(counted(&server.api(), "longhaul_hook_events_waiting").await, 3);
    let receiver = Receiver::start_at(port).await;
    let heard = receiver.hears(3).await;
    waits_for_nothing(&server).await;
    let mut told = ids(&heard);
    told.sort_unstable();
    sealed.sort_unstable();
    assert_eq!(told, sealed, "exactly these, each once");
    assert!(heard.iter().all(Heard::is_good), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_a_seal_and_its_telling_loses_nothing() {
    let (folder, port) = (Folder::new(), free_port());
    let mut server = Server::start(telling(&folder, port, &[])).await;
    let (upload, file) = send(&server.api(), "film.mp4", b"moving").await;
    server.kill().await;
    let receiver = Receiver::start_at(port).await;
    assert!(receiver.heard().is_empty());
    server.restart().await;
    let heard = receiver.hears(1).await;
    assert_eq!(heard[0].id, format!("sealed_{}", upload.id));
    assert_eq!(heard[0].json()["data"]["file"], json!(file.id));
    assert!(heard[0].is_good());
    waits_for_nothing(&server).await;
    server.kill().await;
    server.restart().await;
    let (other, _) = send(&server.api(), "other.mp4", b"others").await;
    let heard = receiver.hears(2).await;
    assert_eq!(heard[1].id, format!("sealed_{}", other.id), "the first was told again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_before_the_answer_was_heard_tells_the_same_again() {
    let (folder, receiver) = (Folder::new(), Receiver::start().await);
    let mut server = Server::start(telling(&folder, receiver.addr().port(), &[])).await;
    receiver.answers([Answer::Nothing]);
    send(&server.api(), "film.mp4", b"moving").await;
    receiver.hears(1).await;
    server.kill().await;
    server.restart().await;
    let heard = receiver.hears(2).await;
    assert_eq!(heard[0].id, heard[1].id);
    assert_eq!(heard[0].body, heard[1].body);
    assert!(heard[1].is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_one_hears_the_others_and_then_that_one_again() {
    let (folder, receiver) = (Folder::new(), Receiver::start().await);
    let options = telling(&folder, receiver.addr().port(), &["--hook-timeout", "1s"]);
    let server = Server::start(options).await;
    receiver.answers([Answer::Nothing, Answer::Says(204, ""), Answer::Says(500, "")]);
    for name in ["a", "b", "c"] {
        send(&server.api(), name, name.as_bytes()).await;
    }
    let heard = receiver.hears(5).await;
    waits_for_nothing(&server).await;
    let answered = heard.iter().filter(|it| it.answered == Some(204));
    let mut answered: Vec<_> = answered.map(|it| &it.id).collect();
    answered.sort_unstable();
    answered.dedup();
    assert_eq!((heard.len(), answered.len()), (5, 3), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let folder = Folder::new();
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    let server = Server::start(telling(&folder, receiver.addr().port(), &[])).await;
    receiver.answers([Answer::Moved(format!("http://{}/", elsewhere.addr()))]);
    send(&server.api(), "film.mp4", b"moving").await;
    receiver.hears(2).await;
    waits_for_nothing(&server).await;
    assert!(elsewhere.heard().is_empty(), "{:?}", elsewhere.heard());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hears_only_what_expires_is_told_of_no_seal() {
    let (folder, receiver) = (Folder::new(), Receiver::start().await);
    let options = telling(&folder, receiver.addr().port(), &["--hook-events", "expired"]);
    let server = Server::start(options).await;
    send(&server.api(), "film.mp4", b"moving").await;
    assert_eq!(counted(&server.api(), "longhaul_hook_events_waiting").await, 0);
    assert!(receiver.heard().is_empty());
}
