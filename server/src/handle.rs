//! One request, from its head to its answer.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;

use crate::app::App;
use crate::body::RequestBody;
use crate::channel::{Channel, Scheme};
use crate::gate::{Standing, check_encoding, check_host, check_origin, standing};
use crate::link::{self, came_by_link};
use crate::log::{Followed, RequestLine};
use crate::outcome::{Answer, Outcome, Refusal};
use crate::permits::{Permits, Scope};
use crate::request_id::all_about;
use crate::route::{Call, Target};
use crate::store::{Owner, Store};
use crate::token::Grant;
use crate::{cors, respond, route};

/// A request that is not even told that it is one too many: its stream is reset, and over HTTP/1.1, where there is none,
/// its connection would be closed.
#[derive(Debug, thiserror::Error)]
#[error("too many requests of this address are being refused already")]
pub(crate) struct Unheard;

/// Answers one request. It is taken apart before there is anything to wait for, so that it is not kept twice.
pub(crate) fn handle<'a, S: Store>(
    app: &'a App<S>,
    channel: &'a Channel,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Followed>, Unheard>> + Send + 'a {
    let (head, incoming) = request.into_parts();
    async move {
        let Channel { seat, ids, .. } = channel;
        let mut line = RequestLine::new(&head, ids.next(), &app.metrics);
        let mut body =
            RequestBody::new(&head, incoming, Arc::clone(line.tally()), &app.config.limits);
        let told = seat.told(&app.config.proxies, &head.headers);
        let (client, scheme) = match &told {
            Ok(Some(told)) => (Some(told.client), told.scheme.unwrap_or(channel.scheme)),
            _ => (None, channel.scheme),
        };
        line.is_from(client.or_else(|| channel.peer.ip()));
        let stay = seat.ask(body.has_body(), client).and_then(|(stay, held)| {
            let held = match held {
                None if channel.is_shared => Some(seat.answer()?),
                held => held,
            };
            line.hold(held);
            Ok(stay)
        });
        if channel.is_shared && stay.is_err() {
            line.hold(Some(seat.refusal(client).ok_or(Unheard)?));
        }
        let host = told.map(|told| told.and_then(|told| told.host));
        let host = host.and_then(|host| check_host(&app.config, &head, host.as_deref()));
        let is_from = |host: &String| standing(&app.config, scheme, host, &head);
        let standing = host.as_ref().map_or(Standing::Foreign, is_from);
        let mut answer = match (&host, &stay) {
            (_, Err(refused)) => Err(seat.refuse(*refused).await),
            (Err(_), Ok(_)) => host.map(|_| Outcome::Done),
            (Ok(host), Ok(_)) => {
                let call = Call {
                    app,
                    owner: Owner::nobody(),
                    permits: Permits::only([]),
                    link: None,
                    head: &head,
                    scheme,
                    host,
                    body: &mut body,
                    client,
                    channel,
                    tally: line.tally(),
                };
                all_about(line.id(), pin!(decide(call, line.target()))).await
            }
        };
        // What is only read may be asked for again.
        if let (Ok(outcome), &Method::GET, None) = (&answer, &head.method, client)
            && let Some(held) = line.held()
            && let Err(refused) = seat.keep(held, outcome.kept_bytes())
        {
            answer = Err(refused.into());
        }
        if let Err(refusal) = &mut answer {
            app.metrics.refused(refusal.code);
            refusal.problem.facts.request_id = Some(line.id().to_string());
        }
        // Before the answer, so that it is heard.
        body.discard().await;
        drop(stay);
        let mut response = respond::respond(answer);
        cors::mark(standing, &head, response.headers_mut());
        if let (Scheme::Https, Some(time)) = (scheme, app.config.hsts) {
            respond::only_by_tls(time, response.headers_mut());
        }
        if seat.lasts().is_some() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(line.follow(response))
    }
}

/// Asks the gate, who it is, whether he may, and the verb.
async fn decide<S: Store>(mut call: Call<'_, S>, target: Target) -> Answer {
    let Call { app, head, .. } = call;
    check_origin(&app.config, call.scheme, call.host, head)?;
    if head.method == Method::POST {
        check_encoding(head)?;
    }
    if let Some(scope) = target.scope(&head.method) {
        let Grant { owner, permits } =
            match head.uri.query().filter(|query| came_by_link(target, query)) {
                Some(query) => by_link(&mut call, target, query).await?,
                None => {
                    app.config.access.caller(head, call.client.is_some(), &app.untold_proxies)?
                }
            };
        permits.check_scope(scope)?;
        (call.owner, call.permits) = (owner, permits);
    }
    caught(pin!(route::answer(&mut call, target)))
        .await
        .unwrap_or_else(|| Err(Refusal::internal(&"a panic")))
}

/// Who comes by a link is let in as the owner of the file, to read it. Whatever token comes with it does not
/// count, so that a link is good for the same whoever uses it.
async fn by_link<S: Store>(
    call: &mut Call<'_, S>,
    target: Target,
    query: &str,
) -> Result<Grant, Refusal> {
    let app = call.app;
    let link = app.config.links.judge(target, &call.head.method, query, link::now())?;
    let owner = app.store.owner_of(link.file).await?;
    call.link = Some(link);
    Ok(Grant { owner, permits: Permits::only([Scope::Read]) })
}

/// What a future comes to; `None` if it panics, which ends one request and no other.
async fn caught<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Some(output)),
            Err(_panic) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// hyper moves it into its place with each request: once it had 12 KiB, which took a twentieth of what a range costs.
    #[test]
    fn what_a_request_comes_to_is_small_enough_to_be_moved() {
        use crate::store::disk::DiskStore;

        fn size<'a, F: 'a>(
            _: fn(&'a App<DiskStore>, &'a Channel, Request<Incoming>) -> F,
        ) -> usize {
            size_of::<F>()
        }
        let size = size(handle);
        assert!(size <= 2048, "{size}");
    }

    #[tokio::test]
    async fn a_panic_is_caught_also_after_a_wait() {
        assert_eq!(caught(pin!(async { 1 })).await, Some(1));
        let panicking = async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        };
        assert_eq!(caught::<()>(pin!(panicking)).await, None);
    }
}
