//! What proxies write about a request before they pass it on: for whom, to which name, by which scheme. As
//! `Forwarded` (RFC 7239), or as the `X-Forwarded-` headers that are older and that most proxies write.
//!
//! Only what the lines say is here. What of it is believed is for [`crate::proxies`].

use std::net::{IpAddr, Ipv6Addr};

/// What one proxy wrote about whoever asked it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// His address, if it is told.
    pub client: Option<IpAddr>,
    /// The name and port that he asked for.
    pub host: Option<String>,
    /// How he came.
    pub scheme: Option<String>,
}

/// The hops of a `Forwarded` line (RFC 7239, section 4), that of the first proxy first. Parameters that it does
/// not know are passed over; spaces around a `;` are taken, because they are written. `None` if it is no such line, or a
/// parameter comes twice in a hop: then nobody knows what a proxy has added to what its client had sent.
#[must_use]
pub fn hops(line: &str) -> Option<Vec<Hop>> {
    let mut reader = Reader(line);
    let mut hops = Vec::new();
    loop {
        let mut pairs = Vec::new();
        loop {
            reader.skip_spaces();
            if !reader.is_at(&[',', ';']) {
                pairs.push(reader.pair()?);
            }
            reader.skip_spaces();
            if !reader.skip(';') {
                break;
            }
        }
        // RFC 9110, section 5.6.1.2: there may be nothing between two commas.
        if !pairs.is_empty() {
            hops.push(hop(&pairs)?);
        }
        if !reader.skip(',') {
            return reader.0.is_empty().then_some(hops);
        }
    }
}

/// An address of `X-Forwarded-For`, which has no standard: IPv6 is in brackets or not, and a port may follow.
#[must_use]
pub fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches([' ', '\t']);
    text.parse().ok().or_else(|| node(text))
}

/// The address of a node (section 6), with or without a port; `unknown` and `_names` have none.
fn node(text: &str) -> Option<IpAddr> {
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.into(), port)
        }
        None => {
            let (address, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (address.parse().ok().filter(IpAddr::is_ipv4)?, port)
        }
    };
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(address)
}

/// Section 6.3: a number, or a name for one.
fn is_port(port: &str) -> bool {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit()) && (1..=5).contains(&port.len());
    let name = port.strip_prefix('_').unwrap_or_default();
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    is_number || is_name
}

fn hop(pairs: &[(String, String)]) -> Option<Hop> {
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
    // Sorted: a line may be as long as a head, and to look for each name among the others took seconds then.
    names.sort_unstable();
    names.dedup();
    if names.len() < pairs.len() {
        return None;
    }
    let mut hop = Hop::default();
    for (name, value) in pairs {
        match name.as_str() {
            "for" => hop.client = node(value),
            "host" => hop.host = Some(value.clone()),
            "proto" => hop.scheme = Some(value.clone()),
            _ => {}
        }
    }
    Some(hop)
}

