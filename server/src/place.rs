//! What counts as one sender where there is nothing but an address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where somebody is: one IPv4 address, or one IPv6 network of 64 bits.
///
/// 64 bits are the network of one customer at most (RFC 6177): whoever has it has 2^64 addresses in it, and
/// could take another for each request. Who has several networks has as many shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// An address of IPv4, also one that is written as IPv6, as a socket that takes both tells it.
    V4(Ipv4Addr),
    /// A network of IPv6, by an address whose last 64 bits are 0.
    V6(Ipv6Addr),
}

impl Place {
    /// Where an address is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64 << 64).into()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(network) => write!(f, "{network}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> String {
        Place::of(address.parse().unwrap()).to_string()
    }

    #[test]
    fn ipv6_counts_by_its_network_and_ipv4_however_it_is_written() {
        for (address, place) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(of(address), place);
        }
        // Only the addresses that stand for IPv4 do.
        assert_eq!(of("::fffe:192.0.2.7"), "::/64");
    }
}
