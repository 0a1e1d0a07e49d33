//! Fetching: one file, verified chunk by chunk, into a target that has its name only when all of it is
//! there.

mod buffers;
mod coming;
mod driver;
mod target;

use std::path::PathBuf;
use std::sync::Arc;

use longhaul_protocol::wire::FileInfo;
use longhaul_protocol::{Digest, Millis};
use tokio::sync::watch;

use crate::ending::{Ending, Trouble};
use crate::endpoint::Remote;
use crate::http::Client;
use crate::report::{Event, Report};

use driver::Driver;

/// What to fetch, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which file.
    pub remote: Remote,
    /// Where to: a file, or a folder in which it gets the name that it has there.
    pub output: Option<PathBuf>,
    /// The root that it has to have.
    pub root: Option<Digest>,
    /// Whether what is there under its name goes.
    pub force: bool,
    /// Chunks that are fetched at once, at least 1.
    pub jobs: u32,
    /// Bytes a second for all of them.
    pub rate_max: Option<u64>,
    /// How long to wait for a server that is away.
    pub patience: Millis,
}

/// Fetches it and tells of it.
///
/// # Errors
/// What the exit code is to be, when it is not there.
pub async fn fetch(
    order: Order,
    client: Client,
    report: Arc<Report>,
    stop: watch::Receiver<Option<Ending>>,
) -> Result<(), Ending> {
    let url = order.remote.endpoint.file(order.remote.file);
    let fails = |path: &str, trouble: &Trouble| {
        report.tell(Event::Failed { path, trouble });
        trouble.ending
    };
    let driver = Driver::new(order, client, Arc::clone(&report), stop.clone());
    match driver.run().await {
        Ok(Some((file, path))) => {
            let path = path.display().to_string();
            // What the server tells of the whole is not looked at here, and what nobody has looked at is not told.
            let file = FileInfo { sha256: None, ..*file };
            report.tell(Event::Done { path: &path, url: &url, file: &file });
            Ok(())
        }
        Ok(None) => {
            report.tell(Event::Note("stopped; the same command goes on"));
            Err((*stop.borrow()).unwrap_or(Ending::Interrupted))
        }
        Err(trouble) => Err(fails(&url, &trouble)),
    }
}
