//! The bytes of one file: as they are read now, as they are durable, and everything in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;

/// What one write-back moves, bytes.
const PAGE: usize = 4096;
/// What a disk writes whole or not at all, bytes.
const SECTOR: usize = 512;

/// `None` is a page of zeroes.
type Page = Option<Arc<[u8; PAGE]>>;

/// What of the unsynced is kept in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Kept {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// Each page as of any write to it since the last sync, or as of that sync.
    Pages,
    /// The same for each sector, so that pages are torn.
    Sectors,
}

impl Kept {
    pub(in crate::store) fn any(rng: &mut Rng) -> Self {
        match rng.u8(..8) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2..=4 => Self::Pages,
            _ => Self::Sectors,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    now: BTreeMap<u64, Page>,
    durable: BTreeMap<u64, Page>,
    /// What each page was after each write since the last sync.
    unsynced: BTreeMap<u64, Vec<Page>>,
    len: u64,
    durable_len: u64,
    unsynced_lens: Vec<u64>,
}

impl Pages {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// How much room its bytes take.
    pub(super) fn room(&self) -> u64 {
        self.now.len() as u64 * PAGE as u64
    }

    /// `None` past the end.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> Option<()> {
        let end = offset.checked_add(out.len() as u64)?;
        if end > self.len {
            return None;
        }
        for (number, in_page, in_bytes) in pieces(offset, out.len()) {
            let page = self.now.get(&number).and_then(Option::as_ref);
            match page {
                Some(page) => out[in_bytes].copy_from_slice(&page[in_page]),
                None => out[in_bytes].fill(0),
            }
        }
        Some(())
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (number, in_page, in_bytes) in pieces(offset, bytes.len()) {
            let before = self.now.get(&number).cloned().flatten();
            let mut page = before.map_or([0; PAGE], |page| *page);
            page[in_page].copy_from_slice(&bytes[in_bytes]);
            self.put(number, Some(Arc::new(page)));
        }
        let end = offset + bytes.len() as u64;
        if end > self.len {
            self.note_len(end);
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let (edge, in_edge) = (len / PAGE as u64, (len % PAGE as u64) as usize);
            let cut: Vec<_> = self.now.range(edge..).map(|(&number, _)| number).collect();
            for number in cut {
                let mut page = self.now.get(&number).cloned().flatten();
                match &mut page {
                    Some(page) if number == edge && in_edge > 0 => {
                        Arc::make_mut(page)[in_edge..].fill(0);
                    }
                    _ => page = None,
                }
                self.put(number, page);
            }
        }
        self.note_len(len);
    }

    pub(super) fn sync(&mut self) {
        for (number, _) in std::mem::take(&mut self.unsynced) {
            keep(&mut self.durable, number, self.now.get(&number).cloned().flatten());
        }
        self.unsynced_lens.clear();
        self.durable_len = self.len;
    }

    /// What Linux does when a write-back fails: some of it got there, and what did not is held to
    /// be clean from now on, so that the next sync succeeds without it.
    pub(super) fn fail_to_sync(&mut self, rng: &mut Rng) {
        let after = self.survivor(Kept::any(rng), rng);
        (self.durable, self.durable_len) = (after.durable, after.durable_len);
        self.unsynced.clear();
        self.unsynced_lens.clear();
    }

    /// What is left of it after a crash.
    pub(super) fn survivor(&self, kept: Kept, rng: &mut Rng) -> Self {
        let mut durable = self.durable.clone();
        for (&number, versions) in &self.unsynced {
            let before = durable.get(&number).cloned().flatten();
            keep(&mut durable, number, one_of(&before, versions, kept, rng));
        }
        let lens = [&[self.durable_len][..], &self.unsynced_lens[..]].concat();
        let len = match kept {
            Kept::Nothing => self.durable_len,
            Kept::Everything => self.len,
            Kept::Pages | Kept::Sectors => lens[rng.usize(..lens.len())],
        };
        let mut left = Self { now: durable, len: u64::MAX, ..Self::default() };
        left.set_len(len);
        left.sync();
        left.durable = left.now.clone();
        left
    }

    fn put(&mut self, number: u64, page: Page) {
        self.unsynced.entry(number).or_default().push(page.clone());
        keep(&mut self.now, number, page);
    }

    fn note_len(&mut self, len: u64) {
        self.len = len;
        self.unsynced_lens.push(len);
    }
}

fn keep(pages: &mut BTreeMap<u64, Page>, number: u64, page: Page) {
    match page {
        Some(page) => drop(pages.insert(number, Some(page))),
        None => drop(pages.remove(&number)),
    }
}

fn one_of(before: &Page, versions: &[Page], kept: Kept, rng: &mut Rng) -> Page {
    let version = |at: usize| at.checked_sub(1).map_or(before, |at| &versions[at]).clone();
    match kept {
        Kept::Nothing => before.clone(),
        Kept::Everything => version(versions.len()),
        Kept::Pages => version(rng.usize(..=versions.len())),
        Kept::Sectors => {
            let mut torn = [0; PAGE];
            for (at, sector) in torn.chunks_mut(SECTOR).enumerate() {
                if let Some(page) = version(rng.usize(..=versions.len())) {
                    sector.copy_from_slice(&page[at * SECTOR..][..SECTOR]);
                }
            }
            Some(Arc::new(torn))
        }
    }
}

type Piece = (u64, std::ops::Range<usize>, std::ops::Range<usize>);

/// The pages that a range touches: number, where in the page, where in the range.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Piece> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let place = offset + at as u64;
        let in_page = (place % PAGE as u64) as usize;
        let count = (PAGE - in_page).min(len - at);
        let piece = (place / PAGE as u64, in_page..in_page + count, at..at + count);
        at += count;
        (count > 0).then_some(piece)
    })
}

#[test]
fn what_was_not_synced_is_kept_in_any_mixture() {
    let mut pages = Pages::default();
    pages.write(0, &[1; 3 * PAGE]);
    pages.sync();
    pages.write(PAGE as u64 - 10, &[2; 20]);
    pages.set_len(2 * PAGE as u64);
    pages.write(0, &[3; PAGE]);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let left = pages.survivor(Kept::Sectors, &mut Rng::with_seed(seed));
        let mut bytes = vec![9; left.len() as usize];
        left.read(0, &mut bytes).unwrap();
        seen.insert((bytes[0], bytes[PAGE - 1], bytes[PAGE], left.len()));
    }
    assert_eq!(seen.len(), 2 * 3 * 2 * 2, "{seen:?}");
    let left = pages.survivor(Kept::Nothing, &mut Rng::with_seed(0));
    let mut bytes = vec![9; 3 * PAGE];
    left.read(0, &mut bytes).unwrap();
    assert_eq!(bytes, [1; 3 * PAGE]);
}

#[test]
fn a_sync_after_one_that_failed_makes_nothing_of_it_durable() {
    let mut lost = 0;
    for seed in 0..50 {
        let mut pages = Pages::default();
        pages.write(0, &[1; PAGE]);
        pages.fail_to_sync(&mut Rng::with_seed(seed));
        pages.write(PAGE as u64, &[2; PAGE]);
        pages.sync();
        let left = pages.survivor(Kept::Everything, &mut Rng::with_seed(seed));
        let mut bytes = [9; PAGE];
        left.read(PAGE as u64, &mut bytes).unwrap();
        assert_eq!(bytes, [2; PAGE]);
        left.read(0, &mut bytes).unwrap();
        lost += u32::from(bytes[0] == 0);
    }
    assert!(lost > 5, "{lost}");
}
