//! Control calls: from the page, by fetch.

use std::cell::RefCell;
use std::rc::Rc;

use gloo_net::http::{Method, Request, RequestBuilder};
use litemap::LiteMap;
use longhaul_protocol::upload::{Answer, CALL_TIMEOUT, Call, Failure, Ticket};
use longhaul_protocol::wire::answer::{RETRY_AFTER, Raw};
use longhaul_protocol::wire::json::ToJson;
use longhaul_protocol::wire::{UploadList, header, path};
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, AbortSignal, RequestCache};

use crate::endpoint::Endpoint;
use crate::json::{self, Js};
use crate::number::float;
use crate::token::{Bearer, Tokens};

/// A browser does not tell a page what a server of another origin says to it that does not have the
/// page's origin on its list.
const UNREACHED_OR_REFUSED: &str =
    "it could not be reached, or this page's origin is not on its --allow-origin list";

/// The control calls of one upload.
pub(crate) struct Transport {
    endpoint: Endpoint,
    bearer: Bearer,
    waiting: Rc<RefCell<LiteMap<Ticket, AbortController>>>,
}

impl Transport {
    /// Calls to this server.
    pub(crate) fn new(endpoint: Endpoint, tokens: Tokens) -> Self {
        Self { endpoint, bearer: Bearer::new(tokens), waiting: Rc::default() }
    }

    /// Where chunks go.
    pub(crate) fn address(&self, path: &str) -> String {
        self.endpoint.at(path)
    }

    /// What a chunk's request says of who sends it: what the create before it found out.
    pub(crate) fn authorization(&self, ticket: Ticket) -> Option<String> {
        self.bearer.known(ticket)
    }

    /// What the request of a small file says of who sends it. Whoever is nobody is told first whom he is: were it told
    /// with the file, that would be nobody's if the answer were lost.
    pub(crate) fn meet(
        &self,
        ticket: Ticket,
        told: impl FnOnce(Result<Option<String>, Failure>) + 'static,
    ) {
        let (endpoint, bearer) = (self.endpoint.clone(), self.bearer.clone());
        spawn_local(async move { told(met(&endpoint, &bearer, ticket).await) });
    }

    /// It was answered, with a guest's token that lasts longer.
    pub(crate) fn given(&self, token: Option<String>) {
        if token.is_some() {
            self.bearer.tokens().given(token);
        }
    }

    /// Has a fresh token after a refusal, and tells whether there is one.
    pub(crate) fn renew(&self, refused: Ticket, told: impl FnOnce(bool) + 'static) {
        let bearer = self.bearer.clone();
        spawn_local(async move { told(bearer.renew(refused).await) });
    }

    /// Makes a call and tells what came of it, unless [`Transport::hang_up`] comes first.
    pub(crate) fn call(
        &self,
        ticket: Ticket,
        call: Call,
        told: impl FnOnce(Result<Answer, Failure>) + 'static,
    ) {
        let controller = AbortController::new().ok();
        let signal = controller.as_ref().map(AbortController::signal);
        let (endpoint, bearer) = (self.endpoint.clone(), self.bearer.clone());
        let waiting = Rc::clone(&self.waiting);
        if let Some(controller) = controller {
            self.waiting.borrow_mut().insert(ticket, controller);
        }
        spawn_local(async move {
            let result = ask(&endpoint, &bearer, ticket, &call, signal.as_ref()).await;
            waiting.borrow_mut().remove(&ticket);
            told(result);
        });
    }

    /// Stops waiting. The call then ends as a failure, under a ticket that nobody knows any more.
    pub(crate) fn hang_up(&self, ticket: Ticket) {
        let controller = self.waiting.borrow_mut().remove(&ticket);
        if let Some(controller) = controller {
            controller.abort();
        }
    }
}

async fn met(
    endpoint: &Endpoint,
    bearer: &Bearer,
    ticket: Ticket,
) -> Result<Option<String>, Failure> {
    let authorization = bearer.authorization(ticket).await?;
    let tokens = bearer.tokens();
    let Some(_introduction) = tokens.introduce().filter(|_| authorization.is_none()) else {
        return Ok(authorization);
    };
    // Others wait for it too, so it does not end with the one that asks.
    let signal = AbortSignal::timeout_with_f64(float(CALL_TIMEOUT.0));
    let request = to(endpoint, Method::POST, path::GUESTS, None, Some(&signal));
    let (raw, given) = fetch(without_body(request)?, endpoint.is_foreign()).await?;
    raw.nothing()?;
    tokens.given(given);
    Ok(bearer.known(ticket))
}

