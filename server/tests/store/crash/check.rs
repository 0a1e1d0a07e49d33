//! What must be true of a store, whatever happened before.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use longhaul_protocol::digest::Hasher;
use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::{ChunkIndex, ChunkSet, Digest, digest};
use longhaul_server::store::disk::DiskStore;
use longhaul_server::store::event::{Event, Sealed, What};
use longhaul_server::store::{
    ChunkBegin, ChunkWriter as _, FileReader as _, Owner, Store as _, StoreError, Upload,
};

use super::world::{Known, KnownFile, Told, World, content, is_content};
use crate::store::fixture::{alice, bob, named};
use crate::store::sim::SimDisk;

/// Where the data directory is. What is above it is there from the start.
pub(super) const DIR: &str = "/srv/data";

/// Why a file was not found to be in order.
pub(super) enum Fault {
    /// It is not.
    Wrong(String),
    /// The store did not let it be looked at.
    Store(StoreError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Wrong(wrong) => wrong,
            Fault::Store(error) => error.to_string(),
        }
    }
}

/// A file: complete, with the root that its digests make, each that of its bytes, and each of bytes
/// that somebody sent as that chunk; and if the digest of all of them is told, it is that.
pub(super) async fn file(store: &DiskStore, owner: &Owner, id: FileId) -> Result<FileInfo, Fault> {
    let (info, reader) = store.open(owner, id).await?;
    let (_, run) = store.manifest(owner, id, ChunkIndex(0), u64::MAX).await?;
    let wrong = |what: &str| Err(Fault::Wrong(format!("file {id}: {what}")));
    if run.digests.len() as u64 != info.chunk_count {
        return wrong("it is not complete");
    }
    if digest::root(run.digests.iter().copied()) != info.root {
        return wrong("its root is another");
    }
    let plan = longhaul_protocol::Plan::new(info.size, info.chunk_size)
        .map_err(|error| Fault::Wrong(error.to_string()))?;
    let mut whole = Hasher::default();
    for (index, digest) in run.iter() {
        let range = plan.range(index);
        let bytes = reader.read_at(range.start, (range.end - range.start) as usize).await?;
        if Digest::of(&bytes) != digest {
            return wrong(&format!("chunk {index} does not have its digest"));
        }
        if !is_content(plan, index, digest) {
            return wrong(&format!("chunk {index} is what nobody sent"));
        }
        whole.update(&bytes);
    }
    if info.sha256.is_some_and(|told| told != whole.finish()) {
        return wrong("its SHA-256 is another");
    }
    Ok((**info).clone())
}

/// Everything that is listed now.
pub(super) struct Listed {
    files: BTreeMap<FileId, FileInfo>,
    uploads: BTreeMap<UploadId, Upload>,
}

