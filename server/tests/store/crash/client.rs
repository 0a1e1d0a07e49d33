//! Clients that do this and that, and remember what they were told.

use std::sync::{Arc, Mutex, MutexGuard};

use fastrand::Rng;
use longhaul_protocol::wire::DigestRun;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, Plan, digest};
use longhaul_server::store::disk::DiskStore;
use longhaul_server::store::{
    ChunkBegin, ChunkWriter as _, NewUpload, Owner, Store as _, StoreError,
};

use super::check;
use super::world::{Known, KnownFile, Told, VARIANTS, World, content, is_content};
use crate::store::fixture::{CHUNK, HOUR, named};
use crate::store::sim::SimDisk;

/// A client, and what it knows together with the others.
pub(super) struct Client {
    pub(super) store: DiskStore,
    pub(super) disk: SimDisk,
    pub(super) owner: Owner,
    pub(super) world: Arc<Mutex<World>>,
    /// What others were told.
    pub(super) others: Arc<Mutex<World>>,
    pub(super) rng: Rng,
}

impl Client {
    pub(super) async fn live(mut self, deeds: u32) {
        let mut after_the_end = 2;
        for _ in 0..deeds {
            if let Err(wrong) = self.deed().await {
                self.world().wrong.push(wrong);
                return;
            }
            self.world().answers += 1;
            if self.disk.is_off() {
                after_the_end -= 1;
            }
            if after_the_end == 0 {
                return;
            }
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    async fn deed(&mut self) -> Told {
        let upload = self.any_upload();
        let file = self.any_file();
        match (self.rng.u8(..46), upload, file) {
            (0..=2, ..) | (_, None, None) => self.create().await,
            (3..=12, Some(id), _) => self.put(id).await,
            (13..=15, Some(id), _) => self.replace(id).await,
            (16..=20, Some(id), _) => self.status(id).await,
            (21..=24, Some(id), _) => self.seal(id).await,
            (25..=26, Some(id), _) => self.offer(id).await,
            (27, Some(id), _) => self.cancel(id).await,
            (28, _, Some(file)) => self.delete(file).await,
            (29, _, Some(file)) => self.read(file).await,
            (30, ..) => self.clean_up().await,
            (31..=33, _, Some(file)) => self.again(file).await,
            (34..=36, _, Some(file)) => self.grown(file).await,
            (37..=38, Some(id), _) => self.offer_what_another_has(id).await,
            (39..=42, Some(id), _) => self.go_on(id).await,
            (43, ..) => self.trespass().await,
            _ => check::lists(&self.store, &self.owner, &self.world, || self.excuses()).await,
        }
    }

    fn any_upload(&mut self) -> Option<UploadId> {
        let ids: Vec<_> = self.world().uploads.keys().copied().collect();
        self.rng.choice(ids)
    }

    fn any_file(&mut self) -> Option<FileId> {
        let ids: Vec<_> = self.world().files.keys().copied().collect();
        self.rng.choice(ids)
    }

    /// Whether the disk gives reason for an error.
    fn excuses(&self) -> bool {
        self.disk.is_off() || self.disk.failures() > 0 || self.world().may_fail
    }

    /// Whether an error is one that the others or the disk explain.
    fn explained(&self, doing: &str, error: StoreError) -> Told {
        use StoreError::{
            ChunkHeld, ChunksMissing, Disk, Expired, Index, NoSpace, NotFound, Offset,
        };
        use StoreError::{OwnerFull, ReadOnly, RootMismatch, Sealed, StillFilling, Superseded};
        match error {
            NotFound | Expired | Sealed { .. } | Superseded { .. } | ChunkHeld { .. } => Ok(()),
            Offset { .. } => Ok(()),
            // How much there is of whose is compared after the history.
            OwnerFull { .. } => Ok(()),
            ChunksMissing { .. } | StillFilling { .. } | RootMismatch => Ok(()),
            Disk { .. } | Index(_) | ReadOnly | NoSpace { .. } if self.excuses() => Ok(()),
            other => Err(format!("{doing}: {other}")),
        }
    }

    async fn create(&mut self) -> Told {
        let size = match self.rng.u8(..8) {
            0 => 0,
            1 => self.rng.u64(1..CHUNK),
            2 => CHUNK,
            _ => self.rng.u64(1..4 * CHUNK),
        };
        let key = self.rng.bool().then(|| format!("{}", self.rng.u8(..4)));
        let request = Digest::of(&size.to_le_bytes());
        let idempotency = key.clone().map(|key| (key, request));
        let new = NewUpload { idempotency, ..named("a file", size) };
        match self.store.create(&self.owner, new).await {
            Ok(upload) => {
                let mut world = self.world();
                // By its key it may be one that was sealed or ended meanwhile.
                if upload.file.is_none() && !world.gone_uploads.contains(&upload.id) {
                    let may_be_gone = world.now() >= upload.expires_at;
                    let known = Known { may_be_gone, ..Known::new(upload.plan) };
                    world.uploads.entry(upload.id).or_insert(known);
                }
                if let Some(key) = key {
                    world.keys.insert(key, upload.id);
                }
                Ok(())
            }
            Err(StoreError::KeyReused) => Ok(()),
            Err(error) => self.explained("create", error),
        }
    }

    fn plan(&self, id: UploadId) -> Option<Plan> {
        self.world().uploads.get(&id).map(|known| known.plan)
    }

    fn any_chunk(&mut self, id: UploadId) -> Option<(Plan, ChunkIndex)> {
        let plan = self.plan(id).filter(|plan| plan.chunk_count() > 0)?;
        Some((plan, ChunkIndex(self.rng.u64(..plan.chunk_count()))))
    }

    async fn put(&mut self, id: UploadId) -> Told {
        let Some((plan, index)) = self.any_chunk(id) else { return Ok(()) };
        let digest = content(plan, index, self.rng.u64(..VARIANTS)).1;
        let chunk = ChunkHeaders { index, offset: 0, digest, replace: None };
        self.send(id, plan, chunk, true).await
    }

    /// Goes on with a chunk that broke off, where the status says; what came before and since is
    /// verified together.
    async fn go_on(&mut self, id: UploadId) -> Told {
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

    /// Asks for what is another's.
    async fn trespass(&mut self) -> Told {
        let (upload, file) = {
            let others = self.others.lock().unwrap();
            (others.uploads.keys().next().copied(), others.files.keys().next().copied())
        };
        let mut seen = None;
        if let Some(id) = upload {
            let told = self.store.upload(&self.owner, id).await;
            seen = told.is_ok().then(|| format!("upload {id} is another's and was shown"));
        }
        if let Some(id) = file {
            let opened = self.store.open(&self.owner, id).await;
            seen = seen.or(opened.is_ok().then(|| format!("file {id} is another's and was shown")));
            if self.store.delete(&self.owner, id).await.is_ok() {
                seen = Some(format!("file {id} is another's and was deleted"));
            }
        }
        seen.map_or(Ok(()), Err)
    }

    async fn replace(&mut self, id: UploadId) -> Told {
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
    async fn send(
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

    async fn status(&mut self, id: UploadId) -> Told {
        let Some(before) = self.world().uploads.get(&id).map(|known| known.replaces.clone()) else {
            return Ok(());
        };
        match self.store.upload(&self.owner, id).await {
            Ok(upload) => {
                let mut world = self.world();
                match world.uploads.get_mut(&id) {
                    Some(known) if upload.file.is_none() => {
                        known.promise(&upload.holding.held, &before);
                    }
                    _ => {}
                }
                Ok(())
            }
            Err(StoreError::NotFound | StoreError::Expired) if !self.may_be_gone(id) => {
                Err(format!("{id} is gone and nobody ended it"))
            }
            Err(error) => self.explained("status", error),
        }
    }

    fn may_be_gone(&self, id: UploadId) -> bool {
        self.world().uploads.get(&id).is_none_or(|known| known.may_be_gone)
    }

    async fn seal(&mut self, id: UploadId) -> Told {
        let Some(plan) = self.plan(id) else { return Ok(()) };
        let mut tries = 0;
        let digests = loop {
            let start = ChunkIndex(0);
            let digests = match self.store.held_digests(&self.owner, id, start, 100).await {
                Ok(digests) => digests,
                Err(error) => return self.explained("digests", error),
            };
            let Some(missing) = digests.iter().position(Option::is_none) else { break digests };
            tries += 1;
            if tries > 6 {
                return Ok(());
            }
            let index = ChunkIndex(missing as u64);
            let digest = content(plan, index, self.rng.u64(..VARIANTS)).1;
            let chunk = ChunkHeaders { index, offset: 0, digest, replace: None };
            self.send(id, plan, chunk, true).await?;
            self.status(id).await?;
        };
        let root = digest::root(digests.into_iter().flatten());
        if let Some(known) = self.world().uploads.get_mut(&id) {
            known.may_be_sealed = true;
        }
        let mut waits = 0;
        let answer = loop {
            match self.store.seal(&self.owner, id, root).await {
                Err(StoreError::StillFilling { .. }) if waits < 200 => waits += 1,
                other => break other,
            }
            tokio::task::yield_now().await;
        };
        match answer {
            Ok(info) if info.root != root => Err(format!("{id} was sealed with another root")),
            Ok(info) => {
                let mut world = self.world();
                // Somebody may have deleted it before this answer was heard.
                if !world.gone_files.contains(&info.id) {
                    let file = KnownFile { upload: Some(id), may_be_gone: false, info };
                    world.files.entry(file.info.id).or_insert(file);
                }
                Ok(())
            }
            Err(error) => self.explained("seal", error),
        }
    }

    async fn offer(&mut self, id: UploadId) -> Told {
        let Some(plan) = self.plan(id) else { return Ok(()) };
        let variant = self.rng.u64(..VARIANTS);
        let all = ChunkSet::all(plan);
        let digests = all.iter().map(|index| content(plan, index, variant).1);
        let run = DigestRun { start: ChunkIndex(0), digests: digests.collect() };
        match self.store.offer(&self.owner, id, run).await {
            Ok(offered) => {
                let known = |differing: &longhaul_protocol::wire::DifferingChunk| {
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
    async fn begin_with(&mut self, size: u64, digests: Vec<Digest>) -> Told<Option<UploadId>> {
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

    async fn digests_of(&self, file: FileId) -> Option<(u64, Vec<Digest>)> {
        let manifest = self.store.manifest(&self.owner, file, ChunkIndex(0), u64::MAX).await;
        manifest.ok().map(|(info, run)| (info.size, run.digests))
    }

    /// The same file once more, sometimes with a chunk that is another.
    async fn again(&mut self, file: FileId) -> Told {
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
    async fn grown(&mut self, file: FileId) -> Told {
        let Some((size, mut digests)) = self.digests_of(file).await else { return Ok(()) };
        digests.truncate((size / CHUNK) as usize);
        let more = self.rng.u64(1..CHUNK + CHUNK / 2);
        match self.begin_with(size + more, digests).await? {
            Some(id) if self.rng.u8(..4) > 0 => self.seal(id).await,
            _ => Ok(()),
        }
    }

    async fn offer_what_another_has(&mut self, id: UploadId) -> Told {
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

    async fn cancel(&mut self, id: UploadId) -> Told {
        if let Some(known) = self.world().uploads.get_mut(&id) {
            known.may_be_gone = true;
        }
        match self.store.cancel(&self.owner, id).await {
            Ok(()) => {
                let mut world = self.world();
                world.uploads.remove(&id);
                world.gone_uploads.insert(id);
                Ok(())
            }
            Err(error) => self.explained("cancel", error),
        }
    }

    async fn delete(&mut self, id: FileId) -> Told {
        self.world().begin_delete(id);
        match self.store.delete(&self.owner, id).await {
            Ok(()) => {
                let mut world = self.world();
                world.files.remove(&id);
                world.gone_files.insert(id);
                Ok(())
            }
            Err(StoreError::NotFound) if self.world().deletes.get(&id) == Some(&1) => {
                Err(format!("file {id} was not there to be deleted"))
            }
            Err(error) => self.explained("delete", error),
        }
    }

    async fn read(&mut self, id: FileId) -> Told {
        let Some(root) = self.world().files.get(&id).map(|file| file.info.root) else {
            return Ok(());
        };
        match check::file(&self.store, &self.owner, id).await {
            Ok(info) if info.root == root => Ok(()),
            Ok(_) => Err(format!("file {id} has another root now")),
            Err(check::Fault::Wrong(wrong)) => Err(wrong),
            Err(check::Fault::Store(StoreError::NotFound)) => {
                let world = self.world();
                match world.files.get(&id) {
                    Some(file) if !file.may_be_gone => Err(format!("file {id} is not found")),
                    _ => Ok(()),
                }
            }
            Err(check::Fault::Store(error)) => self.explained("read", error),
        }
    }

    async fn clean_up(&mut self) -> Told {
        if self.rng.u8(..4) == 0 {
            self.world().pass(25 * HOUR);
            self.others.lock().unwrap().pass(0);
        }
        let now = self.world().now();
        match self.store.sweep(now).await {
            Ok(_) => Ok(()),
            Err(error) => self.explained("sweep", error),
        }
    }
}
