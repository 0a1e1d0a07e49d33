//! What of a window was in memory when somebody looked last: to ask the system for each small range is a
//! twentieth of what it costs to send it. Told from outside when to forget; a page that goes meanwhile is
//! waited for by the thread that sends it, as one is that goes just after the system was asked.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is looked at and remembered together, bytes: the pages of one piece of a stream.
const BLOCK_BYTES: usize = 256 * 1024;

/// A bit for each block of a window: 36 of 64, 8 MiB and the longest piece beyond.
#[derive(Debug, Default)]
pub(super) struct Seen(AtomicU64);

impl Seen {
    /// Whether some bytes of a window of `len` were all there lately, or `look` finds the blocks that they
    /// lie in there now.
    pub(super) fn has(
        &self,
        range: &Range<usize>,
        len: usize,
        look: impl Fn(Range<usize>) -> bool,
    ) -> bool {
        let mut blocks = range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES);
        blocks.all(|block| {
            let Some(bit) = u32::try_from(block).ok().and_then(|it| 1u64.checked_shl(it)) else {
                return false;
            };
            let start = block * BLOCK_BYTES;
            if self.0.load(Ordering::Relaxed) & bit != 0 {
                return true;
            }
            let is_there = look(start..len.min(start + BLOCK_BYTES));
            if is_there {
                self.0.fetch_or(bit, Ordering::Relaxed);
            }
            is_there
        })
    }

    /// It was too long ago.
    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const LEN: usize = 5 * BLOCK_BYTES / 2;

    #[test]
    fn a_block_is_looked_at_once_until_it_is_forgotten() {
        let (seen, looked) = (Seen::default(), RefCell::new(Vec::new()));
        let has = |range: Range<usize>| {
            seen.has(&range, LEN, |block| {
                looked.borrow_mut().push(block);
                true
            })
        };
        let all = BLOCK_BYTES..LEN;
        for _ in 0..2 {
            assert!(has(BLOCK_BYTES + 1..2 * BLOCK_BYTES + 1) && has(all.clone()));
            let blocks = [BLOCK_BYTES..2 * BLOCK_BYTES, 2 * BLOCK_BYTES..LEN];
            assert_eq!(looked.take(), blocks);
            assert!(has(all.clone()) && looked.take().is_empty());
            seen.forget();
        }
    }

    #[test]
    fn what_was_not_there_is_looked_at_again() {
        let seen = Seen::default();
        let has = |is_there| seen.has(&(0..1), LEN, |_| is_there);
        assert!(!has(false) && !has(false) && has(true) && has(false));
    }
}
