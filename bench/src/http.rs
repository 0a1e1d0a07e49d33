//! One HTTP/1.1 connection, blocking, with as little between the payload and the socket as can be:
//! the same client for every server, so that only servers differ.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::io::Errno;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result, io};
use crate::payload::Piece;

/// How long a server may be silent, or take no byte, before a bench gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// A request line and headers.
#[derive(Clone, Debug)]
pub struct Head {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// A request without headers but those that HTTP wants.
    #[must_use]
    pub fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new() }
    }

    /// One more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// What an error calls it.
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn bytes(&self, host: SocketAddr, body_len: u64) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: {host}\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {body_len}\r\n\r\n"));
        text.into_bytes()
    }
}

/// An answer, its body included.
#[derive(Clone, Debug)]
pub struct Answer {
    request: String,
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    /// Itself if its status is the one wanted.
    ///
    /// # Errors
    /// [`Error::Answer`].
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        let body = String::from_utf8_lossy(&self.body).into_owned();
        Err(Error::Answer { request: self.request, status: self.status, body })
    }

    /// Its body.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| self.unreadable(&error.to_string()))
    }

    /// The path that `Location` names.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn location(&self) -> Result<String> {
        let url = header(&self.head, "location").ok_or_else(|| self.unreadable("no Location"))?;
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = after_scheme.find('/').and_then(|slash| after_scheme.get(slash..));
        path.map(str::to_owned).ok_or_else(|| self.unreadable("no path in Location"))
    }

    fn unreadable(&self, reason: &str) -> Error {
        Error::Unreadable { request: self.request.clone(), reason: reason.to_owned() }
    }
}

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    /// Of the request whose answer is waited for.
    request: String,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(address: SocketAddr) -> Result<Self> {
        let connecting = || format!("connecting to {address}");
        let stream = TcpStream::connect(address).map_err(io(connecting()))?;
        stream.set_nodelay(true).map_err(io(connecting()))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(io(connecting()))?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(io(connecting()))?;
        Ok(Self { address, stream, request: String::new() })
    }

    /// One request with a body in pieces, and its answer.
    ///
    /// # Errors
    /// [`Error`], after which the connection is of no use.
    pub fn send<'a>(
        &mut self,
        head: &Head,
        body: impl Iterator<Item = Piece<'a>> + Clone,
    ) -> Result<Answer> {
        let body_len = body.clone().map(|piece| piece.bytes.len() as u64).sum();
        self.begin(head, body_len)?;
        body.into_iter().try_for_each(|piece| self.send_piece(piece))?;
        self.answer()
    }

    /// One request whose body is JSON.
    ///
    /// # Errors
    /// [`Error`].
    pub fn send_json(&mut self, head: Head, body: &impl serde::Serialize) -> Result<Answer> {
        let bytes = serde_json::to_vec(body).map_err(|error| Error::Unreadable {
            request: head.name(),
            reason: error.to_string(),
        })?;
        let head = head.with("content-type", "application/json");
        self.begin(&head, bytes.len() as u64)?;
        self.write(&bytes)?;
        self.answer()
    }

    /// One request without a body.
    ///
    /// # Errors
    /// [`Error`].
    pub fn ask(&mut self, head: &Head) -> Result<Answer> {
        self.send(head, std::iter::empty())
    }

    /// Sends a head; its body follows by [`Connection::write`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(&mut self, head: &Head, body_len: u64) -> Result<()> {
        self.request = head.name();
        let bytes = head.bytes(self.address, body_len);
        self.write(&bytes)
    }

    /// Sends the next bytes of a body.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).map_err(io(format!("sending {}", self.request)))
    }

    fn send_piece(&mut self, piece: Piece<'_>) -> Result<()> {
        let Piece { bytes, file, offset: mut at } = piece;
        let end = at + bytes.len() as u64;
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            match rustix::fs::sendfile(&self.stream, file, Some(&mut at), left) {
                Ok(0) => return Err(self.unreadable("the payload is shorter than it was")),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(io(format!("sending {}", self.request))(error.into())),
            }
        }
        Ok(())
    }

    /// Waits for the answer to what was sent.
    ///
    /// # Errors
    /// [`Error`].
    pub fn answer(&mut self) -> Result<Answer> {
        let (head, mut body) = self.read_head()?;
        let len: usize =
            header(&head, "content-length").map_or(Ok(0), str::parse).map_err(|_| {
                Error::Unreadable {
                    request: self.request.clone(),
                    reason: "content-length".to_owned(),
                }
            })?;
        let already = body.len();
        body.resize(len.max(already), 0);
        let rest = body.get_mut(already..).unwrap_or_default();
        self.stream.read_exact(rest).map_err(io(format!("reading from {}", self.address)))?;
        let status = status(&head).ok_or_else(|| self.unreadable(&head))?;
        Ok(Answer { request: self.request.clone(), status, head, body })
    }

    /// The head, and what came of the body with it.
    fn read_head(&mut self) -> Result<(String, Vec<u8>)> {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let body = bytes.split_off(end + 4);
                return Ok((String::from_utf8_lossy(&bytes).into_owned(), body));
            }
            let read = self.stream.read(&mut piece);
            let read = read.map_err(io(format!("waiting for the answer to {}", self.request)))?;
            match piece.get(..read) {
                Some(read) if !read.is_empty() => bytes.extend_from_slice(read),
                _ => return Err(self.unreadable("the connection was closed")),
            }
        }
    }

    fn unreadable(&self, reason: &str) -> Error {
        Error::Unreadable { request: self.request.clone(), reason: reason.to_owned() }
    }
}

fn status(head: &str) -> Option<u16> {
    head.split(' ').nth(1)?.parse().ok()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 201 Created\r\nLocation: http://127.0.0.1:1/files/a\r\n\r\n";

    #[test]
    fn an_answers_head_is_read() {
        assert_eq!(status(HEAD), Some(201));
        assert_eq!(header(HEAD, "location"), Some("http://127.0.0.1:1/files/a"));
        assert_eq!(header(HEAD, "content-length"), None);
    }

    #[test]
    fn a_location_is_a_path_with_or_without_a_host() {
        let answer = |head: &str| Answer {
            request: String::new(),
            status: 201,
            head: head.to_owned(),
            body: Vec::new(),
        };
        assert_eq!(answer(HEAD).location().unwrap(), "/files/a");
        assert_eq!(answer("x\r\nLocation: /files/a").location().unwrap(), "/files/a");
        assert!(answer("x\r\n").location().is_err());
    }
}
