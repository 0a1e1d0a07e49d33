//! From where one may ask at all.
//!
//! A server on loopback is reached by every page that the browser beside it shows. Two ways in are
//! shut here: a name of the attacker's that resolves to 127.0.0.1 (DNS rebinding: the `Host` is not
//! ours), and a form or a `fetch` on another site (the `Origin` is not ours).

use std::net::{IpAddr, Ipv6Addr};

use http::header::{CONTENT_ENCODING, HOST, ORIGIN, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method, Version};
use longhaul_protocol::ProblemCode;

use crate::channel::Scheme;
use crate::config::Config;
use crate::outcome::{Beside, Refusal};
use crate::query;

/// Where a request comes from, as its `Origin` tells (RFC 6454, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No page, or one that reads only what any page may.
    NoOrigin,
    /// A page of this server.
    Own,
    /// A page of an origin on the allow-list.
    Allowed,
    /// Any other page, also one that hides where it is from (`null`).
    Foreign,
}

/// The name and port a request was sent to; those that a proxy was asked by, if one is believed who tells them.
///
/// # Errors
/// [`Refusal`] when there is none, or it is none of this server's.
pub fn check_host(config: &Config, head: &Parts, told: Option<&str>) -> Result<String, Refusal> {
    let authority = match told {
        Some(told) => named(told.as_bytes(), "The host that a proxy tells")?,
        None => authority(head)?,
    };
    let name = authority.host();
    if is_loopback(name) || config.host_names.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Ok(authority.as_str().to_owned());
    }
    Err(Refusal::new(ProblemCode::Misdirected, format!("The request is for the host `{name}`.")))
}

/// Refuses to let another site's page change anything. `host` is what [`check_host`] gave.
///
/// # Errors
/// [`Refusal`] for a write with a foreign `Origin`.
pub fn check_origin(
    config: &Config,
    scheme: Scheme,
    host: &str,
    head: &Parts,
) -> Result<(), Refusal> {
    let writes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&head.method);
    if writes && standing(config, scheme, host, head) == Standing::Foreign {
        let detail = format!("The request comes from a page of `{}`.", origin(head).unwrap_or(""));
        return Err(Refusal::new(ProblemCode::ForeignOrigin, detail));
    }
    Ok(())
}

/// Refuses a body that is compressed or otherwise encoded. Nothing is ever decoded here: what a few bytes become
/// then is for whoever sent them to say. To keep it as it is would be as harmless, and would take the bytes of a
/// proxy that compresses for those of the file.
///
/// # Errors
/// [`Refusal`].
pub fn check_encoding(head: &Parts) -> Result<(), Refusal> {
    for (name, plain) in [(CONTENT_ENCODING, "identity"), (TRANSFER_ENCODING, "chunked")] {
        for value in head.headers.get_all(&name) {
            if !value.as_bytes().eq_ignore_ascii_case(plain.as_bytes()) {
                let value = value.to_str().unwrap_or("something that is no text");
                let detail = format!("The header `{name}` is `{value}`.");
                let refusal = Refusal::new(ProblemCode::EncodedBody, detail);
                return Err(refusal.beside(Beside::AsItIs));
            }
        }
    }
    Ok(())
}

/// Where a request for `host` comes from, which came by `scheme`.
#[must_use]
pub fn standing(config: &Config, scheme: Scheme, host: &str, head: &Parts) -> Standing {
    let is_own = |origin: &str| {
        let named = origin.split_once("://");
        named.is_some_and(|(by, name)| {
            by.eq_ignore_ascii_case(scheme.as_str()) && name.eq_ignore_ascii_case(host)
        })
    };
    match origin(head) {
        None => Standing::NoOrigin,
        Some(origin) if is_own(origin) => Standing::Own,
        Some(origin) if config.allow_origins.iter().any(|known| known == origin) => {
            Standing::Allowed
        }
        Some(_) => Standing::Foreign,
    }
}

/// The `Origin`; one that is not text is as foreign as `null`.
fn origin(head: &Parts) -> Option<&str> {
    head.headers.get(ORIGIN).map(|value| value.to_str().unwrap_or("null"))
}

/// RFC 9112, section 3.2: a request has exactly one valid `Host`, or is answered 400; section 3.2.2:
/// a target in absolute form overrides it. RFC 9113, section 8.3.1: in HTTP/2 `:authority` stands for it, and a
/// `Host` beside it is no other.
fn authority(head: &Parts) -> Result<Authority, Refusal> {
    let invalid = |detail| Refusal::new(ProblemCode::InvalidRequest, detail);
    let mut hosts = head.headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(invalid("There is more than one `host` header."));
    }
    let asked = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = match (first.map(HeaderValue::as_bytes), asked) {
        (Some(host), Some(asked)) if head.version == Version::HTTP_2 && host != asked => {
            return Err(invalid("The header `host` is not `:authority`."));
        }
        (None, Some(asked)) if head.version == Version::HTTP_2 => asked,
        (None, _) => return Err(invalid("The header `host` is missing.")),
        (Some(host), asked) => asked.unwrap_or(host),
    };
    named(host, "The header `host`")
}

