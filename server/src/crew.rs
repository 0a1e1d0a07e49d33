//! The threads that have the connections: one for each processor, and a connection stays with the one that
//! got it. What a thread is woken by, it does by itself: no other is asked to help, none takes its work,
//! and the two never want one lock. Tokio's own way, in which threads share all tasks, is better where a few tasks
//! have much to compute; here what takes long is done by other threads anyway (`store/disk/work.rs`).
//!
//! They accept by themselves: whoever is free is woken, and no third thread is between a client and the one that
//! answers him.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::store::disk::work;

mod hands;
mod unix;

use hands::Hands;
pub(crate) use hands::elsewhere;

/// How long to wait after a connection could not be accepted. Mostly there are too many open files,
/// and only time closes some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many threads accept. Each connection wakes them all, and one is free if it can be had.
const ACCEPTORS_MAX: usize = 4;

/// The threads; dropped, they end, and what they had not finished is cut off.
#[derive(Debug)]
pub struct Crew {
    members: Arc<[Member]>,
    acceptors: JoinSet<()>,
    _threads: Vec<Thread>,
}

/// Where a thread is given what it is to do.
#[derive(Debug)]
struct Member {
    runtime: Handle,
    /// Held by each of its connections, and here.
    connections: Arc<()>,
}

#[derive(Debug)]
struct Thread {
    /// Dropped, it ends.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Crew {
    /// As many threads as there are processors. What blocks is done by those of the runtime that this is called in.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn start() -> io::Result<Self> {
        Self::of(thread::available_parallelism().map_or(1, NonZero::get))
    }

    fn of(count: usize) -> io::Result<Self> {
        let hands = Arc::<Hands>::default();
        let started: Vec<_> =
            (0..count).map(|_| Thread::start(&hands)).collect::<io::Result<_>>()?;
        let (members, threads): (Vec<Member>, _) = started.into_iter().unzip();
        hands.complete(members.iter().map(|member| member.runtime.clone()).collect());
        Ok(Self { members: members.into(), acceptors: JoinSet::new(), _threads: threads })
    }

    /// Accepts whatever comes, until told to [`Crew::close`]. `admit` is asked about each connection by the thread that
    /// accepted it, and says how it is served, if it is.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn accept<A, S, F>(&mut self, listener: TcpListener, admit: A) -> io::Result<()>
    where
        A: Fn(SocketAddr) -> Option<S> + Clone + Send + 'static,
        S: FnOnce(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = listener.into_std()?;
        for (member, at) in self.members.iter().zip(0..ACCEPTORS_MAX) {
            let (listener, admit) = (listener.try_clone()?, admit.clone());
            let members = Arc::clone(&self.members);
            let task = async move {
                match TcpListener::from_std(listener) {
                    Ok(listener) => accept_all(&listener, &members, at, admit).await,
                    Err(error) => tracing::error!("a thread accepts no connections: {error}"),
                }
            };
            self.acceptors.spawn_on(task, &member.runtime);
        }
        Ok(())
    }

    /// Accepts no more.
    pub async fn close(&mut self) {
        self.acceptors.shutdown().await;
    }

    /// How many connections it has.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.members.iter().map(Member::load).sum()
    }
}

