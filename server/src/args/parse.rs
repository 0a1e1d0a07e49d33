//! What is said on the command line, read: what is wrong is answered with an example of what is not.

use std::net::Ipv6Addr;
use std::time::Duration;

use http::Uri;
use longhaul_protocol::plan::{CHUNK_LEN_DEFAULT, CHUNK_LEN_MAX, CHUNK_LEN_MIN};

/// An origin as browsers write it: scheme, host, and port where it is not the scheme's own.
pub(super) fn parse_origin(text: &str) -> Result<String, String> {
    let shape = "an origin is `https://example.org` or `http://127.0.0.1:8000`, without a path";
    let uri: Uri = text.parse().map_err(|_| shape.to_owned())?;
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) if text == format!("{scheme}://{authority}") => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(shape.to_owned()),
    }
}

/// As a `Host` header has it: an IPv6 address in brackets, in the one way that browsers write it.
pub(super) fn parse_host_name(text: &str) -> Result<String, String> {
    if text.contains('*') {
        let no_pattern =
            "a `*` stands for nothing here: give each name by itself, such as `files.example.org`";
        return Err(no_pattern.to_owned());
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    match text.parse::<http::uri::Authority>() {
        Ok(authority) if authority.host() == text => Ok(text.to_owned()),
        _ => Err(
            "a host name is `files.example.org`, `192.0.2.7` or `fe80::1`, without a scheme, a \
                  port or a zone"
                .to_owned(),
        ),
    }
}

pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    let shape = "bytes are a whole number without a unit, such as `107374182400` for 100 GiB";
    text.parse().map_err(|_| shape.to_owned())
}

pub(super) fn parse_rate(text: &str) -> Result<u64, String> {
    match parse_bytes(text)? {
        0 => Err("at no byte a second it would never end; leave it out for no limit".to_owned()),
        rate => Ok(rate),
    }
}

pub(super) fn parse_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "permission bits are three octal digits, such as `660`".to_owned())
}

pub(super) fn parse_chunk_size(text: &str) -> Result<u64, String> {
    let bytes = parse_bytes(text)?;
    if (CHUNK_LEN_MIN..=CHUNK_LEN_MAX).contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!(
        "a chunk has {CHUNK_LEN_MIN} to {CHUNK_LEN_MAX} bytes, such as `{CHUNK_LEN_DEFAULT}` for 8 MiB"
    ))
}

pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let shape = "a time is a number and a unit, such as `12h`, `30d` or `1h 30m`";
    humantime::parse_duration(text).map_err(|_| shape.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path() {
        for origin in ["https://example.org", "http://127.0.0.1:8000", "http://[::1]:8000"] {
            assert_eq!(parse_origin(origin).as_deref(), Ok(origin));
        }
        for other in
            ["example.org", "https://example.org/", "https://example.org/x", "*", "null", ""]
        {
            assert!(parse_origin(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_host_name_has_no_port() {
        assert!(parse_host_name("files.example.org").is_ok());
        for other in ["files.example.org:80", "http://x", "", "a b", "[fe80::1]:80", "fe80::1%eth0"]
        {
            assert!(parse_host_name(other).is_err(), "{other}");
        }
    }

    #[test]
    fn an_address_is_a_host_name_with_or_without_its_brackets() {
        for text in ["fe80::1", "[fe80::1]", "FE80:0::0:1"] {
            assert_eq!(parse_host_name(text).as_deref(), Ok("[fe80::1]"), "{text}");
        }
        assert_eq!(parse_host_name("192.0.2.7").as_deref(), Ok("192.0.2.7"));
    }
}
