//! What a path names, what may be done there, and what one has to be allowed for it.

use std::str::FromStr;

use http::Method;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::path;

use crate::permits::Scope;

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
