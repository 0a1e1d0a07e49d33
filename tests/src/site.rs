//! Static files as other servers serve them: with a policy, or to pages of another origin.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{self, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A site, gone when it is dropped. One request per connection.
#[derive(Debug)]
pub struct Site {
    addr: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    headers: String,
    /// Where the API is that it passes on, if it does.
    upstream: Option<SocketAddr>,
}

impl Site {
    /// Serves a folder with these headers on every answer, those of the API behind it too if it is given.
    ///
    /// # Panics
    /// When it can get no port.
    pub async fn start(
        folder: &Path,
        headers: &[(&str, &str)],
        upstream: Option<SocketAddr>,
    ) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), folder, headers, upstream).await
    }

    /// The same at an address of the caller's.
    ///
    /// # Panics
    /// When somebody else has it.
    pub async fn start_at(
        addr: SocketAddr,
        folder: &Path,
        headers: &[(&str, &str)],
        upstream: Option<SocketAddr>,
    ) -> Self {
        let listener = TcpListener::bind(addr).await.expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let shared = Arc::new(Shared { folder: folder.to_owned(), headers, upstream });
        let accepting = tokio::spawn(async move {
            // Dropped with the site: a connection that a browser opened ahead would else be answered by it
            // when another server has the address.
            let mut answering = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                // A browser that leaves is no fault of the site's.
                answering.spawn(async move { shared.answer(stream).await });
                while answering.try_join_next().is_some() {}
            }
        });
        Self { addr, accepting }
    }

    /// Its origin, `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    async fn answer(&self, stream: TcpStream) -> io::Result<()> {
        let mut client = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if client.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            lines.push(line);
        }
        let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/").to_owned();
        match self.upstream {
            Some(upstream) if path.starts_with("/v1/") => pass_on(client, &lines, upstream).await,
            _ => self.file(client, &path).await,
        }
    }

    async fn file(&self, mut client: BufReader<TcpStream>, path: &str) -> io::Result<()> {
        let name = path.split('?').next().unwrap_or_default().trim_start_matches('/');
        let name = if name.is_empty() { "index.html" } else { name };
        let (status, body) = match tokio::fs::read(self.folder.join(name)).await {
            Ok(body) => ("200 OK", body),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        let (media_type, length) = (media_type(name), body.len());
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\
             cache-control: no-store\r\nconnection: close\r\n{}\r\n",
            self.headers
        );
        client.write_all(head.as_bytes()).await?;
        client.write_all(&body).await?;
        client.shutdown().await
    }
}

/// The API names its own origin, so the request goes on as it came but for the connection's end.
async fn pass_on(
    mut client: BufReader<TcpStream>,
    lines: &[String],
    upstream: SocketAddr,
) -> io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    let kept = lines.iter().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: String = kept.map(String::as_str).chain(["connection: close\r\n\r\n"]).collect();
    server.write_all(head.as_bytes()).await?;
    io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
