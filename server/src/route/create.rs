//! `POST /v1/uploads`: begins an upload.

use longhaul_protocol::media_type::is_media_type;
use longhaul_protocol::name::{check_name, check_path};
use longhaul_protocol::plan::PlanError;
use longhaul_protocol::wire::header::{IDEMPOTENCY_KEY, read_idempotency_key};
use longhaul_protocol::wire::proof::Challenge;
use longhaul_protocol::wire::{
    CreateRequest, DigestRun, FileMeta, IDEMPOTENCY_KEY_BYTES_MAX, METADATA_BYTES_MAX,
    PROTOCOL_VERSION, TYPE_BYTES_MAX, UploadStatus, path,
};
use longhaul_protocol::{Digest, Plan, ProblemCode};

use super::{Call, digests, status};
use crate::outcome::{Answer, Refusal};
use crate::store::{NewUpload, Store, StoreError, Upload};

pub(super) async fn run<S: Store>(call: &mut Call<'_, S>) -> Answer {
    let request: CreateRequest = call.body.json(call.head).await?;
    let (upload, digests) = begin(call, request).await?;
    let (upload, challenge) = offer(call, upload, digests).await?;
    let path = path::upload(upload.id);
    call.begun(&path, &UploadStatus { challenge, ..status::of(upload, call.scheme) })
}

/// Checks a request and begins its upload; gives back the digests that fit the plan it got.
pub(super) async fn begin<S: Store>(
    call: &Call<'_, S>,
    request: CreateRequest,
) -> Result<(Upload, Option<DigestRun>), Refusal> {
    check(call, &request)?;
    let idempotency = idempotency(call, &request)?;
    let CreateRequest { size, chunk_size, meta, digests, .. } = request;
    let made_with = chunk_size.unwrap_or(call.app.config.chunk_len);
    let new = allowed(call, NewUpload { meta, size, chunk_size, idempotency, id: None }).await?;
    let upload = call.app.store.create(&call.owner, new).await?;
    // Digests of chunks of another size say nothing here.
    let digests = digests.filter(|_| made_with == upload.plan.chunk_len());
    Ok((upload, digests))
}

/// Asks the hook, if there is one that is to be asked. What a request that is repeated has begun already was
/// allowed then.
async fn allowed<S: Store>(call: &Call<'_, S>, new: NewUpload) -> Result<NewUpload, Refusal> {
    let Some(hooks) = call.app.config.hooks.as_ref().filter(|hooks| hooks.asks()) else {
        return Ok(new);
    };
    if let Some((key, request)) = &new.idempotency
        && call.app.store.has_begun(&call.owner, key, *request).await?
    {
        return Ok(new);
    }
    let _question = call.channel.seat.question(call.client)?;
    let id = hooks.ask(&call.owner, &new.meta, new.size).await?;
    Ok(NewUpload { id: Some(id), ..new })
}

/// Tells the store the digests known so far, so that what it has already is never sent.
pub(super) async fn offer<S: Store>(
    call: &Call<'_, S>,
    mut upload: Upload,
    digests: Option<DigestRun>,
) -> Result<(Upload, Option<Challenge>), Refusal> {
    let mut challenge = None;
    // A request that came twice may find its upload sealed.
    if let Some(run) = digests.filter(|_| upload.file.is_none()) {
        let offered = call.app.store.offer(&call.owner, upload.id, run).await?;
        (upload.holding, challenge) = (offered.holding, offered.challenge);
    }
    Ok((upload, challenge))
}

fn check<S>(call: &Call<'_, S>, request: &CreateRequest) -> Result<(), Refusal> {
    if request.protocol_version != PROTOCOL_VERSION {
        let detail = format!(
            "The request speaks version {}, the server version {PROTOCOL_VERSION}.",
            request.protocol_version
        );
        return Err(Refusal::new(ProblemCode::UnsupportedVersion, detail));
    }
    check_meta(&request.meta)?;
    check_size(call.app.config.file_bytes_max, request.size)?;
    call.permits.check_file(&request.meta, request.size)?;
    let chunk_len = request.chunk_size.unwrap_or(call.app.config.chunk_len);
    match (&request.digests, Plan::new(request.size, chunk_len)) {
        (Some(run), Ok(plan)) => digests::check(run, plan),
        (_, Err(error @ PlanError::ChunkLen { .. })) => Err(StoreError::Plan(error).into()),
        // More chunks than may be: the store makes them larger, and the digests are no use.
        (_, Err(PlanError::TooManyChunks { .. })) | (None, Ok(_)) => Ok(()),
    }
}

fn check_size(max: Option<u64>, size: u64) -> Result<(), Refusal> {
    let Some(max) = max.filter(|max| size > *max) else { return Ok(()) };
    let detail = format!("The file has {size} bytes; this server takes files of at most {max}.");
    Err(Refusal::too_large(max, detail))
}

fn check_meta(meta: &FileMeta) -> Result<(), Refusal> {
    check_name(&meta.name).map_err(|error| Refusal::name("name", &error))?;
    check_relative_path(meta)?;
    check_type(&meta.media_type)?;
    let bytes: usize = meta.metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        let detail =
            format!("`metadata` has {bytes} bytes; at most {METADATA_BYTES_MAX} are kept.");
        return Err(Refusal::too_large(METADATA_BYTES_MAX as u64, detail));
    }
    Ok(())
}

fn check_relative_path(meta: &FileMeta) -> Result<(), Refusal> {
    let Some(path) = &meta.relative_path else { return Ok(()) };
    check_path(path).map_err(|error| Refusal::name("relativePath", &error))?;
    if path.rsplit('/').next() == Some(&meta.name) {
        return Ok(());
    }
    Err(Refusal::new(ProblemCode::InvalidName, "`relativePath` does not end in the file's name."))
}

/// A media type (RFC 9110, section 8.3.1), which goes into a header as it is; none is fine.
fn check_type(media_type: &str) -> Result<(), Refusal> {
    if media_type.is_empty() || is_media_type(media_type) {
        return Ok(());
    }
    let detail =
        format!("`type` is not a media type like `video/mp4` of at most {TYPE_BYTES_MAX} bytes.");
    Err(Refusal::new(ProblemCode::InvalidRequest, detail))
}

/// The key, and what it stands for: the request without its digests, of which a page that begins
/// again may know more than it did.
fn idempotency<S>(
    call: &Call<'_, S>,
    request: &CreateRequest,
) -> Result<Option<(String, Digest)>, Refusal> {
    let Some(key) = call.head.headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = key.to_str().ok().and_then(read_idempotency_key);
    let detail = || {
        format!("`{IDEMPOTENCY_KEY}` is not 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible characters.")
    };
    let key = key.ok_or_else(|| Refusal::new(ProblemCode::InvalidRequest, detail()))?;
    let json = serde_json::to_vec(&CreateRequest { digests: None, ..request.clone() });
    let json = json.map_err(|error| Refusal::internal(&error))?;
    Ok(Some((key.to_owned(), Digest::of(&json))))
}
