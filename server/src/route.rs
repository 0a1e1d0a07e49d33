//! From a method and a path to a verb; each verb has a file of its own below.

use std::net::IpAddr;
use std::str::FromStr;

use http::Method;
use http::request::Parts;
use longhaul_protocol::ProblemCode;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::path;
use serde::Serialize;

use crate::body::RequestBody;
use crate::channel::{Channel, Scheme};
use crate::link::Link;
use crate::listen::App;
use crate::log::Tally;
use crate::outcome::{Answer, Beside, Outcome, Refusal};
use crate::permits::{Permits, Scope};
use crate::query;
use crate::store::{Owner, Store};

mod cancel;
mod chunk;
mod content;
mod create;
mod create_file;
mod delete;
mod digests;
mod file;
mod files;
mod guests;
mod health;
mod links;
mod manifest;
mod metrics;
mod openapi;
mod problems;
mod proofs;
mod seal;
mod site;
mod status;
mod uploads;

/// A request that may be answered, on its way to its verb.
#[derive(Debug)]
pub struct Call<'a, S> {
    /// What all requests share.
    pub app: &'a App<S>,
    /// Who asks: whose rows are seen, and no others.
    pub owner: Owner,
    /// What he may begin there.
    pub permits: Permits,
    /// The link that he came by, which lets him in as the owner.
    pub link: Option<Link>,
    /// The request's head.
    pub head: &'a Parts,
    /// How whoever asks came: to this server, or to the proxy in front of it.
    pub scheme: Scheme,
    /// The name and port it was sent to, one of the server's own.
    pub host: &'a str,
    /// Its body.
    pub body: &'a mut RequestBody,
    /// Who sent it to a proxy that is believed; nobody, if it came by itself.
    pub client: Option<IpAddr>,
    /// What it came over.
    pub channel: &'a Channel,
    /// What its line in the log tells.
    pub tally: &'a Tally,
}

impl<S> Call<'_, S> {
    /// A header, by its lower-case name; `None` also for one that is not visible ASCII, which no
    /// header of the native API may be.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The first query parameter of that name, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        query::value(self.head.uri.query()?, name)
    }

    /// A query parameter that is a number.
    ///
    /// # Errors
    /// [`Refusal`] when it is there and is none.
    pub fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, Refusal> {
        let Some(value) = self.query(name) else { return Ok(None) };
        let detail = || format!("The parameter `{name}` is not a decimal number.");
        let number = query::number(&value);
        number.map(Some).ok_or_else(|| Refusal::new(ProblemCode::InvalidRequest, detail()))
    }

    /// Something new of the caller's, with the token to come back with if he is a guest.
    ///
    /// # Errors
    /// As [`Outcome::created`] and [`crate::access::Access::token_to_keep`].
    pub fn begun(&self, path: &str, value: &impl Serialize) -> Answer {
        let kept = self.app.config.access.token_to_keep(&self.owner, &self.permits)?;
        let mut outcome = Outcome::created(self.url(path), value)?;
        if let Outcome::Created { token, .. } = &mut outcome {
            *token = kept;
        }
        Ok(outcome)
    }

    /// The absolute URL of a path here, by the name the caller used.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.host)
    }
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `/v1/uploads`
    Uploads,
    /// `/v1/uploads/{id}`
    Upload(UploadId),
    /// `/v1/uploads/{id}/digests`
    Digests(UploadId),
    /// `/v1/uploads/{id}/proofs`
    Proofs(UploadId),
    /// `/v1/uploads/{id}/chunks`
    Chunks(UploadId),
    /// `/v1/uploads/{id}/content`
    Content(UploadId),
    /// `/v1/uploads/{id}/seal`
    Seal(UploadId),
    /// `/v1/files`
    Files,
    /// `/v1/files/{id}`
    File(FileId),
    /// `/v1/files/{id}/manifest`
    Manifest(FileId),
    /// `/v1/files/{id}/links`
    Links(FileId),
    /// `/v1/guests`
    Guests,
    /// `/v1/problems`
    Problems,
    /// `/healthz`
    Healthz,
    /// `/readyz`
    Readyz,
    /// `/metrics`
    Metrics,
    /// `/openapi.json`
    OpenApi,
    /// Any other path below `/v1`.
    Nowhere,
    /// Any path that is not the API's.
    Site,
}

/// Everything the API serves lies below this.
const API: &str = "/v1";

