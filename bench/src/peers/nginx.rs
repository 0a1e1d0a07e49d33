//! nginx with its dav module: `PUT` stores a body under its path. It verifies and syncs nothing. It
//! serves it again by `sendfile`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::disk;
use crate::error::{Result, io};
use crate::http::{Connection, Head};
use crate::payload::Payload;
use crate::process::{self, Server};

/// What one write of the body to the socket has, bytes; it divides every payload.
const PIECE: u64 = 8 << 20;

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    server: Server,
    files: PathBuf,
}

impl Nginx {
    /// Finds nginx, or fetches Debian's package and unpacks it below `kept`. It is not installed:
    /// that would start it as a service.
    ///
    /// # Errors
    /// [`crate::error::Error::Command`], which says what is missing.
    pub fn obtain(kept: &Path) -> Result<PathBuf> {
        let unpacked = kept.join("nginx");
        let candidates =
            ["nginx".into(), "/usr/sbin/nginx".into(), unpacked.join("usr/sbin/nginx")];
        if let Some(found) = candidates.iter().find(|path| Self::version(path).is_ok()) {
            return Ok(found.clone());
        }
        eprintln!("fetching Debian's nginx");
        disk::fresh_dir(&unpacked)?;
        process::output(
            Command::new("apt-get").args(["download", "nginx"]).current_dir(&unpacked),
        )?;
        process::output(
            Command::new("sh").args(["-c", "dpkg-deb -x nginx_*.deb ."]).current_dir(&unpacked),
        )?;
        let binary = unpacked.join("usr/sbin/nginx");
        Self::version(&binary)?;
        Ok(binary)
    }

    /// What it calls itself.
    ///
    /// # Errors
    /// [`crate::error::Error::Command`].
    pub fn version(binary: &Path) -> Result<String> {
        process::output(Command::new(binary).arg("-v"))
    }

    /// Starts it on an empty folder.
    ///
    /// # Errors
    /// [`crate::error::Error`].
    pub fn start(binary: &Path, dir: &Path) -> Result<Self> {
        let files = dir.join("files");
        disk::fresh_dir(dir)?;
        disk::fresh_dir(&files)?;
        let address = process::free_address()?;
        let conf = dir.join("nginx.conf");
        let text = configuration(dir, address, &user()?);
        fs::write(&conf, text).map_err(io(format!("writing {}", conf.display())))?;
        let mut command = Command::new(binary);
        command.arg("-p").arg(dir).arg("-c").arg(&conf);
        command.arg("-e").arg(dir.join("error.log")).stdout(Stdio::null());
        let server = Server::that_was_told("nginx", &mut command, address)?;
        Ok(Self { server, files })
    }

    /// Its process.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Puts a file; its path on the disk comes back.
    ///
    /// # Errors
    /// [`crate::error::Error`].
    pub fn put(&self, name: &str, payload: &Payload, len: u64) -> Result<PathBuf> {
        let head = Head::new("PUT", format!("/{name}"));
        let mut connection = Connection::open(self.server.address())?;
        connection.send(&head, payload.pieces(len, PIECE))?.expect(201)?;
        Ok(self.files.join(name))
    }
}

/// Its workers must be able to write where this user may.
fn user() -> Result<String> {
    process::output(Command::new("id").arg("-un"))
}

/// One body buffer of `client_body_buffer_size` is filled and written in turn.
fn configuration(dir: &Path, address: SocketAddr, user: &str) -> String {
    let dir = dir.display();
    format!(
        "daemon off;
user {user};
worker_processes auto;
pid {dir}/nginx.pid;
events {{ }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    open_file_cache max=100;
    client_max_body_size 0;
    client_body_buffer_size {BODY_BUFFER};
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/unused;
    fastcgi_temp_path {dir}/unused;
    uwsgi_temp_path {dir}/unused;
    scgi_temp_path {dir}/unused;
    server {{
        listen {address};
        location / {{
            root {dir}/files;
            dav_methods PUT;
        }}
    }}
}}
"
    )
}

/// What nginx takes by itself on this kind of machine.
const BODY_BUFFER: &str = "16k";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_it_writes_is_below_its_folder() {
        let text = configuration(Path::new("/d"), "127.0.0.1:1".parse().unwrap(), "me");
        for line in text.lines().filter(|line| line.contains("path") || line.contains("pid")) {
            assert!(line.contains(" /d/"), "{line}");
        }
    }
}
