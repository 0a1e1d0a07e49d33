//! Who may begin an upload is asked of the hook: what it refuses does not begin, and what it does not answer does not
//! either.

use std::time::Duration;

use http::Method;
use longhaul_protocol::wire::header::{CHUNK_DIGEST, IDEMPOTENCY_KEY, UPLOAD_CREATE};
use longhaul_protocol::wire::{UploadStatus, path};
use longhaul_protocol::{Digest, ProblemCode};
use longhaul_tests::api::{Reply, create_request};
use longhaul_tests::files::Folder;
use longhaul_tests::receiver::{Answer, Receiver};
use longhaul_tests::server::{Options, Server, free_port};
use longhaul_tests::terminal::run;
use longhaul_tests::wait;

use super::{send_to, telling};

const REASON: &str = "Only invoices of this year are taken.";
const NO: Answer =
    Answer::Says(403, "{\"reason\": \"Only invoices of this year are taken.\\nline 2\"}");

/// How long what was said may take to stand in the log.
const SOON: Duration = Duration::from_secs(30);

fn asking(folder: &Folder, port: u16) -> Options {
    telling(folder, port, &["--hook-events", "created,sealed", "--hook-timeout", "2s"])
}

fn is_refused(reply: &Reply) {
    let problem = reply.problem();
    assert_eq!(problem.code, ProblemCode::UploadRefused.code());
    assert_eq!((problem.detail.as_str(), problem.retryable), (REASON, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_does_not_begin_and_its_sender_is_told_why() {
    let (folder, receiver) = (Folder::new(), Receiver::start().await);
    let server = Server::start(asking(&folder, receiver.addr().port())).await;
    let api = server.api();
    receiver.answers([NO, NO, NO]);
    is_refused(&api.create("film.mp4", 5).await.unwrap());
    let headers = [
        (UPLOAD_CREATE, create_request("film.mp4", 5).to_header()),
        (CHUNK_DIGEST, Digest::of(b"hello").to_header()),
    ];
    is_refused(&api.request(Method::POST, path::FILES, &headers, "hello").await.unwrap());
    assert!(api.uploads().await.is_empty() && api.files().await.is_empty());

    let file = folder.random("film.mp4", 3 << 20, 1);
    let said = run(["send", file.to_str().unwrap(), "--to", &server.origin()]).await;
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains(REASON), "{said:?}");
    assert!(api.uploads().await.is_empty() && api.files().await.is_empty());
    let heard = receiver.heard();
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard.iter().all(|it| it.is_good() && it.json()["type"] == "upload.created"));
    server.assert_no_fault();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_has_the_id_that_was_told_and_is_asked_about_once() {
    let (folder, receiver) = (Folder::new(), Receiver::start().await);
    let server = Server::start(asking(&folder, receiver.addr().port())).await;
    let api = server.api();
    let json = serde_json::to_vec(&create_request("film.mp4", 6)).unwrap();
    let keyed = [
        ("content-type", "application/json".to_owned()),
        (IDEMPOTENCY_KEY, "first-of-all".to_owned()),
    ];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let reply = api.request(Method::POST, path::UPLOADS, &keyed, json.clone()).await.unwrap();
        ids.push(reply.json::<UploadStatus>());
    }
    assert_eq!(ids[0].id, ids[1].id);
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "it was asked about twice: {heard:?}");
    assert_eq!(heard[0].id, format!("created_{}", ids[0].id));
    assert_eq!(heard[0].json()["data"]["upload"], ids[0].id.to_string());
    send_to(&api, &ids[0], b"moving").await;
    let heard = receiver.hears(2).await;
    assert_eq!(heard[1].id, format!("sealed_{}", ids[0].id));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_answers_does_not_begin_and_is_to_come_again() {
    let (folder, port) = (Folder::new(), free_port());
    let server = Server::start(asking(&folder, port)).await;
    let api = server.api();
    let is_unavailable = |reply: Reply| {
        assert_eq!(reply.problem().code, ProblemCode::Unavailable.code());
        assert!(reply.problem().retryable && reply.headers.contains_key("retry-after"));
        let told = reply.problem().detail;
        assert!(!told.contains("127.0.0.1") && !told.contains("500"), "{told}");
    };
    is_unavailable(api.create("film.mp4", 5).await.unwrap());
    let receiver = Receiver::start_at(port).await;
    let elsewhere = Answer::Moved(server.origin());
    for answer in [Answer::Nothing, Answer::Says(500, ""), Answer::Says(404, ""), elsewhere] {
        receiver.answers([answer]);
        is_unavailable(api.create("film.mp4", 5).await.unwrap());
    }
    assert!(api.uploads().await.is_empty());
    assert_eq!(api.create("film.mp4", 5).await.unwrap().status, 201);
}

/// The line of the log that has all of these.
async fn logged(server: &Server, parts: &[&str]) {
    let what = format!("the log has {parts:?}");
    wait::until(&what, SOON, async || {
        let lines = server.lines();
        lines.iter().any(|line| parts.iter().all(|part| line.contains(part))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_of_an_upload_that_did_not_begin_what_was_answered() {
    let (folder, receiver) = (Folder::new(), Receiver::start().await);
    let server = Server::start(asking(&folder, receiver.addr().port())).await;
    let elsewhere = Answer::Moved(server.origin());
    for (answer, parts) in [
        (Answer::Says(500, ""), &["ERROR", "neither allowed nor refused", "500"][..]),
        (elsewhere, &["ERROR", "neither allowed nor refused", "redirects are not followed"]),
    ] {
        receiver.answers([answer]);
        let problem = server.api().create("film.mp4", 5).await.unwrap().problem();
        assert_eq!(problem.code, ProblemCode::Unavailable.code());
        logged(&server, parts).await;
    }
    assert!(!server.lines().iter().any(|line| line.contains("not asked")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_whose_reason_cannot_be_read_is_one_and_the_log_says_why() {
    let (folder, receiver) = (Folder::new(), Receiver::start().await);
    let server = Server::start(asking(&folder, receiver.addr().port())).await;
    let too_much: &'static str = format!("{{\"reason\": \"x\"{}}}", " ".repeat(16 * 1024)).leak();
    for (body, why) in [
        ("<h1>Forbidden</h1>", "line 1 column 1"),
        ("{\"why\": 1}", "missing field `reason`"),
        (too_much, "more than 16384 bytes"),
    ] {
        receiver.answers([Answer::Says(403, body)]);
        let problem = server.api().create("film.mp4", 5).await.unwrap().problem();
        assert_eq!(problem.code, ProblemCode::UploadRefused.code());
        assert_eq!(problem.detail, "The reason was not given.");
        logged(&server, &["WARN", "403", "cannot be read", why]).await;
    }
    let warnings = || server.lines().iter().filter(|it| it.contains("cannot be read")).count();
    // Who gives none on purpose is not told that it is missing.
    receiver.answers([Answer::Says(403, "")]);
    let problem = server.api().create("film.mp4", 5).await.unwrap().problem();
    assert_eq!(problem.code, ProblemCode::UploadRefused.code());
    // Nobody can refuse what has happened, and the log says that this was tried.
    let upload = server.api().create("film.mp4", 6).await.unwrap().json();
    receiver.answers([NO]);
    send_to(&server.api(), &upload, b"moving").await;
    logged(&server, &["WARN", "not heard yet", "nothing can be refused any more", REASON]).await;
    assert_eq!(warnings(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_sends_gets_through_once_the_hook_is_back() {
    let (folder, port) = (Folder::new(), free_port());
    let server = Server::start(asking(&folder, port)).await;
    let file = folder.random("film.mp4", 3 << 20, 1);
    let origin = server.origin();
    let sending =
        longhaul_tests::terminal::start(["send", file.to_str().unwrap(), "--to", &origin]);
    wait::until("it was told to come again", SOON, async || {
        server.requests().iter().any(|it| it.status == Some(503)).then_some(())
    })
    .await;
    let _receiver = Receiver::start_at(port).await;
    sending.ends().await.good();
    assert_eq!(server.api().files().await.len(), 1);
}
