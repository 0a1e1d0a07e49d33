//! The server, its files, and what every kind of answer has to be.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::{FileInfo, path};
use longhaul_tests::api::create_request;
use longhaul_tests::files::random_bytes;
use longhaul_tests::server::{Options, Server};
use longhaul_tests::stored::store;

use crate::table::{Answer, File, Row};
use crate::wire::{Reply, ask};

/// As small as they can be, so that a file of a few has many.
const CHUNK: u64 = 64 * 1024;
/// The media type of the files that have one.
const TYPE: &str = "text/html";

/// A running server with one file of each kind.
pub(crate) struct Fixture {
    server: Server,
    files: Vec<(File, Stored)>,
}

/// A file, and what it has to give back.
#[derive(Clone)]
struct Stored {
    info: FileInfo,
    bytes: Bytes,
    /// Its `Last-Modified`.
    modified: SystemTime,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let server = Server::start(Options { chunk_size: Some(CHUNK), ..Options::default() }).await;
        let mut files = Vec::new();
        for (file, bytes) in [
            (File::Empty, vec![]),
            (File::One, vec![b'x']),
            (File::Ten, b"0123456789".to_vec()),
            (File::Page, random_bytes(1000, 4)),
            (File::Many, random_bytes(3 * CHUNK + 100, 5)),
        ] {
            files.push((file, stored(&server, bytes.into()).await));
        }
        Self { server, files }
    }

    pub(crate) fn assert_no_fault(&self) {
        self.server.assert_no_fault();
    }

    /// Asks, and looks at all that came.
    pub(crate) async fn check(&self, row: &Row) -> Result<(), String> {
        let kind = if row.file == File::Manifest { File::Ten } else { row.file };
        let known = self.files.iter().find(|(file, _)| *file == kind);
        let stored = match known {
            Some((_, stored)) => stored.clone(),
            None => stored(&self.server, Bytes::from_static(b"0123456789")).await,
        };
        let words = words(&stored);
        let lines: Vec<_> = row.lines.iter().map(|line| filled(line, &words)).collect();
        let path = match row.file {
            File::Missing => path::file(FileId([7; 16])),
            File::Manifest => path::manifest(stored.info.id),
            _ => path::file(stored.info.id),
        };
        let reply = ask(self.server.addr(), row.method, &path, &lines).await?;
        check_answer(row, &stored, &reply)?;
        let shown: Vec<_> = row.shows.iter().map(|shown| filled(shown, &words)).collect();
        shown.iter().try_for_each(|shown| check_shown(shown, &reply))?;
        match row.answer {
            Answer::Deleted => self.still(&path, 404).await,
            _ if row.file == File::Own => self.still(&path, 200).await,
            _ => Ok(()),
        }
    }

    async fn still(&self, path: &str, status: u16) -> Result<(), String> {
        let after = ask(self.server.addr(), "GET", path, &[]).await?.status;
        equal("status afterwards", after, status)
    }
}

async fn stored(server: &Server, bytes: Bytes) -> Stored {
    let mut create = create_request("näme \"1\".html", bytes.len() as u64);
    create.meta.media_type = TYPE.into();
    let info = store(&server.api(), &create, &bytes).await;
    let modified = modified(server, &info).await;
    Stored { info, bytes, modified }
}

/// Asked rather than computed: section 8.8.2.1 lets it be any second that is not after the answer, and
/// the server takes one a little before the file was sealed where its clock may have been ahead.
async fn modified(server: &Server, info: &FileInfo) -> SystemTime {
    let reply = ask(server.addr(), "HEAD", &path::file(info.id), &[]).await.unwrap();
    let modified = httpdate::parse_http_date(reply.header("last-modified").unwrap()).unwrap();
    let sealed = SystemTime::UNIX_EPOCH + Duration::from_millis(info.sealed_at.0);
    let before = sealed.duration_since(modified).unwrap();
    assert!(before < Duration::from_secs(2), "{before:?} before it was sealed");
    modified
}

