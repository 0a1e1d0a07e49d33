//! What cannot work: said in words, told by the exit code, and nothing left lying about.

use std::fs;

use longhaul_tests::files::Folder;
use longhaul_tests::server::{Options, Server};
use longhaul_tests::terminal::{longhaul, run, start_as};

use longhaul_tests::liar::fake;

const HTML: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 14\r\nconnection: close\r\n\r\n<h1>Hello</h1>";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope";
const NO_POST: &str = "HTTP/1.1 501 Unsupported method\r\ncontent-type: text/html\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope";
const OTHER_JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\nconnection: close\r\n\r\n{\"hello\":[1]}";
const MOVED: &str = "HTTP/1.1 301 Moved Permanently\r\nlocation: https://files.example.org/v1/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const NOISE: &str = "220 mail.example.org ESMTP\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_no_longhaul_server_is_not_waited_for() {
    let folder = Folder::new();
    let file = folder.random("x", 5, 1);
    for (answer, words) in [
        (HTML, "no Longhaul server"),
        (NOT_FOUND, "404. If it goes on"),
        (NO_POST, "Something else than a Longhaul server answered"),
        (OTHER_JSON, "no Longhaul server"),
        (NOISE, "invalid HTTP"),
    ] {
        let origin = fake(move |_| answer.to_owned().into_bytes()).await;
        let said = run(["send", file.to_str().unwrap(), "--to", &origin]).await;
        assert_eq!((said.code, said.out.as_str()), (Some(5), ""), "{said:?}");
        assert!(said.err.contains(words) && said.err.contains(&origin), "{words}: {said:?}");
        assert_eq!(said.err.lines().count(), 1, "{said:?}");
        assert!(!said.err.contains(".."), "{said:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_moved_is_told_with_where_to() {
    let folder = Folder::new();
    let file = folder.random("x", 5, 1);
    let origin = fake(|_| MOVED.to_owned().into_bytes()).await;
    let said = run(["send", file.to_str().unwrap(), "--to", &origin]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("https://files.example.org"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_told_at_once() {
    let folder = Folder::new();
    let file = folder.random("x", 5, 1);
    let plain = Server::start(Options::default()).await;
    let encrypted = plain.origin().replace("http://", "https://");
    for (to, words) in [
        (&*encrypted, "is its address http:// instead of https://?"),
        ("http://127.0.0.1:1", "Connection refused"),
        ("http://nosuchhost.invalid", "lookup"),
        ("https://127.0.0.1:1", "Connection refused"),
    ] {
        let said = run(["send", file.to_str().unwrap(), "--to", to]).await;
        assert_eq!(said.code, Some(5), "{said:?}");
        assert!(said.err.contains(words) && said.err.contains(to), "{words}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_is_answered_with_what_is_right() {
    for (args, words) in [
        (&["send", "x", "--to", "example.org"][..], "https://files.example.org"),
        (&["send", "x", "--to", "http://me:secret@example.org"], "LONGHAUL_TOKEN"),
        (&["send", "x"], "--to <URL>"),
        (&["fetch", "http://127.0.0.1:1/x"], "/v1/files/"),
        (&["fetch", &format!("http://127.0.0.1:1/v1/files/{}?x=1", "0".repeat(32))], "signature"),
        (
            &["fetch", &format!("http://127.0.0.1:1/v1/files/{}", "0".repeat(32)), "-o", "-"],
            "`-o -`",
        ),
        (&["fetch", "x"], "https://files.example.org"),
        (&["send", "--to", "http://127.0.0.1:1"], "<FILE>"),
        (&[], "Usage"),
    ] {
        let said = run(args).await;
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(words), "{words}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_missing_or_refused_is_told_and_never_shown() {
    let folder = Folder::new();
    let (file, key) = (folder.random("x", 5, 1), folder.path().join("token.key"));
    fs::write(&key, [7; 32]).unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let more = vec!["--token-key".to_owned(), key.to_str().unwrap().to_owned()];
    let server = Server::start(Options { more, ..Options::default() }).await;
    let args = ["send", file.to_str().unwrap(), "--to", &server.origin()].map(str::to_owned);
    for token in ["", "forged.token.here"] {
        let said = start_as(longhaul(&args).env("LONGHAUL_TOKEN", token)).ends().await;
        assert_eq!(said.code, Some(4), "{said:?}");
        assert!(said.err.contains("LONGHAUL_TOKEN") && !said.err.contains("forged"), "{said:?}");
    }
    let said = start_as(longhaul(&args).env("LONGHAUL_TOKEN", "two words")).ends().await;
    assert_eq!(said.code, Some(4), "{said:?}");
}
