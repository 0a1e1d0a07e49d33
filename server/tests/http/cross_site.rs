//! Who may ask: the host names, the origins, and what pages of other origins may read.

use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::path;

use crate::support::{Request, Server, create_request};

const APP: &str = "https://app.example";

fn server() -> Server {
    Server::start_with(|config| {
        config.allow_origins = vec![APP.into()];
        config.host_names = vec!["files.example".into()];
    })
}

fn create() -> Request {
    Request::new("POST", path::UPLOADS).json(&create_request(1))
}

#[test]
fn only_the_names_of_the_server_are_answered() {
    let server = server();
    for host in ["localhost", "127.0.0.1:80", "[::1]", "files.example", "FILES.example:8443"] {
        assert_eq!(server.send(create().header("host", host)).status, 201, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1"] {
        server.send(create().header("host", host)).problem(ProblemCode::Misdirected);
        let read = Request::new("GET", path::UPLOADS).header("host", host);
        server.send(read).problem(ProblemCode::Misdirected);
        let page = Request::new("GET", "/").header("host", host);
        server.send(page).problem(ProblemCode::Misdirected);
    }
    server.send(create().header("host", "")).problem(ProblemCode::InvalidRequest);
    let two = create().header("host", "localhost").header("host", "evil.example");
    server.send(two).problem(ProblemCode::InvalidRequest);
    let absolute = Request::new("GET", "http://evil.example/v1/uploads");
    server.send(absolute).problem(ProblemCode::Misdirected);
}

#[test]
fn a_location_is_where_the_caller_can_find_it() {
    let server = server();
    let answer = server.send(create().header("host", "files.example:8443"));
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("http://files.example:8443/v1/uploads/"), "{location}");
}

#[test]
fn a_page_of_a_foreign_origin_changes_nothing_and_reads_nothing() {
    let server = server();
    for origin in ["https://evil.example", "null", "http://app.example", "https://app.example.evil"]
    {
        let answer = server.send(create().header("origin", origin));
        answer.problem(ProblemCode::ForeignOrigin);
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let read = server.send(Request::new("GET", path::UPLOADS).header("origin", origin));
        assert_eq!(read.status, 200);
        assert_eq!(read.header("access-control-allow-origin"), None);
        assert_eq!(read.header("vary"), Some("origin"));
    }
}

#[test]
fn a_page_of_the_server_itself_needs_no_leave() {
    let server = server();
    let own = create().header("host", "localhost:8080").header("origin", "http://localhost:8080");
    let answer = server.send(own);
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn a_page_of_an_allowed_origin_reads_what_it_needs_also_from_a_problem() {
    let server = server();
    let created = server.send(create().header("origin", APP));
    let missing = Request::new("GET", &path::upload(UploadId([1; 16]))).header("origin", APP);
    for answer in [created, server.send(missing)] {
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("vary"), Some("origin"));
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some(
                "location, etag, retry-after, accept-ranges, content-range, content-disposition, \
                 repr-digest, digest, upload-token, request-id"
            )
        );
    }
}

#[test]
fn a_preflight_is_answered_for_two_hours_and_for_every_header_of_the_api() {
    let server = server();
    let preflight = |origin| {
        let request = Request::new("OPTIONS", &path::chunks(UploadId([1; 16])))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "chunk-digest,chunk-index");
        server.send(request)
    };
    let allowed = preflight(APP);
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some(APP));
    assert_eq!(allowed.header("access-control-allow-methods"), Some("POST, OPTIONS"));
    assert_eq!(allowed.header("access-control-max-age"), Some("7200"));
    let headers = allowed.header("access-control-allow-headers").unwrap();
    for header in [
        "content-type",
        "chunk-index",
        "chunk-offset",
        "chunk-digest",
        "chunk-replace",
        "chunk-rate-max",
        "chunk-try",
        "upload-create",
        "idempotency-key",
        "range",
        "authorization",
    ] {
        assert!(headers.split(", ").any(|known| known == header), "{header} in {headers}");
    }
    let foreign = preflight("https://evil.example");
    assert_eq!(foreign.header("access-control-allow-origin"), None);
}
