//! HTTP/1.1 by hand, so that no library mends what the server frames wrongly.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer, as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The one line of a header. More lines than one are none, unless they are `Vary`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter().filter(|(known, _)| known == name);
        match (lines.next(), lines.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }
}

/// Sends a request, and behind it one for `/healthz` on the same connection, whose answer has to begin
/// right after the last byte that the first one announced.
pub(crate) async fn ask(
    addr: SocketAddr,
    method: &str,
    path: &str,
    lines: &[String],
) -> Result<Reply, String> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let requests = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\n{lines}\r\n\
         GET /healthz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(addr).await.map_err(|error| error.to_string())?;
    // `{latin}` is a byte that is no UTF-8.
    let bytes: Vec<u8> = requests.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    stream.write_all(&bytes).await.map_err(|error| error.to_string())?;
    let mut came = Vec::new();
    stream.read_to_end(&mut came).await.map_err(|error| error.to_string())?;
    let (reply, rest) = parse(method, &came)?;
    let next = String::from_utf8_lossy(rest);
    match next.starts_with("HTTP/1.1 200 ") && next.ends_with("\r\n\r\nok\n") {
        true => Ok(reply),
        false => Err(format!("what follows is no answer: {:.80}", next)),
    }
}

fn parse<'a>(method: &str, came: &'a [u8]) -> Result<(Reply, &'a [u8]), String> {
    let end = came.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head came")?;
    let head = std::str::from_utf8(&came[..end]).map_err(|error| error.to_string())?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
    let status = status.and_then(|rest| rest.get(..3)?.parse().ok()).ok_or("no status line")?;
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').ok_or(format!("no header: {line}"))?;
        Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
    });
    let mut reply =
        Reply { status, headers: headers.collect::<Result<_, String>>()?, body: vec![] };
    if reply.header("transfer-encoding").is_some() {
        return Err("the length is not told".to_owned());
    }
    // RFC 9112, section 6.3: these have no body whatever they tell.
    let bodiless = method == "HEAD" || matches!(status, 204 | 304);
    let len = match reply.header("content-length").map(str::parse) {
        _ if bodiless => 0,
        Some(Ok(len)) => len,
        told => return Err(format!("no length: {told:?}")),
    };
    let body =
        came.get(end + 4..end + 4 + len).ok_or("the body is shorter than it was announced")?;
    body.clone_into(&mut reply.body);
    Ok((reply, &came[end + 4 + len..]))
}
