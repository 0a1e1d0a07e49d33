//! `POST /v1/uploads/{id}/chunks`: one chunk, or the rest of one.

use std::time::Duration;

use bytes::Bytes;
use longhaul_protocol::wire::header::{CHUNK_TRY, ChunkHeaders, read_rate_max};
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::{ChunkIndex, ProblemCode};
use tokio::time::Instant;

use super::Call;
use crate::arriving::Arrival;
use crate::body::{BodyError, RequestBody};
use crate::outcome::{Answer, Outcome, Refusal};
use crate::store::{ChunkBegin, ChunkWriter, Store, StoreError};

pub(super) async fn run<S: Store>(call: &mut Call<'_, S>, id: UploadId) -> Answer {
    let chunk = ChunkHeaders::read(|name| call.header(name))?;
    // The first word is the last: a cell that is set already belongs to this very request.
    let _ = call.tally.chunk.set((chunk.index, chunk.offset));
    check_try(call, id)?;
    receive(call, id, chunk).await?;
    Ok(Outcome::Done)
}

/// What a browser sends again by itself takes nothing over, and is not read: see [`crate::tries`].
fn check_try<S>(call: &mut Call<'_, S>, id: UploadId) -> Result<(), Refusal> {
    let is_first = call.header(CHUNK_TRY).is_none_or(|name| call.app.tries.is_first(id, name));
    if is_first {
        return Ok(());
    }
    call.body.leave();
    let detail = "Something between the page and here sent the request once more.";
    Err(Refusal::new(ProblemCode::Repeated, detail))
}

/// Takes a chunk from the body. One that is held already is not read here: whatever is left of a
/// body is discarded before the answer.
pub(super) async fn receive<S: Store>(
    call: &mut Call<'_, S>,
    id: UploadId,
    chunk: ChunkHeaders,
) -> Result<(), Refusal> {
    let rate_max = read_rate_max(|name| call.header(name))?;
    check_announced(call, id, chunk).await?;
    // What is read slowly on purpose is not waited for.
    let Call { app, channel, .. } = *call;
    let arrives = || app.arriving.begin(id, &channel.line, channel.is_shared);
    let arrival = rate_max.is_none().then(arrives);
    match app.store.begin_chunk(&call.owner, id, chunk).await? {
        ChunkBegin::Already => Ok(()),
        ChunkBegin::Write(writer) => write(call, writer, Pace::new(rate_max), arrival).await,
    }
}

/// A body that is known to be wrong takes nothing over and replaces nothing, and nobody waits for one of somebody else's.
async fn check_announced<S: Store>(
    call: &Call<'_, S>,
    id: UploadId,
    chunk: ChunkHeaders,
) -> Result<(), Refusal> {
    let plan = call.app.store.upload(&call.owner, id).await?.plan;
    let Some(announced) = call.body.announced() else { return Ok(()) };
    match plan.chunk_bytes(chunk.index).checked_sub(chunk.offset) {
        Some(wanted) if plan.has(chunk.index) && announced != wanted => {
            Err(wrong_length(chunk.index, wanted, announced))
        }
        _ => Ok(()),
    }
}

/// A body that turns out to be wrong is read no further, and one that breaks off is kept for a
/// request that goes on from there.
async fn write<S: Store>(
    call: &mut Call<'_, S>,
    mut writer: S::Writer,
    mut pace: Pace,
    arrival: Option<Arrival<'_>>,
) -> Result<(), Refusal> {
    loop {
        let next = next(call.body, &mut pace, writer.stopped());
        let next = match &arrival {
            Some(arrival) => arrival.while_waiting(next).await,
            None => next.await,
        };
        match next {
            Ok(Some(bytes)) => writer.write(bytes).await?,
            Ok(None) => return Ok(writer.finish().await?),
            Err(refusal) => {
                writer.break_off().await;
                return Err(refusal);
            }
        }
    }
}

/// The next bytes, unless the writer has no use for them any more, which a sender who has fallen
/// silent is told as well.
async fn next(
    body: &mut RequestBody,
    pace: &mut Pace,
    stopped: impl Future<Output = StoreError>,
) -> Result<Option<Bytes>, Refusal> {
    tokio::select! {
        error = stopped => Err(error.into()),
        bytes = pace.next(body) => Ok(bytes?),
    }
}

/// Reads a body no faster than its sender asked for, so that the sender's own line stays free for
/// others: what is not read fills the connection's window, and the sender's system waits.
struct Pace {
    /// Bytes a second.
    rate_max: Option<u64>,
    /// When the next bytes may be read.
    due: Instant,
}

impl Pace {
    fn new(rate_max: Option<u64>) -> Self {
        Self { rate_max, due: Instant::now() }
    }

    async fn next(&mut self, body: &mut RequestBody) -> Result<Option<Bytes>, BodyError> {
        let Some(rate_max) = self.rate_max else { return body.next().await };
        tokio::time::sleep_until(self.due).await;
        let bytes = body.next().await?;
        let nanos = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64 * 1_000_000_000 / rate_max);
        self.due = self.due.max(Instant::now()) + Duration::from_nanos(nanos);
        Ok(bytes)
    }
}

fn wrong_length(index: ChunkIndex, wanted: u64, announced: u64) -> Refusal {
    let detail =
        format!("Chunk {index} wants {wanted} more bytes; `content-length` is {announced}.");
    Refusal::new(ProblemCode::WrongLength, detail)
}
