//! Everything outside the API: the files of `--www`, as tower-http serves them.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use longhaul_protocol::ProblemCode;
use percent_encoding::percent_decode_str;
use tower_http::services::ServeDir;

use super::{Call, nothing_at};
use crate::outcome::{Answer, Outcome, Refusal};

/// What is read of a file at once where many answers share a connection, bytes; four times as much by itself.
const SHARED_PIECE_BYTES: usize = 16 << 10;

const TOO_MANY: &str = "As many files of the page are on their way as the server opens at once.";

pub(super) async fn run<S>(call: &Call<'_, S>) -> Answer {
    let path = call.head.uri.path();
    let Some(www) = &call.app.config.www else {
        let detail =
            format!("Nothing is served at `{path}`: the server was started without `--www`.");
        return Err(Refusal::new(ProblemCode::NotFound, detail));
    };
    if !is_shown(path) || is_no_file_of(www, path).await {
        return Err(nothing_at(path));
    }
    let request = Request::from_parts(call.head.clone(), Empty::<bytes::Bytes>::new());
    let Ok(permit) = Arc::clone(&call.app.site_files).try_acquire_owned() else {
        return Err(Refusal::new(ProblemCode::Unavailable, TOO_MANY));
    };
    let mut folder = ServeDir::new(www);
    if call.channel.is_shared {
        folder = folder.with_buf_chunk_size(SHARED_PIECE_BYTES);
    }
    let served = folder.try_call(request).await;
    let served = served.map_err(|error| match error.kind() {
        // A path that no file can have is one that no file has.
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
            nothing_at(path)
        }
        _ => Refusal::internal(&error),
    })?;
    if served.status().as_u16() == ProblemCode::NotFound.row().status {
        return Err(nothing_at(path));
    }
    // Its file is open until the last of it is sent.
    let told = move |error| {
        let _open = &permit;
        std::io::Error::other::<std::io::Error>(error)
    };
    Ok(Outcome::Site(served.map(|body| body.map_err(told).boxed_unsync())))
}

/// Whether it is one for all to see. What begins with a dot is not meant to be (`.git`, `.env`), but for `.well-known`
/// (RFC 8615).
fn is_shown(path: &str) -> bool {
    let path = percent_decode_str(path).decode_utf8_lossy();
    let mut names = path.split('/');
    names.all(|name| !name.starts_with('.') || matches!(name, "." | ".." | ".well-known"))
}

/// Whether a link on the way ends outside the folder, where tower-http would go, or what lies there is a pipe or a device, for
/// which it would wait.
async fn is_no_file_of(www: &Path, path: &str) -> bool {
    let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
    let Ok(www) = tokio::fs::canonicalize(www).await else { return false };
    let meant = www.join(path.trim_start_matches('/'));
    // Of a folder its `index.html` is served.
    for meant in [meant.join("index.html"), meant] {
        let Ok(there) = tokio::fs::canonicalize(meant).await else { continue };
        let is_file = |meta: Metadata| meta.is_file() || meta.is_dir();
        if !there.starts_with(&www) || !tokio::fs::metadata(there).await.is_ok_and(is_file) {
            return true;
        }
    }
    false
}
