//! What the head of an answer to a request for a range says of the body behind it.

use std::ops::Range;

use super::FetchError;
use crate::range::content_range;
use crate::upload::Failure;

/// Whether the body is what was asked for, as far as its head tells; `None` is a refusal, whose body says
/// why. `content_range` is the header, `len` the file's length.
///
/// # Errors
/// [`FetchError::RangeIgnored`] for an answer that is good and is the whole file, [`FetchError::OtherBytes`] for
/// others than those, [`Failure::Network`] for what no Longhaul server says.
pub fn read_head(
    status: u16,
    header: Option<&str>,
    wanted: &Range<u64>,
    len: u64,
) -> Option<Result<(), FetchError>> {
    let foreign = |said: String| Err(FetchError::Failed(Failure::Network(said)));
    match (status, header) {
        // RFC 9110, section 15.3.7: one range is told by `Content-Range`.
        (206, Some(told)) if told == content_range(wanted, len) => Some(Ok(())),
        (206, told) => Some(Err(FetchError::OtherBytes(format!(
            "bytes {}-{} were asked for, and what came calls itself {:?}",
            wanted.start,
            wanted.end.saturating_sub(1),
            told.unwrap_or("nothing")
        )))),
        // Section 14.2: a server may ignore `Range`.
        (200, _) if *wanted == (0..len) => Some(Ok(())),
        (200, _) => Some(Err(FetchError::RangeIgnored)),
        (201..300, _) => Some(foreign(format!("status {status} is no answer to a range"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bytes_that_were_asked_for_are_taken() {
        let read = |status, header| read_head(status, header, &(10..20), 100);
        assert_eq!(read(206, Some("bytes 10-19/100")), Some(Ok(())));
        for other in [None, Some("bytes 0-9/100"), Some("bytes 10-19/99"), Some("bytes 10-19/*")] {
            let read = read(206, other);
            assert!(matches!(read, Some(Err(FetchError::OtherBytes(_)))), "{other:?}");
        }
        assert!(matches!(read(204, None), Some(Err(FetchError::Failed(_)))));
        assert_eq!((read(404, None), read(302, None)), (None, None));
    }

    #[test]
    fn the_whole_file_is_good_only_where_all_of_it_was_wanted() {
        assert_eq!(read_head(200, None, &(0..100), 100), Some(Ok(())));
        let part = read_head(200, None, &(0..99), 100);
        assert_eq!(part, Some(Err(FetchError::RangeIgnored)));
    }
}
