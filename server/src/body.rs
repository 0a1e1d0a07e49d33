//! A request's body: read in pieces, within bounds, and discarded when nobody wants it.
//!
//! *An early answer is heard.* A browser that is still sending when the server answers and closes
//! reports "network error", not the answer. So what is left of a body is read and thrown away:
//! first before the answer, for `drain_timeout`, which leaves a connection that can be used again
//! and every browser content; then, on a line too slow for that, after it, for `linger_timeout`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{EXPECT, HeaderValue};
use http::request::Parts;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use longhaul_protocol::ProblemCode;

use crate::config::Limits;
use crate::log::Tally;
use crate::outcome::Refusal;

mod json;

/// Why a body came to no good end. Both are the sender's or the network's.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// No byte came for `waited`.
    #[error("no byte of the body came for {} seconds, after {received}", .waited.as_secs())]
    Stalled {
        /// How long.
        waited: Duration,
        /// Bytes that came before.
        received: u64,
    },
    /// It came, and too slowly.
    #[error(
        "in {} seconds of waiting {received} bytes of the body came; at least {rate_min} bytes a second have to", .waited.as_secs()
    )]
    TooSlow {
        /// How long it was waited for.
        waited: Duration,
        /// Bytes that came.
        received: u64,
        /// How many a second had to.
        rate_min: u32,
    },
    /// The connection broke, or the body was not framed as HTTP frames it.
    #[error("the body broke off after {received} bytes: {reason}")]
    Broken {
        /// Bytes that came before.
        received: u64,
        /// What hyper says.
        reason: String,
    },
}

impl From<BodyError> for Refusal {
    /// What it means of the bytes of a file.
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::Stalled { .. } | BodyError::TooSlow { .. } => ProblemCode::Stalled,
            BodyError::Broken { .. } => ProblemCode::WrongLength,
        };
        Self::new(code, format!("While reading: {error}."))
    }
}

/// The body of one request.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Incoming,
    tally: Arc<Tally>,
    limits: BodyLimits,
    /// The sender waits for `100 Continue`, which hyper sends when the body is first asked for.
    withheld: bool,
    /// For how long its bytes were waited for, nanoseconds.
    waited: u64,
    /// What [`RequestBody::next`] came to last, where it came to no good.
    ended: Option<End>,
}

/// Those of [`Limits`] that are about bodies: each request is moved with them.
#[derive(Clone, Copy, Debug)]
struct BodyLimits {
    idle_body_timeout: Duration,
    body_rate_min: u32,
    drain_timeout: Duration,
    linger_timeout: Duration,
    drain_bytes_max: u64,
}

impl From<&Limits> for BodyLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            idle_body_timeout: limits.idle_body_timeout,
            body_rate_min: limits.body_rate_min,
            drain_timeout: limits.drain_timeout,
            linger_timeout: limits.linger_timeout,
            drain_bytes_max: limits.drain_bytes_max,
        }
    }
}

/// How a body came to an end before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Stalled,
    Broken,
    /// Nobody is to hear of it: [`RequestBody::leave`].
    Left,
}

impl RequestBody {
    /// The body that came with a head.
    #[must_use]
    pub fn new(head: &Parts, incoming: Incoming, tally: Arc<Tally>, limits: &Limits) -> Self {
        let expected = head.headers.get(EXPECT).map(HeaderValue::as_bytes);
        let withheld = expected.is_some_and(|it| it.eq_ignore_ascii_case(b"100-continue"));
        Self { incoming, tally, limits: limits.into(), withheld, waited: 0, ended: None }
    }

    /// Whether there is anything to come.
    #[must_use]
    pub fn has_body(&self) -> bool {
        !self.incoming.is_end_stream()
    }

