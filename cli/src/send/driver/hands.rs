//! The hands of a driver: they do what the machine asks for, and tell it how that ended.

use std::ops::Range;
use std::sync::Arc;

use longhaul_protocol::upload::{Action, BufferId, Call, Failure, Input, Ticket};
use longhaul_protocol::wire::header::{CHUNK_TRY, ChunkHeaders, write_rate_max};
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::path;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::super::journal::Journal;
use super::{Driver, Happened, tell_changed};
use crate::http::{Body, Client};

impl Driver {
    /// Begins an action. None of them reports before this has returned.
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Call { ticket, call } => self.call(ticket, call),
            Action::HangUp { ticket } => {
                self.calls.remove(&ticket).iter().for_each(AbortHandle::abort);
            }
            Action::Read { ticket, buffer, range } => self.read(ticket, buffer, range),
            Action::Send { ticket, buffer, upload, headers, rate_max } => {
                if headers.replace.is_some() && std::mem::take(&mut self.is_touched) {
                    tell_changed(&self.shared, &self.item);
                }
                let path = path::chunks(upload);
                self.send(ticket, buffer, path, headers, rate_max);
            }
            Action::Store { ticket, buffer, headers } => {
                let body = self.body(ticket, buffer, 0);
                let (client, happens) = (self.shared.client.clone(), self.happens.clone());
                let (journal, stale) = (Arc::clone(&self.journal), self.stale.take());
                self.work(buffer, async move {
                    let result = async {
                        begin(&client, Some(&journal), stale).await?;
                        client.store(&headers.write(), body).await
                    };
                    let result = result.await;
                    tell(&happens, Input::Stored { ticket, result });
                });
            }
            Action::Prove { ticket, buffer, nonce } => {
                let (bytes, happens) = (self.buffers.bytes(buffer), self.happens.clone());
                tokio::task::spawn_blocking(move || {
                    let mut hasher = nonce.hasher();
                    hasher.update(&bytes);
                    tell(&happens, Input::Proved { ticket, result: Ok(hasher.finish()) });
                });
            }
            Action::Stop { buffer } => self.buffers.stop(buffer),
            Action::Free { buffer } => self.buffers.free(buffer),
            // The environment has one token, and no other.
            Action::Renew { ticket, .. } => {
                tell(&self.happens, Input::Renewed { ticket, is_fresh: false });
            }
            Action::Save(record) => {
                self.journal.goes_on(&self.item, record);
            }
            // What is through is noted by whoever waits for it; what is gone is found out again.
            Action::Forget => {}
        }
    }

    fn call(&mut self, ticket: Ticket, call: Call) {
        let (client, happens) = (self.shared.client.clone(), self.happens.clone());
        let begins = matches!(call, Call::Create { .. });
        let journal = begins.then(|| Arc::clone(&self.journal));
        let stale = self.stale.take_if(|_| begins);
        let task = tokio::spawn(async move {
            let result = async {
                begin(&client, journal.as_deref(), stale).await?;
                client.call(&call).await
            };
            let result = result.await;
            tell(&happens, Input::Answer { ticket, result });
        });
        self.calls.retain(|_, call| !call.is_finished());
        self.calls.insert(ticket, task.abort_handle());
    }

    fn read(&mut self, ticket: Ticket, buffer: BufferId, range: Range<u64>) {
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or_default();
        let mut memory = self.buffers.begin(buffer, ticket, len);
        let (source, happens) = (Arc::clone(&self.source), self.happens.clone());
        tokio::task::spawn_blocking(move || {
            let result = source.read(range.start, &mut memory);
            // Fails when nobody waits any more.
            drop(happens.send(Happened::Read(buffer, ticket, memory, result)));
        });
    }

    fn send(
        &mut self,
        ticket: Ticket,
        buffer: BufferId,
        path: String,
        headers: ChunkHeaders,
        rate_max: Option<u64>,
    ) {
        let body = self.body(ticket, buffer, headers.offset);
        let name = (CHUNK_TRY, format!("{}-{:x}-{}", self.key, fastrand::u32(..), ticket.0));
        let rate_max = rate_max.map(write_rate_max);
        let headers: Vec<_> = headers.write().into_iter().chain([name]).chain(rate_max).collect();
        let (client, happens) = (self.shared.client.clone(), self.happens.clone());
        self.work(buffer, async move {
            let result = client.send(&path, &headers, body).await;
            tell(&happens, Input::Sent { ticket, result });
        });
    }

    fn body(&self, ticket: Ticket, buffer: BufferId, offset: u64) -> Body {
        let bytes = self.buffers.bytes(buffer);
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let happens = self.happens.clone();
        Body::watched(bytes.slice(offset..), move |bytes| {
            tell(&happens, Input::Moved { ticket, bytes });
        })
    }

    fn work(&mut self, buffer: BufferId, work: impl Future<Output = ()> + Send + 'static) {
        self.buffers.works(buffer, tokio::spawn(work).abort_handle());
    }
}

/// Before a request that begins something: the server is one, and it is known who asks, and noted. What a file was
/// before is of no use, and takes its owner's room, so it goes first; where it cannot, it expires.
async fn begin(
    client: &Client,
    journal: Option<&Journal>,
    stale: Option<UploadId>,
) -> Result<(), Failure> {
    client.meet().await?;
    if let Some(journal) = journal {
        journal.begins(client.users_token().is_some());
    }
    if let Some(id) = stale {
        drop(client.call(&Call::Cancel(id)).await);
    }
    Ok(())
}

fn tell(happens: &UnboundedSender<Happened>, input: Input) {
    // Fails when nobody waits any more.
    drop(happens.send(Happened::Input(input)));
}
