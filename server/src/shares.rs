//! What each place has of the server just now, and how much it may have.
//!
//! A connection looks its place up once and keeps what it found: a request then costs an atomic and no lock.
//! The table forgets a place of which nothing is open, and sooner or later it does; what the place had taken
//! out of its bucket is forgotten with it.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::bucket::Rate;
use crate::config::PlaceLimits;
use crate::place::Place;

/// How many places are known at once: more than a server has connections, and 10 MB. A flood from more of
/// them is one that no limit for each place can hold off.
pub const PLACES_MAX: usize = 65_536;

/// How many uploads of one place a hook is asked about at once, of sixteen in all: half, so that another is asked about
/// whatever one of them does.
const QUESTIONS_MAX: u32 = 8;

/// How many requests of one place that are one too many are told so at once over connections that have a hundred of them.
/// Each is an answer that somebody has to take.
pub const REFUSALS_MAX: u32 = 64;

/// What all places have.
#[derive(Debug)]
pub struct Shares {
    limits: PlaceLimits,
    /// What buckets count from.
    since: Instant,
    known: Mutex<Known>,
}

/// What one place has.
#[derive(Debug, Default)]
pub struct Share {
    connections: AtomicU32,
    bodies: AtomicU32,
    questions: AtomicU32,
    answers: AtomicU32,
    refusals: AtomicU32,
    /// When its bucket is full again.
    full_at: AtomicU64,
    told: AtomicBool,
}

/// Of what there is a number for each place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// Connections; behind a proxy requests that are being answered, as each has one there.
    Connection,
    /// Request bodies that are coming, of which chunks are what counts.
    Body,
    /// Uploads that a hook is asked about.
    Question,
    /// Answers over connections that have many of them at once, until all of each is sent; a long one that lies in memory
    /// is several.
    Answer,
    /// Those of them that only tell that a request is one too many.
    Refusal,
}

/// One of them, or several; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    share: Arc<Share>,
    thing: Thing,
    number: u32,
}

/// Why a place gets no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// It has as many as it may, which is so many.
    Has(Thing, u32),
    /// It asks too often.
    Rate {
        /// How often it may, a second.
        per_second: u32,
        /// When it may again, in whole seconds from now, of which none is too few.
        wait_seconds: u32,
    },
}

impl Shares {
    /// Nobody has anything.
    #[must_use]
    pub fn new(limits: PlaceLimits) -> Self {
        Self { limits, since: Instant::now(), known: Mutex::default() }
    }

    /// What a place has. One that is not in the table any more, because it is full of places that have
    /// something open, has a share of its own each time.
    #[must_use]
    pub fn of(&self, place: Place) -> Arc<Share> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).share(place)
    }

    /// One more of something for a place.
    ///
    /// # Errors
    /// [`Excess::Has`].
    pub fn hold(&self, share: &Arc<Share>, thing: Thing) -> Result<Held, Excess> {
        let mut held = Held { share: Arc::clone(share), thing, number: 0 };
        self.hold_more(&mut held, 1).map(|()| held)
    }

    /// So many more of what is held.
    ///
    /// # Errors
    /// [`Excess::Has`]; it is as many as before then.
    pub fn hold_more(&self, held: &mut Held, more: u32) -> Result<(), Excess> {
        let thing = held.thing;
        let max = match thing {
            Thing::Connection => self.limits.place_connections_max,
            Thing::Body => self.limits.place_bodies_max,
            Thing::Question => QUESTIONS_MAX,
            Thing::Answer => self.limits.place_answers_max,
            Thing::Refusal => REFUSALS_MAX,
        };
        // Counted before it is looked at: two that come at once do not both take the last.
        let before = held.count().fetch_add(more, Ordering::Relaxed);
        if max == 0 || before.saturating_add(more) <= max {
            held.number += more;
            return Ok(());
        }
        held.count().fetch_sub(more, Ordering::Relaxed);
        Err(Excess::Has(thing, max))
    }

    /// Takes a token out of a place's bucket.
    ///
    /// # Errors
    /// [`Excess::Rate`].
    pub fn take(&self, share: &Share, now: Instant) -> Result<(), Excess> {
        let per_second = self.limits.place_requests_per_second;
        let rate = Rate { per_second, burst: self.limits.place_requests_burst };
        let now = now.saturating_duration_since(self.since).as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let mut wait = 0;
        let take = |full_at| {
            let taken = rate.take(full_at, now);
            taken.inspect_err(|&nanos| wait = nanos).ok()
        };
        let taken = share.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let wait_seconds = u32::try_from(wait.div_ceil(1_000_000_000)).unwrap_or(u32::MAX);
        taken.map(drop).map_err(|_| Excess::Rate { per_second, wait_seconds })
    }
}

impl Share {
    /// Whether it is the first time that somebody wants to tell of this place.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }
}