async fn listed(store: &DiskStore, owner: &Owner) -> Result<Listed, StoreError> {
    let (mut files, mut uploads) = (BTreeMap::new(), BTreeMap::new());
    let mut after = None;
    loop {
        let page = store.files(owner, after, 2).await?;
        files.extend(page.rows.into_iter().map(|info| (info.id, info)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    loop {
        let page = store.uploads(owner, after, 2).await?;
        uploads.extend(page.rows.into_iter().map(|upload| (upload.id, upload)));
        after = page.next;
        if after.is_none() {
            return Ok(Listed { files, uploads });
        }
    }
}

impl Listed {
    /// Nobody has more than he may.
    fn fits(&self) -> Told {
        let files = self.files.values().map(|info| info.size);
        let all = files.chain(self.uploads.values().map(|upload| upload.plan.len())).sum::<u64>();
        let fits = all <= super::history::OWNER_BYTES_MAX;
        fits.then_some(()).ok_or_else(|| format!("{all} bytes are more than an owner may have"))
    }
}

/// Nothing is missing in the lists that nobody has begun to remove.
pub(super) async fn lists(
    store: &DiskStore,
    owner: &Owner,
    world: &Mutex<World>,
    excused: impl Fn() -> bool,
) -> Told {
    let before: Vec<_> = world.lock().unwrap().files.keys().copied().collect();
    let listed = match listed(store, owner).await {
        Ok(listed) => listed,
        Err(_) if excused() => return Ok(()),
        Err(error) => return Err(format!("list: {error}")),
    };
    let world = world.lock().unwrap();
    for id in before {
        let known = world.files.get(&id);
        if known.is_some_and(|file| !file.may_be_gone) && !listed.files.contains_key(&id) {
            return Err(format!("file {id} is not listed"));
        }
    }
    Ok(())
}

/// Whether a file is what it was; its SHA-256 may have become known, and stays known.
fn is_same(was: &FileInfo, is: &FileInfo) -> bool {
    let sha256 = was.sha256.or(is.sha256);
    FileInfo { sha256, ..was.clone() } == *is
}

/// What was told before a crash is true after it.
pub(super) async fn promises(
    store: &DiskStore,
    owner: &Owner,
    world: &Mutex<World>,
) -> Told<Listed> {
    let listed = listed(store, owner).await.map_err(|error| format!("list: {error}"))?;
    for id in listed.files.keys() {
        file(store, owner, *id).await.map_err(String::from)?;
    }
    listed.fits()?;
    let world = world.lock().unwrap();
    for (id, known) in &world.files {
        match listed.files.get(id) {
            None if !known.may_be_gone => return Err(format!("file {id} is lost")),
            Some(info) if !is_same(&known.info, info) => {
                return Err(format!("file {id} is another now"));
            }
            _ => {}
        }
    }
    for (id, known) in &world.uploads {
        check_upload(*id, known, listed.uploads.get(id))?;
    }
    if let Some(id) = listed.files.keys().find(|id| world.gone_files.contains(id)) {
        return Err(format!("file {id} was deleted and is back"));
    }
    if let Some(id) = listed.uploads.keys().find(|id| world.gone_uploads.contains(id)) {
        return Err(format!("upload {id} was cancelled and is back"));
    }
    Ok(listed)
}

/// What an event is about: the file that was made, or the upload that expired.
pub(super) fn subject(event: &Event) -> [u8; 16] {
    match &event.what {
        What::Sealed(sealed) => sealed.file.0,
        What::Created | What::Expired => event.upload.0,
    }
}

/// There is an event of exactly what happened, until somebody was told of it.
pub(super) async fn events(
    store: &DiskStore,
    owner: &Owner,
    world: &Mutex<World>,
    listed: &Listed,
) -> Told {
    let said = |error: StoreError| format!("events: {error}");
    // What has expired and is still there is told of when it goes.
    let now = world.lock().unwrap().now();
    store.sweep(now).await.map_err(said)?;
    let waiting = store.events(usize::MAX, |_| true).await.map_err(said)?;
    if !waiting.damaged.is_empty() {
        return Err("the row of an event is damaged".to_owned());
    }
    let mut events = BTreeMap::new();
    for event in waiting.events.iter().filter(|event| event.owner == owner.0) {
        if events.insert(subject(event), event).is_some() {
            return Err(format!("it is to be told twice: {event:?}"));
        }
    }
    let may_have_expired: Vec<_> = {
        let world = world.lock().unwrap();
        let open = world.uploads.iter().filter(|(_, known)| !known.may_be_sealed);
        open.map(|(id, _)| *id).collect()
    };
    for id in may_have_expired {
        let expired = matches!(store.upload(owner, id).await, Err(StoreError::Expired));
        let told = world.lock().unwrap().may_be_told.contains(&id.0);
        if expired && !told && !events.contains_key(&id.0) {
            return Err(format!("upload {id} expired and nobody will be told"));
        }
    }
    for event in events.values().filter(|event| event.what == What::Expired) {
        if !matches!(store.upload(owner, event.upload).await, Err(StoreError::Expired)) {
            return Err(format!("upload {} did not expire, and that is to be told", event.upload));
        }
    }
    let world = world.lock().unwrap();
    let is_told = |id: &FileId| events.contains_key(&id.0) || world.may_be_told.contains(&id.0);
    if let Some(id) = listed.files.keys().find(|id| !is_told(id)) {
        return Err(format!("file {id} was made and nobody will be told"));
    }
    for event in events.values() {
        if world.told.contains(&event.key()) {
            return Err(format!("this was told and is to be told again: {event:?}"));
        }
        let What::Sealed(Sealed { file, root, .. }) = &event.what else { continue };
        match listed.files.get(file) {
            Some(info) if (info.root, info.size) == (*root, event.size) => {}
            None if world.deletes.contains_key(file) => {}
            _ => return Err(format!("file {file} is not what is to be told: {event:?}")),
        }
    }
    Ok(())
}

fn check_upload(id: UploadId, known: &Known, now: Option<&Upload>) -> Told {
    let Some(upload) = now else {
        let may_be_missing = known.may_be_gone || known.may_be_sealed;
        return may_be_missing.then_some(()).ok_or_else(|| format!("upload {id} is lost"));
    };
    let lost = known.promised.without(&upload.holding.held);
    if lost.is_empty() {
        Ok(())
    } else {
        Err(format!("{id}: chunks {lost} were held and are lost"))
    }
}

/// Whoever comes after the crash counts on what he finds.
pub(super) fn begin_again(world: &mut World, listed: Listed) {
    world.files = listed
        .files
        .into_iter()
        .map(|(id, info)| (id, KnownFile { info, upload: None, may_be_gone: false }))
        .collect();
    let uploads = listed.uploads.into_iter().map(|(id, upload)| {
        let promised = upload.holding.held;
        (id, Known { promised, ..Known::new(upload.plan) })
    });
    world.uploads = uploads.collect();
    world.keys.clear();
}

/// The store works: every upload can be finished, whereupon the bytes of all that was held come to
/// light; everything can be removed, and then nothing is left on the disk.
pub(super) async fn goes_on(store: &DiskStore, disk: &SimDisk) -> Told {
    for owner in [alice(), bob()] {
        ends(store, &owner).await?;
    }
    let now = super::history::DAYS_LATER;
    store.sweep(now).await.map_err(|error| format!("after the crash: {error}"))?;
    let left = disk.files(&Path::new(DIR).join("blobs"));
    if left.is_empty() { Ok(()) } else { Err(format!("these blobs have leaked: {left:?}")) }
}

async fn ends(store: &DiskStore, owner: &Owner) -> Told {
    let said = |error: StoreError| format!("after the crash: {error}");
    let another = store.create(owner, named("another", 100)).await.map_err(said)?;
    let listed = listed(store, owner).await.map_err(said)?;
    for (id, upload) in &listed.uploads {
        let info = finish(store, owner, upload).await.map_err(|wrong| format!("{id}: {wrong}"))?;
        file(store, owner, info.id).await.map_err(String::from)?;
        store.delete(owner, info.id).await.map_err(said)?;
    }
    if !listed.uploads.contains_key(&another.id) {
        return Err("a new upload is not listed".to_owned());
    }
    for id in listed.files.keys() {
        store.delete(owner, *id).await.map_err(said)?;
    }
    Ok(())
}

/// Sends what is missing and seals.
async fn finish(store: &DiskStore, owner: &Owner, upload: &Upload) -> Told<FileInfo> {
    let (id, plan) = (upload.id, upload.plan);
    for index in ChunkSet::all(plan).without(&upload.holding.held).iter() {
        let (body, digest) = content(plan, index, 0);
        let chunk = ChunkHeaders { index, offset: 0, digest, replace: None };
        let begun = store.begin_chunk(owner, id, chunk).await;
        match begun.map_err(|error| format!("chunk {index}: {error}"))? {
            ChunkBegin::Already => {}
            ChunkBegin::Write(mut writer) => {
                let write = async {
                    writer.write(body).await?;
                    writer.finish().await
                };
                write.await.map_err(|error| format!("chunk {index}: {error}"))?;
            }
        }
    }
    store.upload(owner, id).await.map_err(|error| error.to_string())?;
    sealed(store, owner, id).await.map_err(|error| format!("seal: {error}"))
}

/// Seals once everything is held.
async fn sealed(store: &DiskStore, owner: &Owner, id: UploadId) -> Result<FileInfo, StoreError> {
    store.shutdown().await;
    let digests = store.held_digests(owner, id, ChunkIndex(0), u64::MAX).await?;
    let root = digest::root(digests.into_iter().flatten());
    loop {
        match store.seal(owner, id, root).await {
            Err(StoreError::StillFilling { .. }) => tokio::task::yield_now().await,
            other => return other,
        }
    }
}
