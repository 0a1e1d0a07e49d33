//! Bytes of a file where the system has them in memory already, for a socket to take them from there.
//!
//! This is the one place with `unsafe` in it. A map is a slice that the borrow checker cannot vouch
//! for: if the disk cannot give a page of it, or somebody cuts the file off, who reads that page gets
//! SIGBUS, which ends the server. So nobody here may read one. It goes into a `Bytes` that only `send`
//! reads, in the kernel, where such a page is an `EFAULT` and ends one connection; what is verified,
//! hashed or encrypted is read by `pread`, never from a map.
#![expect(unsafe_code, reason = "memory maps and what is resident of them; see above")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};

mod count;
mod kept;
mod seen;

use super::block::PAGE_BYTES;
use count::{Count, MAPS, Map};
use kept::{Found, Kept};

/// How much is mapped at once, bytes. To take a map away again interrupts every processor that the server
/// runs on, so it is many pieces.
const MAP_WINDOW_BYTES: u64 = 8 << 20;
/// What a window has beyond its end, bytes, so that no piece that begins in it needs two: the longest
/// piece there is.
const PIECE_MAX: usize = 1 << 20;
/// How much is asked of the disk in one call, bytes: it takes a processor for a tenth of a millisecond, and no
/// small answer waits for longer.
const FETCH_STEP_BYTES: usize = 128 * 1024;
/// From here on a piece is worth a map that nobody has made yet, bytes; below, a copy is cheaper.
pub(super) const MAPPED_MIN: usize = 128 * 1024;

/// The windows of one file that somebody sends from, by where they begin. All who read it share them.
#[derive(Debug)]
pub(super) struct Windows {
    kept: Kept,
    /// Of all files.
    maps: &'static Count,
}

impl Default for Windows {
    fn default() -> Self {
        Self { kept: Kept::default(), maps: &MAPS }
    }
}

impl Windows {
    /// Those bytes of the file, if all of them are in memory, so that no page has to be waited for, and
    /// if to map them is worth it.
    ///
    /// The caller knows that nobody changes the file, and hands what comes to a socket and nobody else.
    pub(super) fn resident(&self, file: &File, offset: u64, len: usize) -> Option<Bytes> {
        let piece = self.piece(file, offset, len)?;
        piece.is_resident().then(|| Bytes::from_owner(piece))
    }

    /// The same, of what comes from the disk first, and up to `ahead` bytes with it. `None` also if the disk
    /// does not give it.
    pub(super) fn fetched(
        &self,
        file: &File,
        offset: u64,
        len: usize,
        ahead: u64,
    ) -> Option<Bytes> {
        let piece = self.piece(file, offset, len)?;
        let fetched = fetch(file, offset, ahead.max(len as u64));
        // Where a file system has no page cache to read into, it was read for nothing.
        (fetched >= len as u64 && piece.is_resident()).then(|| Bytes::from_owner(piece))
    }

    fn piece(&self, file: &File, offset: u64, len: usize) -> Option<Piece> {
        let begin = offset / MAP_WINDOW_BYTES * MAP_WINDOW_BYTES;
        let start = usize::try_from(offset - begin).ok().filter(|_| len <= PIECE_MAX)?;
        let window = self.window(file, begin, len)?;
        let range = start..start.checked_add(len).filter(|end| *end <= window.bytes.len())?;
        Some(Piece { window, range })
    }

    fn window(&self, file: &File, begin: u64, len: usize) -> Option<Arc<Map>> {
        match self.kept.find(begin) {
            Found::Here(window) => return Some(window),
            Found::New if len < MAPPED_MIN => return None,
            Found::Again | Found::New => {}
        }
        let place = self.maps.place()?;
        let bytes = mapped(file, begin);
        let bytes =
            bytes.inspect_err(|error| tracing::debug!(%error, "a file cannot be mapped")).ok()?;
        Some(self.kept.keep(begin, Map::new(bytes, place)))
    }
}

fn mapped(file: &File, begin: u64) -> io::Result<Mmap> {
    let len = file.metadata()?.len().saturating_sub(begin).min(MAP_WINDOW_BYTES + PIECE_MAX as u64);
    let len = usize::try_from(len).map_err(io::Error::other)?;
    // SAFETY: a sealed file is never written to again, so what the slice shows does not change under
    // it; that it may be cut off from outside, or unreadable, is why nobody reads it here.
    unsafe { MmapOptions::new().offset(begin).len(len).map(file) }
}

/// Some bytes of a window.
struct Piece {
    window: Arc<Map>,
    range: Range<usize>,
}

