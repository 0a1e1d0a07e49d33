//! What all arguments come to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::list::List;
use super::stdin::{STDIN, Taken};
use super::{Order, fails};
use crate::driving::stopped;
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
                None => given.add(path.clone(), client, report, stop).await,
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
        self.add(path, client, report, stop).await
    }

    async fn add(
        &mut self,
        path: PathBuf,
        client: &Client,
        report: &Report,
        stop: &watch::Receiver<Option<Ending>>,
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
        let listing = tokio::task::spawn_blocking(move || List::of(&path, &endpoint));
        let mut stop = stop.clone();
        let listed = tokio::select! {
            listed = listing => listed,
            () = stopped(&mut stop) => return Ok(()),
        };
        let listed = listed
            .unwrap_or_else(|panicked| Err(Trouble::new(Ending::Local, panicked.to_string())));
        let mut list = listed?;
        if let Some(trouble) = self.begun_by_another(&list, client) {
            return Err(trouble);
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

    /// Where what was begun is another's than that of what else is sent: one run is one owner's.
    fn begun_by_another(&self, list: &List, client: &Client) -> Option<Trouble> {
        let (users, guests) = (client.users_token(), list.journal.token());
        let is_others = |other: &Option<String>| other.is_some() && *other != guests;
        let another = self.lists.iter().find(|other| is_others(&other.journal.token()));
        match (users, guests.is_some(), another) {
            (None, ..) if list.journal.is_users() => Some(of_another(
                Ending::NotAllowed,
                list,
                "was begun with a token, and there is none in LONGHAUL_TOKEN; put it there",
            )),
            (users @ Some(_), true, _) if is_others(&users) => Some(of_another(
                Ending::NotAllowed,
                list,
                "was begun by a guest, whose token is noted beside it, and not with that in LONGHAUL_TOKEN; unset that \
                 to go on as the guest",
            )),
            (None, true, Some(other)) => Some(of_another(
                Ending::Usage,
                list,
                &format!(
                    "was begun by another guest than {}; send each by itself",
                    other.whole.display()
                ),
            )),
            _ => None,
        }
    }
}

fn tell_twice(report: &Report, path: &Path) {
    report.tell(Event::Note(&format!("{} is given twice, and sent once", path.display())));
}

/// Whoever goes on is somebody else, and would send all of it again.
fn of_another(ending: Ending, list: &List, whose: &str) -> Trouble {
    let (whole, journal) = (list.whole.display(), list.journal.path().display());
    let text = format!("{whole} {whose}, or remove {journal} to send all of it anew");
    Trouble::new(ending, text)
}
