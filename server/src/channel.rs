//! What a request came over: who is at the other end of the connection, what encrypts it, and whether the
//! system may send from files.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::arriving::Line;
use crate::doors::Seat;
use crate::outbox::Outbox;
use crate::request_id::RequestIds;

/// A connection, as its requests see it.
#[derive(Debug)]
pub struct Channel {
    /// Its other end.
    pub peer: Peer,
    /// How its addresses begin.
    pub scheme: Scheme,
    /// Where it learns what of an answer is in a file. None if somebody here looks at what it sends, who gets
    /// copies: a page of a map that the disk cannot give ends the process that reads it.
    pub outbox: Option<Arc<Outbox>>,
    /// Whether it may have many answers on their way at once.
    pub is_shared: bool,
    /// What it has of the server.
    pub seat: Seat,
    /// What its requests are called.
    pub ids: RequestIds,
    /// Whether there is something to read.
    pub line: Arc<Line>,
}

impl Channel {
    /// A connection on which no request has come yet.
    #[must_use]
    pub fn new(peer: Peer, scheme: Scheme, outbox: Option<Arc<Outbox>>, seat: Seat) -> Self {
        let (ids, line) = (RequestIds::of_connection(), Arc::default());
        Self { peer, scheme, outbox, is_shared: false, seat, ids, line }
    }

    /// The same of one that may have many answers on their way at once.
    #[must_use]
    pub fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A program somewhere.
    Address(SocketAddr),
    /// One on this machine, over a Unix socket.
    Unix,
}

impl Peer {
    /// Its address, if it has one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// What encrypts a connection, as an address tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Nothing.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As it stands in an address.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
