//! Connections over a Unix socket: few, and kept by the proxy at the other end, so that one task accepts them and gives
//! them to the threads.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::UnixStream;

use super::{ACCEPT_PAUSE, Crew, Member};
use crate::unix::Bound;

impl Crew {
    /// Accepts whatever comes, until told to [`Crew::close`]; `admit` says how a connection is served, if it is.
    pub fn accept_unix<A, S, F>(&mut self, bound: Bound, admit: A)
    where
        A: Fn() -> Option<S> + Send + 'static,
        S: FnOnce(UnixStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let members = Arc::clone(&self.members);
        self.acceptors.spawn(async move {
            loop {
                let taken = match bound.accept().await {
                    Ok(socket) => admit().map_or(Ok(()), |serve| give(socket, &members, serve)),
                    Err(error) => Err(error),
                };
                if let Err(error) = taken {
                    tracing::warn!("a connection was not accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        });
    }
}

/// To the one that has the fewest.
fn give<S, F>(socket: UnixStream, members: &[Member], serve: S) -> io::Result<()>
where
    S: FnOnce(UnixStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let Some(member) = members.iter().min_by_key(|it| it.load()) else {
        return Err(io::Error::other("there is no thread for it"));
    };
    let (socket, held) = (socket.into_std()?, Arc::clone(&member.connections));
    member.runtime.spawn(async move {
        match UnixStream::from_std(socket) {
            Ok(socket) => serve(socket).await,
            Err(error) => tracing::warn!("a connection was not taken over: {error}"),
        }
        drop(held);
    });
    Ok(())
}
