//! Servers as child processes: started, found, watched and ended.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{Error, Result, io};

/// How long a server may take to listen, and to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running server; ended when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts a server that prints `… http://ADDRESS` once it listens, or `… https://ADDRESS`.
    ///
    /// # Errors
    /// [`Error::NotListening`], [`Error::Io`].
    pub fn that_tells(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = start(name, command.stdout(Stdio::piped()))?;
        let told = child.stdout.take().map(BufReader::new).and_then(read_address);
        let Some(address) = told else {
            end(&mut child);
            return Err(not_listening(name, "it did not say where; its log may say why"));
        };
        Ok(Self { child, address })
    }

    /// Starts a server that was told to listen on `address`.
    ///
    /// # Errors
    /// [`Error::NotListening`], [`Error::Io`].
    pub fn that_was_told(name: &str, command: &mut Command, address: SocketAddr) -> Result<Self> {
        let mut server = Self { child: start(name, command)?, address };
        let since = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(not_listening(name, &format!("it ended, {status}")));
            }
            if since.elapsed() > PATIENCE {
                return Err(not_listening(name, "nothing answers"));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(server)
    }

    /// Kills it, as a lack of memory or a loss of power would: nothing of it is finished.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().map_err(io("killing a server"))?;
        self.child.wait().map(drop).map_err(io("waiting for a server that was killed"))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The processor time that it and its children have used so far, seconds.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn cpu_seconds(&self) -> Result<f64> {
        let all = processes()?;
        let mut family = vec![self.child.id()];
        let mut seconds = 0.0;
        while let Some(pid) = family.pop() {
            seconds += all.get(&pid).map_or(0.0, |process| process.cpu_seconds);
            family.extend(all.iter().filter(|(_, child)| child.parent == pid).map(|(pid, _)| pid));
        }
        Ok(seconds)
    }

    /// The memory it has now, bytes: all of it (`VmRSS`).
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn resident_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The same without files that the system keeps in memory anyway (`RssAnon`).
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn anonymous_bytes(&self) -> Result<u64> {
        self.memory("RssAnon:")
    }

    fn memory(&self, kind: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).map_err(io(format!("reading {path}")))?;
        let line = status.lines().find_map(|line| line.strip_prefix(kind));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kib.unwrap_or(0) * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A port that was free a moment ago, for servers that cannot choose one.
///
/// # Errors
/// [`Error::Io`].
pub fn free_address() -> Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io("finding a free port"))?;
    listener.local_addr().map_err(io("finding a free port"))
}

/// The processor time that this process has used so far, seconds.
///
/// # Errors
/// [`Error::Io`].
pub fn own_cpu_seconds() -> Result<f64> {
    let path = Path::new("/proc/self/stat");
    let stat = fs::read_to_string(path).map_err(io("reading /proc/self/stat"))?;
    Ok(Process::parse(&stat).map_or(0.0, |process| process.cpu_seconds))
}

/// A thread of some process.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its id; that of the first is the process's own.
    pub id: i32,
    /// What it calls itself, 15 bytes at most.
    pub name: String,
    /// The processor time that it has used so far, seconds.
    pub cpu_seconds: f64,
}

/// The threads that a process has now; none if it has ended.
#[must_use]
pub fn threads_of(pid: i32) -> Vec<Thread> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let thread = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let name = stat.split_once('(')?.1.rsplit_once(')')?.0.to_owned();
        Some(Thread { id, name, cpu_seconds: Process::parse(&stat)?.cpu_seconds })
    };
    entries.filter_map(thread).collect()
}

/// Runs a program to its end and returns what it printed, standard error included.
///
/// # Errors
/// [`Error::Command`].
pub fn output(command: &mut Command) -> Result<String> {
    let line = format!("{command:?}");
    let failed = |reason: String| Error::Command { command: line.clone(), reason };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    if output.status.success() { Ok(text) } else { Err(failed(text)) }
}

fn start(name: &str, command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).spawn().map_err(io(format!("starting {name}")))
}

fn not_listening(name: &str, reason: &str) -> Error {
    Error::NotListening { name: name.to_owned(), reason: reason.to_owned() }
}

/// Reads up to the line with the address; what comes after is read too, so that the server never
/// waits for room in the pipe.
fn read_address(mut out: BufReader<impl Read + Send + 'static>) -> Option<SocketAddr> {
    let mut line = String::new();
    while !line.contains("://") {
        line.clear();
        if out.read_line(&mut line).ok()? == 0 {
            return None;
        }
    }
    thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    line.split_once("://")?.1.trim().trim_end_matches('/').parse().ok()
}

/// SIGTERM first: a master process that is killed leaves its workers behind.
fn end(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[derive(Clone, Copy, Debug)]
struct Process {
    parent: u32,
    cpu_seconds: f64,
}

impl Process {
    /// From `/proc/PID/stat`; the name, which may contain anything, ends at the last parenthesis.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
        let cpu_seconds =
            (ticks(11)? + ticks(12)?) / rustix::param::clock_ticks_per_second() as f64;
        Some(Self { parent: fields.get(1)?.parse().ok()?, cpu_seconds })
    }
}

/// All processes there are; those that end meanwhile are passed over.
fn processes() -> Result<HashMap<u32, Process>> {
    let entries = fs::read_dir("/proc").map_err(io("listing /proc"))?;
    let process = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, Process::parse(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
    };
    Ok(entries.flatten().filter_map(process).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_also_when_its_name_is_odd() {
        let stat = "7 (a) b (c) S 3 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 1 1 1";
        let process = Process::parse(stat).unwrap();
        assert_eq!(process.parent, 3);
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert!((process.cpu_seconds - 200.0 / ticks).abs() < 1e-9);
    }

    #[test]
    fn the_address_is_found_in_what_a_server_prints() {
        let text = "starting\nlonghaul-server listening on http://127.0.0.1:4711\nmore\n";
        let address = read_address(BufReader::new(text.as_bytes()));
        assert_eq!(address, Some("127.0.0.1:4711".parse().unwrap()));
        assert_eq!(read_address(BufReader::new(&b"no\n"[..])), None);
    }
}
