//! The threads that have the connections: one for each processor, and a connection stays with the one that
//! got it. What a thread is woken by, it does by itself: no other is asked to help, none takes its work,
//! and the two never want one lock. Tokio's own way, in which threads share all tasks, is better where a few tasks
//! have much to compute; here what takes long is done by other threads anyway (`store/disk/work.rs`).

use std::future::Future;
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::store::disk::work;

mod hands;

use hands::Hands;
pub(crate) use hands::elsewhere;

/// The threads; dropped, they end, and what they had not finished is cut off.
#[derive(Debug)]
pub struct Crew(Vec<Member>);

#[derive(Debug)]
struct Member {
    runtime: Handle,
    /// Held by each of its connections, and here.
    connections: Arc<()>,
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
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        Self::of(count)
    }

    fn of(count: usize) -> io::Result<Self> {
        let hands = Arc::<Hands>::default();
        let members: Vec<_> =
            (0..count).map(|_| Member::start(&hands)).collect::<io::Result<_>>()?;
        hands.complete(members.iter().map(|member| member.runtime.clone()).collect());
        Ok(Self(members))
    }

    /// Gives a connection to the thread that has the fewest, within some tasks.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn take<F>(
        &self,
        socket: TcpStream,
        tasks: &mut JoinSet<()>,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(member) = self.0.iter().min_by_key(|it| Arc::strong_count(&it.connections)) else {
            return Err(io::Error::other("there is no thread for it"));
        };
        // Who waits for it is told by the poll of the thread that made it.
        let socket = socket.into_std()?;
        let held = Arc::clone(&member.connections);
        let task = async move {
            match TcpStream::from_std(socket) {
                Ok(socket) => serve(socket).await,
                Err(error) => tracing::warn!("a connection was not taken over: {error}"),
            }
            drop(held);
        };
        tasks.spawn_on(task, &member.runtime);
        Ok(())
    }
}

impl Member {
    fn start(hands: &Arc<Hands>) -> io::Result<Self> {
        let (runtime, pool) =
            (Builder::new_current_thread().enable_all().build()?, Handle::current());
        let hands = Arc::clone(hands);
        let (handle, (stop, stopped)) = (runtime.handle().clone(), oneshot::channel());
        let thread = thread::Builder::new().name("longhaul-lines".to_owned()).spawn(move || {
            work::begin_in(pool);
            Hands::join(hands);
            let _ = runtime.block_on(stopped);
        })?;
        let connections = Arc::default();
        Ok(Self { runtime: handle, connections, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Member {
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

    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn connections_are_shared_out_and_end_with_their_threads() {
        let crew = Crew::of(3).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mut tasks, lines) = (JoinSet::new(), Arc::new(Mutex::new(BTreeMap::new())));
        let mut readers = Vec::new();
        for _ in 0..9 {
            readers.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
            let (socket, lines) = (listener.accept().await.unwrap().0, Arc::clone(&lines));
            let serve = move |mut socket: TcpStream| async move {
                *lines
                    .lock()
                    .unwrap()
                    .entry(format!("{:?}", thread::current().id()))
                    .or_insert(0) += 1;
                let _ = socket.read_u8().await;
            };
            crew.take(socket, &mut tasks, serve).unwrap();
        }
        while lines.lock().unwrap().values().sum::<usize>() < 9 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(lines.lock().unwrap().values().copied().collect::<Vec<_>>(), [3, 3, 3]);
        // Who leaves makes room on his thread.
        let left: Vec<_> = crew.0.iter().map(|it| Arc::strong_count(&it.connections) - 1).collect();
        assert_eq!(left, [3, 3, 3]);
        drop(readers.split_off(1));
        while tasks.len() > 1 {
            tasks.join_next().await.unwrap().unwrap();
        }
        let left: usize = crew.0.iter().map(|it| Arc::strong_count(&it.connections) - 1).sum();
        assert_eq!(left, 1);
        drop(crew);
        assert!(tasks.join_next().await.unwrap().unwrap_err().is_cancelled());
    }

    #[tokio::test]
    async fn what_blocks_is_done_by_threads_of_the_one_who_began_them() {
        let crew = Crew::of(1).unwrap();
        let (tell, told) = oneshot::channel();
        let job = async {
            let job = Box::new(|| tell.send(Handle::current().id()).unwrap());
            work::Work::run(&work::Threads, job);
        };
        crew.0[0].runtime.spawn(job);
        assert_eq!(told.await.unwrap(), Handle::current().id());
    }
}