/// What stands for what in a row.
fn words(stored: &Stored) -> BTreeMap<&'static str, String> {
    let Stored { ref info, modified, .. } = *stored;
    let imf = httpdate::fmt_http_date(modified);
    let second = Duration::from_secs(1);
    let digest = info.sha256.unwrap().to_base64();
    let list = |count: u64, spec: &dyn Fn(u64) -> String| {
        (0..count).map(spec).collect::<Vec<_>>().join(",")
    };
    BTreeMap::from([
        ("etag", format!("\"{}-{}\"", info.root, info.chunk_count)),
        ("bare", format!("{}-{}", info.root, info.chunk_count)),
        ("root", info.root.to_string()),
        ("date", imf.clone()),
        ("rfc850", rfc_850(&imf)),
        ("asctime", asctime(&imf)),
        ("earlier", httpdate::fmt_http_date(modified - second)),
        ("later", httpdate::fmt_http_date(modified + second)),
        ("earlier850", rfc_850(&httpdate::fmt_http_date(modified - second))),
        ("asctimeEarlier", asctime(&httpdate::fmt_http_date(modified - second))),
        ("sha256", digest),
        ("latin", "\u{e4}".to_owned()),
        ("64 times the first", list(64, &|_| "0-0".to_owned())),
        ("65 times the first", list(65, &|_| "0-0".to_owned())),
        ("64 apart", list(64, &|at| format!("{}-{}", at * 3000, at * 3000))),
        ("1000 overlapping", list(1000, &|at| format!("0-{}", 1000 - at))),
        ("10000 apart", list(10_000, &|at| format!("{}-", at * 2))),
        ("1000 commas", ",".repeat(1000)),
        ("1000 digits", "9".repeat(1000)),
        ("1000 noughts", "0".repeat(1000)),
    ])
}

