//! The head of a request.

use std::time::SystemTime;

use longhaul_protocol::ChunkIndex;
use longhaul_protocol::wire::path::FILES;
use tokio::io::{self, AsyncBufRead, AsyncBufReadExt};

/// A request whose head arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: SystemTime,
    /// On which connection, from 0.
    pub connection: usize,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// For a chunk: which; the first for a file that is sent in one request.
    pub chunk: Option<ChunkIndex>,
    /// Its `Range`, word for word.
    pub range: Option<String>,
}

/// The head of a request, as it came.
pub(crate) struct Head(String);

impl Head {
    /// Reads one; `None` when the connection was closed before.
    pub(crate) async fn read(client: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let mut text = String::new();
        loop {
            let before = text.len();
            if client.read_line(&mut text).await? == 0 {
                return Ok(None);
            }
            if text[before..].trim_end().is_empty() {
                return Ok(Some(Self(text)));
            }
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn content_length(&self) -> u64 {
        self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn seen(&self, connection: usize) -> Seen {
        let mut words = self.0.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().to_owned();
        let whole = (path == FILES).then_some(0);
        let index = self.header("chunk-index").and_then(|index| index.parse().ok()).or(whole);
        Seen {
            at: SystemTime::now(),
            connection,
            chunk: index.filter(|_| method == "POST").map(ChunkIndex),
            range: self.header("range").map(str::to_owned),
            method,
            path,
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}
