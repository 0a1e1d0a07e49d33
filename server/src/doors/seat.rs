//! What a connection has that was let in, or is told why it is not, and what its requests have.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::HeaderMap;

use super::{Doors, Refused};
use crate::outcome::Refusal;
use crate::place::Place;
use crate::proxies::{Proxies, Told};
use crate::shares::{Excess, Held, Share, Thing};
use crate::stream::FIRST_FRAME_BYTES;

/// How long to tell it may take: a request comes with its connection.
pub const TURNED_AWAY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long who asks too often waits for being told so. Told at once, he would ask again at once, and to
/// answer and to log that costs nearly as much as what he asks for.
pub const TOO_OFTEN_PAUSE: Duration = Duration::from_secs(1);

/// How much of an answer that lies in memory counts as one: what the first of any file has ([`FIRST_FRAME_BYTES`]).
const ANSWER_BYTES: u64 = FIRST_FRAME_BYTES;

/// What a connection has for as long as it is open.
#[derive(Debug)]
pub struct Seat {
    pub(super) doors: Arc<Doors>,
    pub(super) peer: IpAddr,
    pub(super) share: Arc<Share>,
    /// Why it is not let in, if it is not.
    pub(super) refused: Option<Refused>,
    /// Whether it is a proxy's, which is believed: then its requests are not its own.
    pub(super) is_proxys: bool,
    pub(super) _held: Option<Held>,
}

/// What a request has while it is answered.
#[derive(Debug)]
#[must_use]
pub struct Stay {
    pub(super) _body: Option<Held>,
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
        has_body: bool,
        client: Option<IpAddr>,
    ) -> Result<(Stay, Option<Held>), Refused> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let asked = match client {
            None => self.doors.stay(&self.share, has_body).map(|stay| (stay, None)),
            // With the proxy he has a connection for it.
            Some(client) => self.doors.stay_behind(client, has_body),
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

    /// So many bytes of that answer lie in memory until they are sent: a long one is as many as it has [`ANSWER_BYTES`].
    ///
    /// # Errors
    /// [`Refused`] when that is too many.
    pub fn keep(&self, answer: &mut Held, bytes: u64) -> Result<(), Refused> {
        let more = u32::try_from(bytes / ANSWER_BYTES).unwrap_or(u32::MAX);
        let held = self.doors.shares.hold_more(answer, more).map_err(Refused::Excess);
        held.inspect_err(|refused| self.doors.warn(*refused, self.peer))
    }

    /// A request is to be told that it is one too many, beside others on the same connection; held until that is sent.
    /// `None` if so many are being told.
    #[must_use]
    pub fn refusal(&self, client: Option<IpAddr>) -> Option<Held> {
        self.hold_of(client, Thing::Refusal).ok()
    }

    /// A hook is to be asked about an upload of whoever asks; held until it was.
    ///
    /// # Errors
    /// [`Refused`] when it is one too many.
    pub fn question(&self, client: Option<IpAddr>) -> Result<Held, Refused> {
        self.hold_of(client, Thing::Question).map_err(Refused::Excess)
    }

    /// One more thing for whoever asks, `client` if that is not who has the connection.
    fn hold_of(&self, client: Option<IpAddr>, thing: Thing) -> Result<Held, Excess> {
        let place = client.map(|client| self.doors.shares.of(Place::of(client)));
        self.doors.shares.hold(place.as_ref().unwrap_or(&self.share), thing)
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
