//! One of the client's connections, and its own to the server.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{self, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{Mutex, broadcast};
use tokio::time::{sleep, timeout};

use crate::answer::Early;
use crate::fault::{Harm, Way};
use crate::head::Head;
use crate::hold::OnTheWay;
use crate::line::{Inlet, Lines, Outlet, PIECE_BYTES};
use crate::proxy::Shared;

/// How long the rest of a body is read after an early answer, as the server does.
const DRAIN: Duration = Duration::from_secs(10);
/// How often it is looked whether the sender of what is held up has left.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Why a connection is over.
enum Ended {
    /// Something was done to it.
    Harmed(Harm),
    /// One of the two ends left, or it was answered here.
    Over,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        // A connection that breaks is what the two ends are being tested with.
        Self::Over
    }
}

/// Passes on what a client says until one of the two leaves or something is done to it. One that went
/// silent stays until something else is done to all.
pub(crate) async fn serve(shared: Arc<Shared>, mut client: TcpStream) {
    let (number, lines) = shared.begin();
    let mut orders = shared.to_all.subscribe();
    let mut server = None;
    let passing = Passing { shared: &shared, number, chunk: Mutex::default() };
    let ended = tokio::select! {
        ended = passing.converse(&mut client, &mut server, lines) => ended.err(),
        harm = order(&mut orders) => Some(Ended::Harmed(harm)),
    };
    // It is no longer on its way, however silent the rest is.
    drop(passing);
    let mut harmed = match ended {
        Some(Ended::Harmed(harm)) => Some(harm),
        Some(Ended::Over) | None => None,
    };
    shared.end(number, harmed);
    while harmed == Some(Harm::Silence) {
        harmed = Some(order(&mut orders).await);
        shared.end(number, harmed);
    }
    if harmed == Some(Harm::Reset) {
        let both = [Some(&client), server.as_ref()];
        both.into_iter().flatten().for_each(|stream| drop(stream.set_zero_linger()));
    }
}

async fn order(orders: &mut broadcast::Receiver<Harm>) -> Harm {
    loop {
        match orders.recv().await {
            Ok(harm) => return harm,
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => pending().await,
        }
    }
}

struct Passing<'a> {
    shared: &'a Shared,
    number: usize,
    /// The chunk that is being sent.
    chunk: Mutex<Option<OnTheWay<'a>>>,
}

type Client<'a> = BufReader<ReadHalf<'a>>;
type Out<'a> = Mutex<WriteHalf<'a>>;

