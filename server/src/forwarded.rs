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
mod tests;
