//! Who may break the network of the demo page, and that it is broken then.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use longhaul_proxy::{Control, Hold, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const FREE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

async fn stage() -> (Arc<Proxy>, Control, TcpListener) {
    let server = TcpListener::bind(FREE).await.unwrap();
    let proxy = Arc::new(Proxy::start(server.local_addr().unwrap(), Hold::Nothing).await);
    let friend = ["http://friend.example".to_owned()];
    let control = Control::listen(FREE.into(), Arc::clone(&proxy), &friend).await;
    (proxy, control, server)
}

/// The head of the answer and its body.
async fn ask(
    control: &Control,
    method: &str,
    path: &str,
    origin: Option<&str>,
    body: &str,
) -> String {
    let addr: SocketAddr = control.origin().strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let origin = origin.map(|origin| format!("origin: {origin}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\n{origin}content-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn only_pages_of_known_origins_are_heard() {
    let (proxy, control, _server) = stage().await;
    let offline = r#"{"offlineSeconds":10}"#;
    for origin in [None, Some("http://evil.example"), Some("null")] {
        for method in ["POST", "OPTIONS", "GET"] {
            let answer = ask(&control, method, "/network", origin, offline).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{origin:?}: {answer}");
            assert!(!answer.contains("access-control"), "{answer}");
        }
    }
    assert_eq!(proxy.offline_for(), Duration::ZERO);
    for origin in ["http://friend.example", &proxy.origin()] {
        let answer = ask(&control, "OPTIONS", "/network", Some(origin), "").await;
        assert!(answer.contains(&format!("access-control-allow-origin: {origin}\r\n")), "{answer}");
        let answer = ask(&control, "POST", "/network", Some(origin), offline).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(proxy.offline_for() > Duration::from_secs(5));
}

#[tokio::test]
async fn what_is_no_order_is_refused_in_words() {
    let (proxy, control, _server) = stage().await;
    let (long, own) = (format!("{{}}{}", " ".repeat(2000)), proxy.origin());
    for body in ["", "[1]", r#"{"speed":"walking"}"#, r#"{"unknown":1}"#, &long] {
        let answer = ask(&control, "POST", "/network", Some(&own), body).await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("that is no order"),
            "{answer}"
        );
    }
    let answer = ask(&control, "GET", "/", Some(&own), "").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn an_order_is_carried_out_and_told() {
    let (proxy, control, server) = stage().await;
    let own = proxy.origin();
    let mut open = TcpStream::connect(proxy.addr()).await.unwrap();
    open.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let _passed = server.accept().await.unwrap();
    let answer =
        ask(&control, "POST", "/network", Some(&own), r#"{"cut":true,"loses":true}"#).await;
    assert!(answer.contains(r#""speed":"full","loses":true,"offlineMs":0"#), "{answer}");
    assert!(open.read_u8().await.is_err(), "it is not cut");
    let answer =
        ask(&control, "POST", "/network", Some(&own), r#"{"speed":"hotel","offlineSeconds":9}"#)
            .await;
    assert!(answer.contains(r#""speed":"hotel","loses":true"#), "{answer}");
    let mut refused = TcpStream::connect(proxy.addr()).await.unwrap();
    refused.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert!(refused.read_u8().await.is_err(), "it is not offline");
    let answer = ask(&control, "GET", "/network", Some(&own), "").await;
    assert!(answer.contains(r#""broken":2"#), "{answer}");
}
