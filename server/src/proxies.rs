//! Whom the server believes about others: proxies in front of it, known by their addresses. What they write of a
//! request ([`crate::forwarded`]) says who asks, for which name, and by which scheme; from anybody else it says nothing.
//!
//! Each proxy adds to the right of what it was sent, and whatever a client makes up stands to the left of what
//! the first proxy that is believed has written. So it is read from the right, for as long as the one who wrote it is
//! believed; the first address that is not one of theirs is the client's.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};
use ipnet::IpNet;
use longhaul_protocol::ProblemCode;

use crate::channel::Scheme;
use crate::forwarded::{self, Hop};
use crate::outcome::Refusal;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Where they are.
    pub trusted: Vec<IpNet>,
    /// Whether whoever comes over a Unix socket is one.
    pub unix: bool,
    /// What they write.
    pub dialect: Dialect,
}

/// In which headers proxies tell. Only one of the two is read: a proxy that writes the one passes on the other
/// as its client sent it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// What is told of a request by whom one believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who asks; the last proxy that is known, if it does not tell.
    pub client: IpAddr,
    /// The name and port that he asked for.
    pub host: Option<String>,
    /// How he came.
    pub scheme: Option<Scheme>,
}

impl Proxies {
    /// Whether what comes from there is believed.
    #[must_use]
    pub fn trust(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|network| network.contains(&peer))
    }

    /// What a proxy that is believed tells of a request.
    ///
    /// # Errors
    /// [`Refusal`] for what cannot be read, or is no scheme: to guess would be to take somebody for another.
    pub fn told(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Told, Refusal> {
        match self.dialect {
            Dialect::XForwarded => self.by_x_forwarded(peer, headers),
            Dialect::Forwarded => self.by_forwarded(peer, headers),
        }
    }

    fn by_forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Told, Refusal> {
        let lines = lines(headers, &FORWARDED)?;
        let hops = lines.into_iter().map(forwarded::hops).collect::<Option<Vec<_>>>();
        let hops = hops.ok_or_else(|| unreadable(&FORWARDED))?.concat();
        let (client, believed) = self.client(peer, hops.iter().rev().map(|hop| hop.client));
        // The proxy that is farthest away knows what its client asked for; not each of them says it.
        let believed = hops.get(hops.len() - believed..).unwrap_or_default();
        let tell =
            |part: fn(&Hop) -> &Option<String>| believed.iter().find_map(|hop| part(hop).clone());
        let scheme = tell(|hop| &hop.scheme);
        let scheme = scheme.map(|scheme| read_scheme(&FORWARDED, &scheme)).transpose()?;
        Ok(Told { client, host: tell(|hop| &hop.host), scheme })
    }

    fn by_x_forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Told, Refusal> {
        let clients = list(headers, &X_FORWARDED_FOR)?;
        let (client, believed) =
            self.client(peer, clients.iter().rev().map(|client| forwarded::address(client)));
        let told = |name| list(headers, name).map(|told| nth_from_right(&told, believed));
        let scheme = told(&X_FORWARDED_PROTO)?;
        let scheme = scheme.map(|scheme| read_scheme(&X_FORWARDED_PROTO, scheme)).transpose()?;
        Ok(Told { client, host: told(&X_FORWARDED_HOST)?.map(str::to_owned), scheme })
    }

    /// Who asks, of those whom proxies name, the nearest first; and how many of these words are believed.
    fn client(&self, peer: IpAddr, named: impl Iterator<Item = Option<IpAddr>>) -> (IpAddr, usize) {
        let (mut client, mut believed) = (peer, 0);
        for named in named {
            believed += 1;
            let Some(named) = named else { break };
            client = named.to_canonical();
            if !self.trust(client) {
                break;
            }
        }
        (client, believed)
    }
}

