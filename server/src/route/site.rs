//! Everything outside the API: the files of `--www`, as tower-http serves them.

use std::io::ErrorKind;

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use longhaul_protocol::ProblemCode;
use tower_http::services::ServeDir;

use super::{Call, nothing_at};
use crate::outcome::{Answer, Outcome, Refusal};

pub(super) async fn run<S>(call: &Call<'_, S>) -> Answer {
    let path = call.head.uri.path();
    let Some(www) = &call.app.config.www else {
        let detail =
            format!("Nothing is served at `{path}`: the server was started without `--www`.");
        return Err(Refusal::new(ProblemCode::NotFound, detail));
    };
    let request = Request::from_parts(call.head.clone(), Empty::<bytes::Bytes>::new());
    let served = ServeDir::new(www).try_call(request).await;
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
    Ok(Outcome::Site(served.map(|body| body.map_err(std::io::Error::other).boxed_unsync())))
}
