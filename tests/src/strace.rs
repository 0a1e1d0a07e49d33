//! Makes system calls of a running program fail or dawdle, by strace's fault injection.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use crate::process::Process;

/// How long strace may take to attach to a program, or to let go of it.
const ATTACH: Duration = Duration::from_secs(20);

/// Faults that go on until this is ended.
#[derive(Debug)]
pub struct Faults(Process);

impl Faults {
    /// Calls of that name that touch the file do as strace's `inject` says: `error=EIO`,
    /// `delay_enter=MICROSECONDS`, `when=…`.
    ///
    /// # Panics
    /// When strace is not installed, or may not trace.
    pub async fn inject(pid: i32, file: &Path, call: &str, what: &str) -> Self {
        let mut strace = Command::new("strace");
        strace.arg("-f").arg("-p").arg(pid.to_string()).arg("-P").arg(file);
        strace.arg("-e").arg(format!("trace={call}"));
        strace.arg("-e").arg(format!("inject={call}:{what}"));
        let installed = Command::new("strace").arg("-V").output().await;
        assert!(installed.is_ok(), "strace not found; run\n  apt-get install strace");
        let mut process = Process::start("strace", &mut strace);
        process.said(0, ATTACH, |line| line.contains(" attached").then_some(())).await;
        Self(process)
    }

    /// Whether a call has been tampered with.
    pub async fn struck(&mut self) {
        self.0.said(0, ATTACH, |line| line.contains("(INJECTED)").then_some(())).await;
    }

    /// No more of them.
    pub async fn end(mut self) {
        self.0.kill().await;
    }
}
