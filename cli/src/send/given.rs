//! What all arguments come to.

use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::list::List;
use super::stdin::{STDIN, Taken};
use super::{Order, fails};
use crate::ending::{Ending, Trouble};
use crate::endpoint::Endpoint;
use crate::report::{Event, Report};

/// What there is to send.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) lists: Vec<List>,
    /// What came through the pipe, which is in one of the lists.
    pub(super) taken: Option<Taken>,
}

impl Given {
    /// All that can be had of it; of the rest it is told why not, and that is the `worst` that happened.
    pub(super) async fn of(
        order: &Order,
        endpoint: &Endpoint,
        report: &Report,
        stop: &watch::Receiver<Option<Ending>>,
        worst: &mut Option<Ending>,
    ) -> Self {
        let mut given = Self::default();
        for path in &order.paths {
            let piped = order.stdin_as.as_ref().filter(|_| path.as_os_str() == STDIN);
            let added = match piped {
                Some(file) => given.take_down(file, endpoint, report, stop).await,
                None => given.add(path.clone(), endpoint, report).await,
            };
            if let Err(trouble) = added {
                fails(report, &path.to_string_lossy(), &trouble, worst);
            }
        }
        given
    }

    async fn take_down(
        &mut self,
        file: &Path,
        endpoint: &Endpoint,
        report: &Report,
        stop: &watch::Receiver<Option<Ending>>,
    ) -> Result<(), Trouble> {
        let taken = Taken::down(file, endpoint, stop.clone()).await?;
        let path = self.taken.insert(taken).file().to_owned();
        self.add(path, endpoint, report).await
    }

    async fn add(
        &mut self,
        path: PathBuf,
        endpoint: &Endpoint,
        report: &Report,
    ) -> Result<(), Trouble> {
        let whole = path.canonicalize().ok();
        if let Some(list) = self.lists.iter().find(|list| Some(&list.whole) == whole.as_ref()) {
            let twice = format!("{} is given twice, and sent once", list.whole.display());
            report.tell(Event::Note(&twice));
            return Ok(());
        }
        let endpoint = endpoint.clone();
        let listed = tokio::task::spawn_blocking(move || List::of(&path, &endpoint)).await;
        let listed = listed
            .unwrap_or_else(|panicked| Err(Trouble::new(Ending::Local, panicked.to_string())));
        self.lists.push(listed?);
        Ok(())
    }
}
