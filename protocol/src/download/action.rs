//! What the receiver's state machine asks for, and what it is told.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::manifest::ManifestError;
use crate::chunk_set::ChunkSet;
use crate::digest::Digest;
use crate::plan::{ChunkIndex, Plan};
use crate::problem::Problem;
use crate::time::Millis;
use crate::upload::{BufferId, Failure, Ticket};
use crate::wire::{FileInfo, Manifest};

/// What the receiver's surroundings are to do. Each is begun at once; what comes of it is told by an
/// [`Input`] with the same ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask for the page of the manifest that begins with this chunk; answer with [`Input::Page`].
    Page {
        /// Names this attempt.
        ticket: Ticket,
        /// The first chunk of the page.
        start: ChunkIndex,
    },
    /// Stop waiting for a page; an answer is no longer expected.
    HangUp {
        /// The attempt.
        ticket: Ticket,
    },
    /// Make the target, with room for all of the file, under a name that is not yet its own; answer with
    /// [`Input::Prepared`].
    Prepare {
        /// Names this attempt.
        ticket: Ticket,
        /// What is to fit in.
        plan: Plan,
        /// Whether bytes that lie there from an earlier session are of use.
        keep: bool,
    },
    /// Read these bytes of the target and hash them; answer with [`Input::Checked`].
    Check {
        /// Names this attempt.
        ticket: Ticket,
        /// Whose memory may be used.
        buffer: BufferId,
        /// Which bytes of the file.
        range: Range<u64>,
    },
    /// Fetch a chunk into a buffer and hash it, or the rest of one; tell of each movement by
    /// [`Input::Moved`] and of the end by [`Input::Fetched`]. What came stays in the buffer, also when it
    /// is not all.
    Fetch {
        /// Names this attempt.
        ticket: Ticket,
        /// Where to keep the bytes.
        buffer: BufferId,
        /// The chunk's bytes in the file.
        chunk: Range<u64>,
        /// How many of them the buffer has from an earlier attempt: the request begins behind them.
        kept: u64,
        /// As fast as the body is to be read at the most, bytes a second.
        rate_max: Option<u64>,
    },
    /// Write the buffer's bytes, which are verified, to the target; answer with [`Input::Written`].
    Write {
        /// Names this attempt.
        ticket: Ticket,
        /// Where the bytes are.
        buffer: BufferId,
        /// Where they belong in the file.
        range: Range<u64>,
    },
    /// Stop fetching into this buffer; it keeps what came.
    Stop {
        /// The buffer.
        buffer: BufferId,
    },
    /// Stop whatever goes on with this buffer and free its bytes.
    Free {
        /// The buffer.
        buffer: BufferId,
    },
    /// Everything is written and verified: see that it lasts, then give the target its name; answer with
    /// [`Input::Finished`].
    Finish {
        /// Names this attempt.
        ticket: Ticket,
    },
    /// Remove what there is of the target.
    Discard,
    /// Ask for a fresh token, which requests carry from then on; answer with [`Input::Renewed`].
    Renew {
        /// Names this attempt.
        ticket: Ticket,
        /// The attempt whose token was refused.
        refused: Ticket,
    },
    /// Remember this for after a restart.
    Save(Record),
    /// Forget what was remembered.
    Forget,
}

