//! Bytes of a file where the system has them in memory already, for a socket to take them from there.
//!
//! This is the one place with `unsafe` in it. A map is a slice that the borrow checker cannot vouch
//! for: if the disk cannot give a page of it, or somebody cuts the file off, who reads that page gets
//! SIGBUS, which ends the server. So nobody here may read one. It goes into a `Bytes` that only `send`
//! reads, in the kernel, where such a page is an `EFAULT` and ends one connection; what is verified,
//! hashed or encrypted is read by `pread`, never from a map.
#![expect(unsafe_code, reason = "memory maps and what is resident of them; see above")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use memmap2::{Advice, Mmap, MmapOptions};

use super::live::lock;

/// How much is mapped at once, bytes: to take a map away again interrupts every processor that the
/// server runs on, so that it must be seldom; and a reader keeps no more than one of them.
const MAP_WINDOW_BYTES: u64 = 64 << 20;
/// What a window has beyond its end, bytes, so that no piece that begins in it needs two: the longest
/// piece there is.
const PIECE_MAX: usize = 1 << 20;

/// The windows of one file that somebody sends from, by where they begin. All who read it share them.
#[derive(Debug, Default)]
pub(super) struct Windows(Mutex<BTreeMap<u64, Weak<Mmap>>>);

impl Windows {
    /// Those bytes of the file, if all of them are in memory: then no page has to be waited for.
    ///
    /// The caller knows that nobody changes the file, and hands what comes to a socket and nobody else.
    pub(super) fn resident(&self, file: &File, offset: u64, len: usize) -> Option<Bytes> {
        let begin = offset / MAP_WINDOW_BYTES * MAP_WINDOW_BYTES;
        let start = usize::try_from(offset - begin).ok().filter(|_| len <= PIECE_MAX)?;
        let window = self.window(file, begin);
        let window =
            window.inspect_err(|error| tracing::debug!(%error, "a file cannot be mapped")).ok()?;
        let range = start..start.checked_add(len).filter(|end| *end <= window.len())?;
        is_resident(&window, range.clone()).then(|| Bytes::from_owner(Piece { window, range }))
    }

    fn window(&self, file: &File, begin: u64) -> io::Result<Arc<Mmap>> {
        let mut windows = lock(&self.0);
        if let Some(window) = windows.get(&begin).and_then(Weak::upgrade) {
            return Ok(window);
        }
        let len =
            file.metadata()?.len().saturating_sub(begin).min(MAP_WINDOW_BYTES + PIECE_MAX as u64);
        let len = usize::try_from(len).map_err(io::Error::other)?;
        // SAFETY: a sealed file is never written to again, so what the slice shows does not change
        // under it; that it may be cut off from outside, or unreadable, is why nobody reads it here.
        let window = unsafe { MmapOptions::new().offset(begin).len(len).map(file) };
        let window = Arc::new(window?);
        windows.retain(|_, window| window.strong_count() > 0);
        windows.insert(begin, Arc::downgrade(&window));
        Ok(window)
    }
}

/// Some bytes of a window.
struct Piece {
    window: Arc<Mmap>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.window.get(self.range.clone()).unwrap_or_default()
    }
}

/// Whether no page of them would have to come from the disk; where they are is entered into the
/// process's tables then, so that `send` need not stop at each. Where the system does not tell, it says
/// so of all: the kernel then waits for the page while it sends.
fn is_resident(window: &Mmap, range: Range<usize>) -> bool {
    let page = rustix::param::page_size();
    let start = range.start / page * page;
    let mut pages = vec![0u8; (range.end - start).div_ceil(page)];
    // SAFETY: a map begins on a page, so this is the address of a page of it; it lives until after the
    // call, the length ends within it, and there is a byte for each of its pages.
    let told = unsafe {
        let first = window.as_ptr().add(start).cast_mut().cast();
        libc::mincore(first, range.end - start, pages.as_mut_ptr())
    };
    let is_resident = told == 0 && pages.iter().all(|page| page & 1 == 1);
    is_resident && is_entered(window.advise_range(Advice::PopulateRead, start, range.end - start))
}

/// Linux before 5.14 knows no such advice; `send` finds the pages without it.
fn is_entered(advised: io::Result<()>) -> bool {
    advised
        .or_else(|error| match error.raw_os_error() {
            Some(libc::EINVAL) => Ok(()),
            _ => Err(error),
        })
        .is_ok()
}
