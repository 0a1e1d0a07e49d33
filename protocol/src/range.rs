//! Which bytes of a sealed file a `Range` header asks for (RFC 9110, section 14).
//!
//! What comes out is always within the file, disjoint, never more bytes than the file has, and at
//! most [`RANGES_MAX`] pieces: a hostile header costs no more than a plain download.

use std::ops::Range;

/// The most ranges in one request. More is answered with the whole file: section 14.2 lets a server
/// ignore "many small ranges", which no honest reader sends.
pub const RANGES_MAX: usize = 64;
/// What one more part of a `multipart/byteranges` body costs, bytes: its boundary and its two
/// headers. Ranges closer than that are joined (section 15.3.7.2).
pub const PART_OVERHEAD_BYTES: u64 = 128;

/// What to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The whole file: 200.
    Whole,
    /// These bytes, none of them empty: 206, as they are if it is one, in parts if there are more.
    /// In the order in which they were asked for.
    Ranges(Vec<Range<u64>>),
    /// No byte of the file: 416.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `len` bytes.
#[must_use]
pub fn select(header: Option<&str>, len: u64) -> Selection {
    let Some(specs) = header.and_then(parse) else { return Selection::Whole };
    // Section 14.2: a server may ignore a header that asks for many ranges.
    if specs.len() > RANGES_MAX {
        return Selection::Whole;
    }
    // Section 14.1.2: a suffix asks for the last bytes of however many there are, and so even an
    // empty file satisfies it; but no Content-Range can name the bytes of an empty file.
    if len == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..))) {
        return Selection::Whole;
    }
    let found: Vec<_> = specs.iter().filter_map(|spec| spec.resolve(len)).collect();
    // Section 14.2: none of the ranges is satisfiable.
    if found.is_empty() {
        return Selection::Unsatisfiable;
    }
    Selection::Ranges(joined(found))
}

/// The value of `Content-Range` for some bytes of a file of `len` bytes (section 14.4).
#[must_use]
pub fn content_range(bytes: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", bytes.start, bytes.end.saturating_sub(1))
}

/// The value of `Content-Range` that goes with a 416 (section 15.5.17).
#[must_use]
pub fn unsatisfied_range(len: u64) -> String {
    format!("bytes */{len}")
}

/// One `range-spec` of section 14.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// `first-` or `first-last`, the last byte included.
    Int { first: u64, last: Option<u64> },
    /// `-length`: the last bytes.
    Suffix(u64),
}

impl Spec {
    /// The bytes of a file of `len` bytes, unless there are none (section 14.1.2).
    fn resolve(&self, len: u64) -> Option<Range<u64>> {
        let bytes = match *self {
            // "If the selected representation is shorter than the specified suffix-length, the
            // entire representation is used."
            Self::Suffix(suffix) => len.saturating_sub(suffix)..len,
            // "An int-range is satisfiable if it contains a first-pos that is less than the current
            // length"; a last-pos that is absent or past the end means the last byte.
            Self::Int { first, last } => {
                first..last.map_or(len, |last| last.saturating_add(1)).min(len)
            }
        };
        (!bytes.is_empty()).then_some(bytes)
    }
}

/// A `ranges-specifier` of section 14.1.1; `None` for anything else, which section 14.2 lets a
/// server ignore.
fn parse(header: &str) -> Option<Vec<Spec>> {
    let (unit, set) = header.split_once('=')?;
    // Section 14.1: unit names are case-insensitive. Section 14.2: an unknown unit is ignored.
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Section 5.6.1.2: a list may have empty elements, which are passed over.
    let elements = set.split(',').map(trim).filter(|element| !element.is_empty());
    // One more than is served, to know that there are too many.
    let specs: Vec<_> = elements.map(parse_spec).take(RANGES_MAX + 1).collect::<Option<_>>()?;
    (!specs.is_empty()).then_some(specs)
}

fn parse_spec(spec: &str) -> Option<Spec> {
    let (first, last) = spec.split_once('-')?;
    match (first, last) {
        ("", suffix) => Some(Spec::Suffix(parse_position(suffix)?)),
        (first, "") => Some(Spec::Int { first: parse_position(first)?, last: None }),
        (first, last) => {
            let spec =
                Spec::Int { first: parse_position(first)?, last: Some(parse_position(last)?) };
            // Section 14.1.1: "An int-range is invalid if the last-pos value is present and less
            // than first-pos", and one invalid range-spec makes the header invalid.
            (!is_greater(first, last)).then_some(spec)
        }
    }
}

