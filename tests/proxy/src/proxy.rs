//! A running proxy, and what can be told to it while it runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::answer::{Early, Waiting};
use crate::connection::{self, LOOK_EVERY};
use crate::fault::{Fault, Faults, Harm, Way};
use crate::head::Seen;
use crate::hold::{Gate, Hold};
use crate::line::Lines;
use crate::network::Loss;
use crate::tally::Connection;

/// How many orders to all connections one may lag behind; it obeys the first it hears.
const ORDERS_KEPT: usize = 16;

/// A proxy, gone with its connections when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// What all connections of a proxy share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) upstream: SocketAddr,
    pub(crate) gate: Gate,
    pub(crate) to_all: broadcast::Sender<Harm>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: Lines,
    faults: Faults,
    waiting: Waiting,
    every: Option<Every>,
    loss: Option<Loss>,
    offline_until: Option<Instant>,
    seen: Vec<Seen>,
    connections: Vec<Connection>,
}

/// What happens to all connections whenever so many bytes have gone up on all together.
#[derive(Clone, Copy, Debug)]
struct Every {
    bytes: u64,
    left: u64,
    harm: Harm,
}

impl Proxy {
    /// Starts one on a free port of this machine.
    ///
    /// # Panics
    /// When it can get none.
    pub async fn start(upstream: SocketAddr, hold: Hold) -> Self {
        Self::listen((Ipv4Addr::LOCALHOST, 0).into(), upstream, hold).await
    }

