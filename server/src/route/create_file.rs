//! `POST /v1/files`: a file of at most one chunk, begun, sent and sealed in one request. The
//! [`UPLOAD_CREATE`] header is what the body of `POST /v1/uploads` is; the body is the file.

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::{
    CHUNK_DIGEST, ChunkHeaders, HeaderError, IDEMPOTENCY_KEY, UPLOAD_CREATE,
};
use longhaul_protocol::wire::ids::UploadId;
use longhaul_protocol::wire::{CreateRequest, DigestRun, FileInfo, Holding, path};
use longhaul_protocol::{ChunkIndex, Digest, ProblemCode};

use super::{Call, chunk, create};
use crate::outcome::{Answer, Refusal};
use crate::store::{Store, StoreError, Upload};

pub(super) async fn run<S: Store>(call: &mut Call<'_, S>) -> Answer {
    let header = call.header(UPLOAD_CREATE);
    let header = header.ok_or(HeaderError::Missing { header: UPLOAD_CREATE })?;
    let request = CreateRequest::from_header(header)?;
    let digest = digest(call, request.size)?;
    check_length(call, request.size)?;
    let (upload, digests) = create::begin(call, request).await?;
    let file = match (upload.file.clone(), upload.id) {
        // The same request again: its answer was lost.
        (Some(file), _) if file.root == root(digest) => file,
        (Some(_), _) => return Err(StoreError::KeyReused.into()),
        (None, id) => take_or_cancel(call, id, upload, digests, digest).await?,
    };
    call.begun(&path::file(file.id), &file)
}

/// The digest of the one chunk; an empty file has none.
fn digest<S>(call: &Call<'_, S>, size: u64) -> Result<Option<Digest>, Refusal> {
    if size == 0 {
        return Ok(None);
    }
    let header = CHUNK_DIGEST;
    let value = call.header(header).ok_or(HeaderError::Missing { header })?;
    let digest = Digest::from_header(value);
    Ok(Some(digest.map_err(|source| HeaderError::NotADigest { header, source })?))
}

/// What can be known to be wrong before space is reserved for it.
fn check_length<S>(call: &Call<'_, S>, size: u64) -> Result<(), Refusal> {
    let max = call.app.config.chunk_len;
    if size > max {
        let detail = format!("The file has {size} bytes; in one request it may have {max}.");
        return Err(Refusal::too_large(max, detail));
    }
    match call.body.announced() {
        Some(announced) if announced != size => Err(wrong_length(size, announced)),
        _ => Ok(()),
    }
}

/// What it leaves behind is nobody's, unless the same key began an upload before of which something is
/// here, or another request with that key goes on with it. After a connection that broke that request
/// may be here already and have found this upload, but not have begun its bytes; so whoever has a key is
/// waited for, until the upload expires.
async fn take_or_cancel<S: Store>(
    call: &mut Call<'_, S>,
    id: UploadId,
    upload: Upload,
    known: Option<DigestRun>,
    digest: Option<Digest>,
) -> Result<FileInfo, Refusal> {
    let taken = take(call, upload, known, digest).await;
    let Err(refusal) = &taken else { return taken };
    let may_come_back = call.body.broke_off() && call.header(IDEMPOTENCY_KEY).is_some();
    let goes_on =
        may_come_back || refusal.code == ProblemCode::Superseded || holds_anything(call, id).await;
    if !goes_on && let Err(error) = call.app.store.cancel(&call.owner, id).await {
        tracing::warn!("upload {id} was begun in vain and is left to the sweep: {error}");
    }
    taken
}

async fn holds_anything<S: Store>(call: &Call<'_, S>, id: UploadId) -> bool {
    let upload = call.app.store.upload(&call.owner, id).await;
    upload.is_ok_and(|upload| {
        let Holding { held, pending, .. } = &upload.holding;
        !held.is_empty() || !pending.is_empty()
    })
}

async fn take<S: Store>(
    call: &mut Call<'_, S>,
    upload: Upload,
    known: Option<DigestRun>,
    digest: Option<Digest>,
) -> Result<FileInfo, Refusal> {
    let max = upload.plan.chunk_len();
    if upload.plan.chunk_count() > 1 {
        let detail = format!("The server cuts this file into chunks of {max} bytes.");
        return Err(Refusal::too_large(max, detail));
    }
    let (upload, _) = create::offer(call, upload, known).await?;
    if let Some(digest) = digest {
        let chunk = ChunkHeaders { index: ChunkIndex(0), offset: 0, digest, replace: None };
        chunk::receive(call, upload.id, chunk).await?;
    } else if let Some(bytes) = call.body.next().await? {
        return Err(wrong_length(0, bytes.len() as u64));
    }
    Ok(call.app.store.seal(&call.owner, upload.id, root(digest)).await?)
}

fn wrong_length(size: u64, announced: u64) -> Refusal {
    let detail = format!("`size` is {size} bytes, the body has {announced}.");
    Refusal::new(ProblemCode::WrongLength, detail)
}
