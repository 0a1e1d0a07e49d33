//! Who gets in, and how much of the server one address may have: connections, bodies that are coming, requests a
//! second. What is beyond it is told so, in a way that its sender understands, for as long as that costs little;
//! then the door stays shut.
//!
//! Nobody who keeps within it notices: what a request pays is an atomic or two.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use longhaul_protocol::ProblemCode;

use crate::config::PlaceLimits;
use crate::outcome::{Beside, Refusal};
use crate::place::Place;
use crate::proxies::{Proxies, Told};
use crate::shares::{Excess, Held, Share, Shares, Thing};

/// How many connections that are not let in are told why at once; any more are closed without a word. Each
/// costs what a connection costs.
pub const TURNED_AWAY_MAX: u32 = 64;

/// How long to tell it may take: a request comes with its connection.
pub const TURNED_AWAY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long who asks too often waits for being told so. Told at once, he would ask again at once, and to
/// answer and to log that costs nearly as much as what he asks for.
pub const TOO_OFTEN_PAUSE: Duration = Duration::from_secs(1);

/// When who has too much may try again, seconds: a chunk is through by then, or a connection is closed.
const EXCESS_RETRY_SECONDS: u64 = 1;

/// Lets connections in.
#[derive(Debug)]
pub struct Doors {
    shares: Shares,
    connections_max: u32,
    open: AtomicU32,
    turned_away: AtomicU32,
}

/// What a connection has for as long as it is open.
#[derive(Debug)]
pub struct Seat {
    doors: Arc<Doors>,
    peer: IpAddr,
    share: Arc<Share>,
    /// Why it is not let in, if it is not.
    refused: Option<Refused>,
    /// Whether it is a proxy's, which is believed: then its requests are not its own.
    is_proxys: bool,
    _held: Option<Held>,
}

/// What a request has while it is answered.
#[derive(Debug)]
#[must_use]
pub struct Stay {
    _body: Option<Held>,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// His place has enough.
    Excess(Excess),
    /// The server has as many connections as it takes.
    Full(u32),
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

    fn stay(&self, share: &Arc<Share>, method: &Method) -> Result<Stay, Excess> {
        self.shares.take(share, Instant::now())?;
        let body = (method == Method::POST).then(|| self.shares.hold(share, Thing::Body));
        Ok(Stay { _body: body.transpose()? })
    }

