//! From a method and what a path names to a verb; each verb has a file of its own below.

use std::net::IpAddr;
use std::str::FromStr;

use http::Method;
use http::request::Parts;
use longhaul_protocol::ProblemCode;
use serde::Serialize;

use crate::app::App;
use crate::body::RequestBody;
use crate::channel::{Channel, Scheme};
use crate::link::Link;
use crate::log::Tally;
use crate::outcome::{Answer, Beside, Outcome, Refusal};
use crate::permits::Permits;
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
mod target;
mod uploads;

pub use target::Target;

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
