//! Why a bench could not be run.

use std::io;

use thiserror::Error;

/// What happened, and what to do about it.
#[derive(Debug, Error)]
pub enum Error {
    /// The system said no.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A server answered otherwise than the bench needs.
    #[error("{request} was answered {status}: {body}")]
    Answer {
        /// The request line.
        request: String,
        /// The status code.
        status: u16,
        /// What else it said.
        body: String,
    },
    /// A server's answer is not HTTP, or not JSON where it should be.
    #[error("{request} was answered with something unreadable: {reason}")]
    Unreadable {
        /// The request line.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A server ended, or did not begin to listen.
    #[error("{name} does not listen: {reason}")]
    NotListening {
        /// The server.
        name: String,
        /// What is known.
        reason: String,
    },
    /// A program that installs or describes a peer failed.
    #[error("`{command}` failed: {reason}")]
    Command {
        /// The command line.
        command: String,
        /// What it printed.
        reason: String,
    },
    /// Nothing of that name.
    #[error("there is no bench `{name}`; --list shows them")]
    NoSuchBench {
        /// The name.
        name: String,
    },
    /// The disk has too little room.
    #[error(
        "{needed} bytes are needed below {dir} and {free} are free; --dir chooses another disk"
    )]
    NoRoom {
        /// Bytes.
        needed: u64,
        /// Where.
        dir: String,
        /// Bytes.
        free: u64,
    },
    /// `docs/benchmarks.md` has no place for a bench's tables.
    #[error("docs/benchmarks.md has no line `{marker}`")]
    NoMarker {
        /// The line.
        marker: String,
    },
    /// Rows could not be written into an index.
    #[error("the index of the server that is measured: {reason}")]
    Index {
        /// What the database says.
        reason: String,
    },
    /// An upload in a browser ended otherwise than it should.
    #[error("the upload of {who} in the browser failed: {reason}")]
    Page {
        /// The page.
        who: String,
        /// What it says, or that it said nothing in time.
        reason: String,
    },
    /// A thread of the client ended by a panic.
    #[error("a thread of the load client panicked")]
    Panicked,
}

/// Shorthand for what everything here returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Says what was being done when the system said no.
pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let doing = doing.into();
    move |source| Error::Io { doing, source }
}
