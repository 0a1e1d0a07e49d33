//! wrk: asks for ranges as fast as they come.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result, io};
use crate::{disk, process};

/// How many connections ask at once, and from how many threads.
const CONNECTIONS: &str = "-c64";
const THREADS: &str = "-t2";
/// How much each range has, bytes.
const RANGE_LEN: u64 = 64 << 10;

/// wrk, and the script that it is given.
#[derive(Debug)]
pub struct Wrk {
    binary: PathBuf,
    script: PathBuf,
}

impl Wrk {
    /// Finds wrk, or fetches Debian's package and unpacks it below `kept`.
    ///
    /// # Errors
    /// [`Error::Command`], which says what is missing.
    pub fn obtain(kept: &Path) -> Result<Self> {
        let unpacked = kept.join("wrk");
        let script = kept.join("ranges.lua");
        std::fs::create_dir_all(kept)
            .and_then(|()| std::fs::write(&script, SCRIPT))
            .map_err(io("writing wrk's script"))?;
        // It has no option that does nothing and succeeds: what it says of itself is enough.
        let runs = |binary: &Path| Command::new(binary).arg("-v").output().is_ok();
        let known = [PathBuf::from("wrk"), unpacked.join("usr/bin/wrk")];
        if let Some(binary) = known.iter().find(|binary| runs(binary)) {
            return Ok(Self { binary: binary.clone(), script });
        }
        eprintln!("fetching Debian's wrk");
        disk::fresh_dir(&unpacked)?;
        process::output(Command::new("apt-get").args(["download", "wrk"]).current_dir(&unpacked))?;
        process::output(
            Command::new("sh").args(["-c", "dpkg-deb -x wrk_*.deb ."]).current_dir(&unpacked),
        )?;
        Ok(Self { binary: unpacked.join("usr/bin/wrk"), script })
    }

    /// How many ranges of a file come in a second.
    ///
    /// # Errors
    /// [`Error`]; one of them was not answered with its bytes, say.
    pub fn ranges(&self, address: SocketAddr, path: &str, len: u64, time: Duration) -> Result<f64> {
        let url = format!("http://{address}{path}");
        let mut command = Command::new(&self.binary);
        command.args([THREADS, CONNECTIONS, &format!("-d{}s", time.as_secs()), "-s"]);
        command.arg(&self.script).args([&url, "--", &(len / RANGE_LEN).to_string()]);
        let said = process::output(&mut command)?;
        let wrong = said.contains("Non-2xx") || said.contains("Socket errors");
        let found = said.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
        let per_second = found.and_then(|number| number.trim().parse().ok()).filter(|_| !wrong);
        per_second.ok_or(Error::Unreadable { request: format!("ranges of {path}"), reason: said })
    }
}

/// Any place is as likely as any other.
const SCRIPT: &str = "
local count
function init(args)
  count = tonumber(args[1])
  math.randomseed(os.time())
end
function request()
  local first = math.random(0, count - 1) * 65536
  return wrk.format('GET', nil, { Range = 'bytes=' .. first .. '-' .. (first + 65535) })
end
";
