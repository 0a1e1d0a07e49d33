//! Behind proxies: whose request it is and where it was sent, from those who are believed and from nobody else.

use std::net::Ipv4Addr;

use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::{UploadStatus, path};
use longhaul_server::access::Access;
use longhaul_server::proxies::{Dialect, Proxies};

use crate::limits::OTHER;
use crate::owners::key;
use crate::support::{Connection, MIB_8, Request, Server, bytes, create_request};
use crate::unread::{SIZE, file};

/// A server of guests that believes whoever comes from 127.0.0.1.
fn server(dialect: Dialect) -> Server {
    Server::start_with(|config| {
        let trusted = vec!["127.0.0.1/32".parse().unwrap()];
        config.proxies = Proxies { trusted, dialect, ..Proxies::default() };
        config.access = Access::Guests { keys: key().into(), guests: Box::new(key()) };
        config.host_names = vec!["files.example".into()];
        config.places.place_bodies_max = 1;
        config.places.place_connections_max = 2;
    })
}

fn create() -> Request {
    Request::new("POST", path::UPLOADS).json(&create_request(5)).header("host", "inner:8080")
}

fn location(connection: &mut Connection, request: Request) -> String {
    let answer = connection.send(request);
    let upload: UploadStatus = answer.ok(201);
    let location = answer.header("location").unwrap();
    location.strip_suffix(&path::upload(upload.id)).expect(location).to_owned()
}

#[test]
fn an_address_that_is_given_out_is_the_proxys() {
    let server = server(Dialect::XForwarded);
    let mut proxy = server.connect();
    let told = |host: &str, scheme: &str| {
        create()
            .header("x-forwarded-for", "192.0.2.1")
            .header("x-forwarded-host", host)
            .header("x-forwarded-proto", scheme)
    };
    let of_proxy = location(&mut proxy, told("files.example", "https"));
    assert_eq!(of_proxy, "https://files.example");
    let of_proxy = location(&mut proxy, told("files.example:8443", "http"));
    assert_eq!(of_proxy, "http://files.example:8443");
    // Its pages are its own then, and those that came without TLS are not.
    let own = told("files.example", "https").header("origin", "https://files.example");
    assert_eq!(proxy.send(own).status, 201);
    let other = told("files.example", "https").header("origin", "http://files.example");
    proxy.send(other).problem(ProblemCode::ForeignOrigin);
    proxy.send(told("evil.example", "https")).problem(ProblemCode::Misdirected);
    proxy.send(told("files.example", "gopher")).problem(ProblemCode::InvalidRequest);
    let plain = create().replaced("host", "files.example");
    assert_eq!(location(&mut proxy, plain), "http://files.example");
}

#[test]
fn the_standards_own_header_says_the_same_to_who_was_told_to_read_it() {
    let server = server(Dialect::Forwarded);
    let mut proxy = server.connect();
    let told = "for=203.0.113.9;host=evil.example, for=192.0.2.1;host=files.example;proto=https";
    let request = create().header("forwarded", told).header("x-forwarded-host", "evil.example");
    assert_eq!(location(&mut proxy, request), "https://files.example");
    let broken = create().header("forwarded", "for=\"192.0.2.1, for=192.0.2.2;host=files.example");
    let problem = proxy.send(broken).problem(ProblemCode::InvalidRequest);
    assert!(problem.detail.contains("`forwarded`"), "{}", problem.detail);
}

#[test]
fn who_is_not_believed_says_nothing_about_himself() {
    let server = server(Dialect::XForwarded);
    let mut stranger = server.connect_from(OTHER);
    let told = create()
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-forwarded-host", "files.example")
        .header("x-forwarded-proto", "https");
    stranger.send(told.clone()).problem(ProblemCode::Misdirected);
    let told = told.replaced("host", "localhost");
    assert_eq!(location(&mut stranger, told), "http://localhost");
}

/// One of many behind a proxy, who sends a body that does not end.
fn holding(server: &Server, client: &str) -> Connection {
    let mut connection = server.connect();
    let request = create().replaced("host", "localhost").header("x-forwarded-for", client);
    connection.send_head(&request.replaced("content-length", "1000"));
    connection.write(b"{").unwrap();
    connection
}

fn status(server: &Server, from: Option<Ipv4Addr>, client: &str) -> u16 {
    let mut connection = from.map_or_else(|| server.connect(), |from| server.connect_from(from));
    let request = create().replaced("host", "localhost").header("x-forwarded-for", client);
    connection.send(request).status
}

#[test]
fn whoever_is_behind_a_proxy_has_limits_of_his_own() {
    let server = server(Dialect::XForwarded);
    let held = holding(&server, "192.0.2.1");
    let is_refused = |_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        status(&server, None, "192.0.2.1") == 429
    };
    assert!((0..500).any(is_refused));
    // What he makes up does not make him another, and the next one is.
    assert_eq!(status(&server, None, "198.51.100.7, 192.0.2.1"), 429);
    assert_eq!(status(&server, None, "::ffff:192.0.2.1"), 429);
    assert_eq!(status(&server, None, "192.0.2.2"), 201);
    let of_network = holding(&server, "2001:db8:1:2::1");
    assert!((0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        status(&server, None, "2001:db8:1:2:9:9:9:9") == 429
    }));
    // Nobody takes what is another's by saying who he is.
    assert_eq!(status(&server, Some(OTHER), "192.0.2.1"), 201);
    drop((held, of_network));
}

#[test]
fn a_download_behind_a_proxy_is_a_connection_of_its_readers_until_it_is_sent() {
    let server = Server::start_with(|config| {
        config.chunk_len = MIB_8 as u64;
        config.proxies.trusted = vec!["127.0.0.1/32".parse().unwrap()];
        config.places.place_connections_max = 1;
    });
    let path = path::file(file(&server, &bytes(SIZE)).id);
    let ask = |method, client| Request::new(method, &path).header("x-forwarded-for", client);
    let mut reader = server.connect();
    reader.send_head(&ask("GET", "192.0.2.1"));
    assert_eq!(reader.read_head().0, 200);
    assert_eq!(server.send(ask("HEAD", "192.0.2.1")).status, 429);
    assert_eq!(server.send(ask("HEAD", "192.0.2.2")).status, 200);
    drop(reader);
    let is_served = |_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        server.send(ask("HEAD", "192.0.2.1")).status == 200
    };
    assert!((0..500).any(is_served));
}

/// A proxy that nobody told of would make whoever comes through it the one owner of a server that asks for no token.
#[test]
fn what_an_unknown_proxy_passes_on_is_refused_where_nobody_is_asked_who_he_is() {
    let server = Server::start();
    let told = [
        ("forwarded", "for=192.0.2.1"),
        ("via", "1.1 example"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X-Forwarded-Host", "files.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Real-IP", "192.0.2.1"),
    ];
    for (name, value) in told {
        let created = server.send(create().replaced("host", "localhost").header(name, value));
        let detail = created.problem(ProblemCode::Unauthorized).detail;
        for word in [&*name.to_lowercase(), "--trusted-proxy", "--token-key", "--allow-anonymous"] {
            assert!(detail.contains(word), "{word}: {detail}");
        }
        for path in [path::UPLOADS, path::FILES, path::METRICS] {
            let request = Request::new("GET", path).header(name, value);
            server.send(request).problem(ProblemCode::Unauthorized);
        }
        // Whoever asks whether it runs is no owner.
        assert_eq!(server.send(Request::new("GET", path::HEALTHZ).header(name, value)).status, 200);
    }
    assert_eq!(server.get(path::UPLOADS).status, 200);
}