async fn ask(
    endpoint: &Endpoint,
    bearer: &Bearer,
    ticket: Ticket,
    call: &Call,
    signal: Option<&AbortSignal>,
) -> Result<Answer, Failure> {
    let authorization = bearer.authorization(ticket).await?;
    let tokens = bearer.tokens();
    let may_be_given = matches!(call, Call::Create { .. }) && authorization.is_none();
    let introduction = may_be_given.then(|| tokens.introduce()).flatten();
    let request = request(endpoint, call, authorization.as_deref(), signal)?;
    let (raw, given) = fetch(request, endpoint.is_foreign()).await?;
    if given.is_some() || (may_be_given && raw.is_good()) {
        tokens.given(given);
    }
    drop(introduction);
    match call {
        Call::List => raw.json().map(|list: UploadList| Answer::Uploads(list.uploads)),
        Call::Create { .. } | Call::Status(_) => raw.json().map(Answer::Upload),
        Call::Offer(..) | Call::Prove(..) => raw.json().map(Answer::Digests),
        Call::Seal(..) => raw.json().map(Answer::File),
        Call::Cancel(_) => raw.nothing().map(|()| Answer::Gone),
    }
}

fn request(
    endpoint: &Endpoint,
    call: &Call,
    authorization: Option<&str>,
    signal: Option<&AbortSignal>,
) -> Result<Request, Failure> {
    let to = |method, path: &str| to(endpoint, method, path, authorization, signal);
    // Firefox remembers no preflight of a request that is to be stored nowhere, so that each would cost
    // a round trip more; the answer to a POST is stored nowhere anyway.
    let fresh = |path: &str| to(Method::GET, path).cache(RequestCache::NoStore);
    match call {
        Call::List => without_body(fresh(path::UPLOADS)),
        Call::Create { request, key } => {
            let builder = to(Method::POST, path::UPLOADS).header(header::IDEMPOTENCY_KEY, key);
            with_json(builder, request)
        }
        Call::Status(id) => without_body(fresh(&path::upload(*id))),
        Call::Offer(id, run) => with_json(to(Method::POST, &path::digests(*id)), run),
        Call::Prove(id, proofs) => with_json(to(Method::POST, &path::proofs(*id)), proofs),
        Call::Seal(id, seal) => with_json(to(Method::POST, &path::seal(*id)), seal),
        Call::Cancel(id) => without_body(to(Method::DELETE, &path::upload(*id))),
    }
}

fn to(
    endpoint: &Endpoint,
    method: Method,
    path: &str,
    authorization: Option<&str>,
    signal: Option<&AbortSignal>,
) -> RequestBuilder {
    let builder = RequestBuilder::new(&endpoint.at(path)).method(method);
    let builder = match authorization {
        Some(authorization) => builder.header(header::AUTHORIZATION, authorization),
        None => builder,
    };
    builder.abort_signal(signal)
}

fn with_json(builder: RequestBuilder, body: &impl ToJson) -> Result<Request, Failure> {
    builder.header("content-type", "application/json").body(body.to_json()).map_err(unmade)
}

fn without_body(builder: RequestBuilder) -> Result<Request, Failure> {
    builder.build().map_err(unmade)
}

/// The answer, and the guest's token that came with it.
async fn fetch(request: Request, foreign: bool) -> Result<(Raw<Js>, Option<String>), Failure> {
    let unreached = if foreign { UNREACHED_OR_REFUSED } else { "it could not be reached" };
    let response = request.send().await.map_err(|_| unheard(unreached))?;
    let (status, retry_after) = (response.status(), response.headers().get(RETRY_AFTER));
    let given = response.headers().get(header::UPLOAD_TOKEN);
    let body = response.text().await.map_err(|_| unheard("its answer was cut off"))?;
    Ok((json::answer(status, &body, retry_after), given))
}

/// A browser's own words for these are a bare `TypeError`; what it knows it writes to the console.
fn unheard(why: &str) -> Failure {
    Failure::Network(why.to_owned())
}

fn unmade(error: gloo_net::Error) -> Failure {
    Failure::Local(format!("the browser would not make the request: {error}"))
}