/// What is left of a line.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn skip(&mut self, sign: char) -> bool {
        let rest = self.0.strip_prefix(sign);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Whether one of these comes next, or nothing.
    fn is_at(&self, signs: &[char]) -> bool {
        self.0.is_empty() || self.0.starts_with(signs)
    }

    /// `token "=" value`, the token in small letters.
    fn pair(&mut self) -> Option<(String, String)> {
        let name = self.token()?.to_ascii_lowercase();
        if !self.skip('=') {
            return None;
        }
        let value = if self.skip('"') { self.quoted()? } else { self.value()?.to_owned() };
        Some((name, value))
    }

    /// RFC 9110, section 5.6.2.
    fn token(&mut self) -> Option<&'a str> {
        self.take(|sign| sign.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(sign))
    }

    /// A token; with a colon and brackets too, which some proxies do not quote.
    fn value(&mut self) -> Option<&'a str> {
        self.take(|sign| sign.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:[]".contains(sign))
    }

    fn take(&mut self, is_in: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.0.find(|sign| !is_in(sign)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        (!taken.is_empty()).then_some(taken)
    }

    /// The rest of a quoted string (RFC 9110, section 5.6.4).
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut signs = self.0.char_indices();
        while let Some((at, sign)) = signs.next() {
            match sign {
                '"' => {
                    self.0 = self.0.get(at + 1..)?;
                    return Some(text);
                }
                '\\' => text.push(signs.next()?.1),
                _ => text.push(sign),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hop_of(client: &str, host: &str, scheme: &str) -> Hop {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Hop { client: client.parse().ok(), host: text(host), scheme: text(scheme) }
    }

    #[test]
    fn the_examples_of_rfc_7239_are_read() {
        for (line, hops_of_line) in [
            ("for=\"_gazonk\"", vec![hop_of("", "", "")]),
            ("For=\"[2001:db8:cafe::17]:4711\"", vec![hop_of("2001:db8:cafe::17", "", "")]),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", vec![hop_of("192.0.2.60", "", "http")]),
            (
                "for=192.0.2.43, for=198.51.100.17",
                vec![hop_of("192.0.2.43", "", ""), hop_of("198.51.100.17", "", "")],
            ),
            (
                "for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
                vec![
                    hop_of("192.0.2.43", "", ""),
                    hop_of("2001:db8:cafe::17", "", ""),
                    hop_of("", "", ""),
                ],
            ),
            ("for=_hidden, for=_SEVKISEK", vec![hop_of("", "", ""), hop_of("", "", "")]),
        ] {
            assert_eq!(hops(line), Some(hops_of_line), "{line}");
        }
    }

    #[test]
    fn what_proxies_write_is_read_though_no_standard_has_it() {
        for (line, client, host) in [
            (
                "for=192.0.2.1; host=files.example:8080 ;proto=https",
                "192.0.2.1",
                "files.example:8080",
            ),
            ("for=[2001:db8::1];host=\"files.example\"", "2001:db8::1", "files.example"),
            (" , ;for=\"192.0.2.1:80\";;host=\"a\\\"b\",,", "192.0.2.1", "a\"b"),
            ("secret=x;for=\"192.0.2.1:_port\";HOST=h;by=_me", "192.0.2.1", "h"),
        ] {
            let hops = hops(line).unwrap();
            let [hop] = hops.as_slice() else { panic!("{hops:?}") };
            assert_eq!(hop.client, client.parse().ok(), "{line}");
            assert_eq!(hop.host.as_deref(), Some(host), "{line}");
        }
        assert_eq!(hops(""), Some(vec![]));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_read_in_none() {
        for line in [
            "for=192.0.2.1;for=192.0.2.2",
            "for=192.0.2.1;FOR=192.0.2.1",
            // What a client begins and the proxy's own words would end.
            "for=\"192.0.2.1, for=192.0.2.2",
            "for=\"192.0.2.1\\",
            "for",
            "for=",
            "for =192.0.2.1",
            "=192.0.2.1",
            "for=192.0.2.1 for=192.0.2.2",
            "for=\"192.0.2.1\"x",
            "for=192.0.2.1/24",
            "for=é",
        ] {
            assert_eq!(hops(line), None, "{line}");
        }
    }

    #[test]
    fn an_address_is_one_however_a_proxy_writes_it() {
        for (text, is) in [
            (" 192.0.2.1\t", "192.0.2.1"),
            ("192.0.2.1:8080", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:8080", "2001:db8::1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ] {
            assert_eq!(address(text), is.parse().ok(), "{text}");
        }
        for text in [
            "",
            "unknown",
            "_x",
            "192.0.2",
            "192.0.2.1:",
            "192.0.2.1:123456",
            "192.0.2.1:x",
            "[192.0.2.1]",
            "[2001:db8::1",
            "[2001:db8::1]x",
            "192.0.2.1 192.0.2.2",
            "localhost",
            "fe80::1%eth0",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    /// As careful proxies write a hop: everything quoted.
    fn written(hop: &Hop) -> String {
        let quoted =
            |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let client = match hop.client {
            None => "unknown".to_owned(),
            Some(IpAddr::V4(address)) => quoted(&address.to_string()),
            Some(IpAddr::V6(address)) => quoted(&format!("[{address}]")),
        };
        let mut parts = vec![format!("for={client}")];
        parts.extend(hop.host.iter().map(|host| format!("host={}", quoted(host))));
        parts.extend(hop.scheme.iter().map(|scheme| format!("proto={}", quoted(scheme))));
        parts.join(";")
    }

    fn any_hop() -> impl Strategy<Value = Hop> {
        let text = || prop::option::of("[ -~]{0,12}");
        (any::<Option<IpAddr>>(), text(), text()).prop_map(|(client, host, scheme)| Hop {
            client,
            host,
            scheme,
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(wanted in prop::collection::vec(any_hop(), 0..5)) {
            let line = wanted.iter().map(written).collect::<Vec<_>>().join(" ,");
            prop_assert_eq!(hops(&line), Some(wanted));
        }

        /// The slow twin: where nothing is quoted a line is what lies between its commas, semicolons and equals signs.
        #[test]
        fn without_quotes_a_line_is_what_lies_between_its_signs(line in "[for,;=a1.:\\[\\] ]{0,40}") {
            let split = |text: &str, by: char| {
                let parts = text.split(by).map(|part| part.trim_matches(' ').to_owned());
                parts.filter(|part| !part.is_empty()).collect::<Vec<_>>()
            };
            let pair = |pair: &String| {
                let (name, value) = pair.split_once('=')?;
                let is_name = !name.is_empty() && !name.contains([' ', ':', '[', ']']);
                let is_value = !value.is_empty() && !value.contains([' ', '=']);
                (is_name && is_value).then(|| (name.to_owned(), value.to_owned()))
            };
            let elements = split(&line, ',').into_iter().map(|element| split(&element, ';'));
            let elements = elements.filter(|pairs| !pairs.is_empty());
            let of_twin: Option<Vec<_>> = elements
                .map(|pairs| {
                    let pairs = pairs.iter().map(pair).collect::<Option<Vec<_>>>()?;
                    let names: std::collections::BTreeSet<_> = pairs.iter().map(|(name, _)| name).collect();
                    let client = pairs.iter().find(|(name, _)| name == "for");
                    let hop = Hop { client: client.and_then(|(_, value)| node(value)), ..Hop::default() };
                    (names.len() == pairs.len()).then_some(hop)
                })
                .collect();
            prop_assert_eq!(hops(&line), of_twin);
        }

        #[test]
        fn whatever_comes_is_read_or_not(line in any::<String>()) {
            let _ = (hops(&line), address(&line));
        }
    }
}
