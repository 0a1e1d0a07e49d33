//! Memory at hand for the page cache, the same for everybody.
//!
//! A virtual machine gives memory that it does not use back to its host, and gets it again page by
//! page, at several times the cost of writing to it. Whoever writes through the page cache would
//! pay for that, by chance: most whoever has his turn after a pause.

use std::fs::File;
use std::io::Write as _;

use rustix::fs::{FallocateFlags, MemfdFlags};

use crate::error::{Result, io};

/// Of this much memory one page is kept, bytes: small beside the largest pieces in which free
/// memory is given back (2 MiB and up), large beside those in which a file is written.
const KEPT_EVERY: u64 = 512 * 1024;
const PAGE: u64 = 4096;

/// Memory that is free, but in pieces too small to be given back to the host, until it is dropped.
#[derive(Debug)]
pub struct Warm {
    _kept: File,
}

impl Warm {
    /// Has `len` bytes fetched from the host and freed but for a page here and there.
    ///
    /// # Errors
    /// [`crate::error::Error::Io`].
    pub fn new(len: u64) -> Result<Self> {
        let fetching = || io("fetching memory from the host");
        let file = rustix::fs::memfd_create("warm", MemfdFlags::CLOEXEC)
            .map_err(|error| fetching()(error.into()))?;
        let mut file = File::from(file);
        let piece = vec![1; usize::try_from(KEPT_EVERY).unwrap_or(usize::MAX)];
        (0..len / KEPT_EVERY).try_for_each(|_| file.write_all(&piece)).map_err(fetching())?;
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        (0..len / KEPT_EVERY)
            .try_for_each(|index| {
                let start = index * KEPT_EVERY + PAGE;
                rustix::fs::fallocate(&file, hole, start, KEPT_EVERY - PAGE)
            })
            .map_err(|error| fetching()(error.into()))?;
        Ok(Self { _kept: file })
    }
}
