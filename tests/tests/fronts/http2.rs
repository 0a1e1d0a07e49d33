//! HTTP/2, for who has asked for it.

use longhaul_protocol::digest::{Digest, root};
use longhaul_protocol::wire::{FileInfo, SealRequest, UploadStatus};
use longhaul_tests::authority::{Authority, Certified};
use longhaul_tests::files::{Folder, MIB};
use longhaul_tests::page::{Page, UPLOAD};
use longhaul_tests::server::{Options, Server};

use crate::curl::{curl, only_file};
use crate::tls::{encrypting, trusting, trusting_browser};

async fn server(certified: &Certified, options: Options) -> Server {
    let options = Options { more: vec!["--http2".to_owned()], ..options };
    Server::start(encrypting(certified, options)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_up_and_comes_down_by_http_2_and_its_ranges_too() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let server = server(&authority.certify("server"), Options::default()).await;
    let trust = authority.file();
    let uploads = format!("{}/v1/uploads", server.origin());
    let len = 8 * MIB;
    let file = folder.random("film.bin", len, 63);
    let whole = std::fs::read(&file).unwrap();
    let json =
        format!(r#"{{"protocolVersion":1,"size":{len},"name":"film.bin","chunkSize":{len}}}"#);
    let json_type = ["-H", "Content-Type: application/json"];
    let made =
        curl(&trust, &[&["--http2"], &json_type[..], &["-d", &json, &uploads]].concat()).await;
    assert_eq!((&*made.status, &*made.version), ("201", "2"), "{made:?}");
    let upload: UploadStatus = made.json();
    let location = made.header("location").unwrap().to_owned();
    assert!(location.starts_with(&uploads), "{location}");
    let digest = Digest::of(&whole);
    let told = format!("Chunk-Digest: {}", digest.to_header());
    let body = format!("@{}", file.display());
    let chunks = format!("{location}/chunks");
    let put = ["--http2", "-H", "Chunk-Index: 0", "-H", &told, "--data-binary", &body, &chunks];
    let put = curl(&trust, &put).await;
    assert_eq!((&*put.status, &*put.version), ("204", "2"), "{put:?} {upload:?}");
    let seal = serde_json::to_string(&SealRequest { root: root([digest]) }).unwrap();
    let seals = format!("{location}/seal");
    let sealed =
        curl(&trust, &[&["--http2"], &json_type[..], &["-d", &seal, &seals]].concat()).await;
    assert_eq!(sealed.status, "201", "{sealed:?}");
    let file = format!("{}/v1/files/{}", server.origin(), sealed.json::<FileInfo>().id);
    for (range, first, end) in [("0-", 0, whole.len()), ("5-1048580", 5, 1_048_581)].repeat(2) {
        let came = curl(&trust, &["--http2", "-r", range, &file]).await;
        assert_eq!((&*came.status, &*came.version), ("206", "2"));
        assert!(came.body == whole[first..end], "{range}");
    }
    let old = curl(&trust, &["--http1.1", &file]).await;
    assert_eq!((&*old.status, &*old.version, old.body == whole), ("200", "1.1", true));
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
    assert!(!maps.contains("/blobs/"), "it has mapped what it encrypts:\n{maps}");
    server.assert_no_fault();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_and_a_terminal_upload_to_a_server_that_offers_both() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let certified = authority.certify("server");
    let server = server(&certified, Options::demo()).await;
    let browser = trusting_browser(&certified).await;
    let page = Page::open(&browser, &server.origin()).await;
    let file = folder.random("film.bin", 20 * MIB + 1, 64);
    page.pick(&file).await;
    page.comes_to(&["done"], UPLOAD).await;
    let stored = only_file(&authority.file(), &server.origin()).await;
    let address = format!("{}/v1/files/{}", server.origin(), stored.id);
    let came = curl(&authority.file(), &["--http2", &address]).await;
    assert!(came.body == std::fs::read(&file).unwrap());
    let args = ["send", file.to_str().unwrap(), "--to", &server.origin()];
    trusting(&authority, &args).await.good();
    server.assert_no_fault();
}
