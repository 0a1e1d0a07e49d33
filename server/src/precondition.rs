//! The conditions a download may carry (RFC 9110, section 13), in the order of section 13.2.2.
//!
//! A sealed file never changes, so its validators are strong: the entity tag comes from its root,
//! and no two states of it could share one second of `Last-Modified`.

use std::time::{Duration, SystemTime};

use http::header::{
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};
use longhaul_protocol::wire::FileInfo;

use crate::http_date;
use crate::store::AHEAD_MAX;

/// What identifies the state of a file (RFC 9110, section 8.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// The entity tag, in its quotes.
    pub etag: String,
    /// When it was sealed, in whole seconds, as HTTP tells time.
    pub last_modified: SystemTime,
}

impl Validators {
    /// Those of a sealed file.
    #[must_use]
    pub fn of(file: &FileInfo) -> Self {
        // Never after the answer that tells it (section 8.8.2.1).
        let sealed_by = file.sealed_at.since(AHEAD_MAX);
        Self {
            etag: format!("\"{}-{}\"", file.root, file.chunk_count),
            last_modified: SystemTime::UNIX_EPOCH + Duration::from_secs(sealed_by.0 / 1000),
        }
    }
}

/// What the conditions come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Serve it; `range` says whether `Range` counts.
    Serve {
        /// Whether it does.
        range: bool,
    },
    /// The caller has it.
    NotModified,
    /// A condition does not hold: the header that states it.
    Failed(HeaderName),
}

/// Judges the conditions of a `GET` or `HEAD`. `now` only decides the century of a date that tells two
/// digits of its year.
#[must_use]
pub fn judge(headers: &HeaderMap, file: &Validators, now: SystemTime) -> Verdict {
    if let Some(failed) = failed(headers, file, now) {
        return Verdict::Failed(failed);
    }
    if is_unchanged(headers, file, now) {
        return Verdict::NotModified;
    }
    Verdict::Serve { range: range_counts(headers, file, now) }
}

/// The condition of any other method that does not hold, if there is one.
#[must_use]
pub fn refuse_change(
    headers: &HeaderMap,
    file: &Validators,
    now: SystemTime,
) -> Option<HeaderName> {
    failed(headers, file, now).or_else(|| {
        // Section 13.2.2, step 3, "if false for other methods"; section 13.1.3: If-Modified-Since
        // is for GET and HEAD alone.
        let tags = joined(headers, IF_NONE_MATCH)?;
        lists(&tags, |tag| is_weakly(tag, file)).then_some(IF_NONE_MATCH)
    })
}

/// Section 13.2.2, steps 1 and 2.
fn failed(headers: &HeaderMap, file: &Validators, now: SystemTime) -> Option<HeaderName> {
    match joined(headers, IF_MATCH) {
        // Section 13.1.1: `*` holds for whatever is there; tags are compared strongly.
        Some(tags) => (!lists(&tags, |tag| tag == file.etag)).then_some(IF_MATCH),
        // Section 13.1.4: only without If-Match; a date that is none is ignored.
        None => (file.last_modified > date(headers, IF_UNMODIFIED_SINCE, now)?)
            .then_some(IF_UNMODIFIED_SINCE),
    }
}

/// Section 13.2.2, steps 3 and 4, for `GET` and `HEAD`.
fn is_unchanged(headers: &HeaderMap, file: &Validators, now: SystemTime) -> bool {
    match joined(headers, IF_NONE_MATCH) {
        Some(tags) => lists(&tags, |tag| is_weakly(tag, file)),
        // Section 13.1.3: only without If-None-Match; a date that is none is ignored.
        None => {
            let since = date(headers, IF_MODIFIED_SINCE, now);
            since.is_some_and(|since| file.last_modified <= since)
        }
    }
}

/// Sections 13.1.2 and 8.8.3.2: compared weakly.
fn is_weakly(tag: &str, file: &Validators) -> bool {
    tag.strip_prefix("W/").unwrap_or(tag) == file.etag
}

