//! What proxies write about a request, of which a stranger has written the beginning.

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use longhaul_server::forwarded::{Hop, address, hops};
use longhaul_server::proxies::{Dialect, Proxies};

/// The proxy that the request comes from.
const PROXY: &str = "10.0.0.1";
/// Whom it names.
const CLIENT: &str = "192.0.2.1";

/// The bytes as a line that a stranger has sent, and that the proxy adds to.
pub fn check(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else { return };
    let read = hops(line);
    if !line.contains('"') {
        assert_eq!(read, split(line), "{line}");
    }
    if let Some(read) = read {
        let again = read.iter().map(written).collect::<Vec<_>>().join(", ");
        assert_eq!(hops(&again), Some(read), "{line}");
    }
    check_client(Dialect::Forwarded, "forwarded", line, &format!("for={CLIENT}"));
    check_client(Dialect::XForwarded, "x-forwarded-for", line, CLIENT);
}

/// Whatever the stranger wrote, the client is whom the proxy names, or the request is refused.
fn check_client(dialect: Dialect, name: &'static str, line: &str, added: &str) {
    let Ok(proxy) = PROXY.parse::<IpAddr>() else { return };
    let trusted = "10.0.0.0/8".parse().into_iter().collect();
    let proxies = Proxies { trusted, dialect, ..Proxies::default() };
    let joined = format!("{line}, {added}");
    for lines in [vec![joined.as_str()], vec![line, added]] {
        let mut headers = HeaderMap::new();
        for line in lines {
            let Ok(value) = HeaderValue::from_str(line) else { return };
            headers.append(name, value);
        }
        if let Ok(told) = proxies.told(proxy, &headers) {
            assert_eq!(told.client.to_string(), CLIENT, "{line}");
        }
    }
}

/// A slow reader: without quotes a line is what lies between its commas, semicolons and equals signs.
fn split(line: &str) -> Option<Vec<Hop>> {
    const TOKEN: &str = "!#$%&'*+-.^_`|~";
    let is_of = |text: &str, more: &str| {
        let is_in = |sign: char| {
            sign.is_ascii_alphanumeric() || TOKEN.contains(sign) || more.contains(sign)
        };
        !text.is_empty() && text.chars().all(is_in)
    };
    let mut read = Vec::new();
    for element in line.split(',') {
        let (mut hop, mut names) = (Hop::default(), BTreeSet::new());
        for pair in element.split(';').map(|pair| pair.trim_matches([' ', '\t'])) {
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=')?;
            let name = name.to_ascii_lowercase();
            if !is_of(&name, "") || !is_of(value, ":[]") || !names.insert(name.clone()) {
                return None;
            }
            match name.as_str() {
                // What is an address there is one here; here IPv6 needs no brackets.
                "for" => {
                    hop.client = address(value).filter(|ip| ip.is_ipv4() || value.starts_with('['))
                }
                "host" => hop.host = Some(value.to_owned()),
                "proto" => hop.scheme = Some(value.to_owned()),
                _ => {}
            }
        }
        if !names.is_empty() {
            read.push(hop);
        }
    }
    Some(read)
}

/// As a careful proxy writes a hop.
fn written(hop: &Hop) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let client = match hop.client {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => quoted(&format!("[{address}]")),
    };
    let host = hop.host.iter().map(|host| format!(";host={}", quoted(host)));
    let scheme = hop.scheme.iter().map(|scheme| format!(";PROTO={}", quoted(scheme)));
    format!("for={client}{}", host.chain(scheme).collect::<String>())
}
