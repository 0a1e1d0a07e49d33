//! Who gets in, and how much of the server one address may have: connections, bodies that are coming, requests a
//! second. What is beyond it is told so, in a way that its sender understands, for as long as that costs little;
//! then the door stays shut.
//!
//! Nobody who keeps within it notices: what a request pays is an atomic or two.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use crate::config::PlaceLimits;
use crate::place::Place;
use crate::proxies::Proxies;
use crate::shares::{Excess, Held, Share, Shares, Thing};

mod refused;
mod seat;

pub use refused::Refused;
pub use seat::{Seat, Stay, TOO_OFTEN_PAUSE, TURNED_AWAY_TIMEOUT};

/// How many connections that are not let in are told why at once; any more are closed without a word. Each
/// costs what a connection costs.
pub const TURNED_AWAY_MAX: u32 = 64;

/// Lets connections in.
#[derive(Debug)]
pub struct Doors {
    shares: Shares,
    connections_max: u32,
    open: AtomicU32,
    turned_away: AtomicU32,
}

impl Doors {
    /// Nobody is in.
    #[must_use]
    pub fn new(limits: PlaceLimits) -> Self {
        Self {
            shares: Shares::new(limits),
            connections_max: limits.connections_max,
            open: AtomicU32::new(0),
            turned_away: AtomicU32::new(0),
        }
    }

    /// Lets a connection in, or in to be told why not; `None` if there is no time for that either.
    #[must_use]
    pub fn admit(self: &Arc<Self>, peer: IpAddr, proxies: &Proxies) -> Option<Seat> {
        self.admit_one(peer, proxies.trust(peer))
    }

    /// The same for one over the Unix socket, which counts as of this machine.
    #[must_use]
    pub fn admit_unix(self: &Arc<Self>, proxies: &Proxies) -> Option<Seat> {
        self.admit_one(Ipv4Addr::LOCALHOST.into(), proxies.unix)
    }

    fn admit_one(self: &Arc<Self>, peer: IpAddr, is_proxys: bool) -> Option<Seat> {
        let share = self.shares.of(Place::of(peer));
        let held = if is_proxys { Ok(None) } else { self.hold(&share).map(Some) };
        let (held, refused) = match held {
            Ok(held) if enter(&self.open, self.connections_max) => (held, None),
            Ok(_) => (None, Some(Refused::Full(self.connections_max))),
            Err(excess) => (None, Some(Refused::Excess(excess))),
        };
        if let Some(refused) = refused {
            self.warn(refused, peer);
            if !enter(&self.turned_away, TURNED_AWAY_MAX) {
                return None;
            }
        }
        Some(Seat { doors: Arc::clone(self), peer, share, refused, is_proxys, _held: held })
    }

    /// A connection is no less to do than a request.
    fn hold(&self, share: &Arc<Share>) -> Result<Held, Excess> {
        self.shares.take(share, Instant::now())?;
        self.shares.hold(share, Thing::Connection)
    }

    fn stay(&self, share: &Arc<Share>, has_body: bool) -> Result<Stay, Excess> {
        self.shares.take(share, Instant::now())?;
        let body = has_body.then(|| self.shares.hold(share, Thing::Body));
        Ok(Stay { _body: body.transpose()? })
    }

    fn stay_behind(&self, client: IpAddr, has_body: bool) -> Result<(Stay, Option<Held>), Excess> {
        let share = self.shares.of(Place::of(client));
        let connection = self.shares.hold(&share, Thing::Connection)?;
        Ok((self.stay(&share, has_body)?, Some(connection)))
    }

    /// Once for each place that is known: whoever floods the server does not flood its log.
    fn warn(&self, refused: Refused, client: IpAddr) {
        let place = Place::of(client);
        if self.shares.of(place).is_news() {
            let detail = refused.detail();
            tracing::warn!(
                from = %place,
                "{detail} Further ones of this address are not told. If it is a proxy of yours: --trusted-proxy."
            );
        }
    }
}

/// Counts one more, if there is room for it.
fn enter(count: &AtomicU32, max: u32) -> bool {
    let more = |count: u32| (count < max).then(|| count + 1);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
}

#[cfg(test)]
mod tests;
