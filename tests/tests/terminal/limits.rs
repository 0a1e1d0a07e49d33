//! A server that lets one address have little: the sender waits as it is told, and gets through.

use longhaul_protocol::Digest;
use longhaul_tests::files::Folder;
use longhaul_tests::server::{Options, Server};
use longhaul_tests::terminal::run;

use super::{CHUNK, only_file};

async fn server(more: &[&str]) -> Server {
    let more = more.iter().map(|&word| word.to_owned()).collect();
    Server::start(Options { more, ..Options::default() }).await
}

fn refused(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.status == Some(429)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_gets_through_to_a_server_that_takes_one_chunk_at_a_time() {
    // Fewer connections than the sender would like, and enough for who looks afterwards, while those are let go of.
    let server = server(&["--address-chunks-max", "1", "--address-connections-max", "8"]).await;
    let folder = Folder::new();
    let path = folder.random("a file", 12 * CHUNK + 5, 1);
    let said = run(["send", path.to_str().unwrap(), "--to", &server.origin()]).await;
    said.good();
    assert!(refused(&server) > 0, "it was never refused");
    let (file, sha256) = only_file(&server).await;
    assert_eq!(file.size, 12 * CHUNK + 5);
    assert_eq!(sha256, Digest::of(&std::fs::read(path).unwrap()));
    server.assert_no_fault();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_gets_through_to_a_server_that_answers_twenty_times_a_second() {
    let server = server(&["--address-requests-max", "20", "--address-burst-max", "20"]).await;
    let folder = Folder::new();
    for at in 0..60 {
        let _ = folder.random(&format!("of many {at}"), 1000 + at, at);
    }
    let said = run(["send", folder.path().to_str().unwrap(), "--to", &server.origin()]).await;
    said.good();
    assert!(refused(&server) > 0, "it was never refused");
    // What looks asks as often as it likes only where it may.
    // The first is begun first: its sender has no token, and may be made a guest.
    let begun = |path: &str| path == "/v1/uploads";
    let sent = server.requests().into_iter().filter(|request| request.status == Some(201));
    assert_eq!(sent.filter(|request| !begun(&request.path)).count(), 60);
    server.assert_no_fault();
}
