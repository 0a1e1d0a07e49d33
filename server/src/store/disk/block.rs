//! Memory for bytes on their way to the disk, laid out so that whole pages can go there around the
//! page cache: in memory they begin at the same offset within a page as they do in the blob.
//!
//! It is the system's own and not the allocator's. There a block lies between others, and is cleared whole when it is
//! used again: of short chunks, which need an eighth of one, each then came to cost all of it, and a thousand senders
//! grew the server for as long as they sent.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, Bytes};
use memmap2::MmapMut;

use super::live::lock;

/// How much is written at once, bytes: enough that handing it to another thread and to the disk is
/// nothing beside the work, little enough that many requests fit in memory.
pub const WRITE_BYTES: usize = 512 * 1024;

/// What a page has, bytes: at least a sector of any disk, so at its multiples a file can be written
/// without the page cache. The system's own may be larger.
pub const PAGE_BYTES: usize = 4096;

/// How many blocks nobody uses are kept, so that the next request does not wait for the kernel to
/// clear new memory: for both blocks of twice as many requests as a browser has lanes.
const IDLE_MAX: usize = 20;

/// Where blocks come from and go back to.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks(Arc<Mutex<Vec<MmapMut>>>);

impl Blocks {
    /// An empty block for bytes that go to `offset` of a file.
    ///
    /// # Errors
    /// What the system says when it has no memory.
    pub(super) fn take(&self, offset: u64) -> io::Result<Block> {
        let kept = lock(&self.0).pop();
        let memory = kept.map_or_else(memory, Ok)?;
        let first = usize::try_from(offset % PAGE_BYTES as u64).unwrap_or(0);
        let room = WRITE_BYTES - first;
        Ok(Block { memory: Some(memory), first, end: first, room, offset, home: self.clone() })
    }
}

/// A page of it costs nothing until it is written to.
fn memory() -> io::Result<MmapMut> {
    let memory = MmapMut::map_anon(WRITE_BYTES)?;
    // Else a system that gives out huge pages unasked would give one for the first byte, or in time. Refused where
    // there are none.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::NoHugePage);
    Ok(memory)
}

/// Some bytes and where in a file they go; at most [`WRITE_BYTES`], and ending at a page's end when
/// full.
#[derive(Debug)]
pub(super) struct Block {
    /// Until it is dropped.
    memory: Option<MmapMut>,
    first: usize,
    end: usize,
    /// How many bytes more it can take.
    room: usize,
    offset: u64,
    home: Blocks,
}

impl Block {
    /// Takes in as much as there is room for, and returns that.
    pub(super) fn take_in(&mut self, bytes: &mut Bytes) -> &[u8] {
        let (len, at) = (bytes.len().min(self.room), self.end);
        let memory = self.memory.as_deref_mut().unwrap_or_default();
        let taken = memory.get_mut(at..at + len).unwrap_or_default();
        bytes.copy_to_slice(taken);
        self.end += len;
        self.room -= len;
        taken
    }

    pub(super) fn is_full(&self) -> bool {
        self.room == 0
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.as_deref().and_then(|it| it.get(self.first..self.end)).unwrap_or_default()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut idle = lock(&self.home.0);
        if idle.len() < IDLE_MAX {
            idle.extend(self.memory.take());
        }
    }
}