    fn stay_behind(&self, client: IpAddr, method: &Method) -> Result<(Stay, Option<Held>), Excess> {
        let share = self.shares.of(Place::of(client));
        let connection = self.shares.hold(&share, Thing::Connection)?;
        Ok((self.stay(&share, method)?, Some(connection)))
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

impl Seat {
    /// What is told of a request by a proxy that is believed; nothing, if the connection is none of its.
    ///
    /// # Errors
    /// As [`Proxies::told`].
    pub fn told(&self, proxies: &Proxies, headers: &HeaderMap) -> Result<Option<Told>, Refusal> {
        self.is_proxys.then(|| proxies.told(self.peer, headers)).transpose()
    }

    /// A request comes; `client` is who sent it to a proxy, if one tells. Beside its stay is what he has until all of
    /// his answer is sent.
    ///
    /// # Errors
    /// [`Refused`] when it is one too many.
    pub fn ask(
        &self,
        method: &Method,
        client: Option<IpAddr>,
    ) -> Result<(Stay, Option<Held>), Refused> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let asked = match client {
            None => self.doors.stay(&self.share, method).map(|stay| (stay, None)),
            // With the proxy he has a connection for it.
            Some(client) => self.doors.stay_behind(client, method),
        };
        asked
            .map_err(Refused::Excess)
            .inspect_err(|refused| self.doors.warn(*refused, client.unwrap_or(self.peer)))
    }

    /// An answer is to be on its way beside others on the same connection; held until all of it is sent.
    ///
    /// # Errors
    /// [`Refused`] when it is one too many.
    pub fn answer(&self) -> Result<Held, Refused> {
        let held = self.doors.shares.hold(&self.share, Thing::Answer).map_err(Refused::Excess);
        held.inspect_err(|refused| self.doors.warn(*refused, self.peer))
    }

    /// A hook is to be asked about an upload of whoever asks; held until it was.
    ///
    /// # Errors
    /// [`Refused`] when it is one too many.
    pub fn question(&self, client: Option<IpAddr>) -> Result<Held, Refused> {
        let place = client.map(|client| self.doors.shares.of(Place::of(client)));
        let share = place.as_ref().unwrap_or(&self.share);
        self.doors.shares.hold(share, Thing::Question).map_err(Refused::Excess)
    }

    /// What a request that is one too many is told, when it is time.
    pub async fn refuse(&self, refused: Refused) -> Refusal {
        if matches!(refused, Refused::Excess(Excess::Rate { .. })) && self.refused.is_none() {
            // Each request is moved with all that it may come to, so that is kept small.
            Box::pin(tokio::time::sleep(TOO_OFTEN_PAUSE)).await;
        }
        refused.into()
    }

    /// How long the connection may last, if it is not let in.
    #[must_use]
    pub fn lasts(&self) -> Option<Duration> {
        self.refused.map(|_| TURNED_AWAY_TIMEOUT)
    }

    fn count(&self) -> &AtomicU32 {
        match self.refused {
            None => &self.doors.open,
            Some(_) => &self.doors.turned_away,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.count().fetch_sub(1, Ordering::Relaxed);
    }
}

impl Refused {
    fn detail(self) -> String {
        match self {
            Self::Excess(Excess::Has(Thing::Connection, max)) => format!(
                "Of one address {max} connections are taken at once (--address-connections-max)."
            ),
            Self::Excess(Excess::Has(Thing::Body, max)) => format!(
                "Of one address {max} chunks or other bodies are taken at once (--address-chunks-max)."
            ),
            Self::Excess(Excess::Has(Thing::Answer, max)) => format!(
                "To one address {max} answers are on their way at once over HTTP/2; some of them have to be taken first."
            ),
            Self::Excess(Excess::Has(Thing::Question, max)) => format!(
                "Another program is asked about {max} uploads of one address at once (--hook-events)."
            ),
            Self::Excess(Excess::Rate { per_second, .. }) => format!(
                "Of one address {per_second} requests a second are taken (--address-requests-max)."
            ),
            Self::Full(max) => {
                format!("The server has {max} connections and takes no more (--connections-max).")
            }
        }
    }

    /// Whole seconds, as the header has them; none is too early.
    fn retry_seconds(self) -> Option<u64> {
        match self {
            Self::Excess(Excess::Has(..)) => Some(EXCESS_RETRY_SECONDS),
            Self::Excess(Excess::Rate { wait_seconds, .. }) => Some(wait_seconds.into()),
            Self::Full(_) => None,
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::Excess(_) => ProblemCode::TooManyRequests,
            Refused::Full(_) => ProblemCode::Unavailable,
        };
        let refusal = Self::new(code, refused.detail());
        match refused.retry_seconds() {
            Some(seconds) => refusal.beside(Beside::Wait(seconds)),
            None => refusal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "192.0.2.1";

    fn doors(limits: PlaceLimits) -> Arc<Doors> {
        Arc::new(Doors::new(limits))
    }

    fn proxies() -> Proxies {
        Proxies { trusted: vec!["10.0.0.0/8".parse().unwrap()], ..Proxies::default() }
    }

    fn admit(doors: &Arc<Doors>, peer: &str) -> Option<Seat> {
        doors.admit(peer.parse().unwrap(), &proxies())
    }

    async fn code(seat: &Seat) -> Option<(ProblemCode, Beside)> {
        let refusal = seat.refuse(seat.ask(&Method::GET, None).err()?).await;
        Some((refusal.code, refusal.beside))
    }

    #[tokio::test]
    async fn who_is_one_too_many_is_told_so_until_one_has_left() {
        let doors = doors(PlaceLimits { place_connections_max: 1, ..PlaceLimits::default() });
        let first = admit(&doors, ONE).unwrap();
        let second = admit(&doors, ONE).unwrap();
        assert_eq!((code(&first).await, first.lasts()), (None, None));
        let told = Some((ProblemCode::TooManyRequests, Beside::Wait(EXCESS_RETRY_SECONDS)));
        assert_eq!((code(&second).await, second.lasts()), (told, Some(TURNED_AWAY_TIMEOUT)));
        assert_eq!(code(&admit(&doors, "192.0.2.2").unwrap()).await, None);
        drop(second);
        assert_eq!(code(&admit(&doors, ONE).unwrap()).await, told);
        drop(first);
        assert_eq!(code(&admit(&doors, ONE).unwrap()).await, None);
    }

    #[tokio::test]
    async fn a_full_server_is_nobodys_fault_and_has_room_again() {
        let doors = doors(PlaceLimits { connections_max: 1, ..PlaceLimits::default() });
        let first = admit(&doors, ONE).unwrap();
        let second = admit(&doors, "192.0.2.2").unwrap();
        assert_eq!(code(&second).await, Some((ProblemCode::Unavailable, Beside::Nothing)));
        drop((first, second));
        assert_eq!(code(&admit(&doors, ONE).unwrap()).await, None);
    }

    #[test]
    fn only_so_many_are_told() {
        let doors = doors(PlaceLimits { place_connections_max: 1, ..PlaceLimits::default() });
        let mut seats: Vec<_> =
            (0..=TURNED_AWAY_MAX).map(|_| admit(&doors, ONE).unwrap()).collect();
        assert!(admit(&doors, ONE).is_none());
        assert!(admit(&doors, "192.0.2.2").is_some(), "that is another");
        seats.pop();
        assert!(admit(&doors, ONE).is_some());
    }

    #[test]
    fn a_body_is_counted_while_it_comes() {
        let doors = doors(PlaceLimits { place_bodies_max: 1, ..PlaceLimits::default() });
        let (one, other) = (admit(&doors, ONE).unwrap(), admit(&doors, ONE).unwrap());
        let stay = one.ask(&Method::POST, None).unwrap();
        let refused = other.ask(&Method::POST, None).unwrap_err();
        assert_eq!(refused, Refused::Excess(Excess::Has(Thing::Body, 1)));
        assert!(other.ask(&Method::GET, None).is_ok(), "that has none");
        drop(stay);
        assert!(other.ask(&Method::POST, None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_too_often_waits_for_his_answer() {
        let limits = PlaceLimits {
            place_requests_per_second: 1,
            place_requests_burst: 2,
            ..PlaceLimits::default()
        };
        let seat = admit(&doors(limits), ONE).unwrap();
        assert_eq!(code(&seat).await, None);
        let before = tokio::time::Instant::now();
        let told = code(&seat).await;
        assert_eq!(told, Some((ProblemCode::TooManyRequests, Beside::Wait(1))));
        assert_eq!(before.elapsed(), TOO_OFTEN_PAUSE);
    }

    #[test]
    fn what_comes_by_a_proxy_counts_for_whom_it_is() {
        let limits = PlaceLimits { place_connections_max: 1, ..PlaceLimits::default() };
        let doors = doors(limits);
        // The proxy may have as many as it wants.
        let [one, other] = [(); 2].map(|()| admit(&doors, "10.0.0.1").unwrap());
        let ask = |seat: &Seat, client: &str| seat.ask(&Method::GET, client.parse().ok());
        let stay = ask(&one, ONE).unwrap();
        let refused = Refused::Excess(Excess::Has(Thing::Connection, 1));
        assert_eq!(ask(&other, ONE).unwrap_err(), refused);
        assert!(ask(&other, "192.0.2.2").is_ok());
        assert_eq!(admit(&doors, ONE).unwrap().refused, Some(refused), "by itself too");
        drop(stay);
        assert!(ask(&other, ONE).is_ok());
    }
}
