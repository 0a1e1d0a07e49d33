//! Where a server listens, and from where it may be reached.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use crate::unix::Bound;

/// How many connections may wait for being accepted: all pages that come back at once after a restart. The system
/// has a bound of its own, mostly the same (`net.core.somaxconn`).
pub(crate) const WAITING_MAX: u32 = 4096;

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address can be reached from other machines.
    #[error(
        "{address} is not a loopback address, and whoever reaches a server that asks nobody who they \
         are may read and delete every file on it. Listen on 127.0.0.1 or [::1]; or let in those who \
         have a token (--token-key FILE), or anybody as a guest who sees only their own files \
         (--allow-anonymous)."
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// Another program has the port.
    #[error(
        "{address} is in use: stop the program that listens there, or choose another port with --listen."
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The system said no.
    #[error("cannot listen on {address}: {source}. Choose another address with --listen.")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// What a server listens on.
#[derive(Debug)]
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(Bound),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

/// From where a server may be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From its own machine: it asks nobody who they are.
    Loopback,
    /// From anywhere.
    Anywhere,
}

impl Reach {
    /// Refuses an address that more can reach than may.
    ///
    /// # Errors
    /// [`ListenError::NotLoopback`].
    pub fn check(self, address: SocketAddr) -> Result<(), ListenError> {
        if self == Self::Loopback && !address.ip().is_loopback() {
            return Err(ListenError::NotLoopback { address });
        }
        Ok(())
    }
}

/// Listens; port 0 is any free port.
///
/// # Errors
/// [`ListenError`].
pub async fn bind(address: SocketAddr, reach: Reach) -> Result<TcpListener, ListenError> {
    reach.check(address)?;
    let listener = listener(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address },
        _ => ListenError::Refused { address, source },
    })?;
    if address.ip().is_loopback() {
        unpace(&listener);
    }
    Ok(listener)
}

/// How much is on its way within a machine is for its reader to say. What paces by the rate of a path, as BBR does
/// where the system takes it for everything, halves what a proxy on this machine gets. Said of the listener,
/// because Linux still paces a connection that began with BBR. Reno is built in, and allowed to everybody unless an
/// administrator says otherwise (Linux, `ip-sysctl`: `tcp_allowed_congestion_control`).
#[cfg(target_os = "linux")]
fn unpace(listener: &TcpListener) {
    if let Err(error) = rustix::net::sockopt::set_tcp_congestion(listener, "reno") {
        tracing::debug!(%error, "connections of this machine are paced as those from elsewhere");
    }
}

#[cfg(not(target_os = "linux"))]
fn unpace(_listener: &TcpListener) {}

/// As tokio makes one, but for how many may wait: 128 there.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Whoever restarts a server gets its port at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_is_listened_on_by_who_asks_for_no_token() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let refused = bind(address.parse().unwrap(), Reach::Loopback).await;
            assert!(matches!(refused, Err(ListenError::NotLoopback { .. })), "{address}");
        }
        #[cfg(target_os = "linux")]
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            let listener = bind(loopback.parse().unwrap(), Reach::Loopback).await.unwrap();
            let _reader =
                tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let accepted = listener.accept().await.unwrap().0;
            assert_eq!(rustix::net::sockopt::tcp_congestion(&accepted).unwrap(), "reno");
        }
        assert!(bind("0.0.0.0:0".parse().unwrap(), Reach::Anywhere).await.is_ok());
        let taken = bind("127.0.0.1:0".parse().unwrap(), Reach::Loopback).await.unwrap();
        let refused = bind(taken.local_addr().unwrap(), Reach::Loopback).await;
        assert!(matches!(refused, Err(ListenError::InUse { .. })));
    }
}