    /// Starts one on this address.
    ///
    /// # Panics
    /// When it is taken.
    pub async fn listen(addr: SocketAddr, upstream: SocketAddr, hold: Hold) -> Self {
        let listener = TcpListener::bind(addr).await;
        let listener =
            listener.unwrap_or_else(|error| panic!("{addr} cannot be listened on: {error}"));
        let (to_all, _) = broadcast::channel(ORDERS_KEPT);
        let shared =
            Arc::new(Shared { upstream, gate: Gate::new(hold), to_all, state: Mutex::default() });
        let addr = listener.local_addr().expect("its address");
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { addr, shared, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its origin, `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How the connections are that come from now on.
    pub fn set_lines(&self, lines: Lines) {
        self.shared.state().lines = lines;
    }

    /// Adds something that goes wrong, for connections that have not come to its byte yet.
    pub fn add(&self, fault: Fault) {
        self.shared.state().faults.add(fault);
    }

    /// Whenever so many bytes have gone up on all connections together, this happens to all of them.
    pub fn harm_all_every(&self, bytes: u64, harm: Harm) {
        self.shared.state().every = Some(Every { bytes, left: bytes, harm });
    }

    /// Of the requests that carry bytes of a file, either way, each that completes this number loses its connection;
    /// none if it is not given.
    pub fn lose_one_in(&self, requests: Option<u32>) {
        self.shared.state().loss = requests.map(Loss::one_in);
    }

    /// Which request is lost, as [`Self::lose_one_in`] has it.
    #[must_use]
    pub fn loses_one_in(&self) -> Option<u32> {
        self.shared.state().loss.as_ref().map(Loss::every)
    }

    /// Resets every connection that there is, and for so long those that come.
    pub fn go_offline(&self, lasts: Duration) {
        self.shared.state().offline_until = Some(Instant::now() + lasts);
        self.harm_all(Harm::Reset);
    }

    /// How long it is offline yet.
    #[must_use]
    pub fn offline_for(&self) -> Duration {
        let until = self.shared.state().offline_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Nothing goes wrong any more; what has gone wrong stays so.
    pub fn mend(&self) {
        let mut state = self.shared.state();
        (state.every, state.waiting) = (None, Waiting::default());
        (state.loss, state.offline_until) = (None, None);
        state.faults.clear();
    }

    /// This happens to all connections that there are, now.
    pub fn harm_all(&self, harm: Harm) {
        // Fails where there is none.
        let _ = self.shared.to_all.send(harm);
    }

    /// Answers the next chunk that comes early; one answer for each call.
    pub fn answer_next_chunk(&self, early: Early) {
        self.shared.state().waiting.for_chunks.push_back(early);
    }

    /// Answers the next requests, whatever they are, without asking the server.
    pub fn answer_next(&self, count: usize, early: &Early) {
        let all = std::iter::repeat_n(early.clone(), count);
        self.shared.state().waiting.for_any.extend(all);
    }

    /// Answers the next request of this method, without asking the server.
    pub fn answer_next_of(&self, method: &'static str, early: Early) {
        self.shared.state().waiting.for_method = Some((method, early));
    }

    /// How many of these answers have not been given yet.
    #[must_use]
    pub fn answers_left(&self) -> usize {
        let state = self.shared.state();
        let waiting = &state.waiting;
        waiting.for_any.len() + waiting.for_chunks.len() + usize::from(waiting.for_method.is_some())
    }

    /// Lets every chunk through from now on, and those that were held up.
    pub fn release(&self) {
        self.shared.gate.open();
    }

    /// Lets every chunk through from now on, once those that were held up are gone with their sender:
    /// else they would pass with what comes later, and count as sent again.
    pub async fn release_when_left(&self) {
        while self.chunks_on_the_way() > 0 {
            sleep(LOOK_EVERY).await;
        }
        self.release();
    }

    /// The requests whose head has arrived, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// Those that began to send a chunk.
    #[must_use]
    pub fn chunks_seen(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.chunk.is_some()).collect()
    }

    /// How many chunks have been begun and are not answered.
    #[must_use]
    pub fn chunks_on_the_way(&self) -> usize {
        self.shared.gate.on_the_way()
    }

    /// The connections so far, in the order in which they came.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.state().connections.clone()
    }

    /// How many of them went silent, whatever has become of them since.
    #[must_use]
    pub fn silenced(&self) -> usize {
        self.connections().iter().filter(|connection| connection.silenced).count()
    }

    /// How many of them came to such an end.
    #[must_use]
    pub fn harmed(&self, harm: Harm) -> usize {
        self.connections().iter().filter(|connection| connection.harmed == Some(harm)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection::serve(Arc::clone(&shared), stream));
        // Those that are over are let go of.
        while connections.try_join_next().is_some() {}
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection came: its number, and how it is.
    pub(crate) fn begin(&self) -> (usize, Lines) {
        let mut state = self.state();
        state.connections.push(Connection::default());
        (state.connections.len() - 1, state.lines)
    }

    pub(crate) fn end(&self, connection: usize, harmed: Option<Harm>) {
        let mut state = self.state();
        let connection = &mut state.connections[connection];
        connection.silenced |= harmed == Some(Harm::Silence);
        (connection.over, connection.harmed) = (harmed != Some(Harm::Silence), harmed);
    }

    /// Whether connections that come are reset.
    pub(crate) fn is_offline(&self) -> bool {
        self.state().offline_until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether this request is lost.
    pub(crate) fn loses(&self, seen: &Seen) -> bool {
        let carries = seen.chunk.is_some() || seen.range.is_some();
        carries && self.state().loss.as_mut().is_some_and(Loss::takes)
    }

    /// Notes a request, and returns the answer that waits for it.
    pub(crate) fn note(&self, seen: Seen) -> Option<Early> {
        let mut state = self.state();
        let early = state.waiting.take(&seen);
        state.seen.push(seen);
        early
    }

    pub(crate) fn taken(&self, connection: usize, way: Way, bytes: u64) {
        self.state().connections[connection].way(way).taken += bytes;
    }

    pub(crate) fn passed(&self, connection: usize, way: Way, bytes: u64) {
        let mut state = self.state();
        state.connections[connection].way(way).passed += bytes;
        let Some(every) = state.every.as_mut().filter(|_| way == Way::Up) else { return };
        match every.left.checked_sub(bytes).filter(|&left| left > 0) {
            Some(left) => every.left = left,
            None => {
                every.left = every.bytes;
                let _ = self.to_all.send(every.harm);
            }
        }
    }

    pub(crate) fn due(&self, way: Way, from: u64, to: u64) -> Option<(u64, Harm)> {
        self.state().faults.due(way, from, to)
    }

    pub(crate) fn end_due(&self, way: Way, passed: u64) -> Option<Harm> {
        self.state().faults.end_due(way, passed)
    }
}
