//! Several ranges in one answer (RFC 9110, sections 14.6 and 15.3.7.2).

use std::ops::Range;

use bytes::Bytes;
use longhaul_protocol::range::content_range;
use longhaul_protocol::wire::FileInfo;

use crate::served::served_type;
use crate::stream::Stretch;

/// The media type of a body of several parts of it.
#[must_use]
pub fn content_type(info: &FileInfo) -> String {
    format!("multipart/byteranges; boundary={}", info.root)
}

/// The body: each part with its headers, and the end. What stands between the parts must not occur
/// in them, and no file can contain its own root.
#[must_use]
pub fn stretches(info: &FileInfo, ranges: &[Range<u64>]) -> Vec<Stretch> {
    let parts = ranges.iter().enumerate().flat_map(|(at, range)| {
        // RFC 2046, section 5.1.1: the line break before a boundary belongs to it.
        let before = if at == 0 { "" } else { "\r\n" };
        [text(format!("{before}{}", part_head(info, range))), Stretch::File(range.clone())]
    });
    parts.chain([text(format!("\r\n--{}--\r\n", info.root))]).collect()
}

fn part_head(info: &FileInfo, range: &Range<u64>) -> String {
    format!(
        "--{}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
        info.root,
        served_type(&info.meta),
        content_range(range, info.size)
    )
}

fn text(text: String) -> Stretch {
    Stretch::Text(Bytes::from(text))
}
