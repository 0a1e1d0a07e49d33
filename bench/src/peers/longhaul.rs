//! This project's server, and the least client that speaks to it: lanes that send chunks.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, thread};

use longhaul_protocol::digest::root;
use longhaul_protocol::wire::header::ChunkHeaders;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::{
    CreateRequest, FileInfo, FileMeta, PROTOCOL_VERSION, SealRequest, UploadStatus, path,
};
use longhaul_protocol::{ChunkIndex, Digest, Plan};

use crate::disk;
use crate::error::{Error, Result, io};
use crate::http::{Connection, Head};
use crate::payload::Payload;
use crate::process::{self, Server};

/// A running Longhaul server with a fresh store.
#[derive(Debug)]
pub struct Longhaul {
    server: Server,
}

/// What is sent, and what is known about it beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The bytes.
    pub payload: &'a Payload,
    /// Their length and chunk size.
    pub plan: Plan,
    /// The digests; `None`: the lanes compute them as they send.
    pub digests: Option<&'a [Digest]>,
    /// How many chunks are under way at once.
    pub lanes: u64,
}

impl Longhaul {
    /// Starts the server on an empty folder; its log goes into a file beside it.
    ///
    /// # Errors
    /// [`Error`].
    pub fn start(binary: &Path, dir: &Path) -> Result<Self> {
        disk::fresh_dir(dir)?;
        Self::go_on(binary, dir)
    }

    /// Starts the server on a folder that one has left.
    ///
    /// # Errors
    /// [`Error`].
    pub fn go_on(binary: &Path, dir: &Path) -> Result<Self> {
        let mut command = Command::new(binary);
        Self::go_on_by(command.args(["--listen", "127.0.0.1:0"]), dir)
    }

    /// Starts the server by a command that says everything but where to keep what it is given.
    ///
    /// # Errors
    /// [`Error`].
    pub fn go_on_by(command: &mut Command, dir: &Path) -> Result<Self> {
        let log = dir.with_extension("log");
        let log = fs::File::create(&log).map_err(io(format!("making {}", log.display())))?;
        command.arg("--data").arg(dir).stderr(Stdio::from(log));
        // A bench asks more often than anybody who means well. By the environment, which what comes before the
        // server's own name passes on, and which earlier servers do not read.
        command.env("LONGHAUL_ADDRESS_REQUESTS_MAX", "0");
        Ok(Self { server: Server::that_tells("longhaul-server", command)? })
    }

    /// What it calls itself.
    ///
    /// # Errors
    /// [`Error::Command`].
    pub fn version(binary: &Path) -> Result<String> {
        process::output(Command::new(binary).arg("--version"))
    }

    /// Kills it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn kill(self) -> Result<()> {
        self.server.kill()
    }

    /// Its process.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// A connection to it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn connect(&self) -> Result<Connection> {
        Connection::open(self.server.address())
    }

    /// Begins an upload.
    ///
    /// # Errors
    /// [`Error`].
    pub fn create(&self, plan: Plan) -> Result<UploadId> {
        let head = Head::new("POST", path::UPLOADS);
        let answer = self.connect()?.send_json(head, &create_request(plan))?;
        Ok(answer.expect(201)?.json::<UploadStatus>()?.id)
    }

    /// Sends all chunks, to the last 204; every lane has a connection of its own and takes the next
    /// chunk when it is done with one. The digests come back.
    ///
    /// # Errors
    /// The first of any lane.
    pub fn send_chunks(&self, id: UploadId, job: Job<'_>) -> Result<Vec<Digest>> {
        let next = AtomicU64::new(0);
        let sent: Result<Vec<_>> = thread::scope(|scope| {
            let lane = || scope.spawn(|| self.lane(id, job, &next));
            let lanes: Vec<_> = (0..job.lanes).map(|_| lane()).collect();
            lanes.into_iter().map(|lane| lane.join().map_err(|_panic| Error::Panicked)?).collect()
        });
        let mut digests: Vec<_> = sent?.concat();
        digests.sort_by_key(|(index, _)| *index);
        Ok(digests.into_iter().map(|(_, digest)| digest).collect())
    }

    /// Publishes.
    ///
    /// # Errors
    /// [`Error`].
    pub fn seal(&self, id: UploadId, root: Digest) -> Result<FileId> {
        let head = Head::new("POST", path::seal(id));
        let answer = self.connect()?.send_json(head, &SealRequest { root })?;
        Ok(answer.expect(201)?.json::<FileInfo>()?.id)
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`Error`].
    pub fn status(&self, id: UploadId) -> Result<UploadStatus> {
        self.connect()?.ask(&Head::new("GET", path::upload(id)))?.expect(200)?.json()
    }

    /// Deletes a file.
    ///
    /// # Errors
    /// [`Error`].
    pub fn delete(&self, id: FileId) -> Result<()> {
        self.connect()?.ask(&Head::new("DELETE", path::file(id)))?.expect(204).map(drop)
    }

    fn lane(
        &self,
        id: UploadId,
        job: Job<'_>,
        next: &AtomicU64,
    ) -> Result<Vec<(ChunkIndex, Digest)>> {
        let mut connection = self.connect()?;
        let mut sent = Vec::new();
        loop {
            let index = ChunkIndex(next.fetch_add(1, Ordering::Relaxed));
            if !job.plan.has(index) {
                return Ok(sent);
            }
            let digest = job.digest(index);
            let body = job.payload.chunk(job.plan, index);
            connection.send(&chunk_head(id, index, digest), std::iter::once(body))?.expect(204)?;
            sent.push((index, digest));
        }
    }
}

impl Job<'_> {
    fn digest(&self, index: ChunkIndex) -> Digest {
        let ahead = usize::try_from(index.0).ok().and_then(|at| self.digests?.get(at).copied());
        ahead.unwrap_or_else(|| Digest::of(self.payload.chunk(self.plan, index).bytes))
    }
}

/// The head of the request that sends one whole chunk.
#[must_use]
pub fn chunk_head(id: UploadId, index: ChunkIndex, digest: Digest) -> Head {
    let headers = ChunkHeaders { index, offset: 0, digest, replace: None }.write();
    let head = Head::new("POST", path::chunks(id));
    headers.into_iter().fold(head, |head, (name, value)| head.with(name, value))
}

/// The root of some chunks.
#[must_use]
pub fn root_of(digests: &[Digest]) -> Digest {
    root(digests.iter().copied())
}

/// What an upload of that plan is begun with.
#[must_use]
pub fn create_request(plan: Plan) -> CreateRequest {
    CreateRequest {
        protocol_version: PROTOCOL_VERSION,
        size: plan.len(),
        chunk_size: Some(plan.chunk_len()),
        meta: FileMeta { name: "bench.bin".to_owned(), ..FileMeta::default() },
        digests: None,
    }
}