impl Passing<'_> {
    async fn converse(
        &self,
        client: &mut TcpStream,
        server: &mut Option<TcpStream>,
        lines: Lines,
    ) -> Result<(), Ended> {
        self.check(0)?;
        client.set_nodelay(true)?;
        // A connection that a browser opens ahead of need is none of the server's.
        if client.peek(&mut [0]).await? == 0 {
            return Ok(());
        }
        if self.shared.is_offline() {
            return Err(Ended::Harmed(Harm::Reset));
        }
        let server = server.insert(TcpStream::connect(self.shared.upstream).await?);
        server.set_nodelay(true)?;
        let (client_in, client_out) = client.split();
        let (server_in, server_out) = server.split();
        let (client_out, server_out) = (Mutex::new(client_out), Mutex::new(server_out));
        let (up, mut up_end) = lines.up.open();
        let (down, mut down_end) = lines.down.open();
        let client_in = BufReader::with_capacity(PIECE_BYTES, client_in);
        tokio::try_join!(
            self.requests(client_in, up, &client_out),
            self.write(Way::Up, &mut up_end, &server_out),
            self.answers(server_in, down),
            self.write(Way::Down, &mut down_end, &client_out),
        )
        .map(drop)
    }

    async fn requests(
        &self,
        mut client: Client<'_>,
        to: Inlet,
        out: &Out<'_>,
    ) -> Result<(), Ended> {
        while let Some(head) = Head::read(&mut client).await? {
            let seen = head.seen(self.number);
            if self.shared.loses(&seen) {
                return Err(Ended::Harmed(Harm::Reset));
            }
            let is_chunk = seen.chunk.is_some();
            if is_chunk {
                *self.chunk.lock().await = Some(OnTheWay::begin(&self.shared.gate));
            }
            if let Some(early) = self.shared.note(seen) {
                answer_early(&mut client, out, &head, &early).await?;
                return Err(Ended::Over);
            }
            let body = head.content_length();
            let taken = if is_chunk { self.may_pass(&mut client, body).await? } else { vec![] };
            let left = body - taken.len() as u64;
            for bytes in [head.into_bytes(), taken] {
                self.put(&to, bytes).await?;
            }
            self.body(&mut client, left, &to).await?;
        }
        Ok(())
    }

    async fn put(&self, to: &Inlet, bytes: Vec<u8>) -> Result<(), Ended> {
        self.shared.taken(self.number, Way::Up, bytes.len() as u64);
        if to.put(bytes).await { Ok(()) } else { Err(Ended::Over) }
    }

    async fn body(&self, client: &mut Client<'_>, mut left: u64, to: &Inlet) -> Result<(), Ended> {
        while left > 0 {
            let there = client.fill_buf().await?;
            let count = there.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if count == 0 {
                return Ok(());
            }
            let bytes = there[..count].to_vec();
            client.consume(count);
            left -= count as u64;
            self.put(to, bytes).await?;
        }
        Ok(())
    }

    /// Waits until a chunk may pass, and returns what of its body was taken in meanwhile. When its
    /// sender has left it is over: what it sent must not turn up later as if it were new.
    async fn may_pass(&self, client: &mut Client<'_>, body: u64) -> Result<Vec<u8>, Ended> {
        let gate = &self.shared.gate;
        let body = if gate.takes_bodies() { body } else { 0 };
        let mut taken = Vec::new();
        let permit = gate.pass();
        tokio::pin!(permit);
        while (taken.len() as u64) < body {
            let left = body - taken.len() as u64;
            let mut rest = client.take(left);
            tokio::select! {
                () = &mut permit => return Ok(taken),
                read = rest.read_buf(&mut taken) => if read? == 0 { return Err(Ended::Over) },
            }
        }
        tokio::select! {
            () = permit => Ok(taken),
            () = left(client.get_ref()) => Err(Ended::Over),
        }
    }

    async fn answers(&self, mut server: ReadHalf<'_>, to: Inlet) -> Result<(), Ended> {
        loop {
            let mut bytes = Vec::with_capacity(PIECE_BYTES);
            if server.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            self.shared.taken(self.number, Way::Down, bytes.len() as u64);
            self.chunk.lock().await.take();
            if !to.put(bytes).await {
                return Err(Ended::Over);
            }
        }
    }

    /// Whoever has read the last of the answers needs no connection any more.
    async fn write(&self, way: Way, from: &mut Outlet, out: &Out<'_>) -> Result<(), Ended> {
        let mut at = 0;
        loop {
            // An answer is begun when its first byte comes.
            if way == Way::Up {
                self.check(at)?;
            }
            let Some(bytes) = from.next().await else { break };
            at = self.pass(way, at, bytes, out).await?;
        }
        out.lock().await.shutdown().await?;
        if way == Way::Down { Err(Ended::Over) } else { Ok(()) }
    }

    /// Passes bytes on that begin at that place of the connection; returns the place after them.
    async fn pass(
        &self,
        way: Way,
        mut at: u64,
        mut bytes: Vec<u8>,
        out: &Out<'_>,
    ) -> Result<u64, Ended> {
        let mut rest = bytes.as_mut_slice();
        while !rest.is_empty() {
            let due = self.shared.due(way, at, at + rest.len() as u64);
            let count = match due {
                None => rest.len(),
                Some((byte, Harm::Corrupt)) => {
                    let place = (byte - at) as usize;
                    rest[place] ^= 1;
                    place + 1
                }
                Some((byte, _)) => (byte - at) as usize,
            };
            let (now, later) = rest.split_at_mut(count);
            out.lock().await.write_all(now).await?;
            self.shared.passed(self.number, way, count as u64);
            at += count as u64;
            rest = later;
            if let Some((_, harm)) = due.filter(|(_, harm)| *harm != Harm::Corrupt) {
                return Err(Ended::Harmed(harm));
            }
        }
        Ok(at)
    }

    /// Whether what is sent ends here, before another byte comes.
    fn check(&self, passed: u64) -> Result<(), Ended> {
        self.shared.end_due(Way::Up, passed).map_or(Ok(()), |harm| Err(Ended::Harmed(harm)))
    }
}

async fn answer_early(
    client: &mut Client<'_>,
    out: &Out<'_>,
    head: &Head,
    early: &Early,
) -> io::Result<()> {
    let mut out = out.lock().await;
    out.write_all(early.text(head).as_bytes()).await?;
    if early.drains {
        let mut rest = client.take(head.content_length());
        let _ = timeout(DRAIN, io::copy(&mut rest, &mut io::sink())).await;
    }
    out.shutdown().await
}

/// Returns when the other end has closed the connection.
async fn left(client: &ReadHalf<'_>) {
    while let Ok(ready) = client.ready(Interest::READABLE).await {
        if ready.is_read_closed() {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}