/// Section 13.2.2, step 5, and 13.1.5: a tag, compared strongly, or a date, which must be the very
/// one. Whatever else it says, the bytes may be others than the caller has: all of them are served.
fn range_counts(headers: &HeaderMap, file: &Validators, now: SystemTime) -> bool {
    match joined(headers, IF_RANGE) {
        None => true,
        Some(tag) if tag.starts_with('"') || tag.starts_with("W/") => tag == file.etag,
        Some(_) => date(headers, IF_RANGE, now) == Some(file.last_modified),
    }
}

/// Whether a list of entity tags is `*` or has one that matches. A comma inside a foreign tag cuts
/// it in two, and neither half is a tag of ours, which has no comma; but one may be a `*`, which
/// means something only by itself.
fn lists(tags: &str, matches: impl Fn(&str) -> bool) -> bool {
    trim(tags) == "*" || tags.split(',').any(|tag| matches(trim(tag)))
}

/// `OWS` of section 5.6.3.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Section 5.3: lines of one name are one list. What is no UTF-8 in them is part of a foreign tag: section 8.8.3 allows
/// any byte from 0x80 on there.
fn joined(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let text = |line: &HeaderValue| String::from_utf8_lossy(line.as_bytes()).into_owned();
    let lines: Vec<_> = headers.get_all(name).iter().map(text).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Sections 13.1.3 and 13.1.4: what is no date, or more than one, is ignored.
fn date(headers: &HeaderMap, name: HeaderName, now: SystemTime) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => http_date::read(line.to_str().ok()?, now),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use longhaul_protocol::wire::FileMeta;
    use longhaul_protocol::{Digest, Millis};

    use super::*;

    const SEALED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn file() -> Validators {
        let last_modified = httpdate::parse_http_date(SEALED).unwrap();
        Validators { etag: "\"root-3\"".into(), last_modified }
    }

    fn lines(conditions: &[(HeaderName, &str)]) -> HeaderMap {
        let line = |(name, value): &(HeaderName, &str)| (name.clone(), value.parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in conditions.iter().map(line) {
            headers.append(name, value);
        }
        headers
    }

    fn judged(conditions: &[(HeaderName, &str)]) -> Verdict {
        judge(&lines(conditions), &file(), file().last_modified)
    }

    #[test]
    fn no_file_is_younger_than_its_answer_though_a_store_gives_times_ahead_of_the_clock() {
        let now = 784_111_777_950;
        let sealed_at = Millis(now + AHEAD_MAX.0);
        let file = FileInfo {
            id: "0".repeat(32).parse().unwrap(),
            meta: FileMeta::default(),
            size: 0,
            root: Digest::of(b""),
            chunk_size: 65536,
            chunk_count: 0,
            sealed_at,
            sha256: None,
        };
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(now / 1000);
        assert_eq!(Validators::of(&file).last_modified, date);
    }

    const SERVE: Verdict = Verdict::Serve { range: true };

    #[test]
    fn without_conditions_it_is_served() {
        assert_eq!(judged(&[]), SERVE);
    }

    #[test]
    fn if_match_compares_strongly_and_hides_if_unmodified_since() {
        assert_eq!(judged(&[(IF_MATCH, "\"x\", \"root-3\"")]), SERVE);
        assert_eq!(judged(&[(IF_MATCH, "*")]), SERVE);
        assert_eq!(judged(&[(IF_MATCH, "\"x\""), (IF_MATCH, "\"root-3\"")]), SERVE);
        assert_eq!(judged(&[(IF_MATCH, "W/\"root-3\"")]), Verdict::Failed(IF_MATCH));
        assert_eq!(judged(&[(IF_MATCH, "\"root-3\""), (IF_UNMODIFIED_SINCE, EARLIER)]), SERVE);
    }

    #[test]
    fn if_unmodified_since_fails_only_for_what_was_sealed_later() {
        assert_eq!(judged(&[(IF_UNMODIFIED_SINCE, EARLIER)]), Verdict::Failed(IF_UNMODIFIED_SINCE));
        assert_eq!(judged(&[(IF_UNMODIFIED_SINCE, SEALED)]), SERVE);
        assert_eq!(judged(&[(IF_UNMODIFIED_SINCE, "yesterday")]), SERVE);
    }

    #[test]
    fn if_none_match_compares_weakly_and_hides_if_modified_since() {
        assert_eq!(judged(&[(IF_NONE_MATCH, "W/\"root-3\"")]), Verdict::NotModified);
        assert_eq!(judged(&[(IF_NONE_MATCH, "*")]), Verdict::NotModified);
        assert_eq!(judged(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, LATER)]), SERVE);
    }

    #[test]
    fn a_star_means_every_file_only_by_itself() {
        assert_eq!(judged(&[(IF_NONE_MATCH, "\"a,*,b\"")]), SERVE);
        assert_eq!(judged(&[(IF_MATCH, "\"a,*,b\"")]), Verdict::Failed(IF_MATCH));
        assert_eq!(judged(&[(IF_NONE_MATCH, " *\t")]), Verdict::NotModified);
    }

    #[test]
    fn a_tag_of_letters_beyond_ascii_hides_none_beside_it() {
        let tags = HeaderValue::from_bytes(b"\"caf\xe9\", \"root-3\"").unwrap();
        let judged =
            |name| judge(&HeaderMap::from_iter([(name, tags.clone())]), &file(), SystemTime::now());
        assert_eq!(judged(IF_MATCH), SERVE);
        assert_eq!(judged(IF_NONE_MATCH), Verdict::NotModified);
    }

    #[test]
    fn if_modified_since_spares_what_was_not() {
        assert_eq!(judged(&[(IF_MODIFIED_SINCE, SEALED)]), Verdict::NotModified);
        assert_eq!(judged(&[(IF_MODIFIED_SINCE, EARLIER)]), SERVE);
    }

    #[test]
    fn two_dates_are_none() {
        let both = |name: HeaderName, date| [(name.clone(), date), (name, date)];
        assert_eq!(judged(&both(IF_MODIFIED_SINCE, LATER)), SERVE);
        assert_eq!(judged(&both(IF_UNMODIFIED_SINCE, EARLIER)), SERVE);
        assert_eq!(judged(&both(IF_RANGE, SEALED)), Verdict::Serve { range: false });
    }

    #[test]
    fn a_change_is_made_only_to_the_file_that_was_meant() {
        let refused =
            |conditions: &[_]| refuse_change(&lines(conditions), &file(), SystemTime::now());
        assert_eq!(refused(&[]), None);
        assert_eq!(refused(&[(IF_MATCH, "\"root-3\"")]), None);
        assert_eq!(refused(&[(IF_MATCH, "\"x\"")]), Some(IF_MATCH));
        assert_eq!(refused(&[(IF_UNMODIFIED_SINCE, EARLIER)]), Some(IF_UNMODIFIED_SINCE));
        assert_eq!(refused(&[(IF_NONE_MATCH, "*")]), Some(IF_NONE_MATCH));
        assert_eq!(refused(&[(IF_NONE_MATCH, "\"x\"")]), None);
        assert_eq!(refused(&[(IF_MODIFIED_SINCE, LATER)]), None);
    }

    #[test]
    fn a_failed_condition_comes_before_one_that_would_spare_the_bytes() {
        let both = [(IF_NONE_MATCH, "\"root-3\""), (IF_MATCH, "\"x\"")];
        assert_eq!(judged(&both), Verdict::Failed(IF_MATCH));
    }

    #[test]
    fn a_range_counts_only_for_the_very_file_that_was_begun() {
        let whole = Verdict::Serve { range: false };
        assert_eq!(judged(&[(IF_RANGE, "\"root-3\"")]), SERVE);
        assert_eq!(judged(&[(IF_RANGE, SEALED)]), SERVE);
        for other in ["\"x\"", "W/\"root-3\"", EARLIER, LATER, "nonsense", ""] {
            assert_eq!(judged(&[(IF_RANGE, other)]), whole, "{other}");
        }
    }
}
