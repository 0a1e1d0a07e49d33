//! The server's log, read back: which requests came, and which chunks were sent twice.

use std::collections::BTreeMap;

use longhaul_protocol::{ChunkIndex, ChunkSet};

/// One request, as the server logged it when it was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which run of the server it came to, from 0.
    pub run: usize,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// The status it was answered with; `None` if the sender left before.
    pub status: Option<u16>,
    /// For a chunk: which.
    pub chunk: Option<ChunkIndex>,
    /// For a chunk: how many bytes of a body arrived.
    pub received: u64,
}

impl Request {
    /// Reads one line of the log; `None` if it is about something else.
    #[must_use]
    pub fn read(run: usize, line: &str) -> Option<Self> {
        let fields: BTreeMap<&str, &str> = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| (name, value.trim_matches('"')))
            .collect();
        let number = |name: &str| fields.get(name).and_then(|value| value.parse::<u64>().ok());
        Some(Self {
            run,
            method: (*fields.get("method")?).to_owned(),
            path: (*fields.get("path")?).to_owned(),
            status: number("status").and_then(|status| status.try_into().ok()),
            chunk: number("chunk").map(ChunkIndex),
            received: number("received").unwrap_or(0),
        })
    }

    /// Whether it carried bytes of a chunk.
    #[must_use]
    pub fn has_chunk_bytes(&self) -> bool {
        self.chunk.is_some() && self.received > 0
    }
}

/// The requests that carried bytes of a chunk although it was held before they came.
///
/// `held` is what a status answered during the run `told_in`. A request of a later run came after
/// it; in the same run, what came before it can only be told apart by the chunk's first success.
#[must_use]
pub fn sent_again(requests: &[Request], held: &ChunkSet, told_in: usize) -> Vec<Request> {
    let mut landed = ChunkSet::new();
    let mut again = Vec::new();
    for request in requests.iter().filter(|request| request.has_chunk_bytes()) {
        let Some(chunk) = request.chunk.filter(|&chunk| held.contains(chunk)) else { continue };
        if request.run > told_in || landed.contains(chunk) {
            again.push(request.clone());
        }
        if request.status == Some(204) {
            landed.insert(chunk);
        }
    }
    again
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(run: usize, index: u64, status: u16) -> Request {
        let line = format!("method=POST path=/c status={status} chunk={index} received=9");
        Request::read(run, &line).unwrap()
    }

    #[test]
    fn a_line_is_read_whatever_stands_around_the_fields() {
        let line = "2026-01-01T00:00:00Z  INFO longhaul: done method=POST path=\"/v1/uploads/a/chunks\" status=204 ms=3 chunk=7 received=8388608";
        let request = Request::read(1, line).unwrap();
        assert_eq!((request.run, request.status), (1, Some(204)));
        assert_eq!(request.path, "/v1/uploads/a/chunks");
        assert_eq!((request.chunk, request.received), (Some(ChunkIndex(7)), 8_388_608));
        assert_eq!(Request::read(0, "longhaul-server listening on http://127.0.0.1:1"), None);
    }

    #[test]
    fn a_held_chunk_that_comes_again_is_noticed() {
        let held: ChunkSet = "0-1".parse().unwrap();
        let quiet = [chunk(0, 0, 400), chunk(0, 0, 204), chunk(0, 1, 204), chunk(1, 2, 204)];
        assert_eq!(sent_again(&quiet, &held, 0), []);
        let same_run = [chunk(0, 0, 204), chunk(0, 0, 204)];
        assert_eq!(sent_again(&same_run, &held, 0), [chunk(0, 0, 204)]);
        assert_eq!(sent_again(&[chunk(1, 1, 204)], &held, 0), [chunk(1, 1, 204)]);
    }
}