/// What the proxy wrote that is so far away, where each adds its own; the only one where each replaces it.
fn nth_from_right<'a>(list: &[&'a str], believed: usize) -> Option<&'a str> {
    let at = list.len().saturating_sub(believed.max(1));
    list.get(at).copied()
}

/// The values of a header, each line of them text.
fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Vec<&'a str>, Refusal> {
    let lines = headers.get_all(name).iter().map(|line| line.to_str());
    lines.collect::<Result<_, _>>().map_err(|_| unreadable(name))
}

/// The values of a header that is a list (RFC 9110, section 5.6.1).
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Vec<&'a str>, Refusal> {
    let lines = lines(headers, name)?;
    let values = lines.into_iter().flat_map(|line| line.split(','));
    Ok(values
        .map(|value| value.trim_matches([' ', '\t']))
        .filter(|value| !value.is_empty())
        .collect())
}

fn read_scheme(name: &HeaderName, scheme: &str) -> Result<Scheme, Refusal> {
    let known = [Scheme::Http, Scheme::Https].into_iter();
    let mut known = known.filter(|known| known.as_str().eq_ignore_ascii_case(scheme));
    known.next().ok_or_else(|| unreadable(name))
}

/// The proxy's fault, or that of whoever sent it something that it passed on.
fn unreadable(name: &HeaderName) -> Refusal {
    let detail = format!(
        "The header `{name}`, which a proxy before the server has written or passed on, cannot be read."
    );
    Refusal::new(ProblemCode::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that is believed, and two who are not.
    const PROXY: &str = "10.0.0.1";
    const CLIENT: &str = "192.0.2.1";

    fn proxies(dialect: Dialect) -> Proxies {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"].map(|network| network.parse().unwrap());
        Proxies { trusted: trusted.into(), dialect, ..Proxies::default() }
    }

    fn told(dialect: Dialect, lines: &[(&'static str, &str)]) -> Result<Told, ProblemCode> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let told = proxies(dialect).told(PROXY.parse().unwrap(), &headers);
        told.map_err(|refusal| refusal.code)
    }

    fn client(dialect: Dialect, name: &'static str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
        told(dialect, &lines).unwrap().client.to_string()
    }

    #[test]
    fn a_network_is_trusted_however_its_addresses_are_written() {
        let proxies = proxies(Dialect::XForwarded);
        for (peer, is_trusted) in [
            (PROXY, true),
            ("::ffff:10.9.9.9", true),
            ("2001:db8:1:2::3", true),
            (CLIENT, false),
            ("2001:db8:2::1", false),
            ("11.0.0.1", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(proxies.trust(peer.parse().unwrap()), is_trusted, "{peer}");
        }
        assert!(!Proxies::default().trust(PROXY.parse().unwrap()));
    }

    #[test]
    fn the_client_is_the_last_one_whom_nobody_believes() {
        for (lines, is) in [
            (&[][..], PROXY),
            (&["192.0.2.1"], CLIENT),
            (&["192.0.2.1:4711"], CLIENT),
            // What a client makes up is to the left of what is added.
            (&["203.0.113.9, 192.0.2.1"], CLIENT),
            (&["10.0.0.9, 192.0.2.1"], CLIENT),
            (&["203.0.113.9", "192.0.2.1"], CLIENT),
            (&["192.0.2.1, 10.0.0.2, 2001:db8:1::7"], CLIENT),
            (&["192.0.2.1,, ,10.0.0.2"], CLIENT),
            // A client within the networks of the proxies.
            (&["10.0.0.5, 10.0.0.2"], "10.0.0.5"),
            // Who does not tell, or in no way that is known, is counted himself.
            (&["192.0.2.1, unknown"], PROXY),
            (&["192.0.2.1, x, 10.0.0.2"], "10.0.0.2"),
            (&["::ffff:192.0.2.1"], CLIENT),
        ] {
            assert_eq!(client(Dialect::XForwarded, "x-forwarded-for", lines), is, "{lines:?}");
        }
        for (lines, is) in [
            (&[][..], PROXY),
            (&["for=192.0.2.1"], CLIENT),
            (&["for=203.0.113.9, for=192.0.2.1;by=10.0.0.2, for=\"[2001:db8:1::7]:80\""], CLIENT),
            (&["for=203.0.113.9", "for=192.0.2.1"], CLIENT),
            (&["for=192.0.2.1, for=unknown"], PROXY),
            (&["for=192.0.2.1, host=x"], PROXY),
        ] {
            assert_eq!(client(Dialect::Forwarded, "forwarded", lines), is, "{lines:?}");
        }
    }

    #[test]
    fn only_the_headers_that_the_proxy_writes_are_read() {
        let both = [("forwarded", "for=203.0.113.9"), ("x-forwarded-for", CLIENT)];
        assert_eq!(told(Dialect::XForwarded, &both).unwrap().client.to_string(), CLIENT);
        assert_eq!(told(Dialect::Forwarded, &both).unwrap().client.to_string(), "203.0.113.9");
        let broken = [("forwarded", "\""), ("x-forwarded-for", CLIENT)];
        assert!(told(Dialect::XForwarded, &broken).is_ok());
    }

    #[test]
    fn name_and_scheme_are_those_that_the_farthest_one_who_is_believed_was_asked_by() {
        let of = |told: Result<Told, _>| {
            let told: Told = told.unwrap_or_else(|code: ProblemCode| panic!("{code:?}"));
            (told.host.unwrap_or_default(), told.scheme.map(Scheme::as_str).unwrap_or_default())
        };
        for (clients, hosts, schemes, is) in [
            ("192.0.2.1", "files.example", "https", ("files.example", "https")),
            ("192.0.2.1", "files.example:8443", "HTTP", ("files.example:8443", "http")),
            ("192.0.2.1", "", "", ("", "")),
            ("", "files.example", "https", ("files.example", "https")),
            // Added by each, behind what a client made up.
            (
                "203.0.113.9, 192.0.2.1, 10.0.0.2",
                "evil, files.example, inner",
                "x, https, http",
                ("files.example", "https"),
            ),
            // Replaced by the nearest, or passed on by it.
            ("192.0.2.1, 10.0.0.2", "files.example", "https", ("files.example", "https")),
        ] {
            let lines = [
                ("x-forwarded-for", clients),
                ("x-forwarded-host", hosts),
                ("x-forwarded-proto", schemes),
            ];
            let (host, scheme) = of(told(Dialect::XForwarded, &lines));
            assert_eq!((host.as_str(), scheme), is, "{lines:?}");
        }
        for (line, is) in [
            ("for=192.0.2.1;host=files.example;proto=https", ("files.example", "https")),
            (
                "for=203.0.113.9;host=evil;proto=x, for=192.0.2.1;host=files.example;proto=https, for=10.0.0.2;host=inner;proto=http",
                ("files.example", "https"),
            ),
            (
                "for=192.0.2.1, for=10.0.0.2;host=files.example;proto=http",
                ("files.example", "http"),
            ),
            ("host=files.example", ("files.example", "")),
        ] {
            let (host, scheme) = of(told(Dialect::Forwarded, &[("forwarded", line)]));
            assert_eq!((host.as_str(), scheme), is, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_not_guessed() {
        for (dialect, name, value) in [
            (Dialect::Forwarded, "forwarded", "for=\"192.0.2.1, for=10.0.0.2"),
            (Dialect::Forwarded, "forwarded", "for=192.0.2.1;proto=gopher"),
            (Dialect::XForwarded, "x-forwarded-proto", "ftp"),
            (Dialect::XForwarded, "x-forwarded-for", "é"),
        ] {
            assert_eq!(
                told(dialect, &[(name, value)]),
                Err(ProblemCode::InvalidRequest),
                "{value}"
            );
        }
    }
}
