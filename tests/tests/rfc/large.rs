//! What lies beyond four gibibytes.

use bytes::Bytes;
use longhaul_protocol::Digest;
use longhaul_protocol::digest::root;
use longhaul_protocol::wire::{FileInfo, UploadStatus, path};
use longhaul_tests::api::{chunk_headers, create_request};
use longhaul_tests::files::random_bytes;
use longhaul_tests::server::{Options, Server};

use crate::wire::ask;

const CHUNK: u64 = 64 << 20;
const ZEROES: u64 = 64;
const TAIL: &[u8] = b"beyond";

#[tokio::test(flavor = "multi_thread")]
async fn a_range_beyond_four_gibibytes_is_the_bytes_that_lie_there() {
    let server = Server::start(Options { chunk_size: Some(CHUNK), ..Options::default() }).await;
    let api = server.api();
    let len = ZEROES * CHUNK + TAIL.len() as u64;
    let upload: UploadStatus =
        api.post(path::UPLOADS, &create_request("large.bin", len)).await.unwrap().json();
    let (middle, tail) = (Bytes::from(random_bytes(CHUNK, 3)), Bytes::from_static(TAIL));
    let (middle_headers, tail_headers) = (chunk_headers(0, &middle), chunk_headers(ZEROES, &tail));
    for index in 0..ZEROES {
        let mut headers = middle_headers;
        headers.index.0 = index;
        let reply = api.chunk(upload.id, headers, middle.clone()).await.unwrap();
        assert_eq!(reply.status, 204, "{reply:?}");
    }
    api.chunk(upload.id, tail_headers, tail.clone()).await.unwrap();
    let digests = std::iter::repeat_n(Digest::of(&middle), ZEROES as usize);
    let root = root(digests.chain([Digest::of(&tail)]));
    let file: FileInfo = api.seal(upload.id, root).await.unwrap().json();
    let last = &middle[middle.len() - 2..];
    for (range, first, bytes) in [
        ("-6", len - 6, TAIL.to_vec()),
        ("4294967294-", len - 8, [last, TAIL].concat()),
        ("4294967294-4294967295", len - 8, last.to_vec()),
        ("4294967296-4294967296", len - 6, vec![b'b']),
        ("4294967296-18446744073709551615", len - 6, TAIL.to_vec()),
        ("2147483646-2147483649", (1 << 31) - 2, [last, &middle[..2]].concat()),
    ] {
        let lines = [format!("Range: bytes={range}")];
        let reply = ask(server.addr(), "GET", &path::file(file.id), &lines).await.unwrap();
        let place = format!("bytes {first}-{}/{len}", first + bytes.len() as u64 - 1);
        assert_eq!((reply.status, reply.header("content-range")), (206, Some(&*place)), "{range}");
        assert_eq!(reply.body, bytes, "{range}");
    }
    let lines = ["Range: bytes=0-1,4294967295-4294967297".to_owned()];
    let reply = ask(server.addr(), "GET", &path::file(file.id), &lines).await.unwrap();
    let body = String::from_utf8_lossy(&reply.body);
    assert!(
        body.contains(&format!("Content-Range: bytes 4294967295-4294967297/{len}\r\n")),
        "{body}"
    );
    let lines = [format!("Range: bytes={len}-")];
    let reply = ask(server.addr(), "GET", &path::file(file.id), &lines).await.unwrap();
    assert_eq!(reply.header("content-range"), Some(&*format!("bytes */{len}")));
    let whole = ask(server.addr(), "HEAD", &path::file(file.id), &[]).await.unwrap();
    assert_eq!(whole.header("content-length"), Some(&*len.to_string()));
    server.assert_no_fault();
}
