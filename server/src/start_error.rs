//! Why the server does not start.

use std::io;
use std::path::PathBuf;

use longhaul_server::hooks::{ProgramError, WebError};
use longhaul_server::key::KeyError;
use longhaul_server::listen::ListenError;
use longhaul_server::store::disk::OpenError;
use longhaul_server::tls::TlsError;
use longhaul_server::token::{KEYS_MAX, SignError};
use longhaul_server::unix::UnixError;

/// Why the server does not start, or did not stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Unix(#[from] UnixError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("--hook-url: {0}")]
    Hook(#[from] WebError),
    #[error("--hook-command {0}")]
    Program(#[from] ProgramError),
    #[error("--tls-cert and --tls-key: {0}")]
    Tls(#[from] TlsError),
    #[error("the token was not signed: {0}")]
    Sign(#[from] SignError),
    #[error(
        "{given} keys are more than the {KEYS_MAX} that a token is tried with: leave out those whose tokens have expired"
    )]
    Keys { given: usize },
    #[error("the data folder {0}")]
    Data(#[from] OpenError),
    #[error(
        "--trusted-proxy says that a proxy passes on what strangers ask, and a server that asks nobody who they are lets \
         every one of them read and delete every file on it. Let in those who have a token (--token-key FILE), or \
         anybody as a guest who sees only their own files (--allow-anonymous)."
    )]
    Strangers,
    #[error(
        "--trusted-proxy unix is about who comes over a Unix socket, and this server would listen on a port: give --unix-socket PATH, \
         or the proxy's address (--trusted-proxy 127.0.0.1)."
    )]
    NoUnixSocket,
    #[error("--data {}: that is a file. Give a folder.", .path.display())]
    NoFolder { path: PathBuf },
    #[error("--data {}: nothing can be written there: {source}. Give a folder that the server's user may write to.", .path.display())]
    NotWritable { path: PathBuf, source: io::Error },
    #[error("--data {}: what is there is the system's own and keeps no files. Give a folder on a disk.", .path.display())]
    NoDisk { path: PathBuf },
    #[error("--www {}: there is no such folder. Build the page first, or leave --www out.", .dir.display())]
    Www { dir: PathBuf },
    #[error("--www {} and --data {} lie one within the other: whoever opens the page could fetch every file and the key of the tokens. Give two folders apart.", .www.display(), .data.display())]
    WwwIsData { www: PathBuf, data: PathBuf },
    #[error(
        "the index could not be closed: what is in its folder can be read, but the disk may not have all of it. Look at the disk and at the log; the next start checks the index."
    )]
    Unclean,
    #[error("the system: {0}")]
    System(#[from] io::Error),
}
