//! The server's process: started, killed without warning, started again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::api::Api;
use crate::artefacts;
use crate::authority::Certified;
use crate::files::Folder;
use crate::log::Request;
use crate::process::{Lines, Process};

/// How long a server may take to listen: it opens an index and reads no file.
const START: Duration = Duration::from_secs(20);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder it serves the page from; [`artefacts::dist`] if it is to serve the demo.
    pub www: Option<PathBuf>,
    /// Origins whose pages may use it, beside its own.
    pub allow_origin: Vec<String>,
    /// The chunk size, bytes; the server's own default if it is not given.
    pub chunk_size: Option<u64>,
    /// The address it listens on; loopback if it is not given.
    pub listen: Option<IpAddr>,
    /// Where it listens instead, for a proxy: nothing that asks it without one reaches it then.
    pub unix_socket: Option<PathBuf>,
    /// What it encrypts with, if it does. Its [`Api`] does not.
    pub tls: Option<Certified>,
    /// What its environment has beside the caller's.
    pub env: Vec<(String, String)>,
    /// Any further arguments.
    pub more: Vec<String>,
}

impl Options {
    /// A server that serves the demo page.
    #[must_use]
    pub fn demo() -> Self {
        Self { www: Some(artefacts::dist()), ..Self::default() }
    }
}

/// A server on a data folder of its own, and on one port for all its runs.
#[derive(Debug)]
pub struct Server {
    process: Option<Process>,
    options: Options,
    data: Folder,
    addr: SocketAddr,
    /// What each run has said.
    runs: Vec<Lines>,
}

impl Server {
    /// Starts one on an empty data folder.
    pub async fn start(options: Options) -> Self {
        Self::start_in(Folder::new(), options).await
    }

    /// The same in a data folder of the caller's.
    pub async fn start_in(data: Folder, options: Options) -> Self {
        let ip = options.listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let addr = SocketAddr::from((ip, free_port()));
        let mut server = Self { process: None, options, data, addr, runs: vec![] };
        server.restart().await;
        server
    }

    /// SIGKILL. What is in flight is cut off.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        self.process.take().expect("a running server").kill().await;
    }

    /// SIGTERM. It goes on for a while.
    ///
    /// # Panics
    /// When it does not run.
    pub fn tell_to_stop(&self) {
        let pid = Pid::from_raw(self.pid()).expect("a process");
        kill_process(pid, Signal::TERM).expect("a signal");
    }

    /// Waits until it ends by itself, and tells how.
    ///
    /// # Panics
    /// When it does not run, or does not end in time.
    pub async fn ends(&mut self, within: Duration) -> ExitStatus {
        self.process.take().expect("a running server").ends(within).await
    }

    /// Starts it again in another way, on the same data and the same port.
    ///
    /// # Panics
    /// When it does not come to listen.
    pub async fn restart_with(&mut self, options: Options) {
        self.options = options;
        self.restart().await;
    }

    /// Starts it again, on the same data and the same port.
    ///
    /// # Panics
    /// When it does not come to listen.
    pub async fn restart(&mut self) {
        let lines = Lines::default();
        self.runs.push(lines.clone());
        let mut process = Process::start_into("longhaul-server", &mut self.command(), lines);
        let said = "longhaul-server listening on ";
        let listens = process.said(0, START, |line| line.strip_prefix(said).map(str::to_owned));
        let socket = self.options.unix_socket.as_ref();
        let there = socket.map(|path| format!("unix:{}", path.display()));
        assert_eq!(listens.await, there.unwrap_or_else(|| self.origin()), "it listens elsewhere");
        self.process = Some(process);
    }

    fn command(&self) -> Command {
        let mut command = Command::new(artefacts::server());
        command.env("NO_COLOR", "1").env_remove("RUST_LOG");
        command.arg("--data").arg(self.data.path());
        match &self.options.unix_socket {
            Some(path) => command.arg("--unix-socket").arg(path),
            None => command.arg("--listen").arg(self.addr.to_string()),
        };
        if let Some(www) = &self.options.www {
            command.arg("--www").arg(www);
        }
        for origin in &self.options.allow_origin {
            command.arg("--allow-origin").arg(origin);
        }
        if let Some(chunk_size) = self.options.chunk_size {
            command.arg("--chunk-size").arg(chunk_size.to_string());
        }
        if let Some(tls) = &self.options.tls {
            command.arg("--tls-cert").arg(&tls.certificate).arg("--tls-key").arg(&tls.key);
        }
        command.envs(self.options.env.iter().cloned()).args(&self.options.more);
        command
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.process.as_ref().expect("a running server").pid()
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its origin, `http://127.0.0.1:<port>` or the same with `https`.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.options.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }

    /// Asks it things without a browser.
    #[must_use]
    pub fn api(&self) -> Api {
        Api::new(self.addr)
    }

    /// The number of the run that goes on, from 0.
    #[must_use]
    pub fn run(&self) -> usize {
        self.runs.len() - 1
    }

    /// What all runs have said, line by line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.runs.iter().flat_map(Lines::all).collect()
    }

    /// Every request that was over and logged, of all runs.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        let runs = self.runs.iter().enumerate();
        runs.flat_map(|(run, lines)| {
            lines.all().into_iter().filter_map(move |line| Request::read(run, &line))
        })
        .collect()
    }

    /// Those that carried bytes of a chunk.
    #[must_use]
    pub fn chunk_requests(&self) -> Vec<Request> {
        self.requests().into_iter().filter(Request::has_chunk_bytes).collect()
    }

    /// Checks that no run has panicked or answered with a fault of its own.
    ///
    /// # Panics
    /// When one has.
    pub fn assert_no_fault(&self) {
        let lines = self.runs.iter().flat_map(Lines::all);
        let panics: Vec<_> = lines.filter(|line| line.contains("panicked at")).collect();
        assert_eq!(panics, Vec::<String>::new(), "the server panicked");
        let faults: Vec<_> = self.requests().into_iter().filter(is_fault).collect();
        assert_eq!(faults, [], "the server says that it is at fault");
    }

    /// The bytes that its data folder takes on the disk.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        disk_bytes(&self.data().join("blobs"))
    }
}

fn is_fault(request: &Request) -> bool {
    request.status.is_some_and(|status| (500..600).contains(&status))
}

/// What the files below a folder take on the disk, bytes.
#[must_use]
pub fn disk_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// A port below those that the system hands out by itself, so that nobody else gets it while the
/// server that had it is being started again.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run beside each other begin well apart.
    let start = std::process::id().wrapping_mul(16) % u32::from(COUNT);
    loop {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = (start + step) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).expect("less than COUNT");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
