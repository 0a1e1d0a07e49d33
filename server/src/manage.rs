//! `longhaul-server uploads | files | sweep | verify`: asks, and shows what is told.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use longhaul_server::admin::reach::{ReachError, reach};
use longhaul_server::admin::table::{head, lines, plain, size};
use longhaul_server::admin::{Ask, Said};
use longhaul_server::log::{self, Format};
use longhaul_server::store::disk::Clock;
use tracing_subscriber::EnvFilter;

use crate::args::FolderArgs;
use crate::settings::{ENVIRONMENT, usage_error};

/// At rest only what is wrong with the index is logged; the rest is what is told.
const LOGGED: &str = "off,longhaul_server::store::disk::index=error";

const NO_DATA: &str = "which folder is not said: --data DIR, the one that the server was started with, or LONGHAUL_DATA";

/// Asks, shows, and tells how it went.
pub fn manage(args: &FolderArgs, ask: Ask) -> ExitCode {
    let from_environment = || std::env::var_os(format!("{ENVIRONMENT}DATA")).map(PathBuf::from);
    let Some(data) = args.data.clone().or_else(from_environment) else {
        eprintln!("longhaul-server: {NO_DATA}");
        return usage_error();
    };
    log::start(EnvFilter::new(LOGGED), Format::Text);
    let mut shown = Shown::new(args.json);
    let needs_a_word = match &ask {
        Ask::Cancel { is_sure, .. } | Ask::Delete { is_sure, .. } => !is_sure,
        _ => false,
    };
    let done = runtime().and_then(|runtime| {
        runtime.block_on(async {
            shown.begin(&ask)?;
            reach(&data, &ask).await?.ask(ask, |said| shown.show(&said)).await
        })
    });
    shown.clear();
    match done {
        // Whoever reads only the first lines has what he wanted (`| head`).
        Err(ReachError::System(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("longhaul-server: {error}");
            ExitCode::FAILURE
        }
        Ok(()) if shown.has_failed => ExitCode::FAILURE,
        Ok(()) if needs_a_word => {
            eprintln!("longhaul-server: nothing was changed: with --yes it is gone for good");
            usage_error()
        }
        // `verify` could look at everything, and that is what it saw.
        Ok(()) if shown.has_damage => ExitCode::from(3),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, ReachError> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// What was shown.
struct Shown {
    is_json: bool,
    /// Whether a person looks on, to whom it is shown how far it is.
    is_watched: bool,
    /// Whether that stands in the last line of the terminal.
    is_dirty: bool,
    has_failed: bool,
    has_damage: bool,
}

impl Shown {
    fn new(is_json: bool) -> Self {
        let is_watched = io::stderr().is_terminal();
        Self { is_json, is_watched, is_dirty: false, has_failed: false, has_damage: false }
    }

    fn begin(&self, ask: &Ask) -> io::Result<()> {
        match head(ask).filter(|_| !self.is_json) {
            Some(head) => writeln!(io::stdout(), "{head}"),
            None => Ok(()),
        }
    }

    fn show(&mut self, said: &Said) -> io::Result<()> {
        self.clear();
        match said {
            Said::End => return Ok(()),
            Said::Progress { bytes, total_bytes } => {
                self.progress(*bytes, *total_bytes);
                return Ok(());
            }
            Said::Failed { detail } => {
                self.has_failed = true;
                eprintln!("longhaul-server: {}", plain(detail));
                return Ok(());
            }
            Said::Unread { .. } => self.has_failed = true,
            Said::Damage(_) => self.has_damage = true,
            _ => {}
        }
        let mut out = io::stdout().lock();
        if self.is_json {
            let line = serde_json::to_string(said).map_err(io::Error::other)?;
            return writeln!(out, "{line}");
        }
        writeln!(out, "{}", lines(said, Clock::system().now()))
    }

    fn progress(&mut self, bytes: u64, total_bytes: u64) {
        if self.is_watched {
            let percent = bytes.saturating_mul(100).checked_div(total_bytes).unwrap_or(100);
            eprint!("{} of {} compared, {} %", size(bytes), size(total_bytes), percent.min(100));
            self.is_dirty = true;
        }
    }

    /// Clears the line of the terminal that says how far it is (ECMA-48, EL).
    fn clear(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            eprint!("\r\u{1b}[2K");
        }
    }
}