impl Held {
    fn count(&self) -> &AtomicU32 {
        match self.thing {
            Thing::Connection => &self.share.connections,
            Thing::Body => &self.share.bodies,
            Thing::Question => &self.share.questions,
            Thing::Answer => &self.share.answers,
            Thing::Refusal => &self.share.refusals,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count().fetch_sub(self.number, Ordering::Relaxed);
    }
}

/// Two generations of places: one is looked up in both and moves to the younger. When that is half of what
/// may be known the older one is forgotten, but for those who have something open.
#[derive(Debug, Default)]
struct Known {
    young: HashMap<Place, Arc<Share>>,
    old: HashMap<Place, Arc<Share>>,
    /// How many places came since the last turn, which takes as long as there are places.
    came: usize,
}

impl Known {
    fn share(&mut self, place: Place) -> Arc<Share> {
        if let Some(share) = self.young.get(&place) {
            return Arc::clone(share);
        }
        let share = self.old.remove(&place).unwrap_or_default();
        self.came += 1;
        if self.young.len() >= PLACES_MAX / 2 && self.came >= PLACES_MAX / 4 {
            self.turn();
        }
        if self.young.len() < PLACES_MAX / 2 {
            self.young.insert(place, Arc::clone(&share));
        }
        share
    }

    fn turn(&mut self) {
        self.came = 0;
        let oldest = mem::replace(&mut self.old, mem::take(&mut self.young));
        // Whoever has something open has its share too.
        let open = oldest.into_iter().filter(|(_, share)| Arc::strong_count(share) > 1);
        self.young = open.collect();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;

    /// As many as are known.
    const MANY: u32 = 65_536;

    fn place(at: u32) -> Place {
        Place::of(IpAddr::V4(Ipv4Addr::from_bits(at)))
    }

    fn shares() -> Shares {
        Shares::new(PlaceLimits {
            place_connections_max: 2,
            place_bodies_max: 1,
            place_requests_per_second: 1,
            place_requests_burst: 2,
            ..PlaceLimits::default()
        })
    }

    #[test]
    fn each_place_has_its_own_and_what_is_given_back_is_had_again() {
        let shares = shares();
        let (one, other) = (shares.of(place(1)), shares.of(place(2)));
        let held = [(); 2].map(|()| shares.hold(&one, Thing::Connection).unwrap());
        let refused = shares.hold(&shares.of(place(1)), Thing::Connection);
        assert_eq!(refused.unwrap_err(), Excess::Has(Thing::Connection, 2));
        assert!(shares.hold(&other, Thing::Connection).is_ok());
        let body = shares.hold(&one, Thing::Body).unwrap();
        assert_eq!(shares.hold(&one, Thing::Body).unwrap_err(), Excess::Has(Thing::Body, 1));
        drop((held, body));
        assert!(shares.hold(&one, Thing::Connection).is_ok());
        assert!(shares.hold(&one, Thing::Body).is_ok());
    }

    #[test]
    fn who_asks_too_often_is_told_when_he_may_again() {
        let (shares, now) = (shares(), Instant::now());
        let share = shares.of(place(1));
        assert_eq!([shares.take(&share, now), shares.take(&share, now)], [Ok(()); 2]);
        let refused = Excess::Rate { per_second: 1, wait_seconds: 1 };
        assert_eq!(shares.take(&share, now), Err(refused));
        assert!(shares.take(&shares.of(place(2)), now).is_ok());
        assert!(shares.take(&share, now + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn zero_is_no_limit() {
        let none = PlaceLimits {
            place_connections_max: 0,
            place_bodies_max: 0,
            place_requests_per_second: 0,
            ..PlaceLimits::default()
        };
        let shares = Shares::new(none);
        let share = shares.of(place(1));
        let held: Vec<_> = (0..5000).map(|_| shares.hold(&share, Thing::Body)).collect();
        assert!(held.iter().all(Result::is_ok));
        assert!((0..100_000).all(|_| shares.take(&share, Instant::now()).is_ok()));
    }

    #[test]
    fn a_flood_of_places_makes_the_table_no_longer_and_takes_nothing_from_who_is_here() {
        let shares = shares();
        let share = shares.of(place(0));
        let held = [(); 2].map(|()| shares.hold(&share, Thing::Connection).unwrap());
        assert_eq!(MANY as usize, PLACES_MAX);
        for at in 1..4 * MANY {
            drop(shares.of(place(at)));
            if at % 1000 == 0 {
                let known = shares.known.lock().unwrap();
                assert!(known.young.len() + known.old.len() <= PLACES_MAX);
            }
        }
        assert!(shares.hold(&shares.of(place(0)), Thing::Connection).is_err());
        drop((held, share));
        assert!(shares.hold(&shares.of(place(0)), Thing::Connection).is_ok());
    }

    #[test]
    fn more_places_than_are_known_at_once_find_an_end_too() {
        let shares = shares();
        let all: Vec<_> = (0..2 * MANY).map(|at| shares.of(place(at))).collect();
        let known = shares.known.lock().unwrap();
        assert!(known.young.len() + known.old.len() <= PLACES_MAX);
        drop(all);
    }
}
