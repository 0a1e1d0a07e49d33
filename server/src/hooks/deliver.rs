//! Tells what happened from the store's queue, for as long as it runs. An event leaves the queue once it was heard;
//! who is cut off between the two tells it again.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use longhaul_protocol::Millis;
use tokio::task::JoinSet;

use super::calls::{Kind, Outcome};
use super::schedule::{Fate, Schedule};
use super::{CallError, Hooks, Verdict};
use crate::link::now;
use crate::store::Result;
use crate::store::disk::DiskStore;
use crate::store::event::Event;

/// What was tried, and what came of it.
type Tried = (Event, std::result::Result<Verdict, CallError>);

struct Deliverer {
    store: DiskStore,
    hooks: Arc<Hooks>,
    schedule: Schedule,
    calls: JoinSet<Tried>,
}

/// Tells until the store's index fails, which a restart mends.
pub async fn deliver(store: DiskStore, hooks: Arc<Hooks>) {
    let (schedule, calls) = (Schedule::new(rng()), JoinSet::new());
    let mut deliverer = Deliverer { store, hooks, schedule, calls };
    if let Err(error) = deliverer.run().await {
        tracing::error!(%error, "nothing is told any more of what happens, until the next start");
    }
}

impl Deliverer {
    async fn run(&mut self) -> Result<()> {
        loop {
            // Of the time it looked at: what has come due since is not passed over, it is due at once.
            let looked_at = self.begin().await?;
            let wait = self.schedule.next_timeout(looked_at);
            tokio::select! {
                Some(tried) = self.calls.join_next() => match tried {
                    Ok(tried) => self.end(tried).await?,
                    Err(error) => tracing::error!("telling an event: {error}"),
                },
                () = self.store.happened() => {}
                () = until(wait) => {}
            }
        }
    }

    /// Begins to tell as many as may be now, and gives that time.
    async fn begin(&mut self) -> Result<Millis> {
        let now = now();
        let room = self.schedule.room(now);
        if room == 0 {
            return Ok(now);
        }
        let unwanted = self.schedule.unwanted(now);
        let waiting = self.store.events(room, move |key| !unwanted.contains(&key)).await?;
        // Nobody can make anything of these.
        self.store.forget_events(waiting.damaged).await?;
        for event in waiting.events {
            self.schedule.begin(event.key());
            let hooks = Arc::clone(&self.hooks);
            self.calls.spawn(async move {
                let called = hooks.call(&event).await;
                (event, called)
            });
        }
        Ok(now)
    }

    async fn end(&mut self, (event, called): Tried) -> Result<()> {
        let (key, kind) = (event.key(), Kind::of(&event.what));
        let (upload, event) = (event.upload, kind.name());
        let (outcome, why, retry_after) = match &called {
            Ok(Verdict::Taken) => (Outcome::Heard, String::new(), None),
            Ok(Verdict::Refused(reason)) => {
                let why =
                    format!("the answer was a no, but nothing can be refused any more: {reason}");
                (Outcome::Failed, why, None)
            }
            Err(error) => (Outcome::Failed, error.to_string(), error.retry_after()),
        };
        self.hooks.calls.count(kind, outcome);
        if outcome == Outcome::Heard {
            tracing::debug!(%upload, event, "an event was heard");
            self.store.forget_events(vec![key]).await?;
            self.schedule.heard(key);
            return Ok(());
        }
        match self.schedule.failed(now(), key, retry_after) {
            Fate::Again => tracing::warn!(%upload, event, "an event was not heard yet: {why}"),
            Fate::GivenUp => {
                tracing::error!(%upload, event, "an event is given up, nobody heard it: {why}");
                self.hooks.calls.count(kind, Outcome::GivenUp);
                self.store.forget_events(vec![key]).await?;
            }
        }
        Ok(())
    }
}

/// Spreads tries. Where the system has no random number for it, all servers spread theirs alike.
fn rng() -> Rng {
    let mut seed = [0; 8];
    let _ = getrandom::fill(&mut seed);
    Rng::with_seed(u64::from_le_bytes(seed))
}

/// At that time; never for none.
async fn until(at: Option<Millis>) {
    match at {
        Some(at) => tokio::time::sleep(Duration::from_millis(at.since(now()).0)).await,
        None => std::future::pending().await,
    }
}
