//! The Node tus server with its file store, which verifies and syncs nothing, and the pages that send
//! to it: tus-js-client's and Uppy's.

use std::fs;
use std::net::Ipv4Addr;
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
const PACKAGE: [&str; 8] = [
    "package.json",
    "package-lock.json",
    "tus-server.mjs",
    "pages/record.js",
    "pages/tus.html",
    "pages/tus.js",
    "pages/uppy.html",
    "pages/uppy.js",
];
/// What tus-js-client ships for pages without a bundler, and what Uppy's page imports, in one script.
const TUS_SCRIPT: &str = "node_modules/tus-js-client/dist/tus.min.js";
const BUNDLE: [&str; 4] =
    ["pages/uppy.js", "--bundle", "--format=esm", "--outfile=pages/uppy.bundle.js"];

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
        disk::fresh_dir(&dir.join("pages"))?;
        let npm = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
        for name in PACKAGE {
            let (from, to) = (package.join(name), dir.join(name));
            fs::copy(&from, &to).map_err(io(format!("copying {}", from.display())))?;
        }
        process::output(Command::new("npm").args(npm).current_dir(&dir))?;
        fs::copy(dir.join(TUS_SCRIPT), dir.join("pages/tus.min.js"))
            .map_err(io("copying tus-js-client"))?;
        process::output(
            Command::new("node_modules/.bin/esbuild")
                .args(BUNDLE)
                .arg("--minify")
                .current_dir(&dir),
        )?;
        fs::write(dir.join(INSTALLED), "").map_err(io("marking the installation done"))?;
        Ok(dir)
    }

    /// What runs: Node's version and the server's.
    ///
    /// # Errors
    /// [`crate::error::Error::Command`].
    pub fn version(dir: &Path) -> Result<String> {
        let node = process::output(Command::new("node").arg("--version"))?;
        Ok(format!("@tus/server {} on node {node}", Self::package_version(dir, "@tus/server")?))
    }

    /// The version of an installed package.
    ///
    /// # Errors
    /// [`crate::error::Error::Command`].
    pub fn package_version(dir: &Path, package: &str) -> Result<String> {
        let file = format!("./node_modules/{package}/package.json");
        let print = format!("process.stdout.write(require('{file}').version)");
        process::output(Command::new("node").args(["-e", &print]).current_dir(dir))
    }

    /// Starts it on an empty folder.
    ///
    /// # Errors
    /// [`crate::error::Error`].
    pub fn start(installed: &Path, dir: &Path) -> Result<Self> {
        Self::start_by(Command::new("node"), installed, dir, Ipv4Addr::LOCALHOST)
    }

    /// The same, on that address, by a command that runs `node` with the arguments that follow.
    ///
    /// # Errors
    /// [`crate::error::Error`].
    pub fn start_by(
        mut node: Command,
        installed: &Path,
        dir: &Path,
        address: Ipv4Addr,
    ) -> Result<Self> {
        disk::fresh_dir(dir)?;
        node.arg("tus-server.mjs").arg(dir).arg("pages").arg(address.to_string());
        node.current_dir(installed).stderr(Stdio::null());
        let server = Server::that_tells("the Node tus server", &mut node)?;
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
