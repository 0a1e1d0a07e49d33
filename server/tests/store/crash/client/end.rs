//! How uploads and files end.

use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{ChunkIndex, digest};
use longhaul_server::store::event::Event;
use longhaul_server::store::{Store as _, StoreError};

use super::Client;
use crate::store::crash::check;
use crate::store::crash::world::{KnownFile, Told, VARIANTS, content};
use crate::store::fixture::HOUR;

impl Client {
    pub(super) async fn seal(&mut self, id: UploadId) -> Told {
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

    pub(super) async fn cancel(&mut self, id: UploadId) -> Told {
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

    pub(super) async fn delete(&mut self, id: FileId) -> Told {
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

    pub(super) async fn clean_up(&mut self) -> Told {
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

    /// Tells somebody of what happened, and forgets it then.
    pub(super) async fn tell(&mut self) -> Told {
        let waiting = match self.store.events(3, |_| true).await {
            Ok(waiting) => waiting,
            Err(error) => return self.explained("events", error),
        };
        if !waiting.damaged.is_empty() {
            return Err("the row of an event is damaged".to_owned());
        }
        let is_mine = |event: &&Event| event.owner == self.owner.0;
        let events: Vec<_> = waiting.events.iter().filter(is_mine).collect();
        self.world().may_be_told.extend(events.iter().map(|event| check::subject(event)));
        let keys: Vec<_> = events.iter().map(|event| event.key()).collect();
        match self.store.forget_events(keys.clone()).await {
            Ok(()) => {
                self.world().told.extend(keys);
                Ok(())
            }
            Err(error) => self.explained("forget", error),
        }
    }
}
