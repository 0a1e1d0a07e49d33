//! From where and what for somebody asks: `Host`, `Origin` and the query of an address.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::request::Parts;
use http::{Method, Request};
use longhaul_server::Config;
use longhaul_server::channel::Scheme;
use longhaul_server::gate::{Standing, check_host, check_origin, standing};
use longhaul_server::link::LinkKey;
use longhaul_server::query;

/// A name of the server's, and a page that may ask it.
const OWN: &str = "files.example";
const ALLOWED: &str = "https://app.example";

/// The first line is a `Host`, the second an `Origin`, the third the query.
pub fn check(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (host, origin, query) = (line(), line(), line());
    let config = Config {
        host_names: vec![OWN.to_owned()],
        allow_origins: vec![ALLOWED.to_owned()],
        ..Config::new(LinkKey::new(&[7; 32]))
    };
    if let Some(head) = head(Method::POST, host, origin) {
        check_from(&config, &head, host, origin);
    }
    if let Ok(query) = std::str::from_utf8(query) {
        check_query(query);
    }
}

fn head(method: Method, host: &[u8], origin: &[u8]) -> Option<Parts> {
    let request = Request::builder().method(method).uri("/v1/files").header("host", host);
    let request = if origin.is_empty() { request } else { request.header("origin", origin) };
    Some(request.body(()).ok()?.into_parts().0)
}

fn check_from(config: &Config, head: &Parts, host: &[u8], origin: &[u8]) {
    let judged = check_host(config, head, None);
    let text = std::str::from_utf8(host).unwrap_or_default();
    let told = check_host(config, head, Some(text));
    assert_eq!(judged.is_ok(), is_ours(text).is_some(), "{text}");
    assert_eq!(told.is_ok(), is_ours(text).is_some(), "by a proxy: {text}");
    let Ok(host) = judged else { return };
    assert_eq!(host, text);
    for scheme in [Scheme::Http, Scheme::Https] {
        let own = format!("{}://{host}", scheme.as_str());
        let is = |text: &str| origin.eq_ignore_ascii_case(text.as_bytes());
        let expected = match origin {
            b"" => Standing::NoOrigin,
            _ if is(&own) => Standing::Own,
            _ if origin == ALLOWED.as_bytes() => Standing::Allowed,
            _ => Standing::Foreign,
        };
        assert_eq!(standing(config, scheme, &host, head), expected, "{text}, {origin:?}");
        let refused = check_origin(config, scheme, &host, head).is_err();
        assert_eq!(refused, expected == Standing::Foreign, "{text}, {origin:?}");
    }
}

/// The slow twin: a name of ours, with or without a port.
fn is_ours(text: &str) -> Option<()> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()? == Ipv6Addr::LOCALHOST).then_some(())?;
            ("localhost", port.strip_prefix(':').or_else(|| port.is_empty().then_some("1"))?)
        }
        None => text.split_once(':').unwrap_or((text, "1")),
    };
    let is_loopback = name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    let is_named = ["localhost", OWN].into_iter().any(|own| own.eq_ignore_ascii_case(name));
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit())
        && (port.is_empty() || port.parse::<u16>().is_ok());
    ((is_loopback || is_named) && is_port).then_some(())
}

fn check_query(text: &str) {
    for name in ["after", "limit", "start", ""] {
        assert_eq!(query::value(text, name), walked(text, name), "{text}: {name}");
    }
    let number: Option<u64> = query::number(text);
    let digits = text.trim_start_matches('0');
    let is_one = !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
    // As texts of one length are ordered.
    let fits = digits.len() < 20 || digits.len() == 20 && digits <= "18446744073709551615";
    assert_eq!(number.is_some(), is_one && fits, "{text}");
    let written = number.map(|number| number.to_string());
    assert!(written.is_none_or(|written| written.trim_start_matches('0') == digits), "{text}");
}

/// The slow twin of the parser of `application/x-www-form-urlencoded` (URL standard, section 5.1).
fn walked(text: &str, name: &str) -> Option<String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| decoded(key) == name).map(|(_, value)| decoded(value))
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let is_hex = |digits: &&str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = digits.filter(is_hex).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        (rest, _) = match (byte, number) {
            (b'%', Some(number)) => (&after[2..], bytes.push(number)),
            (b'+', _) => (after, bytes.push(b' ')),
            _ => (after, bytes.push(byte)),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