async fn accept_all<A, S, F>(listener: &TcpListener, members: &[Member], at: usize, admit: A)
where
    A: Fn(SocketAddr) -> Option<S>,
    S: FnOnce(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let taken = match listener.accept().await {
            Ok((socket, peer)) => match admit(peer) {
                Some(serve) => take(socket, members, at, serve),
                None => Ok(()),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            tracing::warn!("a connection was not accepted: {error}");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// The thread that accepted it keeps it, unless another has fewer.
fn take<S, F>(socket: TcpStream, members: &[Member], at: usize, serve: S) -> io::Result<()>
where
    S: FnOnce(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let fewest = members.iter().min_by_key(|it| it.load());
    let Some((own, fewest)) = members.get(at).zip(fewest) else {
        return Err(io::Error::other("there is no thread for it"));
    };
    if own.load() <= fewest.load() {
        let held = Arc::clone(&own.connections);
        own.runtime.spawn(async move {
            serve(socket).await;
            drop(held);
        });
        return Ok(());
    }
    // Who waits for it is told by the poll of the thread that made it.
    let socket = socket.into_std()?;
    let held = Arc::clone(&fewest.connections);
    fewest.runtime.spawn(async move {
        match TcpStream::from_std(socket) {
            Ok(socket) => serve(socket).await,
            Err(error) => tracing::warn!("a connection was not taken over: {error}"),
        }
        drop(held);
    });
    Ok(())
}

impl Member {
    fn load(&self) -> usize {
        Arc::strong_count(&self.connections) - 1
    }
}

impl Thread {
    fn start(hands: &Arc<Hands>) -> io::Result<(Member, Self)> {
        let (runtime, pool) =
            (Builder::new_current_thread().enable_all().build()?, Handle::current());
        let hands = Arc::clone(hands);
        let (handle, (stop, stopped)) = (runtime.handle().clone(), oneshot::channel());
        let thread = thread::Builder::new().name("longhaul-lines".to_owned()).spawn(move || {
            work::begin_in(pool);
            Hands::join(hands);
            let _ = runtime.block_on(stopped);
        })?;
        let member = Member { runtime: handle, connections: Arc::default() };
        Ok((member, Self { stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for Thread {
    /// Waits for it: what it has of the store is needed no more then.
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // Nothing that it polls ends it by a panic.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn until(holds: impl Fn() -> bool) {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn connections_are_shared_out_and_end_with_their_threads() {
        let mut crew = Crew::of(3).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (lines, ended) = (Arc::new(Mutex::new(BTreeMap::new())), Arc::default());
        let admit = {
            let (lines, ended): (_, Arc<AtomicUsize>) = (Arc::clone(&lines), Arc::clone(&ended));
            move |_| {
                let (lines, ended) = (Arc::clone(&lines), Arc::clone(&ended));
                Some(move |mut socket: TcpStream| async move {
                    let here = format!("{:?}", thread::current().id());
                    *lines.lock().unwrap().entry(here).or_insert(0) += 1;
                    let _ = socket.read_u8().await;
                    ended.fetch_add(1, Ordering::Relaxed);
                })
            }
        };
        crew.accept(listener, admit).unwrap();
        let mut readers = Vec::new();
        for at in 1..=9 {
            readers.push(TcpStream::connect(address).await.unwrap());
            until(|| crew.connections() == at).await;
        }
        until(|| lines.lock().unwrap().values().sum::<usize>() == 9).await;
        assert_eq!(lines.lock().unwrap().values().copied().collect::<Vec<_>>(), [3, 3, 3]);
        // Who leaves makes room on his thread.
        let loads = |crew: &Crew| crew.members.iter().map(Member::load).collect::<Vec<_>>();
        assert_eq!(loads(&crew), [3, 3, 3]);
        drop(readers.split_off(1));
        until(|| crew.connections() == 1).await;
        assert_eq!(ended.load(Ordering::Relaxed), 8);
        crew.close().await;
        let refused = TcpStream::connect(address).await;
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(crew.connections(), 1, "who is there stays until the threads end");
        drop(crew);
        assert_eq!(readers[0].read(&mut [0]).await.unwrap(), 0);
        assert_eq!(ended.load(Ordering::Relaxed), 8, "cut off");
    }

    #[tokio::test]
    async fn who_is_not_admitted_is_closed_and_no_load() {
        let mut crew = Crew::of(2).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let admit = |_| None::<fn(TcpStream) -> std::future::Ready<()>>;
        crew.accept(listener, admit).unwrap();
        let mut reader = TcpStream::connect(address).await.unwrap();
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(crew.connections(), 0);
    }

    #[tokio::test]
    async fn what_blocks_is_done_by_threads_of_the_one_who_began_them() {
        let crew = Crew::of(1).unwrap();
        let (tell, told) = oneshot::channel();
        let job = async {
            let job = Box::new(|| tell.send(Handle::current().id()).unwrap());
            work::Work::run(&work::Threads, job);
        };
        crew.members[0].runtime.spawn(job);
        assert_eq!(told.await.unwrap(), Handle::current().id());
    }
}
