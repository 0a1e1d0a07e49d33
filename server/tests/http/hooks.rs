//! What a webhook is told, held to the document.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::{FileMeta, path};
use longhaul_protocol::{ChunkIndex, Digest, Millis, ProblemCode};
use longhaul_server::hooks::{Hooks, Secrets, Way, Web, deliver};
use longhaul_server::store::disk::{Clock, Config, DiskStore};
use longhaul_server::store::event::Tells;
use longhaul_server::store::{ChunkBegin, ChunkWriter as _, NewUpload, Owner, Store as _};
use serde_json::{Value, json};

use crate::document::{DOCUMENT, assert_text, assert_valid, closed, resolved};
use crate::limits::{OTHER, connect_from};
use crate::program::{command, start, terminate};
use crate::support::{Connection, Request, create_request};

const DAYS: u64 = 24 * 60 * 60 * 1000;

/// A message: its headers by their names, and its body.
type Message = (Vec<(String, String)>, Vec<u8>);

/// Somebody who hears everything and says that all is well: where he listens, and what he has heard.
fn listener() -> (String, Receiver<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, (sender, heard)) = (listener.local_addr().unwrap(), channel());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            while let Some(message) = read(&mut reader) {
                if sender.send(message).is_err() {
                    return;
                }
                let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                reader.get_mut().write_all(answer).unwrap();
            }
        }
    });
    (format!("http://{address}/hook"), heard)
}

fn read(reader: &mut impl std::io::BufRead) -> Option<Message> {
    let mut lines = reader.by_ref().lines().map_while(Result::ok);
    assert_eq!(lines.next()?, "POST /hook HTTP/1.1");
    let head: Vec<_> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())))
        .collect();
    let len = head.iter().find(|(name, _)| name == "content-length").unwrap().1.parse().unwrap();
    let mut body = vec![0; len];
    reader.read_exact(&mut body).unwrap();
    Some((head, body))
}

/// Holds a message to what the document says of it.
fn check((head, body): &Message) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let what = body["type"].as_str().unwrap();
    let operation = &DOCUMENT["webhooks"][what]["post"];
    assert!(operation.is_object(), "{what} is not documented");
    let schema = operation.pointer("/requestBody/content/application~1json/schema").unwrap();
    assert_valid(&body, &closed(schema), what);
    for parameter in operation["parameters"].as_array().unwrap() {
        let parameter = resolved(parameter);
        let name = parameter["name"].as_str().unwrap();
        let (_, value) = head.iter().find(|(of, _)| of == name).expect(name);
        assert_text(value, &parameter["schema"], name);
    }
    body
}