impl Piece {
    /// The blocks that it lies in may lack pages that it does not have.
    fn is_resident(&self) -> bool {
        let Map { bytes, seen, .. } = &*self.window;
        let is_seen = seen.has(&self.range, bytes.len(), |block| is_resident(bytes, block));
        is_seen || is_resident(bytes, self.range.clone())
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.window.bytes.get(self.range.clone()).unwrap_or_default()
    }
}

/// Waits until bytes of a file are in memory, and says of how many that is so. The system is told to send
/// them to where nothing is kept, so that it reads them as it does for anybody who goes through a file: far
/// ahead, and into pieces of memory as large as it has. What the disk does not give is an error of this call,
/// and no signal.
#[cfg(target_os = "linux")]
fn fetch(file: &File, offset: u64, len: u64) -> u64 {
    use std::sync::OnceLock;

    use rustix::io::Errno;

    static NOWHERE: OnceLock<Option<File>> = OnceLock::new();
    let nowhere = NOWHERE.get_or_init(|| File::options().write(true).open("/dev/null").ok());
    let Some(nowhere) = nowhere else { return 0 };
    let (mut at, end) = (offset, offset.saturating_add(len));
    while at < end {
        let left = usize::try_from(end - at).unwrap_or(FETCH_STEP_BYTES).min(FETCH_STEP_BYTES);
        // Before each, so that somebody else is not kept waiting for all of it.
        std::thread::yield_now();
        match rustix::fs::sendfile(nowhere, file, Some(&mut at), left) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => {
                tracing::debug!(%error, "not brought into memory");
                break;
            }
        }
    }
    at - offset
}

#[cfg(not(target_os = "linux"))]
fn fetch(_file: &File, _offset: u64, _len: u64) -> u64 {
    0
}

/// Whether no page of them would have to come from the disk. Where the system does not tell, it says so
/// of all: the kernel then waits for the page while it sends.
fn is_resident(window: &Mmap, range: Range<usize>) -> bool {
    let page = rustix::param::page_size();
    let start = range.start / page * page;
    let mut pages = [0u8; PIECE_MAX / PAGE_BYTES + 1];
    let Some(pages) = pages.get_mut(..(range.end - start).div_ceil(page)) else { return false };
    // SAFETY: a map begins on a page, so this is the address of a page of it; it lives until after the
    // call, the length ends within it, and there is a byte for each of its pages.
    let told = unsafe {
        let first = window.as_ptr().add(start).cast_mut().cast();
        libc::mincore(first, range.end - start, pages.as_mut_ptr())
    };
    told == 0 && pages.iter().all(|page| page & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        let file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut &file, &vec![7; 2 * MAPPED_MIN]).unwrap();
        file
    }

    #[test]
    fn no_more_is_mapped_at_once_than_there_are_places_for() {
        static ONE: Count = Count::up_to(1);
        let windows = || Windows { kept: Kept::default(), maps: &ONE };
        let (file, first, second) = (file(), windows(), windows());
        let piece = |windows: &Windows| windows.resident(&file, 0, MAPPED_MIN);
        let sent = piece(&first).unwrap();
        assert!(piece(&first).is_some(), "it is mapped already");
        assert!(piece(&second).is_none());
        drop(first);
        assert!(piece(&second).is_none(), "somebody sends from it");
        drop(sent);
        assert!(piece(&second).is_some());
    }

    /// Whoever reads such a page himself is ended by a signal.
    #[test]
    fn what_the_disk_does_not_give_is_not_fetched() {
        let (file, windows) = (file(), Windows::default());
        let fetched = |offset| windows.fetched(&file, offset, MAPPED_MIN, 1 << 20);
        assert!(fetched(4096).is_some());
        file.set_len(MAPPED_MIN as u64).unwrap();
        assert!(fetched(4096).is_none());
        assert!(fetched(0).is_some());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_wanted_next_is_fetched_with_a_piece_and_no_more() {
        use rustix::fs::{Advice, fadvise};

        let (file, end) = (file(), MAPPED_MIN as u64);
        // The system is to read nothing by itself.
        fadvise(&file, 0, None, Advice::Random).unwrap();
        for (ahead, is_fetched) in [(end, false), (2 * end, true)] {
            file.sync_all().unwrap();
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
            let windows = Windows::default();
            if windows.resident(&file, end, MAPPED_MIN).is_some() {
                eprintln!("this file system is memory");
                return;
            }
            assert!(windows.fetched(&file, 0, MAPPED_MIN, ahead).is_some());
            assert_eq!(windows.resident(&file, end, MAPPED_MIN).is_some(), is_fetched, "{ahead}");
        }
    }
}
