//! A server that encrypts by itself, to those who trust its authority.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use longhaul_tests::authority::{Authority, Certified};
use longhaul_tests::browser::{Browser, Engine, Setup};
use longhaul_tests::files::{Folder, MIB, random_bytes, sha256};
use longhaul_tests::page::{Page, UPLOAD};
use longhaul_tests::server::{Options, Server};
use longhaul_tests::terminal::{Said, longhaul, start_as};

use tokio::task::JoinSet;

use crate::curl::{curl, only_file};

const LARGE: u64 = 24 * MIB;
/// Much more than what both systems keep between a server and who reads slowly, bytes.
const LARGEST: u64 = 96 * MIB;

pub(crate) fn encrypting(tls: &Certified, options: Options) -> Options {
    Options { tls: Some(tls.clone()), ..options }
}

/// Runs `longhaul`, which trusts this authority.
pub(crate) async fn trusting(authority: &Authority, args: &[&str]) -> Said {
    start_as(longhaul(args).env("SSL_CERT_FILE", authority.file())).ends().await
}

/// Sends a file of random bytes, and gives its address.
async fn sent(authority: &Authority, server: &Server, folder: &Folder, len: u64) -> String {
    let file = folder.random(&format!("{len}.bin"), len, len);
    let args = ["send", file.to_str().unwrap(), "--to", &server.origin()];
    trusting(authority, &args).await.good().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_begin_with_https_and_a_page_that_came_without_it_is_a_foreign_one() {
    let authority = Authority::new();
    let options =
        Options { more: ["--hsts", "1h"].map(str::to_owned).to_vec(), ..Options::default() };
    let server = Server::start(encrypting(&authority.certify("server"), options)).await;
    let (url, file) = (format!("{}/v1/uploads", server.origin()), authority.file());
    let own = server.origin();
    let plain = own.replace("https:", "http:");
    let json = r#"{"protocolVersion":1,"size":5,"name":"a"}"#;
    for (origin, status) in [(&own, "201"), (&plain, "403")] {
        let origin = format!("Origin: {origin}");
        let made = ["-H", &origin, "-H", "Content-Type: application/json", "-d", json, &url];
        let answer = curl(&file, &made).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=3600"));
        if status == "201" {
            let location = answer.header("location").unwrap();
            assert!(location.starts_with(&format!("{url}/")), "{location}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_1_is_all_that_is_offered_and_nothing_is_told_of_the_whole_host() {
    let authority = Authority::new();
    let server = Server::start(encrypting(&authority.certify("server"), Options::default())).await;
    let url = format!("{}/healthz", server.origin());
    for version in ["--http1.1", "--http2"] {
        let answer = curl(&authority.file(), &[version, &url]).await;
        assert_eq!((&*answer.status, &*answer.version), ("200", "1.1"), "{answer:?}");
        assert_eq!(answer.header("strict-transport-security"), None);
    }
    let stranger = curl(&Authority::new().file(), &[&url]).await;
    assert!(matches!(stranger.code, 35 | 60), "its authority is not trusted: {stranger:?}");
    let plain = curl(&authority.file(), &[&url.replace("https:", "http:")]).await;
    assert_eq!(plain.status, "400", "{plain:?}");
    assert!(String::from_utf8_lossy(&plain.body).contains("begins with https://"), "{plain:?}");
    server.assert_no_fault();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sent_from_a_terminal_and_fetched_and_no_byte_comes_from_a_map() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let server = Server::start(encrypting(&authority.certify("server"), Options::default())).await;
    let address = sent(&authority, &server, &folder, LARGE).await;
    let file = only_file(&authority.file(), &server.origin()).await;
    assert_eq!(address, format!("{}/v1/files/{}", server.origin(), file.id));
    let whole = random_bytes(LARGE, LARGE);
    for range in ["0-99", "5000000-9999999", "0-262143", "-1"].repeat(2) {
        let answer = curl(&authority.file(), &["-r", range, &address]).await;
        assert_eq!(answer.status, "206", "{answer:?}");
        assert!(whole.windows(answer.body.len()).any(|part| part == answer.body), "{range}");
    }
    let fetched = folder.path().join("fetched.bin");
    let to = ["fetch", &address, "-o", fetched.to_str().unwrap()];
    trusting(&authority, &to).await.good();
    assert_eq!(sha256(&fetched).to_base64(), longhaul_protocol::Digest::of(&whole).to_base64());
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
    assert!(!maps.contains("/blobs/"), "it has mapped what it encrypts:\n{maps}");
    server.assert_no_fault();
}

/// What a disk is that cannot give a page: who reads it from a map is ended by a signal.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_off_ends_one_download_and_nothing_else() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let server = Server::start(encrypting(&authority.certify("server"), Options::default())).await;
    let large = sent(&authority, &server, &folder, LARGEST).await;
    let small = sent(&authority, &server, &folder, 4096).await;
    let whole = curl(&authority.file(), &[&large]).await;
    assert_eq!((whole.code, whole.body.len() as u64), (0, LARGEST), "{}", whole.error);
    let trust = authority.file();
    let mut readers = JoinSet::new();
    for _ in 0..3 {
        let (trust, large) = (trust.clone(), large.clone());
        readers.spawn(async move { curl(&trust, &["--limit-rate", "4M", &large]).await });
    }
    // Until nothing more goes into the sockets, and the next pieces wait.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let blob = blob(server.data(), LARGEST);
    OpenOptions::new().write(true).open(blob).unwrap().set_len(0).unwrap();
    while let Some(broken) = readers.join_next().await {
        let broken = broken.unwrap();
        assert_ne!(broken.code, 0, "all of it came: {}", broken.body.len());
    }
    assert_eq!(curl(&trust, &[&small]).await.body.len(), 4096);
    let lines = server.lines();
    let told = lines.iter().find(|line| line.contains("a download broke off")).expect("a word");
    assert!(told.contains("ERROR") && told.contains("/v1/files/"), "{told}");
}

fn blob(data: &Path, len: u64) -> std::path::PathBuf {
    let folders = std::fs::read_dir(data.join("blobs")).unwrap();
    let blobs = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let mut blobs = blobs.map(|blob| blob.unwrap().path());
    blobs.find(|blob| blob.metadata().unwrap().len() == len).expect("a blob")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_uploads_through_tls() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let certified = authority.certify("server");
    let server = Server::start(encrypting(&certified, Options::demo())).await;
    let browser = trusting_browser(&certified).await;
    let page = Page::open(&browser, &server.origin()).await;
    let file = folder.random("film.bin", 20 * MIB + 1, 61);
    page.pick(&file).await;
    page.comes_to(&["done"], UPLOAD).await;
    let stored = only_file(&authority.file(), &server.origin()).await;
    let address = format!("{}/v1/files/{}", server.origin(), stored.id);
    let came = curl(&authority.file(), &[&address]).await;
    assert!(came.body == std::fs::read(&file).unwrap());
    server.assert_no_fault();
}

/// Chromium, which trusts this one key.
pub(crate) async fn trusting_browser(certified: &Certified) -> Browser {
    Browser::start_with(Engine::Chromium, &Setup::trusting(&certified.pin)).await
}
