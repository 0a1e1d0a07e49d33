//! Chunks: sent, gone on with, replaced.

use longhaul_protocol::Plan;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::UploadId;
use longhaul_server::store::{ChunkBegin, ChunkWriter as _, Store as _, StoreError};

use super::Client;
use crate::store::crash::world::{Told, VARIANTS, content};

impl Client {
    pub(super) async fn put(&mut self, id: UploadId) -> Told {
        let Some((plan, index)) = self.any_chunk(id) else { return Ok(()) };
        let digest = content(plan, index, self.rng.u64(..VARIANTS)).1;
        let chunk = ChunkHeaders { index, offset: 0, digest, replace: None };
        self.send(id, plan, chunk, true).await
    }

    /// Goes on with a chunk that broke off, where the status says; what came before and since is
    /// verified together.
    pub(super) async fn go_on(&mut self, id: UploadId) -> Told {
        let Some(plan) = self.plan(id) else { return Ok(()) };
        let kept = match self.store.upload(&self.owner, id).await {
            Ok(upload) => upload.holding.partial,
            Err(error) => return self.explained("status", error),
        };
        let Some(kept) = self.rng.choice(kept) else { return self.put(id).await };
        let (index, offset, digest) = (kept.index, kept.offset, kept.digest);
        let chunk = ChunkHeaders { index, offset, digest, replace: None };
        self.send(id, plan, chunk, true).await
    }

    pub(super) async fn replace(&mut self, id: UploadId) -> Told {
        let Some((plan, index)) = self.any_chunk(id) else { return Ok(()) };
        let old = match self.store.held_digests(&self.owner, id, index, 1).await {
            Ok(digests) => digests.first().copied().flatten(),
            Err(error) => return self.explained("digests", error),
        };
        let digest = content(plan, index, self.rng.u64(..VARIANTS)).1;
        let Some(old) = old.filter(|old| *old != digest) else { return Ok(()) };
        if let Some(known) = self.world().uploads.get_mut(&id) {
            known.begin_replace(index);
        }
        let chunk = ChunkHeaders { index, offset: 0, digest, replace: Some(old) };
        let sent = self.send(id, plan, chunk, false).await;
        if let Some(known) = self.world().uploads.get_mut(&id) {
            known.end_replace(index);
        }
        sent
    }

    /// Sends one chunk in pieces; sometimes other bytes than announced, sometimes not to the end.
    pub(super) async fn send(
        &mut self,
        id: UploadId,
        plan: Plan,
        chunk: ChunkHeaders,
        may_break_off: bool,
    ) -> Told {
        let ChunkHeaders { index, digest, .. } = chunk;
        let mut writer = match self.store.begin_chunk(&self.owner, id, chunk).await {
            Ok(ChunkBegin::Write(writer)) => writer,
            Ok(ChunkBegin::Already) => return Ok(()),
            Err(error) => return self.explained("begin of a chunk", error),
        };
        let mut all = (0..VARIANTS).map(|variant| content(plan, index, variant));
        let (mut body, _) = all.find(|(_, made)| *made == digest).expect("a content");
        let is_wrong = chunk.offset == 0 && self.rng.u8(..10) == 0;
        if is_wrong {
            let mut bytes = body.to_vec();
            let at = self.rng.usize(..bytes.len());
            bytes[at] ^= 1;
            body = bytes.into();
        }
        drop(body.split_to(chunk.offset as usize));
        while !body.is_empty() {
            let piece = body.split_to(self.rng.usize(1..=body.len()));
            if may_break_off && self.rng.u8(..20) == 0 {
                if self.rng.bool() {
                    writer.break_off().await;
                }
                return Ok(());
            }
            if let Err(error) = writer.write(piece).await {
                return self.explained("write", error);
            }
            if self.rng.bool() {
                tokio::task::yield_now().await;
            }
        }
        match writer.finish().await {
            Ok(()) if is_wrong => Err(format!("{id} took wrong bytes as chunk {index}")),
            Err(StoreError::DigestMismatch { .. }) if is_wrong => Ok(()),
            // What came before may have been another's, who sent wrong bytes.
            Err(StoreError::DigestMismatch { .. }) if chunk.offset > 0 => Ok(()),
            Ok(()) => Ok(()),
            Err(error) => self.explained("finish", error),
        }
    }
}