/// What the receiver is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A page of the manifest came, or not.
    Page {
        /// The attempt.
        ticket: Ticket,
        /// What came of it.
        result: Result<Box<Manifest>, Failure>,
    },
    /// The target is there, or not.
    Prepared {
        /// The attempt.
        ticket: Ticket,
        /// What came of it.
        result: Result<(), TargetError>,
    },
    /// Bytes of the target were hashed, or not.
    Checked {
        /// The attempt.
        ticket: Ticket,
        /// Their digest.
        result: Result<Digest, TargetError>,
    },
    /// Bytes of a chunk arrived in its buffer.
    Moved {
        /// The attempt.
        ticket: Ticket,
        /// How many this attempt has brought so far.
        bytes: u64,
    },
    /// A chunk is whole, or what was asked of it did not all come.
    Fetched {
        /// The attempt.
        ticket: Ticket,
        /// The digest of the whole chunk, as it is in the buffer.
        result: Result<Digest, FetchError>,
    },
    /// A chunk was written, or not.
    Written {
        /// The attempt.
        ticket: Ticket,
        /// What came of it.
        result: Result<(), TargetError>,
    },
    /// The target has its name and will keep it, or not.
    Finished {
        /// The attempt.
        ticket: Ticket,
        /// What came of it.
        result: Result<(), TargetError>,
    },
    /// What was written to the target is not in it, or may not be: it is prepared anew, and looked through.
    /// Goes before [`Input::Resume`] if it was at rest.
    Lost,
    /// There is a fresh token, or there is none to be had.
    Renewed {
        /// The attempt.
        ticket: Ticket,
        /// Whether requests carry another token from now on.
        is_fresh: bool,
    },
    /// This file may use so many lanes from now on.
    Lanes {
        /// At least 1.
        lanes: u64,
    },
    /// It is to take no more than this from now on.
    RateMax {
        /// At least [`crate::plan::RATE_MIN`] counts; `None` for no limit.
        bytes_per_second: Option<u64>,
    },
    /// The user pauses.
    Pause,
    /// The user goes on, or tries again after a failure.
    Resume,
    /// The user gives up: what there is goes.
    Cancel,
    /// The surroundings end, and another session may go on: what there is stays.
    Leave,
    /// The network is back: whatever waits for a retry need not wait longer.
    Online,
}

/// Why a chunk, or the rest of one, did not come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum FetchError {
    /// As any request.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// Other bytes came than were asked for, by their head or by their number: how they differ.
    #[error("{0}")]
    OtherBytes(String),
    /// The whole file was answered to a request for a part of it.
    #[error(
        "something between here and the server ignores `Range` and answers with the whole file; use another network, or have whoever runs the proxy let ranges through"
    )]
    RangeIgnored,
}

/// What is wrong with the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum TargetError {
    /// There is no room for it.
    #[error("there is no room for {0}; make some and begin again, what is here is kept")]
    Full(String),
    /// It may not be written.
    #[error("{0}")]
    Denied(String),
    /// Another session is at it.
    #[error("{0} is being fetched by another program; let that end first, or choose another name")]
    Busy(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
    /// It gives no answer.
    #[error(
        "the target was asked to read or write and did not answer; see whether its disk or network folder does, then begin again"
    )]
    Silent,
}

/// What is remembered of a download for after a restart: what lies in the target, to be checked before
/// it is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The file's root: of another one nothing is of use.
    pub root: Digest,
    /// Its length, bytes.
    pub size: u64,
    /// Its chunk size, bytes.
    pub chunk_size: u64,
    /// The chunks that were written.
    pub held: ChunkSet,
}

/// How a download ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The target is whole, verified, and has its name.
    Done(Box<FileInfo>),
    /// The user gave up, or the surroundings ended.
    Cancelled,
    /// It cannot go on; [`Input::Resume`] tries again with what is here.
    Failed(Fault),
}

/// Why a download cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The server said no, and the same request would be refused again.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The target cannot be made or written.
    #[error("{0}")]
    Target(TargetError),
    /// What the server tells of the file contradicts itself, or what was asked for.
    #[error("{0}")]
    Manifest(ManifestError),
    /// A chunk came with other bytes than its digest says, too often.
    #[error(
        "chunk {chunk} arrived damaged {times} times; something on the way, or the server's disk, changes the bytes: try another network, and tell the server's owner"
    )]
    Damaged {
        /// The chunk.
        chunk: ChunkIndex,
        /// How often it was fetched.
        times: u32,
    },
    /// The server failed at a chunk, too often.
    #[error("the server could not serve chunk {chunk}, {times} times: {why}")]
    Unserved {
        /// The chunk.
        chunk: ChunkIndex,
        /// How often it was asked for.
        times: u32,
        /// What it said.
        why: Box<Problem>,
    },
    /// Ranges are not served.
    #[error("{}", FetchError::RangeIgnored)]
    RangeIgnored,
}

/// Where a download stands, in a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The manifest is asked for, the target made.
    Opening,
    /// Chunks are fetched.
    Downloading,
    /// Nothing is to be fetched any more; what lay in the target is being checked.
    Checking,
    /// The target gets its name.
    Finishing,
    /// A try failed; the next one comes by itself.
    Waiting {
        /// When.
        until: Millis,
        /// What failed.
        why: Failure,
    },
    /// The token was refused; a fresh one is awaited.
    Renewing,
    /// The user paused it.
    Paused,
    /// Over.
    Ended(End),
}
