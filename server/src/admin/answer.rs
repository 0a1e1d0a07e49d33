//! Does what is asked, beside requests if there are any.

use std::time::Duration;

use longhaul_protocol::wire::ids::UploadId;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use super::said::{Ask, FileLine, Said, State, UploadLine};
use crate::store::disk::{AnyFile, AnyUpload, DiskStore, PageOfAll, Spot, Unread};
use crate::store::{Owner, StoreError};

/// How many rows are read at once: a page of what a person looks through, and some 100 KB.
const LISTED_AT_ONCE: usize = 256;
/// How often it is told how far it is: often enough to see that it moves.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Why it is not gone on with.
enum Broken {
    Store(StoreError),
    /// Nobody listens any more.
    Left,
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

type Done = Result<(), Broken>;

/// Does what is asked and tells it, the last [`Said::End`] or [`Said::Failed`]. Ends early when nobody listens.
pub async fn answer(store: &DiskStore, ask: Ask, out: &Sender<Said>) {
    let done = match ask {
        Ask::Uploads { owner } => uploads(store, owner.map(Owner), out).await,
        Ask::Files { owner } => files(store, owner.map(Owner), out).await,
        Ask::Cancel { id, is_sure } => cancel(store, id, is_sure, out).await,
        Ask::Delete { id, is_sure } => {
            let file =
                if is_sure { store.delete_any(id).await } else { store.any_file_of(id).await };
            match file {
                Ok(file) => tell(out, Said::File(marked_file(file, is_sure))).await,
                Err(error) => Err(error.into()),
            }
        }
        Ask::Sweep { is_dry } => sweep(store, is_dry, out).await,
        Ask::Verify { rate } => verify(store, rate, out).await,
    };
    let last = match done {
        Ok(()) => Said::End,
        Err(Broken::Store(error)) => Said::from(&error),
        Err(Broken::Left) => return,
    };
    let _ = out.send(last).await;
}

async fn tell(out: &Sender<Said>, said: Said) -> Done {
    out.send(said).await.map_err(|_| Broken::Left)
}

/// Tells a page; where the next begins.
async fn tell_page<T, I: ToString>(
    (rows, next): PageOfAll<T, I>,
    line: impl Fn(T) -> Said,
    out: &Sender<Said>,
) -> Result<Option<Spot>, Broken> {
    for row in rows {
        let said = match row {
            Ok(row) => line(row),
            Err(Unread { id, error }) => {
                Said::Unread { id: id.to_string(), detail: error.to_string() }
            }
        };
        tell(out, said).await?;
    }
    Ok(next)
}

async fn uploads(store: &DiskStore, owner: Option<Owner>, out: &Sender<Said>) -> Done {
    let mut after = None;
    loop {
        let page = store.uploads_of_all(owner.clone(), after, LISTED_AT_ONCE).await?;
        let line = |any: AnyUpload| Said::Upload(any.into());
        after = tell_page(page, line, out).await?;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn files(store: &DiskStore, owner: Option<Owner>, out: &Sender<Said>) -> Done {
    let mut after = None;
    loop {
        let page = store.files_of_all(owner.clone(), after, LISTED_AT_ONCE).await?;
        let line = |any: AnyFile| Said::File(any.into());
        after = tell_page(page, line, out).await?;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn cancel(store: &DiskStore, id: UploadId, is_sure: bool, out: &Sender<Said>) -> Done {
    let upload =
        if is_sure { store.cancel_any(id).await? } else { store.upload_of_any(id).await? };
    tell(out, Said::Upload(marked(upload, is_sure))).await
}

fn marked(upload: AnyUpload, is_gone: bool) -> UploadLine {
    let line = UploadLine::from(upload);
    if is_gone { UploadLine { state: State::Removed, ..line } } else { line }
}

fn marked_file(file: AnyFile, is_gone: bool) -> FileLine {
    let line = FileLine::from(file);
    if is_gone { FileLine { state: State::Removed, ..line } } else { line }
}

async fn sweep(store: &DiskStore, is_dry: bool, out: &Sender<Said>) -> Done {
    let (gone, swept) =
        if is_dry { store.sweep_tried().await? } else { store.sweep_and_tell().await? };
    for upload in gone {
        tell(out, Said::Upload(marked(upload, !is_dry))).await?;
    }
    let (blobs, freed_bytes) = (swept.blobs, swept.freed_bytes);
    tell(out, Said::Swept { uploads: swept.uploads, blobs, freed_bytes, is_dry }).await
}

/// How far it is.
struct Count {
    begun: Instant,
    told: Instant,
    total_bytes: u64,
    rate: Option<u64>,
    blobs: u64,
    chunks: u64,
    bytes: u64,
    damaged: u64,
}

impl Count {
    fn new(total_bytes: u64, rate: Option<u64>) -> Self {
        let now = Instant::now();
        let [blobs, chunks, bytes, damaged] = [0; 4];
        Self { begun: now, told: now, total_bytes, rate, blobs, chunks, bytes, damaged }
    }

    /// Waits until so much may have been read.
    async fn keep_rate(&self, read: u64) {
        if let Some(rate) = self.rate.filter(|&rate| rate > 0 && read > 0) {
            let due = Duration::from_millis(self.bytes.saturating_mul(1000) / rate);
            tokio::time::sleep_until(self.begun + due).await;
        }
    }

    async fn tell(&mut self, out: &Sender<Said>) -> Done {
        if self.told.elapsed() < PROGRESS_EVERY {
            return Ok(());
        }
        self.told = Instant::now();
        let (bytes, total_bytes) = (self.bytes, self.total_bytes);
        tell(out, Said::Progress { bytes, total_bytes }).await
    }
}

async fn verify(store: &DiskStore, rate: Option<u64>, out: &Sender<Said>) -> Done {
    let mut count = Count::new(store.bytes_to_verify().await?, rate);
    let mut last = None;
    while let Some(blob) = store.blob_after(last).await? {
        last = Some(blob);
        count.blobs += 1;
        let mut looked = store.look_into(blob).await?;
        loop {
            count.chunks += looked.chunks;
            count.bytes += looked.bytes;
            if let Some(damage) = looked.damage {
                count.damaged += damage.chunks.max(1);
                tell(out, Said::Damage(damage)).await?;
            }
            count.keep_rate(looked.bytes).await;
            count.tell(out).await?;
            let Some(rest) = looked.rest else { break };
            looked = store.look_on(rest).await?;
        }
    }
    let Count { blobs, chunks, bytes, damaged, .. } = count;
    tell(out, Said::Verified { blobs, chunks, bytes, damaged }).await
}
