//! Where the demo page breaks its own network: `GET /network` tells how it is, `POST /network` makes it so.
//!
//! It is a server of its own, so that orders come through while the proxy is offline, and have no chunk before them in a
//! browser's connections. Only pages of origins on its list are heard: any other page that is open in the browser could
//! ask too.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ORIGIN,
    VARY,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::fault::Harm;
use crate::network::Speed;
use crate::proxy::Proxy;

/// Where it is asked.
const PATH: &str = "/network";
/// The longest order, bytes: each has a few words.
const ORDER_BYTES_MAX: usize = 1024;
/// The longest time without a network, seconds: nobody watches a page for longer.
const OFFLINE_SECONDS_MAX: u32 = 60;
/// Which request is lost where some are.
const LOST_ONE_IN: u32 = 20;

/// One that listens, gone when it is dropped.
#[derive(Debug)]
pub struct Control {
    addr: SocketAddr,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    proxy: Arc<Proxy>,
    origins: Vec<String>,
    chosen: Mutex<Chosen>,
}

/// What holds until something else is chosen.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Chosen {
    speed: Speed,
    loses: bool,
}

/// What is to be done; what is left out stays as it is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Order {
    speed: Option<Speed>,
    loses: Option<bool>,
    cut: bool,
    offline_seconds: Option<u32>,
}

/// How it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stands {
    #[serde(flatten)]
    chosen: Chosen,
    /// For how long yet.
    offline_ms: u64,
    /// How many connections have been broken so far.
    broken: usize,
}

impl Control {
    /// One of that proxy's, for its own pages and those of these origins.
    ///
    /// # Panics
    /// When the address is taken.
    pub async fn listen(addr: SocketAddr, proxy: Arc<Proxy>, origins: &[String]) -> Self {
        let listener = TcpListener::bind(addr).await;
        let listener =
            listener.unwrap_or_else(|error| panic!("{addr} cannot be listened on: {error}"));
        let addr = listener.local_addr().expect("its address");
        let own =
            ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{}", proxy.addr().port()));
        let origins = own.into_iter().chain(origins.iter().cloned()).collect();
        let shared = Arc::new(Shared { proxy, origins, chosen: Mutex::default() });
        Self { addr, accepting: tokio::spawn(accept(listener, shared)) }
    }

    /// Its origin, `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let answer = service_fn(|request| shared.answer(request));
            let http = hyper::server::conn::http1::Builder::new();
            // A page that leaves is no fault of anybody's.
            let _ = http.serve_connection(TokioIo::new(stream), answer).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

impl Shared {
    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let origin = request
            .headers()
            .get(ORIGIN)
            .and_then(|origin| origin.to_str().ok())
            .map(str::to_owned);
        let Some(origin) = origin.filter(|origin| self.origins.contains(origin)) else {
            return Ok(said(
                StatusCode::FORBIDDEN,
                "only the demo's own page may break its network\n",
            ));
        };
        let mut answer = match (request.uri().path(), request.method()) {
            (PATH, &Method::OPTIONS) => said(StatusCode::NO_CONTENT, ""),
            (PATH, &Method::GET) => self.stands(),
            (PATH, &Method::POST) => self.obey(request.into_body()).await,
            _ => said(StatusCode::NOT_FOUND, "there is GET and POST of /network\n"),
        };
        let headers = answer.headers_mut();
        headers
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.parse().expect("it was a header's value"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, CONTENT_TYPE.into());
        headers.insert(VARY, ORIGIN.into());
        Ok(answer)
    }

    async fn obey(&self, body: Incoming) -> Response<Full<Bytes>> {
        let Ok(body) = Limited::new(body, ORDER_BYTES_MAX).collect().await else {
            return said(StatusCode::BAD_REQUEST, "that is no order, or a long one\n");
        };
        match serde_json::from_slice::<Order>(&body.to_bytes()) {
            Ok(order) => self.carry_out(&order),
            Err(error) => {
                return said(StatusCode::BAD_REQUEST, &format!("that is no order: {error}\n"));
            }
        }
        self.stands()
    }

    fn carry_out(&self, order: &Order) {
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(speed) = order.speed {
            chosen.speed = speed;
            self.proxy.set_lines(speed.lines());
            // Who goes to another network loses the connections of the one before.
            self.proxy.harm_all(Harm::Reset);
        }
        if let Some(loses) = order.loses {
            chosen.loses = loses;
            self.proxy.lose_one_in(loses.then_some(LOST_ONE_IN));
        }
        if order.cut {
            self.proxy.harm_all(Harm::Reset);
        }
        if let Some(seconds) = order.offline_seconds {
            self.proxy.go_offline(Duration::from_secs(seconds.min(OFFLINE_SECONDS_MAX).into()));
        }
    }

    fn stands(&self) -> Response<Full<Bytes>> {
        let stands = Stands {
            chosen: *self.chosen.lock().unwrap_or_else(PoisonError::into_inner),
            offline_ms: self.proxy.offline_for().as_millis() as u64,
            broken: self.proxy.harmed(Harm::Reset),
        };
        let mut answer = said(StatusCode::OK, &serde_json::to_string(&stands).expect("JSON"));
        answer
            .headers_mut()
            .insert(CONTENT_TYPE, "application/json".parse().expect("a media type"));
        answer
    }
}

fn said(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text.to_owned()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CACHE_CONTROL, "no-store".parse().expect("a word"));
    answer
}
