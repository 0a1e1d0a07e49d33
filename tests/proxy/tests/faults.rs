//! What the proxy does to bytes, between a plain client and a plain server.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test's panic is its report, and its numbers are small"
)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use longhaul_proxy::{Early, Fault, Harm, Hold, Line, Lines, Proxy, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const ANSWER: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// A server that keeps what came on each connection, and answers `ANSWER` to each `end` in it.
struct Server {
    addr: SocketAddr,
    came: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (addr, came) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        tokio::spawn(accept(listener, Arc::clone(&came)));
        Self { addr, came }
    }

    /// What came, once it is so much on all connections together.
    async fn came(&self, len: usize) -> Vec<Vec<u8>> {
        loop {
            let came = self.came.lock().unwrap().clone();
            if came.iter().map(Vec::len).sum::<usize>() >= len {
                return came;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn accept(listener: TcpListener, came: Arc<Mutex<Vec<Vec<u8>>>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        came.lock().unwrap().push(vec![]);
        let (number, came) = (came.lock().unwrap().len() - 1, Arc::clone(&came));
        tokio::spawn(async move {
            let mut bytes = vec![];
            while stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {
                let ends = bytes.ends_with(b"end");
                came.lock().unwrap()[number].append(&mut bytes);
                if ends && stream.write_all(ANSWER.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn request(len: usize) -> Vec<u8> {
    let mut bytes = format!("POST /v1 HTTP/1.1\r\nContent-Length: {len}\r\n\r\n").into_bytes();
    bytes.extend((0..len - 3).map(|at| (at % 251) as u8));
    bytes.extend(b"end");
    bytes
}

async fn client(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.origin().strip_prefix("http://").unwrap()).await.unwrap()
}

/// Sends a request and reads until the answer is there or the connection is over.
async fn ask(client: &mut TcpStream, request: &[u8]) -> String {
    // It may be cut meanwhile, which is what is tried.
    let _ = client.write_all(request).await;
    let mut answer = vec![];
    while !answer.ends_with(b"\r\n\r\n") && !answer.ends_with(b"</html>\n") {
        match client.read_buf(&mut answer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    String::from_utf8(answer).unwrap()
}

async fn pair() -> (Server, Proxy) {
    let server = Server::start().await;
    let proxy = Proxy::start(server.addr, Hold::Nothing).await;
    (server, proxy)
}

#[tokio::test]
async fn bytes_go_through_as_they_came_and_are_counted() {
    let (server, proxy) = pair().await;
    let (mut one, mut other) = (client(&proxy).await, client(&proxy).await);
    let (small, large) = (request(10), request(1_000_000));
    assert_eq!(ask(&mut one, &small).await, ANSWER);
    assert_eq!(ask(&mut one, &large).await, ANSWER, "a connection is kept");
    assert_eq!(ask(&mut other, &small).await, ANSWER);
    assert_eq!(server.came(0).await, [[small.clone(), large.clone()].concat(), small.clone()]);
    let counts = proxy.connections();
    let up: Vec<_> = counts.iter().map(|count| (count.up.taken, count.up.passed)).collect();
    let (both, small) = ((small.len() + large.len()) as u64, small.len() as u64);
    assert_eq!(up, [(both, both), (small, small)]);
    assert_eq!(counts[0].down.passed, 2 * ANSWER.len() as u64);
    assert_eq!(proxy.seen().len(), 3);
}

#[tokio::test]
async fn a_connection_ends_after_exactly_so_many_bytes() {
    for (harm, at) in [(Harm::Close, 0), (Harm::Close, 300_001), (Harm::Reset, 300_001)] {
        let (server, proxy) = pair().await;
        proxy.add(Fault::once(Way::Up, at, harm));
        let request = request(500_000);
        assert_eq!(ask(&mut client(&proxy).await, &request).await, "");
        assert_eq!(proxy.connections()[0].up.passed, at);
        assert_eq!(proxy.harmed(harm), 1);
        if harm == Harm::Close && at > 0 {
            assert_eq!(server.came(at as usize).await, [request[..at as usize].to_vec()]);
        }
        assert_eq!(ask(&mut client(&proxy).await, &request).await, ANSWER, "it was for one");
    }
}

#[tokio::test]
async fn every_connection_ends_there_if_that_is_asked_for() {
    let (_server, proxy) = pair().await;
    proxy.add(Fault::each(Way::Up, 1000, Harm::Close));
    for _ in 0..3 {
        assert_eq!(ask(&mut client(&proxy).await, &request(2000)).await, "");
    }
    assert_eq!(proxy.harmed(Harm::Close), 3);
    proxy.mend();
    assert_eq!(ask(&mut client(&proxy).await, &request(2000)).await, ANSWER);
}

#[tokio::test]
async fn one_bit_of_one_byte_is_turned_each_way() {
    let (server, proxy) = pair().await;
    let request = request(200_000);
    proxy.add(Fault::once(Way::Up, 100_000, Harm::Corrupt));
    proxy.add(Fault::once(Way::Down, 9, Harm::Corrupt));
    assert_eq!(ask(&mut client(&proxy).await, &request).await, ANSWER.replace("204", "304"));
    let mut spoilt = request.clone();
    spoilt[100_000] ^= 1;
    assert!(server.came(0).await == [spoilt], "not that byte, or not that alone");
    assert_eq!(ask(&mut client(&proxy).await, &request).await, ANSWER);
    assert!(server.came(0).await[1] == request, "it was for one");
}

#[tokio::test]
async fn a_silent_connection_stays_and_nothing_comes() {
    let (server, proxy) = pair().await;
    proxy.add(Fault::once(Way::Up, 100_000, Harm::Silence));
    let mut silent = client(&proxy).await;
    let request = request(200_000);
    silent.write_all(&request).await.unwrap();
    server.came(100_000).await;
    assert_eq!(ask(&mut client(&proxy).await, &request).await, ANSWER);
    assert_eq!(server.came(0).await[0].len(), 100_000);
    assert_eq!(proxy.harmed(Harm::Silence), 1);
    assert!(!proxy.connections()[0].over);
    assert!(
        silent
            .try_read(&mut [0])
            .is_err_and(|error| { error.kind() == std::io::ErrorKind::WouldBlock })
    );
}

#[tokio::test]
async fn answers_that_are_swallowed_leave_the_request_whole() {
    let (server, proxy) = pair().await;
    proxy.add(Fault::once(Way::Down, 0, Harm::Silence));
    let request = request(200_000);
    let mut silent = client(&proxy).await;
    silent.write_all(&request).await.unwrap();
    assert!(server.came(request.len()).await == [request]);
    while proxy.harmed(Harm::Silence) == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(proxy.connections()[0].down.passed, 0);
}

#[tokio::test]
async fn the_next_requests_are_answered_here_and_the_rest_there() {
    let (server, proxy) = pair().await;
    proxy.answer_next(2, &Early { retry_after: Some(7), ..Early::of_proxy(503) });
    for _ in 0..2 {
        let answer = ask(&mut client(&proxy).await, &request(100)).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("retry-after: 7\r\n"), "{answer}");
    }
    assert_eq!(server.came(0).await.concat(), b"");
    assert_eq!(ask(&mut client(&proxy).await, &request(100)).await, ANSWER);
}

#[tokio::test]
async fn all_connections_end_whenever_so_much_has_gone_up_on_all() {
    let (_server, proxy) = pair().await;
    proxy.harm_all_every(3_000_000, Harm::Reset);
    let (mut idle, mut busy) = (client(&proxy).await, client(&proxy).await);
    assert_eq!(ask(&mut idle, &request(1000)).await, ANSWER);
    assert_eq!(ask(&mut busy, &request(1_000_000)).await, ANSWER);
    assert_eq!(ask(&mut busy, &request(9_000_000)).await, "");
    assert_eq!(ask(&mut idle, &request(1000)).await, "");
    assert_eq!(proxy.harmed(Harm::Reset), 2);
}

#[tokio::test]
async fn a_line_is_as_slow_and_as_late_as_it_is_told() {
    let (_server, proxy) = pair().await;
    let (delay, rate) = (Duration::from_millis(60), 2_000_000);
    let up = Line { delay, bytes_per_second: Some(rate) };
    let down = Line { delay, bytes_per_second: None };
    proxy.set_lines(Lines { up, down });
    let (start, request) = (Instant::now(), request(500_000));
    assert_eq!(ask(&mut client(&proxy).await, &request).await, ANSWER);
    let least = Duration::from_millis(250) + 2 * delay;
    assert!(start.elapsed() >= least, "{:?} instead of {least:?} at least", start.elapsed());
}
