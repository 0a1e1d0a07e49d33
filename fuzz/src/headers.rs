//! Headers: lines of `name: value`, as many as there are.

use http::{HeaderMap, HeaderName, HeaderValue};
use longhaul_protocol::plan::RATE_MIN;
use longhaul_protocol::range::{PART_OVERHEAD_BYTES, RANGES_MAX, Selection, select};
use longhaul_protocol::wire::CreateRequest;
use longhaul_protocol::wire::IDEMPOTENCY_KEY_BYTES_MAX;
use longhaul_protocol::wire::header::{
    CHUNK_DIGEST, CHUNK_INDEX, CHUNK_OFFSET, CHUNK_RATE_MAX, CHUNK_REPLACE, ChunkHeaders,
    IDEMPOTENCY_KEY, UPLOAD_CREATE, read_idempotency_key, read_rate_max,
};
use longhaul_server::precondition::{Validators, Verdict, judge};
use longhaul_server::wanted::Wanted;
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// The lengths of files that a range is asked of, bytes.
const LENGTHS: [u64; 4] = [0, 1, 129, 1000];

/// Reads the lines as the server does.
pub fn check(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|&byte| byte == b'\n').take(32) {
        let mut halves = line.splitn(2, |&byte| byte == b':');
        let name = HeaderName::from_bytes(halves.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(halves.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let get = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    check_chunk(get);
    check_rate(get(CHUNK_RATE_MAX));
    check_idempotency(get(IDEMPOTENCY_KEY));
    check_create(get(UPLOAD_CREATE));
    check_range(get("range"));
    check_conditions(&headers);
    check_if_range(&headers);
    check_wanted(&headers);
}

fn check_chunk<'a>(get: impl Fn(&str) -> Option<&'a str>) {
    let Ok(chunk) = ChunkHeaders::read(&get) else { return };
    let written = chunk.write();
    let again = |name: &'static str| {
        written.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(ChunkHeaders::read(again), Ok(chunk));
    for name in [CHUNK_INDEX, CHUNK_OFFSET] {
        let plain = get(name).unwrap_or("0").trim_start_matches('0');
        let told = again(name).unwrap_or("0").trim_start_matches('0');
        assert_eq!(plain, told, "{name}");
    }
    for name in [CHUNK_DIGEST, CHUNK_REPLACE] {
        assert_eq!(again(name).is_some(), get(name).is_some(), "{name}");
        // The value's own words are among those that came.
        assert!(again(name).is_none_or(|own| get(name).is_some_and(|came| came.contains(own))));
    }
}

fn check_rate(value: Option<&str>) {
    let read = read_rate_max(|name| value.filter(|_| name == CHUNK_RATE_MAX));
    let digits = |value: &str| {
        let number: u128 = value.chars().try_fold(0, |sum: u128, digit| {
            let digit = digit.to_digit(10).filter(|_| digit.is_ascii_digit())?;
            Some((sum * 10 + u128::from(digit)).min(1 << 70))
        })?;
        u64::try_from(number).ok().filter(|_| !value.is_empty())
    };
    match value {
        None => assert_eq!(read, Ok(None)),
        Some(value) => {
            let rate = digits(value).map(|rate| rate.max(RATE_MIN));
            assert_eq!(read.ok().flatten(), rate, "{value}");
        }
    }
}

fn check_idempotency(value: Option<&str>) {
    let Some(value) = value else { return };
    let visible = value.chars().all(|c| ('!'..='~').contains(&c));
    let fits = !value.is_empty() && value.chars().count() <= IDEMPOTENCY_KEY_BYTES_MAX;
    assert_eq!(read_idempotency_key(value), (visible && fits).then_some(value));
}

fn check_create(value: Option<&str>) {
    let Some(Ok(request)) = value.map(CreateRequest::from_header) else { return };
    let written = request.to_header();
    assert_eq!(CreateRequest::from_header(&written), Ok(request));
}

fn check_range(value: Option<&str>) {
    for len in LENGTHS {
        let selection = select(value, len);
        match value.and_then(specs) {
            Some(specs) => assert_eq!(selection, walked(&specs, len), "{value:?} of {len}"),
            None => assert_eq!(selection, Selection::Whole, "{value:?} of {len}"),
        }
    }
    if let Selection::Ranges(ranges) = select(value, u64::MAX) {
        assert!(ranges.iter().all(|range| range.start < range.end));
    }
}

/// First and last byte, either perhaps not said; a number of more than 64 bits is the largest.
type Spec = (Option<u64>, Option<u64>);

/// The slow twin of the grammar of RFC 9110, section 14.1.1, letter by letter.
fn specs(value: &str) -> Option<Vec<Spec>> {
    let at = value.find('=')?;
    if !value[..at].eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    for spec in value[at + 1..].split(',').map(|spec| spec.trim_matches([' ', '\t'])) {
        if !spec.is_empty() {
            let dash = spec.find('-')?;
            let [first, last] = [&spec[..dash], &spec[dash + 1..]];
            if first.is_empty() && last.is_empty() || are_backwards(first, last) {
                return None;
            }
            let (first, last) = (position(first)?, position(last)?);
            specs.push((first, last));
        }
        // The rest is not looked at: whatever it is, the whole file is the answer.
        if specs.len() > RANGES_MAX {
            return None;
        }
    }
    (!specs.is_empty()).then_some(specs)
}

/// Whether the last byte comes before the first, digit by digit: the numbers are as long as they are.
fn are_backwards(first: &str, last: &str) -> bool {
    let width = first.len().max(last.len());
    !first.is_empty()
        && !last.is_empty()
        && format!("{first:0>width$}") > format!("{last:0>width$}")
}

fn position(digits: &str) -> Option<Option<u64>> {
    if digits.is_empty() {
        return Some(None);
    }
    let add = |sum: u64, digit: char| {
        let digit = u64::from(digit.to_digit(10).filter(|_| digit.is_ascii_digit())?);
        Some(sum.saturating_mul(10).saturating_add(digit))
    };
    digits.chars().try_fold(0, add).map(Some)
}

/// The slow twin of section 14.1.2: every byte of the file is asked for or not, by itself.
fn walked(specs: &[Spec], len: u64) -> Selection {
    if len == 0 && specs.iter().any(|spec| matches!(spec, (None, Some(1..)))) {
        return Selection::Whole;
    }
    let asks = |&(first, last): &Spec, at| match first {
        Some(first) => first <= at && last.is_none_or(|last| at <= last),
        None => last.is_some_and(|suffix| len - at <= suffix),
    };
    let mut runs: Vec<(usize, Range<u64>)> = Vec::new();
    for at in 0..len {
        let Some(order) = specs.iter().position(|spec| asks(spec, at)) else { continue };
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

const ETAG: &str = "\"root-3\"";

/// The file was sealed at the second 1000 of 1970.
fn check_conditions(headers: &HeaderMap) {
    let last_modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let file = Validators { etag: ETAG.into(), last_modified };
    let verdict = judge(headers, &file, last_modified);
    let lists = ["if-match", "if-none-match"].map(|name| list(headers, name));
    // A list that is none by the grammar may come to anything but a panic.
    let [Some(matches), Some(none_matches)] = lists else { return };
    if let List::Tags(tags) = &matches {
        let holds = tags.iter().any(|tag| tag == ETAG);
        assert_eq!(verdict == Verdict::Failed(http::header::IF_MATCH), !holds, "{headers:?}");
    }
    if matches == List::Any {
        assert!(!matches!(verdict, Verdict::Failed(_)), "{headers:?}");
    }
    if matches!(verdict, Verdict::Failed(_)) {
        return;
    }
    if let List::Tags(tags) = &none_matches {
        let spared = tags.iter().any(|tag| tag.trim_start_matches("W/") == ETAG);
        assert_eq!(verdict == Verdict::NotModified, spared, "{headers:?}");
    }
    if none_matches == List::Any {
        assert_eq!(verdict, Verdict::NotModified, "{headers:?}");
    }
}

/// The tag of an If-Range by itself, and a date that the library knows too.
fn check_if_range(headers: &HeaderMap) {
    let known = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let file = Validators { etag: ETAG.into(), last_modified: known };
    let mut only = HeaderMap::new();
    for value in headers.get_all("if-range") {
        only.append("if-range", value.clone());
    }
    let lines: Vec<_> = only.get_all("if-range").iter().map(|line| line.to_str().ok()).collect();
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let counts = match lines.as_slice() {
        [] => Some(true),
        [Some(line)] if line.contains('"') => Some(*line == ETAG),
        // Two digits of a year mean what they mean now; years before 1970 are ours alone.
        [Some(line)] => date(line).filter(|_| !line.contains('-')).map(|date| date == known),
        _ => Some(false),
    };
    let range = judge(&only, &file, known) == Verdict::Serve { range: true };
    assert!(counts.is_none_or(|counts| counts == range), "{only:?}");
}

/// The digests that are wanted: what is said last of the one that there is, sign by sign.
fn check_wanted(headers: &HeaderMap) {
    let last = |name: &str, separator: char| {
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        let text = lines.collect::<Vec<_>>().join(",").to_ascii_lowercase();
        let (mut key, mut value, mut is_key, mut found) =
            (String::new(), String::new(), true, None);
        for sign in text.chars().chain([',']) {
            match sign {
                ',' => {
                    let is_ours = key.trim() == "sha-256";
                    found = is_ours.then(|| value.trim().to_owned()).or(found);
                    (key, value, is_key) = (String::new(), String::new(), true);
                }
                sign if is_key && sign == separator => is_key = false,
                sign if is_key => key.push(sign),
                sign => value.push(sign),
            }
        }
        found
    };
    let wanted = Wanted::of(headers);
    assert_eq!(wanted.repr, last("want-repr-digest", '=') != Some("0".to_owned()), "{headers:?}");
    let legacy = last("want-digest", ';').is_some_and(|q| {
        let weight = q.split_once('=').map_or("", |(_, weight)| weight).trim();
        let is_nought = weight.starts_with('0') && weight.trim_matches(['0', '.']).is_empty();
        !is_nought
    });
    assert_eq!(wanted.legacy, legacy, "{headers:?}");
}

#[derive(Debug, PartialEq, Eq)]
enum List {
    Absent,
    Any,
    Tags(Vec<String>),
}

/// The slow twin of RFC 9110, sections 13.1.1 and 8.8.3, letter by letter; `None` is no such list.
fn list(headers: &HeaderMap, name: &str) -> Option<List> {
    let lines: Option<Vec<_>> =
        headers.get_all(name).iter().map(|line| line.to_str().ok()).collect();
    let text = lines.filter(|lines| !lines.is_empty());
    let Some(text) = text.map(|lines| lines.join(",")) else {
        return (!headers.contains_key(name)).then_some(List::Absent);
    };
    if text.trim_matches([' ', '\t']) == "*" {
        return Some(List::Any);
    }
    let (mut tags, mut rest) = (Vec::new(), text.as_str());
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(List::Tags(tags));
        }
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
            continue;
        }
        let weak = if rest.starts_with("W/") { 2 } else { 0 };
        let inner = rest[weak..].strip_prefix('"')?;
        let len = inner.find('"')?;
        if inner[..len].contains([' ', '\t']) {
            return None;
        }
        let (tag, after) = rest.split_at(weak + len + 2);
        tags.push(tag.to_owned());
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}
