//! The bytes of chunks on their way into a store, and those of files on their way out.

use std::future::Future;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::Bytes;

use super::{Result, StoreError};

/// Takes the bytes of one chunk, in order. Dropped before [`ChunkWriter::finish`]: nothing of them
/// is believed, and what is written already may be gone on from.
pub trait ChunkWriter: Send + 'static {
    /// How many bytes are still wanted.
    fn remaining(&self) -> u64;

    /// Resolves, with the error that [`ChunkWriter::write`] would give, once writing on is of no
    /// use: a newer request took the chunk over, or the upload is gone. For a request whose sender
    /// has fallen silent, so that it ends now and not when its time is up.
    fn stopped(&self) -> impl Future<Output = StoreError> + Send {
        std::future::pending()
    }

    /// The next bytes. More than are wanted is [`StoreError::Length`].
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// The body broke off before its end. A store with [`Capabilities::partial_chunks`] keeps what
    /// came, and tells it as `partial`.
    fn break_off(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        drop(self);
        std::future::ready(())
    }

    /// Verifies what came. After `Ok` the chunk is received: pending, and held once it is synced.
    fn finish(self) -> impl Future<Output = Result<()>> + Send;
}

/// A file that never changes any more.
pub trait Source: Send + Sync + 'static {
    /// What the system knows it by, if it is the system's.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
}

/// Reads the bytes of a file.
pub trait FileReader: Clone + Send + Sync + 'static {
    /// The same as [`FileReader::read_at`], if nobody has to wait for it.
    fn at_hand(&self, offset: u64, len: usize) -> Option<Bytes> {
        let _ = (offset, len);
        None
    }

    /// The file that what is at hand lies in, at the same offset, for who sends it from there.
    fn source(&self) -> Option<Arc<dyn Source>> {
        None
    }

    /// `len` bytes from `offset` on; the caller stays within the file.
    fn read_at(&self, offset: u64, len: usize) -> impl Future<Output = Result<Bytes>> + Send;

    /// The same for who reads on after it, `left` bytes in all: they may be brought to hand by the same wait.
    fn read_on(
        &self,
        offset: u64,
        len: usize,
        left: u64,
    ) -> impl Future<Output = Result<Bytes>> + Send {
        let _ = left;
        self.read_at(offset, len)
    }

    /// The same as [`FileReader::read_at`] in memory of this process, for who looks at the bytes: other memory may
    /// be a file's, which ends the process that reads it where the disk does not give it.
    fn read_copied(&self, offset: u64, len: usize) -> impl Future<Output = Result<Bytes>> + Send {
        self.read_at(offset, len)
    }
}
