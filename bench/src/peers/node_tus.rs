//! The Node tus server with its file store. It verifies and syncs nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::disk;
use crate::error::{Result, io};
use crate::http::{Connection, Head};
use crate::payload::Payload;
use crate::process::{self, Server};

/// What one write of the body to the socket has, bytes; it divides every payload.
const PIECE: u64 = 8 << 20;
/// What npm is told and what is run.
const PACKAGE: [&str; 3] = ["package.json", "package-lock.json", "tus-server.mjs"];

/// A running tus server.
#[derive(Debug)]
pub struct NodeTus {
    server: Server,
    files: PathBuf,
}

impl NodeTus {
    /// Installs the packages of `bench/peers/package-lock.json` below `kept`, unless they are there.
    ///
    /// # Errors
    /// [`crate::error::Error::Command`], [`Error::Io`].
    pub fn obtain(package: &Path, kept: &Path) -> Result<PathBuf> {
        let dir = kept.join("node");
        if is_current(package, &dir) {
            return Ok(dir);
        }
        eprintln!("installing the Node tus server");
        disk::fresh_dir(&dir)?;
        let npm = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        for name in PACKAGE {
            let (from, to) = (package.join(name), dir.join(name));
            fs::copy(&from, &to).map_err(io(format!("copying {}", from.display())))?;
        }
        process::output(Command::new("npm").args(npm).current_dir(&dir))?;
        fs::write(dir.join(INSTALLED), "").map_err(io("marking the installation done"))?;
        Ok(dir)
    }

    /// What runs: Node's version and the server's.
    ///
    /// # Errors
    /// [`crate::error::Error::Command`].
    pub fn version(dir: &Path) -> Result<String> {
        let node = process::output(Command::new("node").arg("--version"))?;
        let print =
            "process.stdout.write(require('./node_modules/@tus/server/package.json').version)";
        let tus = process::output(Command::new("node").args(["-e", print]).current_dir(dir))?;
        Ok(format!("@tus/server {tus} on node {node}"))
    }

    /// Starts it on an empty folder.
    ///
    /// # Errors
    /// [`crate::error::Error`].
    pub fn start(installed: &Path, dir: &Path) -> Result<Self> {
        disk::fresh_dir(dir)?;
        let mut command = Command::new("node");
        command.arg("tus-server.mjs").arg(dir).current_dir(installed).stderr(Stdio::null());
        let server = Server::that_tells("the Node tus server", &mut command)?;
        Ok(Self { server, files: dir.to_owned() })
    }

    /// Its process.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Creates an upload and sends all of it in one `PATCH`; its path on the disk comes back.
    ///
    /// # Errors
    /// [`crate::error::Error`].
    pub fn upload(&self, payload: &Payload, len: u64) -> Result<PathBuf> {
        let mut connection = Connection::open(self.server.address())?;
        let create = tus("POST", "/files").with("upload-length", len);
        let location = connection.ask(&create)?.expect(201)?.location()?;
        let patch = tus("PATCH", &location)
            .with("upload-offset", 0)
            .with("content-type", "application/offset+octet-stream");
        connection.send(&patch, payload.pieces(len, PIECE))?.expect(204)?;
        let id = location.rsplit('/').next().unwrap_or_default();
        Ok(self.files.join(id))
    }
}

/// Written last, so that an installation broken off is not taken for one.
const INSTALLED: &str = "installed";

fn is_current(package: &Path, dir: &Path) -> bool {
    let same = |name| fs::read(package.join(name)).ok() == fs::read(dir.join(name)).ok();
    dir.join(INSTALLED).exists() && PACKAGE.into_iter().all(same)
}

fn tus(method: &'static str, path: &str) -> Head {
    Head::new(method, path).with("tus-resumable", "1.0.0")
}
