//! How long a window stays mapped: for as long as somebody sends from it, and then until nobody has
//! wanted it for a second. To map it for each piece anew costs more than a copy does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use super::count::Map;
use crate::store::disk::live::lock;

/// How often those that nobody wants are taken away: it is as long as nobody notices what they cost,
/// and as short as the memory that they show as the server's is soon gone again.
const LOOKED_THROUGH_EVERY: Duration = Duration::from_secs(1);
/// How many windows of one file are remembered: 2 GiB of it. With 64 files kept open that is as many maps
/// as there may be.
const WINDOWS_MAX: usize = 256;

type Windows = Mutex<BTreeMap<u64, Window>>;

/// The windows of one file, by where they begin.
#[derive(Debug, Default)]
pub(super) struct Kept(Arc<Windows>);

#[derive(Debug, Default)]
struct Window {
    /// None while it was wanted once only.
    map: Option<Arc<Map>>,
    /// Since they were looked through last.
    is_wanted: bool,
}

/// What there is of a window.
pub(super) enum Found {
    /// It is mapped.
    Here(Arc<Map>),
    /// It was wanted a short while ago.
    Again,
    /// It is wanted for the first time.
    New,
}

impl Kept {
    pub(super) fn find(&self, begin: u64) -> Found {
        let mut windows = lock(&self.0);
        if let Some(window) = windows.get_mut(&begin) {
            window.is_wanted = true;
            return window.map.clone().map_or(Found::Again, Found::Here);
        }
        if windows.len() < WINDOWS_MAX {
            windows.insert(begin, Window { map: None, is_wanted: true });
            if windows.len() == 1 {
                drop(windows);
                JANITOR.look_after(&self.0);
            }
        }
        Found::New
    }

    /// What is mapped now; somebody may have been faster.
    pub(super) fn keep(&self, begin: u64, map: Map) -> Arc<Map> {
        let map = Arc::new(map);
        let mut windows = lock(&self.0);
        match windows.get_mut(&begin) {
            Some(window) => Arc::clone(window.map.get_or_insert(map)),
            None => map,
        }
    }
}

/// Forgets what was seen in memory, and takes away what nobody has wanted since it was asked last; whether anything is left.
fn look_through(windows: &Windows) -> bool {
    let mut windows = lock(windows);
    windows.values().filter_map(|window| window.map.as_ref()).for_each(|map| map.seen.forget());
    let unwanted = windows.extract_if(.., |_, window| {
        let is_sent = window.map.as_ref().is_some_and(|map| Arc::strong_count(map) > 1);
        !std::mem::take(&mut window.is_wanted) && !is_sent
    });
    // They are taken away when nobody waits for the lock.
    let unwanted: Vec<_> = unwanted.collect();
    let is_left = !windows.is_empty();
    drop(windows);
    drop(unwanted);
    is_left
}

static JANITOR: Janitor = Janitor(Mutex::new(Rounds { files: Vec::new(), is_running: false }));

/// A thread that is there while there is something to look through.
#[derive(Debug)]
struct Janitor(Mutex<Rounds>);

#[derive(Debug)]
struct Rounds {
    files: Vec<Weak<Windows>>,
    is_running: bool,
}

impl Janitor {
    /// Until it has no window any more.
    fn look_after(&'static self, windows: &Arc<Windows>) {
        let mut rounds = lock(&self.0);
        rounds.files.push(Arc::downgrade(windows));
        if !rounds.is_running {
            let name = "longhaul-maps".to_owned();
            let begun = thread::Builder::new().name(name).spawn(|| while self.go_round() {});
            rounds.is_running = begun
                .inspect_err(|error| tracing::warn!(%error, "what is mapped stays mapped"))
                .is_ok();
        }
    }

    /// Whether there is another.
    fn go_round(&self) -> bool {
        thread::sleep(LOOKED_THROUGH_EVERY);
        let files = std::mem::take(&mut lock(&self.0).files);
        let left = files.into_iter().filter(|file| {
            let file = file.upgrade();
            file.is_some_and(|windows| look_through(&windows))
        });
        let left: Vec<_> = left.collect();
        let mut rounds = lock(&self.0);
        rounds.files.extend(left);
        rounds.is_running = !rounds.files.is_empty();
        rounds.is_running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> Map {
        let bytes = memmap2::MmapMut::map_anon(4096).unwrap().make_read_only().unwrap();
        Map::new(bytes, super::super::count::MAPS.place().unwrap())
    }

    fn is_mapped(kept: &Kept, begin: u64) -> bool {
        lock(&kept.0).get(&begin).is_some_and(|window| window.map.is_some())
    }

    #[test]
    fn a_window_stays_while_it_is_wanted_or_sent_from_and_goes_after() {
        let kept = Kept(Arc::default());
        assert!(matches!(kept.find(0), Found::New));
        assert!(matches!(kept.find(0), Found::Again));
        let sent = kept.keep(0, map());
        look_through(&kept.0);
        look_through(&kept.0);
        assert!(is_mapped(&kept, 0), "somebody sends from it");
        drop(sent);
        assert!(matches!(kept.find(0), Found::Here(_)));
        assert!(look_through(&kept.0) && is_mapped(&kept, 0), "it was wanted");
        assert!(!look_through(&kept.0) && !is_mapped(&kept, 0));
    }

    #[test]
    fn who_is_slower_to_map_takes_what_is_there() {
        let kept = Kept::default();
        kept.find(8);
        let (first, second) = (kept.keep(8, map()), kept.keep(8, map()));
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn no_more_windows_are_remembered_than_the_system_lets_one_have() {
        let kept = Kept::default();
        for begin in 0..WINDOWS_MAX as u64 + 10 {
            kept.find(begin);
        }
        assert_eq!(lock(&kept.0).len(), WINDOWS_MAX);
        assert!(matches!(kept.find(u64::MAX), Found::New));
        kept.keep(u64::MAX, map());
        assert!(!is_mapped(&kept, u64::MAX), "it goes with its last piece");
    }

    #[test]
    fn what_was_seen_in_memory_is_forgotten_at_each_look() {
        let kept = Kept::default();
        kept.find(0);
        let sent = kept.keep(0, map());
        let has = |is_there| sent.seen.has(&(0..1), 4096, |_| is_there);
        assert!(has(true) && has(false), "it was seen");
        look_through(&kept.0);
        assert!(!has(false));
    }

    #[test]
    fn the_janitor_comes_by_himself_and_again() {
        let kept = Kept::default();
        for _ in 0..2 {
            kept.find(1);
            kept.keep(1, map());
            while is_mapped(&kept, 1) {
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
}