/// The next message, while the runtime goes on telling.
async fn next(heard: &Receiver<Message>) -> Value {
    for _ in 0..4000 {
        match heard.try_recv() {
            Ok(message) => return check(&message),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    panic!("nothing is told")
}

async fn send(store: &DiskStore, owner: &Owner, new: NewUpload, body: &'static [u8]) {
    let id = store.create(owner, new).await.unwrap().id;
    let digest = Digest::of(body);
    let chunk = ChunkHeaders { index: ChunkIndex(0), offset: 0, digest, replace: None };
    let ChunkBegin::Write(mut writer) = store.begin_chunk(owner, id, chunk).await.unwrap() else {
        panic!("it is here already");
    };
    writer.write(Bytes::from_static(body)).await.unwrap();
    writer.finish().await.unwrap();
    store.seal(owner, id, root([digest])).await.unwrap();
}

#[tokio::test]
async fn every_event_is_told_as_the_document_says() {
    let (address, heard) = listener();
    let secrets = Secrets::parse(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let web = Box::new(Web::new(address.parse().unwrap(), secrets).unwrap());
    let hooks = Arc::new(Hooks::new(Way::Web(web), true, Duration::from_secs(10)));
    let now = Arc::new(AtomicU64::new(1_800_000_000_000));
    let (dir, of_store) = (tempfile::tempdir().unwrap(), Arc::clone(&now));
    let config = Config {
        tells: Tells { sealed: true, expired: true },
        clock: Clock::new(move || Millis(of_store.load(Ordering::SeqCst))),
        ..Config::default()
    };
    let store = DiskStore::open(dir.path(), config).unwrap();
    let telling = tokio::spawn(deliver(store.clone(), Arc::clone(&hooks)));
    let owner = Owner("anna".to_owned());
    let meta = FileMeta {
        name: "film.mp4".into(),
        media_type: "video/mp4".into(),
        relative_path: Some("2026/film.mp4".into()),
        last_modified: Some(Millis(1)),
        metadata: [("form".to_owned(), "7".to_owned())].into_iter().collect(),
    };
    let new =
        || NewUpload { meta: meta.clone(), size: 5, chunk_size: None, idempotency: None, id: None };

    let id = hooks.ask(&owner, &meta, 5).await.unwrap();
    let created = next(&heard).await;
    assert_eq!(created["type"], "upload.created");
    assert_eq!(created["data"]["upload"], json!(id));

    send(&store, &owner, NewUpload { id: Some(id), ..new() }, b"hello").await;
    let sealed = next(&heard).await;
    assert_eq!((&sealed["type"], &sealed["data"]["upload"]), (&json!("upload.sealed"), &json!(id)));
    assert_eq!(sealed["data"]["sha256"], json!(Digest::of(b"hello")));
    for name in ["owner", "name", "type", "relativePath", "lastModified", "metadata", "size"] {
        assert_eq!(created["data"][name], sealed["data"][name], "{name}");
        assert!(!sealed["data"][name].is_null(), "{name}");
    }

    let left = store.create(&owner, new()).await.unwrap().id;
    now.fetch_add(2 * DAYS, Ordering::SeqCst);
    store.sweep(Millis(now.load(Ordering::SeqCst))).await.unwrap();
    let expired = next(&heard).await;
    assert_eq!(
        (&expired["type"], &expired["data"]["upload"]),
        (&json!("upload.expired"), &json!(left))
    );
    while store.figures().await.unwrap().events_waiting > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(heard.try_recv().is_err(), "something was told twice");
    telling.abort();
}

/// Somebody who hears of uploads and says nothing until he is told to: how many he has heard of.
fn silent(go: Arc<AtomicBool>) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, heard) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
    let count = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut reader, go) = (BufReader::new(stream.unwrap()), Arc::clone(&go));
            let count = Arc::clone(&count);
            std::thread::spawn(move || {
                while read(&mut reader).is_some() {
                    count.fetch_add(1, Ordering::SeqCst);
                    while !go.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    let _ = reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                }
            });
        }
    });
    (format!("http://{address}/hook"), heard)
}

#[test]
fn one_address_leaves_others_room_to_be_asked_about() {
    let go = Arc::new(AtomicBool::new(false));
    let (url, heard) = silent(Arc::clone(&go));
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    let mut make = std::process::Command::new(env!("CARGO_BIN_EXE_longhaul-server"));
    make.args(["key", "--algorithm", "webhook", "--out"]).arg(&secret);
    assert!(make.output().unwrap().status.success());
    let mut program = command(&dir.path().join("data"));
    program.args(["--hook-url", &url, "--hook-events", "created", "--hook-timeout", "25s"]);
    program.arg("--hook-secret-file").arg(&secret);
    let (child, address) = start(program);
    let create = || Request::new("POST", path::UPLOADS).json(&create_request(5));
    let begun = |mut connection: Connection| {
        connection.write(&create().to_bytes()).unwrap();
        connection
    };
    let hears = |count| {
        let is_so = |_| {
            std::thread::sleep(Duration::from_millis(10));
            heard.load(Ordering::SeqCst) == count
        };
        assert!((0..2000).any(is_so), "{heard:?} of {count}");
    };
    let mut waiting: Vec<_> = (0..8).map(|_| begun(Connection::to(address))).collect();
    hears(8);
    let refused = Connection::to(address).send(create());
    refused.problem(ProblemCode::TooManyRequests);
    assert_eq!(refused.header("retry-after"), Some("1"));
    waiting.push(begun(Connection::over(connect_from(OTHER, address))));
    hears(9);
    go.store(true, Ordering::SeqCst);
    for connection in &mut waiting {
        assert_eq!(connection.answer("POST").status, 201);
    }
    assert_eq!(Connection::to(address).send(create()).status, 201, "there is room again");
    terminate(child);
}
