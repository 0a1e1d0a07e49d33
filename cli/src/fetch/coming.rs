//! The body of a range, on its way into a buffer.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt as _;
use longhaul_protocol::Digest;
use longhaul_protocol::download::FetchError;
use longhaul_protocol::upload::{Failure, Ticket};
use tokio::time::{Instant, sleep_until};

use super::buffers::{Arriving, add, digest};

/// A request for some bytes.
pub(super) struct Fetch {
    pub(super) ticket: Ticket,
    pub(super) range: Range<u64>,
    pub(super) len: u64,
    pub(super) rate_max: Option<u64>,
    pub(super) arriving: Arc<Mutex<Arriving>>,
}

impl Fetch {
    /// Takes the body in, no faster than it may come, and no further than was asked for.
    pub(super) async fn read(
        &self,
        mut body: hyper::body::Incoming,
        told: impl Fn(u64),
    ) -> Result<Digest, FetchError> {
        let (wanted, begun) = (self.range.end.saturating_sub(self.range.start), Instant::now());
        let cut = |why: &str| FetchError::Failed(Failure::Network(why.to_owned()));
        let mut came = 0_u64;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| cut("the connection broke off"))?;
            let Ok(piece) = frame.into_data() else { continue };
            came = came.saturating_add(piece.len() as u64);
            if came > wanted {
                return Err(FetchError::OtherBytes(
                    "more bytes came than were asked for".to_owned(),
                ));
            }
            add(&self.arriving, self.ticket, &piece).ok_or_else(|| cut("it was stopped"))?;
            told(came);
            if let Some(rate) = self.rate_max.filter(|rate| *rate > 0) {
                let due = Duration::from_millis(came.saturating_mul(1000) / rate);
                sleep_until(begun + due).await;
            }
        }
        if came < wanted {
            return Err(cut("the connection broke off"));
        }
        Ok(digest(&self.arriving))
    }
}
