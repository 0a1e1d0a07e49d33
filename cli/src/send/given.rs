//! What all arguments come to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::list::List;
use super::stdin::{STDIN, Taken};
use super::{Order, fails};
use crate::ending::{Ending, Trouble};
use crate::http::Client;
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
        client: &Client,
        report: &Report,
        stop: &watch::Receiver<Option<Ending>>,
        worst: &mut Option<Ending>,
    ) -> Self {
        let mut given = Self::default();
        for path in &order.paths {
            let piped = order.stdin_as.as_ref().filter(|_| path.as_os_str() == STDIN);
            let added = match piped {
                Some(file) => given.take_down(file, client, report, stop).await,
                None => given.add(path.clone(), client, report).await,
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
        client: &Client,
        report: &Report,
        stop: &watch::Receiver<Option<Ending>>,
    ) -> Result<(), Trouble> {
        let taken = Taken::down(file, client.endpoint(), stop.clone()).await?;
        let path = self.taken.insert(taken).file().to_owned();
        self.add(path, client, report).await
    }

    async fn add(
        &mut self,
        path: PathBuf,
        client: &Client,
        report: &Report,
    ) -> Result<(), Trouble> {
        let whole = path.canonicalize().ok();
        let is_listed = |list: &List| Some(&list.whole) == whole.as_ref();
        let has_it =
            |list: &List| list.items.iter().any(|item| Some(&item.source) == whole.as_ref());
        if self.lists.iter().any(|list| is_listed(list) || has_it(list)) {
            tell_twice(report, &path);
            return Ok(());
        }
        let endpoint = client.endpoint().clone();
        let listed = tokio::task::spawn_blocking(move || List::of(&path, &endpoint)).await;
        let listed = listed
            .unwrap_or_else(|panicked| Err(Trouble::new(Ending::Local, panicked.to_string())));
        let mut list = listed?;
        if list.journal.is_users() && !client.is_users() {
            return Err(without_token(&list));
        }
        let others = self.lists.iter().flat_map(|list| &list.items);
        let others: BTreeSet<_> = others.map(|item| &item.source).collect();
        list.items.retain(|item| {
            let is_new = !others.contains(&item.source);
            if !is_new {
                tell_twice(report, &item.source);
            }
            is_new
        });
        self.lists.push(list);
        Ok(())
    }
}

fn tell_twice(report: &Report, path: &Path) {
    report.tell(Event::Note(&format!("{} is given twice, and sent once", path.display())));
}

/// Who goes on without the token would be somebody else, and send all of it again.
fn without_token(list: &List) -> Trouble {
    let text = format!(
        "{} was begun with a token, and there is none in LONGHAUL_TOKEN; put it there, or remove {} to send all of it \
         anew without one",
        list.whole.display(),
        list.journal.path().display()
    );
    Trouble::new(Ending::Usage, text)
}
