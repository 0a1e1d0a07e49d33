//! What sending and fetching have in common where they touch a disk.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Read and hashed at once, bytes: it stays in the processor's cache between the two.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// How the system says it, without its number.
pub(crate) fn said(error: &io::Error) -> String {
    if Errno::from_io_error(error) == Some(Errno::LOOP) {
        return "it is a link, and what it leads to may be somebody else's".to_owned();
    }
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Opens a file of this program's own, beside what it works at: what has its name and is a link was put there by
/// somebody else.
pub(crate) fn own() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}