/// RFC 9110, section 7.2: a host and perhaps a port, and nothing before an `@`. `what` it stands in, for whom it is
/// none.
fn named(host: &[u8], what: &str) -> Result<Authority, Refusal> {
    let authority = Authority::try_from(host).ok();
    authority.filter(is_host_and_port).ok_or_else(|| {
        let detail = format!("{what} is not a host name and a port.");
        Refusal::new(ProblemCode::InvalidRequest, detail)
    })
}

/// The library takes anything behind the bracket of an IPv6 address, and it would be told in addresses.
fn is_host_and_port(authority: &Authority) -> bool {
    let port = authority.as_str().strip_prefix(authority.host());
    port.is_some_and(|port| match port.strip_prefix(':') {
        // RFC 3986, section 3.2.3: a colon without a port is none.
        Some("") => true,
        Some(port) => query::number::<u16>(port).is_some(),
        None => port.is_empty(),
    })
}

/// Names that mean this machine to every resolver (RFC 6761, section 6.3), and its addresses.
fn is_loopback(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback(),
        Ok(IpAddr::V6(address)) => address == Ipv6Addr::LOCALHOST,
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn head(host: &str, origin: Option<&str>) -> Parts {
        let mut request = Request::post("/v1/uploads").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn config() -> Config {
        Config {
            host_names: vec!["files.example".into()],
            allow_origins: vec!["https://app.example".into()],
            ..Config::new(crate::link::LinkKey::new(&[7; 32]))
        }
    }

    #[test]
    fn only_its_own_names_are_answered() {
        for host in
            ["localhost:1", "LOCALHOST", "127.0.0.1:80", "127.9.9.9", "[::1]:9", "files.example:8"]
        {
            assert!(check_host(&config(), &head(host, None), None).is_ok(), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "192.168.0.1", "files.example.", "[::2]"]
        {
            let refusal = check_host(&config(), &head(host, None), None).unwrap_err();
            assert_eq!(refusal.code, ProblemCode::Misdirected, "{host}");
        }
        for host in
            ["", "a b", "x@localhost", "http://localhost", "[::1];443", "[::1]x", "localhost:65536"]
        {
            let refusal = check_host(&config(), &head(host, None), None).unwrap_err();
            assert_eq!(refusal.code, ProblemCode::InvalidRequest, "{host}");
        }
    }

    #[test]
    fn an_origin_is_its_own_allowed_or_foreign() {
        for (origin, expected) in [
            (None, Standing::NoOrigin),
            (Some("http://localhost:80"), Standing::Own),
            (Some("https://app.example"), Standing::Allowed),
            (Some("http://app.example"), Standing::Foreign),
            (Some("http://localhost:81"), Standing::Foreign),
            (Some("https://localhost:80"), Standing::Foreign),
            (Some("null"), Standing::Foreign),
        ] {
            let head = head("localhost:80", origin);
            let (config, host) = (config(), "localhost:80");
            assert_eq!(standing(&config, Scheme::Http, host, &head), expected, "{origin:?}");
            let refused = check_origin(&config, Scheme::Http, host, &head).is_err();
            assert_eq!(refused, expected == Standing::Foreign);
        }
    }

    #[test]
    fn a_name_that_a_proxy_tells_is_looked_at_as_if_it_had_been_asked_for() {
        let head = head("inner:8080", None);
        let check = |told| check_host(&config(), &head, Some(told)).map_err(|refusal| refusal.code);
        assert_eq!(check("files.example:8443").as_deref(), Ok("files.example:8443"));
        assert_eq!(check("evil.example"), Err(ProblemCode::Misdirected));
        for host in ["", "x@localhost", "a b"] {
            assert_eq!(check(host), Err(ProblemCode::InvalidRequest), "{host}");
        }
    }

    #[test]
    fn in_http_2_the_authority_is_the_host_and_a_host_beside_it_no_other() {
        let check = |host: Option<&str>, version| {
            let mut request = Request::get("https://files.example/v1/files").version(version);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            let head = request.body(()).unwrap().into_parts().0;
            check_host(&config(), &head, None).map_err(|refusal| refusal.code)
        };
        let (good, bad) = (Ok("files.example"), Err(ProblemCode::InvalidRequest));
        for (host, of_1, of_2) in [
            (None, &bad, &good),
            (Some("files.example"), &good, &good),
            (Some("evil.example"), &good, &bad),
        ] {
            assert_eq!(&check(host, Version::HTTP_11).as_deref().map_err(|code| *code), of_1);
            assert_eq!(&check(host, Version::HTTP_2).as_deref().map_err(|code| *code), of_2);
        }
    }

    #[test]
    fn a_page_that_came_without_tls_is_another_origin() {
        let host = "files.example";
        for (scheme, origin, expected) in [
            (Scheme::Https, "https://files.example", Standing::Own),
            (Scheme::Https, "http://files.example", Standing::Foreign),
            (Scheme::Http, "https://files.example", Standing::Foreign),
            (Scheme::Https, "https://app.example", Standing::Allowed),
        ] {
            let head = head(host, Some(origin));
            assert_eq!(standing(&config(), scheme, host, &head), expected, "{scheme} {origin}");
        }
    }
}
