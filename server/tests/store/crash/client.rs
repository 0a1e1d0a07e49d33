//! Clients that do this and that, and remember what they were told.

mod end;
mod offer;
mod send;

use std::sync::{Arc, Mutex, MutexGuard};

use fastrand::Rng;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{ChunkIndex, Digest, Plan};
use longhaul_server::store::disk::DiskStore;
use longhaul_server::store::{NewUpload, Owner, Store as _, StoreError};

use super::check;
use super::world::{Known, Told, World};
use crate::store::fixture::{CHUNK, named};
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
        match (self.rng.u8(..48), upload, file) {
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
            (44..=45, ..) => self.tell().await,
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
}
