//! What sending and fetching have in common where they touch a disk.

use std::io;

/// Read and hashed at once, bytes: it stays in the processor's cache between the two.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// How the system says it, without its number.
pub(crate) fn said(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
