//! Requests for a file: its manifest, and ranges of its bytes.

use std::cell::RefCell;
use std::ops::Range;

use gloo_net::http::{Request, RequestBuilder, Response};
use longhaul_protocol::ChunkIndex;
use longhaul_protocol::download::FetchError;
use longhaul_protocol::download::answer::read_head;
use longhaul_protocol::upload::Failure;
use longhaul_protocol::wire::answer::{RETRY_AFTER, Raw};
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::link::{self, with_query};
use longhaul_protocol::wire::{Manifest, header, path};
use web_sys::{AbortSignal, RequestCache};

use super::body::Body;
use crate::endpoint::Endpoint;
use crate::json::{self, Js};

/// A browser does not tell a page what a server of another origin says to it that does not have the
/// page's origin on its list.
const UNREACHED_OR_REFUSED: &str =
    "it could not be reached, or this page's origin is not on its --allow-origin list";

/// Where a file is, and who asks for it.
pub(super) struct Remote {
    endpoint: Endpoint,
    file: FileId,
    /// The query of a link, which lets in instead of a token.
    link: Option<String>,
    authorization: RefCell<Option<String>>,
}

impl Remote {
    /// The file at that address, which ends in `/v1/files/` and an id, with the query of a link perhaps;
    /// `page` is what it may be relative to.
    pub(super) fn parse(url: &str, page: &str, authorization: Option<String>) -> Option<Self> {
        let (address, link) = link::split(url);
        let (before, id) = address.rsplit_once(path::FILES)?;
        let file = id.strip_prefix('/')?.parse().ok()?;
        let endpoint = Endpoint::parse(before, page).ok()?;
        // A token is not for whoever made the link to see.
        let authorization = RefCell::new(authorization.filter(|_| link.is_none()));
        Some(Self { endpoint, file, link: link.map(str::to_owned), authorization })
    }

    /// Which file.
    pub(super) fn file(&self) -> FileId {
        self.file
    }

    /// From now on requests say this of who asks; whether that is something else than before.
    pub(super) fn renew(&self, authorization: Option<String>) -> bool {
        let authorization = authorization.filter(|_| self.link.is_none());
        let is_fresh = authorization.is_some() && *self.authorization.borrow() != authorization;
        self.authorization.replace(authorization);
        is_fresh
    }

    /// A page of the manifest.
    pub(super) async fn page(
        &self,
        start: ChunkIndex,
        signal: Option<&AbortSignal>,
    ) -> Result<Box<Manifest>, Failure> {
        let path = format!("{}?start={start}", path::manifest(self.file));
        let response = self.send(self.get(&path, signal)).await?;
        self.read(response).await?.json()
    }

    /// Begins to fetch some bytes of a file of that length.
    pub(super) async fn range(
        &self,
        wanted: &Range<u64>,
        len: u64,
        signal: Option<&AbortSignal>,
    ) -> Result<Body, FetchError> {
        let range = format!("bytes={}-{}", wanted.start, wanted.end.saturating_sub(1));
        let request = self.get(&path::file(self.file), signal).header("range", &range);
        let response = self.send(request).await?;
        let told = response.headers().get("content-range");
        match read_head(response.status(), told.as_deref(), wanted, len) {
            Some(Ok(())) => Ok(Body::of(&response)?),
            Some(Err(error)) => Err(error),
            None => Err(self.read(response).await?.nothing().err().map_or_else(
                || cut("an answer that is neither good nor bad").into(),
                FetchError::Failed,
            )),
        }
    }

    /// Not from the browser's cache and not into it: it would write every byte a second time, and give out
    /// again what has arrived damaged.
    fn get(&self, path: &str, signal: Option<&AbortSignal>) -> RequestBuilder {
        let url = self.endpoint.at(&with_query(path, self.link.as_deref()));
        let request = Request::get(&url).cache(RequestCache::NoStore).abort_signal(signal);
        match self.authorization.borrow().as_deref() {
            Some(authorization) => request.header(header::AUTHORIZATION, authorization),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let unreached = match self.endpoint.is_foreign() {
            true => UNREACHED_OR_REFUSED,
            false => "it could not be reached",
        };
        request.send().await.map_err(|_| cut(unreached))
    }

    async fn read(&self, response: Response) -> Result<Raw<Js>, Failure> {
        let (status, retry_after) = (response.status(), response.headers().get(RETRY_AFTER));
        let body = response.text().await.map_err(|_| cut("its answer was cut off"))?;
        Ok(json::answer(status, &body, retry_after))
    }
}

/// Bytes did not come.
pub(super) fn cut(why: &str) -> Failure {
    Failure::Network(why.to_owned())
}
