//! What the sender's state machine asks for, and what it is told.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Digest;
use crate::plan::ChunkIndex;
use crate::problem::Problem;
use crate::time::Millis;
use crate::wire::header::{ChunkHeaders, StoreHeaders};
use crate::wire::ids::UploadId;
use crate::wire::proof::{Nonce, ProofRequest};
use crate::wire::{CreateRequest, DigestRun, DigestsAnswer, FileInfo, SealRequest, UploadStatus};

/// Names one attempt, so that what comes late from an earlier one is not taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub u64);

/// One of the sender's chunk buffers, from 0 to [`crate::Plan::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BufferId(pub u64);

/// What the sender's surroundings are to do. Each is begun at once; what comes of it is told by an
/// [`Input`] with the same ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a control call; answer with [`Input::Answer`].
    Call {
        /// Names this attempt.
        ticket: Ticket,
        /// What to ask.
        call: Call,
    },
    /// Stop waiting for a call; an answer is no longer expected.
    HangUp {
        /// The attempt.
        ticket: Ticket,
    },
    /// Read these bytes of the file into the buffer and hash them; answer with [`Input::Read`].
    Read {
        /// Names this attempt.
        ticket: Ticket,
        /// Where to keep the bytes.
        buffer: BufferId,
        /// Which bytes of the file.
        range: Range<u64>,
    },
    /// Send the buffer's bytes from `headers.offset` on as a chunk; tell of each movement by
    /// [`Input::Moved`] and of the end by [`Input::Sent`]. The buffer keeps its bytes.
    Send {
        /// Names this attempt.
        ticket: Ticket,
        /// Where the bytes are.
        buffer: BufferId,
        /// The upload.
        upload: UploadId,
        /// The headers of the request.
        headers: ChunkHeaders,
        /// As fast as the body is to be read at the most, bytes a second.
        rate_max: Option<u64>,
    },
    /// Send the buffer's bytes as a whole file; tell of each movement by [`Input::Moved`] and of the end
    /// by [`Input::Stored`]. The buffer keeps its bytes.
    Store {
        /// Names this attempt.
        ticket: Ticket,
        /// Where the bytes are.
        buffer: BufferId,
        /// The headers of the request.
        headers: StoreHeaders,
    },
    /// Hash the nonce and then the buffer's bytes; answer with [`Input::Proved`]. The buffer keeps
    /// its bytes.
    Prove {
        /// Names this attempt.
        ticket: Ticket,
        /// Where the bytes are.
        buffer: BufferId,
        /// What to begin with: [`Nonce::hasher`].
        nonce: Nonce,
    },
    /// Stop sending this buffer, if it still is; it keeps its bytes.
    Stop {
        /// The buffer.
        buffer: BufferId,
    },
    /// Stop whatever goes on with this buffer and free its bytes.
    Free {
        /// The buffer.
        buffer: BufferId,
    },
    /// Ask for a fresh token, which requests carry from then on; answer with [`Input::Renewed`].
    Renew {
        /// Names this attempt.
        ticket: Ticket,
        /// The attempt whose token was refused.
        refused: Ticket,
    },
    /// Remember this for after a reload.
    Save(Record),
    /// Forget what was remembered.
    Forget,
}

/// A control call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET /uploads`; answered by [`Answer::Uploads`].
    List,
    /// `POST /uploads`; answered by [`Answer::Upload`].
    Create {
        /// The body.
        request: Box<CreateRequest>,
        /// The `Idempotency-Key`.
        key: String,
    },
    /// `GET /uploads/{id}`; answered by [`Answer::Upload`].
    Status(UploadId),
    /// `POST /uploads/{id}/digests`; answered by [`Answer::Digests`].
    Offer(UploadId, DigestRun),
    /// `POST /uploads/{id}/proofs`; answered by [`Answer::Digests`].
    Prove(UploadId, ProofRequest),
    /// `POST /uploads/{id}/seal`; answered by [`Answer::File`].
    Seal(UploadId, SealRequest),
    /// `DELETE /uploads/{id}`; answered by [`Answer::Gone`].
    Cancel(UploadId),
}

/// The answer to a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Call::List`].
    Uploads(Vec<UploadStatus>),
    /// To [`Call::Create`] and [`Call::Status`].
    Upload(Box<UploadStatus>),
    /// To [`Call::Offer`] and [`Call::Prove`].
    Digests(DigestsAnswer),
    /// To [`Call::Seal`].
    File(Box<FileInfo>),
    /// To [`Call::Cancel`].
    Gone,
}