impl Target {
    /// What a path names. Nothing in it is decoded: no path of the API has anything to decode, so an
    /// encoded slash is no slash, and `..` is no way up.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path {
            path::UPLOADS => Self::Uploads,
            path::FILES => Self::Files,
            path::GUESTS => Self::Guests,
            path::PROBLEMS => Self::Problems,
            path::HEALTHZ => Self::Healthz,
            path::READYZ => Self::Readyz,
            path::METRICS => Self::Metrics,
            path::OPENAPI => Self::OpenApi,
            _ => Self::of_one(path).unwrap_or(Self::Site),
        }
    }

    /// One upload or file, or nothing in the API; `None` outside it.
    fn of_one(path: &str) -> Option<Self> {
        let below = |folder| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
        let found = if let Some(rest) = below(path::UPLOADS) {
            Self::of_upload(rest)
        } else if let Some(rest) = below(path::FILES) {
            Self::of_file(rest)
        } else if path == API || below(API).is_some() {
            None
        } else {
            return None;
        };
        Some(found.unwrap_or(Self::Nowhere))
    }

    fn of_upload(rest: &str) -> Option<Self> {
        let (id, part) = split_id(rest)?;
        Some(match part {
            None => Self::Upload(id),
            Some("digests") => Self::Digests(id),
            Some("proofs") => Self::Proofs(id),
            Some("chunks") => Self::Chunks(id),
            Some("content") => Self::Content(id),
            Some("seal") => Self::Seal(id),
            Some(_) => Self::Nowhere,
        })
    }

    fn of_file(rest: &str) -> Option<Self> {
        let (id, part) = split_id(rest)?;
        Some(match part {
            None => Self::File(id),
            Some("manifest") => Self::Manifest(id),
            Some("links") => Self::Links(id),
            Some(_) => Self::Nowhere,
        })
    }

    /// What a caller has to be allowed, where something is done to somebody's rows, so that it must be
    /// known whose. A preflight touches none, and browsers send no token with it.
    #[must_use]
    pub fn scope(self, method: &Method) -> Option<Scope> {
        match self {
            Self::Problems
            | Self::Healthz
            | Self::Readyz
            | Self::OpenApi
            | Self::Nowhere
            | Self::Site => None,
            _ if method == Method::OPTIONS => None,
            // What nobody may do needs no leave.
            _ if !self.methods().contains(method) => None,
            Self::Metrics => Some(Scope::Admin),
            Self::Uploads
            | Self::Upload(_)
            | Self::Digests(_)
            | Self::Proofs(_)
            | Self::Chunks(_)
            | Self::Seal(_)
            | Self::Guests => Some(Scope::Upload),
            Self::Files if method == Method::POST => Some(Scope::Upload),
            Self::File(_) if method == Method::DELETE => Some(Scope::Delete),
            Self::Content(_) | Self::Files | Self::File(_) | Self::Manifest(_) | Self::Links(_) => {
                Some(Scope::Read)
            }
        }
    }

    /// Its path, with `{id}` for any id; `site` for what is not the API's, `nowhere` for what is nothing.
    #[must_use]
    pub fn template(self) -> &'static str {
        match self {
            Self::Uploads => path::UPLOADS,
            Self::Upload(_) => "/v1/uploads/{id}",
            Self::Digests(_) => "/v1/uploads/{id}/digests",
            Self::Proofs(_) => "/v1/uploads/{id}/proofs",
            Self::Chunks(_) => "/v1/uploads/{id}/chunks",
            Self::Content(_) => "/v1/uploads/{id}/content",
            Self::Seal(_) => "/v1/uploads/{id}/seal",
            Self::Files => path::FILES,
            Self::File(_) => "/v1/files/{id}",
            Self::Manifest(_) => "/v1/files/{id}/manifest",
            Self::Links(_) => "/v1/files/{id}/links",
            Self::Guests => path::GUESTS,
            Self::Problems => path::PROBLEMS,
            Self::Healthz => path::HEALTHZ,
            Self::Readyz => path::READYZ,
            Self::Metrics => path::METRICS,
            Self::OpenApi => path::OPENAPI,
            Self::Nowhere => "nowhere",
            Self::Site => "site",
        }
    }

    /// The methods it takes.
    #[must_use]
    pub fn methods(self) -> &'static [Method] {
        const READ: &[Method] = &[Method::GET, Method::HEAD, Method::OPTIONS];
        const ADD: &[Method] = &[Method::POST, Method::OPTIONS];
        const LIST: &[Method] = &[Method::GET, Method::HEAD, Method::POST, Method::OPTIONS];
        const ONE: &[Method] = &[Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS];
        match self {
            Self::Uploads | Self::Files => LIST,
            Self::Upload(_) | Self::File(_) => ONE,
            Self::Digests(_)
            | Self::Proofs(_)
            | Self::Chunks(_)
            | Self::Seal(_)
            | Self::Links(_)
            | Self::Guests => ADD,
            Self::Content(_) | Self::Manifest(_) => READ,
            Self::Problems
            | Self::Healthz
            | Self::Readyz
            | Self::Metrics
            | Self::OpenApi
            | Self::Site => READ,
            Self::Nowhere => &[],
        }
    }
}

/// An id, and what comes after the slash behind it.
fn split_id<I: FromStr>(rest: &str) -> Option<(I, Option<&str>)> {
    let (id, part) = match rest.split_once('/') {
        Some((id, part)) => (id, Some(part)),
        None => (rest, None),
    };
    Some((id.parse().ok()?, part))
}

/// Hands a request to its verb.
///
/// # Errors
/// [`Refusal`], the verb's or that there is none.
pub async fn answer<S: Store>(call: &mut Call<'_, S>, target: Target) -> Answer {
    match (target, &call.head.method) {
        (Target::File(id), &Method::GET | &Method::HEAD) => file::run(call, id).await,
        // Whatever there is room for here is moved with each request: a range needs an eighth of it.
        _ => Box::pin(other(call, target)).await,
    }
}