fn filled(line: &str, words: &BTreeMap<&'static str, String>) -> String {
    words
        .iter()
        .fold(line.to_owned(), |line, (word, text)| line.replace(&format!("{{{word}}}"), text))
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc_850(imf: &str) -> String {
    const DAYS: [&str; 7] =
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let weekday = DAYS.into_iter().find(|day| day.starts_with(&imf[..3])).unwrap();
    format!("{weekday}, {}-{}-{} {}", &imf[5..7], &imf[8..11], &imf[14..16], &imf[17..])
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(imf: &str) -> String {
    let day = imf[5..7].strip_prefix('0').map_or(imf[5..7].to_owned(), |day| format!(" {day}"));
    format!("{} {} {day} {} {}", &imf[..3], &imf[8..11], &imf[17..25], &imf[12..16])
}

fn check_answer(row: &Row, stored: &Stored, reply: &Reply) -> Result<(), String> {
    let len = stored.bytes.len() as u64;
    // Section 6.6.1.
    has(reply, "date")?;
    equal("nosniff", reply.header("x-content-type-options"), Some("nosniff"))?;
    // Never compressed, whatever the caller takes.
    absent(reply, "content-encoding")?;
    let (status, place) = match row.answer {
        Answer::Whole => (200, None),
        Answer::Bytes(first, last) => (206, Some(format!("bytes {first}-{last}/{len}"))),
        Answer::Parts(_) => (206, None),
        Answer::NotModified => (304, None),
        Answer::Failed => (412, None),
        Answer::Unsatisfiable => (416, Some(format!("bytes */{len}"))),
        Answer::Deleted => (204, None),
        Answer::Status(status) => (status, None),
    };
    equal("status", reply.status, status)?;
    equal("content-range", reply.header("content-range"), place.as_deref())?;
    match row.answer {
        Answer::Whole | Answer::Bytes(..) | Answer::Parts(_) => check_bytes(row, stored, reply),
        Answer::NotModified => check_not_modified(stored, reply),
        Answer::Failed => check_problem(row, "precondition-failed", reply),
        Answer::Unsatisfiable => check_problem(row, "range-not-satisfiable", reply),
        Answer::Deleted | Answer::Status(_) => Ok(()),
    }
}

/// Sections 8.6, 14.3, 15.3.1 and 15.3.7, and what keeps an uploaded page from running.
fn check_bytes(row: &Row, stored: &Stored, reply: &Reply) -> Result<(), String> {
    let (content_type, body) = body(row.answer, stored);
    equal("content-type", reply.header("content-type"), Some(content_type.as_str()))?;
    equal("content-length", reply.header("content-length"), Some(&*body.len().to_string()))?;
    equal("accept-ranges", reply.header("accept-ranges"), Some("bytes"))?;
    check_validators(stored, reply)?;
    let csp = reply.header("content-security-policy").unwrap_or_default();
    equal("sandbox", csp.contains("sandbox"), true)?;
    if body.len() > stored.bytes.len() {
        return Err(format!("{} bytes of a file of {}", body.len(), stored.bytes.len()));
    }
    let is_right = if row.method == "HEAD" { reply.body.is_empty() } else { reply.body == body };
    equal("the right bytes", is_right, true)
}

/// The media type and the bytes that have to come.
fn body(answer: Answer, stored: &Stored) -> (String, Vec<u8>) {
    let of = |first: u64, last: u64| &stored.bytes[first as usize..=last as usize];
    match answer {
        Answer::Bytes(first, last) => (TYPE.to_owned(), of(first, last).to_vec()),
        Answer::Parts(ranges) => {
            let boundary = stored.info.root.to_string();
            let mut body = Vec::new();
            for &(first, last) in ranges {
                let place = format!("bytes {first}-{last}/{}", stored.bytes.len());
                let before = if body.is_empty() { "" } else { "\r\n" };
                let head = format!(
                    "{before}--{boundary}\r\nContent-Type: {TYPE}\r\nContent-Range: {place}\r\n\r\n"
                );
                body.extend_from_slice(head.as_bytes());
                body.extend_from_slice(of(first, last));
            }
            body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            (format!("multipart/byteranges; boundary={boundary}"), body)
        }
        _ => (TYPE.to_owned(), stored.bytes.to_vec()),
    }
}

/// Section 15.4.5: what goes with a 304, and what does not.
fn check_not_modified(stored: &Stored, reply: &Reply) -> Result<(), String> {
    check_validators(stored, reply)?;
    let unsent = ["content-type", "content-length", "content-disposition", "last-modified"];
    unsent.into_iter().chain(["repr-digest"]).try_for_each(|name| absent(reply, name))
}

/// Sections 8.8.3 and 15.3.7: these go with every answer about the file.
fn check_validators(stored: &Stored, reply: &Reply) -> Result<(), String> {
    let etag = format!("\"{}-{}\"", stored.info.root, stored.info.chunk_count);
    equal("etag", reply.header("etag"), Some(etag.as_str()))?;
    let cache = reply.header("cache-control").unwrap_or_default();
    let told = ["private", "immutable", "no-transform"].iter().all(|word| cache.contains(word));
    equal("cache-control", told, true)?;
    let vary = reply.headers.iter().filter(|(name, _)| name == "vary");
    let vary: Vec<_> = vary.map(|(_, value)| value.to_ascii_lowercase()).collect();
    equal("vary", vary.join(",").contains("authorization"), true)
}

/// RFC 9457, with the code that scripts go by.
fn check_problem(row: &Row, code: &str, reply: &Reply) -> Result<(), String> {
    equal("type", reply.header("content-type"), Some("application/problem+json"))?;
    let body = String::from_utf8_lossy(&reply.body);
    let told = row.method == "HEAD" || body.contains(&format!("\"code\":\"{code}\""));
    equal("the code is told", told, true)
}

fn check_shown(shown: &str, reply: &Reply) -> Result<(), String> {
    match (shown.strip_prefix('-'), shown.split_once(": ")) {
        (Some(name), _) => absent(reply, name),
        (None, Some((name, value))) => equal(name, reply.header(name), Some(value)),
        (None, None) => has(reply, shown),
    }
}

fn has(reply: &Reply, name: &str) -> Result<(), String> {
    equal(name, reply.header(name).is_some(), true)
}

fn absent(reply: &Reply, name: &str) -> Result<(), String> {
    let found = reply.headers.iter().find(|(known, _)| known == name);
    equal(name, found.map(|(_, value)| value.as_str()), None)
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, is: T, should: T) -> Result<(), String> {
    if is == should { Ok(()) } else { Err(format!("{what} is {is:?} and not {should:?}")) }
}