/// What the sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A call was answered, or not.
    Answer {
        /// The attempt.
        ticket: Ticket,
        /// What came of it.
        result: Result<Answer, Failure>,
    },
    /// A buffer was filled and hashed, or not.
    Read {
        /// The attempt.
        ticket: Ticket,
        /// The digest of the bytes that are in the buffer now.
        result: Result<Digest, SourceError>,
    },
    /// A buffer was hashed with a nonce, or not.
    Proved {
        /// The attempt.
        ticket: Ticket,
        /// The proof.
        result: Result<Digest, Failure>,
    },
    /// The network took bytes of a body.
    Moved {
        /// The attempt.
        ticket: Ticket,
        /// How many bytes of the body it has taken so far.
        bytes: u64,
    },
    /// A chunk was answered with 204, or not.
    Sent {
        /// The attempt.
        ticket: Ticket,
        /// What came of it.
        result: Result<(), Failure>,
    },
    /// A file that was sent in one request was answered with 201, or not.
    Stored {
        /// The attempt.
        ticket: Ticket,
        /// What came of it.
        result: Result<Box<FileInfo>, Failure>,
    },
    /// There is a fresh token, or there is none to be had.
    Renewed {
        /// The attempt.
        ticket: Ticket,
        /// Whether requests carry another token from now on.
        is_fresh: bool,
    },
    /// So many files share this device's lanes and buffers from now on, this one among them.
    Sharing {
        /// At least 1.
        files: u64,
    },
    /// All files of this device together are to send no more than this from now on.
    RateMax {
        /// At least [`crate::plan::RATE_MIN`] counts; `None` for no limit.
        bytes_per_second: Option<u64>,
    },
    /// The user pauses.
    Pause,
    /// Somebody else on this device may be sending the file, which is being found out: what can be done without
    /// beginning anything is done until [`Input::Resume`], or [`Input::Pause`] if somebody is.
    Look,
    /// The user goes on, or tries again after a failure.
    Resume,
    /// The user picked the file again while it rests: what there is of it is compared with it before it
    /// counts as the same. Goes before [`Input::Resume`].
    Picked,
    /// Something was done to the file, and perhaps to its bytes: every chunk is read and hashed once more before the
    /// seal, as with [`super::Config::verify_source`].
    Verify,
    /// The user gives up.
    Cancel,
    /// The user gives up what another sender of this device goes on with: nothing is deleted.
    Leave,
    /// The network is back: whatever waits need not wait longer, unless the server asked
    /// for it.
    Online,
}

/// Why a request got no good answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Failure {
    /// No answer at all. The text is the surroundings' own, for a log.
    #[error("no answer from the server ({0})")]
    Network(String),
    /// It never left: the sender's own surroundings could not send it. The chunk is read again.
    #[error("this device could not send ({0})")]
    Local(String),
    /// An answer that says no.
    #[error("{problem}")]
    Refused {
        /// What it says.
        problem: Box<Problem>,
        /// Its `Retry-After`.
        retry_after: Option<Millis>,
    },
}

/// Why a chunk could not be read from its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum SourceError {
    /// The file is no longer what was picked.
    #[error("the file was changed since it was picked; pick it again to upload what it is now")]
    Changed,
    /// The file is no longer there, or no longer readable.
    #[error("the file can no longer be read ({0}); put it back and pick it again")]
    Unreadable(String),
    /// Whatever reads gives no answer, however often it is asked.
    #[error(
        "the file was asked for {tries} times and no byte came; see whether its disk or network folder answers, then try again; if it does, reload the page and pick the file again"
    )]
    Silent {
        /// How often.
        tries: u32,
    },
}

/// What is remembered of an upload for after a reload: which one to ask the server about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The upload.
    pub id: UploadId,
    /// When the server will have swept it, since 1970.
    pub expires_at: Millis,
}

/// How an upload ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Sealed.
    Done(Box<FileInfo>),
    /// The user gave up.
    Cancelled,
    /// It cannot go on; [`Input::Resume`] tries again from what the server holds.
    Failed(Fault),
}

/// Why an upload cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The server said no, and the same request would be refused again.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The file cannot be read.
    #[error("{0}")]
    Source(SourceError),
    /// A chunk was refused as damaged too often.
    #[error(
        "chunk {chunk} arrived damaged {times} times; if nothing is writing to the file, a proxy or bad memory may be changing the bytes: try another network or machine"
    )]
    Damaged {
        /// The chunk.
        chunk: ChunkIndex,
        /// How often it was sent.
        times: u32,
    },
    /// The server's numbers make no plan.
    #[error("the server's answer makes no sense: {0}; update the page or the server")]
    Nonsense(String),
}

/// Where an upload stands, in a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first chunk is read, the upload begun or asked about.
    Opening,
    /// Chunks are moving.
    Uploading,
    /// Every chunk has arrived; those from before a reload are compared with the file.
    Verifying,
    /// Every chunk is verified; the seal is under way.
    Sealing,
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
    /// Being cancelled.
    Cancelling,
    /// Over.
    Ended(End),
}
