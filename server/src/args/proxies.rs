//! Whom the server believes about others.

use std::net::IpAddr;

use ipnet::IpNet;
use longhaul_server::proxies::{Dialect, Proxies};

/// Whom the server believes about others.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Behind a proxy")]
pub struct ProxyArgs {
    /// Believe the proxies of this address or network, such as `127.0.0.1` or `10.0.0.0/8`, or with `unix` whoever comes
    /// over `--unix-socket`, about who asks, by which name and scheme. Can be repeated. Without it every proxy is taken
    /// for a client, and has one client's limits. With it come strangers, for whom `--token-key` or `--allow-anonymous` is needed.
    #[arg(long, value_name = "CIDR", value_parser = parse_trusted)]
    pub trusted_proxy: Vec<Trusted>,

    /// In which headers they tell it. The others are not read, because proxies pass on what they do not know.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = ProxyHeaders::XForwarded)]
    pub proxy_headers: ProxyHeaders,
}

/// Where a proxy is that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// There.
    Network(IpNet),
    /// On this machine, at the other end of the Unix socket.
    Unix,
}

/// In which headers proxies tell of their clients.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ProxyHeaders {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`, as most do.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ProxyArgs {
    /// The same for the server.
    pub fn proxies(&self) -> Proxies {
        let dialect = match self.proxy_headers {
            ProxyHeaders::XForwarded => Dialect::XForwarded,
            ProxyHeaders::Forwarded => Dialect::Forwarded,
        };
        let trusted = self.trusted_proxy.iter().filter_map(|trusted| match trusted {
            Trusted::Network(network) => Some(*network),
            Trusted::Unix => None,
        });
        let unix = self.trusted_proxy.contains(&Trusted::Unix);
        Proxies { trusted: trusted.collect(), unix, dialect }
    }
}

fn parse_trusted(text: &str) -> Result<Trusted, String> {
    if text == "unix" {
        return Ok(Trusted::Unix);
    }
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse().or_else(|_| address());
    network.map(Trusted::Network).map_err(|_| {
        "a network is `10.0.0.0/8` or `2001:db8::/32`, an address `127.0.0.1` or `::1`, and `unix` is whoever comes \
         over the Unix socket"
            .to_owned()
    })
}