/// `1*DIGIT`. A number too large for 64 bits is past the end of any file, and stays so.
fn parse_position(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Whether one number is greater than another, however many digits they have.
fn is_greater(number: &str, than: &str) -> bool {
    let [number, than] = [number, than].map(|digits| digits.trim_start_matches('0'));
    (number.len(), number) > (than.len(), than)
}

/// `OWS` of section 5.6.3.
fn trim(element: &str) -> &str {
    element.trim_matches([' ', '\t'])
}

/// Joins ranges that overlap, touch or lie closer than a part's own cost (section 15.3.7.2), and
/// leaves what comes out in the order in which it was asked for.
fn joined(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut asked: Vec<_> = ranges.into_iter().enumerate().collect();
    asked.sort_by_key(|(_, range)| range.start);
    let mut apart: Vec<(usize, Range<u64>)> = Vec::with_capacity(asked.len());
    for (order, range) in asked {
        match apart.last_mut() {
            Some((first, before))
                if range.start < before.end.saturating_add(PART_OVERHEAD_BYTES) =>
            {
                *first = order.min(*first);
                before.end = before.end.max(range.end);
            }
            _ => apart.push((order, range)),
        }
    }
    apart.sort_by_key(|(order, _)| *order);
    apart.into_iter().map(|(_, range)| range).collect()
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "one range is what is expected")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(header: &str, len: u64) -> Vec<Range<u64>> {
        match select(Some(header), len) {
            Selection::Ranges(ranges) => ranges,
            other => panic!("{header} of {len} bytes: {other:?}"),
        }
    }

    #[test]
    fn one_range_is_what_it_says() {
        assert_eq!(ranges("bytes=0-0", 10), [0..1]);
        assert_eq!(ranges("bytes=2-5", 10), [2..6]);
        assert_eq!(ranges("bytes=2-", 10), [2..10]);
        assert_eq!(ranges("bytes=-3", 10), [7..10]);
        assert_eq!(ranges("bytes=0-", 10), [0..10]);
    }

    #[test]
    fn what_reaches_past_the_end_stops_there() {
        assert_eq!(ranges("bytes=9-10", 10), [9..10]);
        assert_eq!(ranges("bytes=-11", 10), [0..10]);
        assert_eq!(ranges("bytes=5-99999999999999999999999999", 10), [5..10]);
        assert_eq!(ranges("bytes=-99999999999999999999999999", 10), [0..10]);
        assert_eq!(ranges("bytes=0-18446744073709551615", u64::MAX), [0..u64::MAX]);
    }

    #[test]
    fn what_starts_past_the_end_is_unsatisfiable() {
        for header in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(select(Some(header), 10), Selection::Unsatisfiable, "{header}");
        }
        assert_eq!(ranges("bytes=10-,3-4", 10), [3..5], "one that can be satisfied is enough");
    }

    #[test]
    fn no_header_or_one_that_is_not_understood_asks_for_the_whole_file() {
        assert_eq!(select(None, 10), Selection::Whole);
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=5-4",
            "bytes=10-9",
            "bytes=018446744073709551616-18446744073709551615",
            "bytes=a-b",
            "bytes=1",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=1 - 2",
            "bytes=0-1,x",
            "bytes =0-1",
            "items=0-1",
            "bytes=0x1-2",
            "bytes=1-٣",
            "bytes:0-1",
            "=0-1",
        ] {
            assert_eq!(select(Some(header), 10), Selection::Whole, "{header}");
        }
    }

    #[test]
    fn a_unit_is_the_same_in_capitals_and_lists_may_have_gaps() {
        assert_eq!(ranges("ByTeS=1-2", 10), [1..3]);
        assert_eq!(ranges("bytes=, ,\t1-2 ,", 10), [1..3]);
    }

    #[test]
    fn an_empty_file_never_has_a_content_range_but_that_of_a_416() {
        assert_eq!(select(Some("bytes=0-"), 0), Selection::Unsatisfiable);
        assert_eq!(select(Some("bytes=0-0"), 0), Selection::Unsatisfiable);
        assert_eq!(select(Some("bytes=-0"), 0), Selection::Unsatisfiable);
        assert_eq!(select(Some("bytes=-5"), 0), Selection::Whole);
        assert_eq!(unsatisfied_range(0), "bytes */0");
    }

    #[test]
    fn ranges_apart_keep_their_order_and_ranges_that_meet_become_one() {
        assert_eq!(ranges("bytes=-100,0-99", 10_000), [9900..10_000, 0..100]);
        assert_eq!(ranges("bytes=0-99,100-199", 10_000), [0..200]);
        assert_eq!(ranges("bytes=500-600,0-99,50-550", 10_000), [0..601]);
        assert_eq!(ranges("bytes=0-99,227-300", 10_000), [0..301], "a gap of 127");
        assert_eq!(ranges("bytes=0-99,228-300", 10_000), [0..100, 228..301], "a gap of 128");
    }

    #[test]
    fn too_many_ranges_are_answered_with_the_whole_file() {
        let header = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
        assert_eq!(ranges(&header(RANGES_MAX), 10), [0..1]);
        assert_eq!(select(Some(&header(RANGES_MAX + 1)), 10), Selection::Whole);
    }

    #[test]
    fn a_content_range_names_the_last_byte() {
        assert_eq!(content_range(&(0..1), 10), "bytes 0-0/10");
        assert_eq!(content_range(&(3..10), 10), "bytes 3-9/10");
    }

    fn spec() -> impl Strategy<Value = Spec> {
        let position = || prop_oneof![8 => 0u64..1200, 1 => Just(u64::MAX), 1 => any::<u64>()];
        prop_oneof![
            (position(), position())
                .prop_map(|(a, b)| Spec::Int { first: a.min(b), last: Some(a.max(b)) }),
            position().prop_map(|first| Spec::Int { first, last: None }),
            position().prop_map(Spec::Suffix),
        ]
    }

    fn written(specs: &[Spec]) -> String {
        let written = specs.iter().map(|spec| match spec {
            Spec::Int { first, last: Some(last) } => format!("{first}-{last}"),
            Spec::Int { first, last: None } => format!("{first}-"),
            Spec::Suffix(suffix) => format!("-{suffix}"),
        });
        format!("bytes={}", written.collect::<Vec<_>>().join(", "))
    }

    /// Whether a spec asks for the byte `at`, in the words of section 14.1.2.
    fn asks_for(spec: Spec, at: u64, len: u64) -> bool {
        match spec {
            Spec::Int { first, last } => first <= at && last.is_none_or(|last| at <= last),
            Spec::Suffix(suffix) => len - at <= suffix,
        }
    }

    /// The slow twin: every byte of the file is asked for or not, by itself.
    fn walked(specs: &[Spec], len: u64) -> Selection {
        if len == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..))) {
            return Selection::Whole;
        }
        let first_to_ask = |at| specs.iter().position(|&spec| asks_for(spec, at, len));
        let mut runs: Vec<(usize, Range<u64>)> = Vec::new();
        for at in 0..len {
            let Some(order) = first_to_ask(at) else { continue };
            match runs.last_mut() {
                Some((first, run)) if at - run.end < PART_OVERHEAD_BYTES => {
                    *first = order.min(*first);
                    run.end = at + 1;
                }
                _ => runs.push((order, at..at + 1)),
            }
        }
        runs.sort_by_key(|(order, _)| *order);
        match runs.is_empty() {
            true => Selection::Unsatisfiable,
            false => Selection::Ranges(runs.into_iter().map(|(_, run)| run).collect()),
        }
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_that_a_walk_through_the_file_finds(
            specs in prop::collection::vec(spec(), 1..8), len in prop_oneof![0u64..4, 0u64..1000],
        ) {
            prop_assert_eq!(select(Some(&written(&specs)), len), walked(&specs, len));
        }

        #[test]
        fn any_header_selects_disjoint_bytes_within_the_file(
            header in "(bytes=)?[-0-9, =a]{0,60}", len in prop_oneof![0u64..40, any::<u64>()],
        ) {
            if let Selection::Ranges(mut ranges) = select(Some(&header), len) {
                prop_assert!(!ranges.is_empty() && ranges.len() <= RANGES_MAX);
                ranges.sort_by_key(|range| range.start);
                prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= len));
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }
    }
}
