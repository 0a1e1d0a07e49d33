//! `GET /metrics`: what the server has counted, in Prometheus' text format.
//!
//! For who may do what concerns the whole server: it tells how much is kept and goes on here, of
//! everybody together. To ask from the machine itself is not enough, because behind a proxy on it
//! everybody does.

use super::Call;
use crate::outcome::{Answer, Outcome, Refusal};
use crate::store::Store;

pub(super) async fn run<S: Store>(call: &Call<'_, S>) -> Answer {
    let store = &call.app.store;
    let text = call.app.metrics.text(&store.figures().await?, store.takes_writes());
    text.map(Outcome::Metrics).map_err(|error| Refusal::internal(&error))
}