    /// How many bytes are still to come, if the sender said.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`BodyError`], after which there are no more.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        self.withheld = false;
        let patience =
            patience(&self.limits, self.tally.received.load(Ordering::Relaxed), self.waited());
        let since = Instant::now();
        let next = tokio::time::timeout(patience, next_data(&mut self.incoming, &self.tally)).await;
        self.waited = nanos(self.waited() + since.elapsed());
        let received = self.tally.received.load(Ordering::Relaxed);
        match next {
            Ok(Ok(data)) => Ok(data),
            Ok(Err(error)) => {
                self.ended = Some(End::Broken);
                Err(BodyError::Broken { received, reason: error.to_string() })
            }
            Err(_elapsed) => {
                self.ended = Some(End::Stalled);
                Err(self.too_late(patience, received))
            }
        }
    }

    fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited)
    }

    fn too_late(&self, patience: Duration, received: u64) -> BodyError {
        let BodyLimits { idle_body_timeout, body_rate_min: rate_min, .. } = self.limits;
        if patience == idle_body_timeout {
            return BodyError::Stalled { waited: patience, received };
        }
        BodyError::TooSlow { waited: self.waited(), received, rate_min }
    }

    /// Whether it came to no end: its sender may be back already, on another connection.
    #[must_use]
    pub fn broke_off(&self) -> bool {
        matches!(self.ended, Some(End::Broken | End::Stalled))
    }

    /// Lets the connection be closed over what is left, for an answer that need not be heard: its
    /// sender asks what is here after any failure, and each further byte would come in vain.
    pub fn leave(&mut self) {
        self.ended = Some(End::Left);
    }

    /// Reads what is left and throws it away, so that the answer is heard. Returns when the body
    /// has ended or the answer can wait no longer.
    pub async fn discard(mut self) {
        // To ask for a body that is withheld would be to let it come.
        let is_over = matches!(self.ended, Some(End::Broken | End::Left));
        if self.withheld || is_over || self.incoming.is_end_stream() {
            return;
        }
        let BodyLimits { drain_timeout, linger_timeout, drain_bytes_max, .. } = self.limits;
        // One that stalled was waited for already.
        let stalled = self.ended == Some(End::Stalled);
        let drain_timeout = if stalled { Duration::ZERO } else { drain_timeout };
        let mut left = drain_bytes_max;
        let drained = tokio::time::timeout(drain_timeout, self.drain(&mut left)).await;
        if drained.is_err() {
            tokio::spawn(async move {
                let _ = tokio::time::timeout(linger_timeout, self.drain(&mut left)).await;
            });
        }
    }

    async fn drain(&mut self, left: &mut u64) {
        while let Ok(Some(data)) = next_data(&mut self.incoming, &self.tally).await {
            match left.checked_sub(data.len() as u64) {
                Some(less) => *left = less,
                None => return,
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How long the next bytes of a body are waited for, of which some came and were waited for. One byte now and
/// then is not enough: what came bought its time, at so many bytes a second, and more than the longest silence is not lent.
fn patience(limits: &BodyLimits, received: u64, waited: Duration) -> Duration {
    let idle = limits.idle_body_timeout;
    let Some(bought) = received.checked_div(limits.body_rate_min.into()) else { return idle };
    let bought = Duration::from_secs(bought).saturating_add(idle);
    bought.saturating_sub(waited).min(idle)
}

/// The next frame with data; trailers are nothing to us.
async fn next_data(incoming: &mut Incoming, tally: &Tally) -> Result<Option<Bytes>, hyper::Error> {
    while let Some(frame) = incoming.frame().await {
        if let Ok(data) = frame?.into_data() {
            tally.received.fetch_add(data.len() as u64, Ordering::Relaxed);
            return Ok(Some(data));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_buys_time_and_no_silence_is_longer_than_it_may_be() {
        let idle = Duration::from_secs(30);
        let limits = Limits { idle_body_timeout: idle, body_rate_min: 500, ..Limits::default() };
        let limits = BodyLimits::from(&limits);
        let patience = |received, waited| patience(&limits, received, Duration::from_secs(waited));
        let secs = Duration::from_secs;
        assert_eq!(patience(0, 0), idle);
        assert_eq!(patience(0, 30), Duration::ZERO);
        assert_eq!(patience(499, 20), secs(10), "less than a second's buys nothing");
        assert_eq!(patience(500, 20), secs(11));
        assert_eq!(patience(500 * 100, 100), idle);
        assert_eq!(patience(500 * 100, 110), secs(20));
        assert_eq!(patience(500 * 100, 200), Duration::ZERO);
        assert_eq!(patience(u64::MAX, 1 << 40), idle);
        let none = BodyLimits { body_rate_min: 0, ..limits };
        assert_eq!(super::patience(&none, 0, secs(1_000_000)), idle);
    }
}