async fn other<S: Store>(call: &mut Call<'_, S>, target: Target) -> Answer {
    match (target, &call.head.method) {
        (Target::Nowhere, _) => Err(nothing_at(call.head.uri.path())),
        (target, &Method::OPTIONS) => Ok(Outcome::Methods(target.methods())),
        (target, &Method::GET | &Method::HEAD) => read(call, target).await,
        (target, &Method::POST) => add(call, target).await,
        (Target::Upload(id), &Method::DELETE) => cancel::run(call, id).await,
        (Target::File(id), &Method::DELETE) => delete::run(call, id).await,
        (target, _) => Err(not_allowed(call, target)),
    }
}

async fn read<S: Store>(call: &Call<'_, S>, target: Target) -> Answer {
    match target {
        Target::Uploads => uploads::run(call).await,
        Target::Upload(id) => status::run(call, id).await,
        Target::Content(id) => content::run(call, id).await,
        Target::Files => files::run(call).await,
        Target::File(id) => file::run(call, id).await,
        Target::Manifest(id) => manifest::run(call, id).await,
        Target::Problems => Ok(problems::run()),
        Target::Healthz => Ok(health::alive()),
        Target::Readyz => health::ready(call).await,
        Target::Metrics => metrics::run(call).await,
        Target::OpenApi => Ok(openapi::run()),
        Target::Site => site::run(call).await,
        Target::Digests(_)
        | Target::Proofs(_)
        | Target::Chunks(_)
        | Target::Seal(_)
        | Target::Links(_)
        | Target::Guests
        | Target::Nowhere => Err(not_allowed(call, target)),
    }
}

async fn add<S: Store>(call: &mut Call<'_, S>, target: Target) -> Answer {
    match target {
        Target::Uploads => create::run(call).await,
        Target::Files => create_file::run(call).await,
        Target::Digests(id) => digests::run(call, id).await,
        Target::Proofs(id) => proofs::run(call, id).await,
        Target::Chunks(id) => chunk::run(call, id).await,
        Target::Seal(id) => seal::run(call, id).await,
        Target::Links(id) => links::run(call, id).await,
        Target::Guests => guests::run(call),
        _ => Err(not_allowed(call, target)),
    }
}

fn not_allowed<S>(call: &Call<'_, S>, target: Target) -> Refusal {
    let detail = format!("`{}` does not take {}.", call.head.uri.path(), call.head.method);
    Refusal::new(ProblemCode::MethodNotAllowed, detail).beside(Beside::Allow(target.methods()))
}

fn nothing_at(path: &str) -> Refusal {
    let detail =
        format!("Nothing is served at `{path}`; an id is 32 lower-case hexadecimal digits.");
    Refusal::new(ProblemCode::NotFound, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_the_wire_are_found() {
        let (upload, file) = (UploadId([7; 16]), FileId([9; 16]));
        for (path, target) in [
            (path::UPLOADS.to_owned(), Target::Uploads),
            (path::upload(upload), Target::Upload(upload)),
            (path::digests(upload), Target::Digests(upload)),
            (path::proofs(upload), Target::Proofs(upload)),
            (path::chunks(upload), Target::Chunks(upload)),
            (path::content(upload), Target::Content(upload)),
            (path::seal(upload), Target::Seal(upload)),
            (path::FILES.to_owned(), Target::Files),
            (path::file(file), Target::File(file)),
            (path::manifest(file), Target::Manifest(file)),
            (path::links(file), Target::Links(file)),
            (path::GUESTS.to_owned(), Target::Guests),
            (path::PROBLEMS.to_owned(), Target::Problems),
            (path::METRICS.to_owned(), Target::Metrics),
            (path::OPENAPI.to_owned(), Target::OpenApi),
        ] {
            assert_eq!(Target::of(&path), target, "{path}");
            let templated = path.replace(&upload.to_string(), "{id}");
            assert_eq!(target.template(), templated.replace(&file.to_string(), "{id}"));
        }
    }

    #[test]
    fn what_only_looks_like_a_path_of_the_api_is_nowhere() {
        let id = "0123456789abcdef0123456789abcdef";
        for path in [
            "/v1".to_owned(),
            "/v1/".to_owned(),
            "/v1/uploads/".to_owned(),
            format!("/v1/uploads/{id}/"),
            format!("/v1/uploads/{id}/x"),
            format!("/v1/uploads/{id}/chunks/"),
            format!("/v1/uploads/../uploads/{id}"),
            format!("/v1/uploads%2F{id}"),
            format!("/v1/uploads/{}", id.to_uppercase()),
            "/v1/uploads/x".to_owned(),
            "/v1/nothing".to_owned(),
        ] {
            assert_eq!(Target::of(&path), Target::Nowhere, "{path}");
        }
        assert_eq!(Target::of("/"), Target::Site);
        assert_eq!(Target::of("/v10"), Target::Site);
    }
}