/// Which of some bytes that go to `offset` are whole pages in the file and begin at a page in
/// memory: none, or all but less than a page at either end.
pub(super) fn whole_pages(offset: u64, bytes: &[u8]) -> std::ops::Range<usize> {
    let page = PAGE_BYTES as u64;
    let before = usize::try_from(offset.next_multiple_of(page) - offset).unwrap_or(usize::MAX);
    let rest = bytes.get(before..).unwrap_or_default();
    if rest.as_ptr().align_offset(PAGE_BYTES) != 0 {
        return 0..0;
    }
    before..before + rest.len() / PAGE_BYTES * PAGE_BYTES
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn a_block_takes_what_fits_and_ends_at_a_page() {
        let blocks = Blocks::default();
        for offset in [0_u64, 1, 4095, 4096, 70_001] {
            let mut bytes = Bytes::from(vec![7; 2 * WRITE_BYTES]);
            let mut block = blocks.take(offset).unwrap();
            let len = block.take_in(&mut bytes).len();
            assert!(block.is_full() && block.bytes().len() == len);
            assert_eq!((offset + len as u64) % PAGE_BYTES as u64, 0);
            assert_eq!(bytes.len(), 2 * WRITE_BYTES - len);
        }
    }

    #[test]
    fn a_block_that_is_used_again_has_nothing_of_before() {
        let blocks = Blocks::default();
        let mut first = blocks.take(0).unwrap();
        first.take_in(&mut Bytes::from_static(b"first"));
        drop(first);
        let mut again = blocks.take(3).unwrap();
        again.take_in(&mut Bytes::from_static(b"ag"));
        again.take_in(&mut Bytes::from_static(b"ain"));
        assert_eq!((again.offset(), again.bytes()), (3, &b"again"[..]));
    }

    #[test]
    fn all_of_a_block_but_its_ends_is_whole_pages() {
        let mut block = Blocks::default().take(4000).unwrap();
        block.take_in(&mut Bytes::from(vec![1; 96 + 3 * PAGE_BYTES + 5]));
        let pages = whole_pages(block.offset(), block.bytes());
        assert_eq!(pages, 96..96 + 3 * PAGE_BYTES);
        assert_eq!(whole_pages(1, block.bytes()).len(), 0, "memory and file do not match");
        assert_eq!(whole_pages(4000, &block.bytes()[..95]).len(), 0);
        assert_eq!(whole_pages(4000, &block.bytes()[..96 + PAGE_BYTES - 1]).len(), 0);
    }

    /// How many pages of some memory the system has given it.
    fn pages(memory: &[u8]) -> usize {
        let entry = |page: usize| {
            let mut entry = [0; 8];
            let pages = std::fs::File::open("/proc/self/pagemap").unwrap();
            pages.read_exact_at(&mut entry, page as u64 * 8).unwrap();
            u64::from_ne_bytes(entry)
        };
        let first = memory.as_ptr().addr() / PAGE_BYTES;
        // Bit 63: in memory; 62: it was, and is swapped out.
        (first..first + memory.len() / PAGE_BYTES).filter(|&page| entry(page) >> 62 != 0).count()
    }

    #[test]
    fn a_block_costs_what_was_written_to_it_however_many_came_and_went_before() {
        const SHORT: usize = 16 * PAGE_BYTES;
        let blocks = Blocks::default();
        let short = || {
            let mut block = blocks.take(0).unwrap();
            block.take_in(&mut Bytes::from(vec![1; SHORT]));
            block
        };
        let mut taken: Vec<_> = (0..4 * IDLE_MAX).map(|_| short()).collect();
        for round in 0..8 {
            // Some of them go, in no order, and more than are kept.
            let mut at = 0;
            taken.retain(|_| {
                at += 1;
                (at * 7 + round) % 3 == 0
            });
            taken.resize_with(4 * IDLE_MAX, short);
        }
        for block in &taken {
            assert_eq!(pages(block.memory.as_deref().unwrap()), SHORT / PAGE_BYTES);
        }
    }

    /// What the kernel's `proc_pid_smaps` calls `nh`.
    #[test]
    fn no_block_is_given_a_huge_page_for_its_first_byte() {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            return;
        }
        let block = Blocks::default().take(0).unwrap();
        let at = block.memory.as_deref().unwrap().as_ptr().addr();
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let has_it = |line: &&str| {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let read = |text| usize::from_str_radix(text, 16).ok();
            range.and_then(|(from, to)| Some((read(from)?..read(to)?).contains(&at))) == Some(true)
        };
        let mut lines = maps.lines().skip_while(|line| !has_it(line));
        let flags = lines.find(|line| line.starts_with("VmFlags:")).unwrap();
        assert!(flags.split(' ').any(|flag| flag == "nh"), "{flags}");
    }
}
