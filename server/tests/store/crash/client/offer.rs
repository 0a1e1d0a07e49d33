//! Digests of what may be here already.

use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{DifferingChunk, DigestRun};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Plan};
use longhaul_server::store::Store as _;

use super::Client;
use crate::store::crash::world::{Known, Told, VARIANTS, content, is_content};
use crate::store::fixture::{CHUNK, named};

impl Client {
    pub(super) async fn offer(&mut self, id: UploadId) -> Told {
        let Some(plan) = self.plan(id) else { return Ok(()) };
        let variant = self.rng.u64(..VARIANTS);
        let all = ChunkSet::all(plan);
        let digests = all.iter().map(|index| content(plan, index, variant).1);
        let run = DigestRun { start: ChunkIndex(0), digests: digests.collect() };
        match self.store.offer(&self.owner, id, run).await {
            Ok(offered) => {
                let known = |differing: &DifferingChunk| {
                    is_content(plan, differing.index, differing.digest)
                };
                if offered.differs.iter().all(known) {
                    Ok(())
                } else {
                    Err(format!("{id} holds what nobody sent: {:?}", offered.differs))
                }
            }
            Err(error) => self.explained("offer", error),
        }
    }

    /// Begins an upload and offers digests at once; tells what the store says it has.
    pub(super) async fn begin_with(
        &mut self,
        size: u64,
        digests: Vec<Digest>,
    ) -> Told<Option<UploadId>> {
        let new = named("a file", size);
        let upload = match self.store.create(&self.owner, new).await {
            Ok(upload) => upload,
            Err(error) => return self.explained("create", error).map(|()| None),
        };
        {
            let mut world = self.world();
            let may_be_gone = world.now() >= upload.expires_at;
            let known = Known { may_be_gone, ..Known::new(upload.plan) };
            world.uploads.entry(upload.id).or_insert(known);
        }
        let run = DigestRun { start: ChunkIndex(0), digests };
        if let Err(error) = self.store.offer(&self.owner, upload.id, run).await {
            return self.explained("offer", error).map(|()| None);
        }
        self.status(upload.id).await?;
        Ok(Some(upload.id))
    }

    pub(super) async fn digests_of(&self, file: FileId) -> Option<(u64, Vec<Digest>)> {
        let manifest = self.store.manifest(&self.owner, file, ChunkIndex(0), u64::MAX).await;
        manifest.ok().map(|(info, run)| (info.size, run.digests))
    }

    /// The same file once more, sometimes with a chunk that is another.
    pub(super) async fn again(&mut self, file: FileId) -> Told {
        let Some((size, mut digests)) = self.digests_of(file).await else { return Ok(()) };
        if !digests.is_empty() && self.rng.u8(..3) == 0 {
            let plan = Plan::new(size, CHUNK).map_err(|error| error.to_string())?;
            let at = self.rng.usize(..digests.len());
            digests[at] = content(plan, ChunkIndex(at as u64), self.rng.u64(..VARIANTS)).1;
        }
        match self.begin_with(size, digests).await? {
            Some(id) if self.rng.u8(..4) > 0 => self.seal(id).await,
            _ => Ok(()),
        }
    }

    /// A file that was appended to: its whole chunks are as they were.
    pub(super) async fn grown(&mut self, file: FileId) -> Told {
        let Some((size, mut digests)) = self.digests_of(file).await else { return Ok(()) };
        digests.truncate((size / CHUNK) as usize);
        let more = self.rng.u64(1..CHUNK + CHUNK / 2);
        match self.begin_with(size + more, digests).await? {
            Some(id) if self.rng.u8(..4) > 0 => self.seal(id).await,
            _ => Ok(()),
        }
    }

    pub(super) async fn offer_what_another_has(&mut self, id: UploadId) -> Told {
        let Some(plan) = self.plan(id) else { return Ok(()) };
        let Some(other) = self.any_upload() else { return Ok(()) };
        let count = plan.chunk_count();
        let held = self.store.held_digests(&self.owner, other, ChunkIndex(0), count).await;
        let known = held.unwrap_or_default().into_iter().map_while(|digest| digest);
        let digests: Vec<_> = known
            .enumerate()
            .map_while(|(at, digest)| {
                is_content(plan, ChunkIndex(at as u64), digest).then_some(digest)
            })
            .collect();
        let run = DigestRun { start: ChunkIndex(0), digests };
        match self.store.offer(&self.owner, id, run).await {
            Ok(_) => self.status(id).await,
            Err(error) => self.explained("offer", error),
        }
    }
}
