//! Reads an `HTTP-date` in its three formats (RFC 9110, section 5.6.7), beyond what `httpdate` does:
//! years before 1970, leap seconds, and years of two digits as the section wants them read.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// The calendar repeats itself, weekdays too, after so many years.
const CYCLE_YEARS: u64 = 400;
/// And so many days.
const CYCLE_DAYS: u64 = 146_097;
const DAY: Duration = Duration::from_secs(86_400);
/// A year of two digits is never further ahead than this: 50 years.
const CENTURY_AHEAD: Duration = Duration::from_secs(18_262 * 86_400);

/// The date that a text tells, if it is one. `now` decides the century of a year of two digits.
#[must_use]
pub fn read(text: &str, now: SystemTime) -> Option<SystemTime> {
    let text = text.trim_matches([' ', '\t']);
    let text = &*told_by_a_clock(text);
    match text.split_once(',') {
        Some((weekday, rest)) if weekday.len() == 3 => imf(weekday, rest),
        Some((weekday, rest)) => rfc_850(weekday, rest, now),
        None => asctime(text),
    }
}

/// "23:59:60 (leap second)" is the last that section 5.6.7 allows. A system's clock knows none, and tells the second
/// before it twice.
fn told_by_a_clock(text: &str) -> Cow<'_, str> {
    match text.split_once(" 23:59:60 ") {
        Some((before, after)) => format!("{before} 23:59:59 {after}").into(),
        None => text.into(),
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf(weekday: &str, rest: &str) -> Option<SystemTime> {
    let (day, year, time) = (rest.get(..8)?, rest.get(8..12)?, rest.get(12..)?);
    gregorian(weekday, day, year, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`: "a timestamp that appears to be more than 50 years in the
/// future" is the most recent year in the past that ends so.
fn rfc_850(weekday: &str, rest: &str, now: SystemTime) -> Option<SystemTime> {
    const DAYS: [&str; 7] =
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let weekday = DAYS.into_iter().find(|day| *day == weekday)?;
    let (day, month, year) = (rest.get(..3)?, rest.get(3..7)?, rest.get(7..10)?);
    let (dashes, year) = ((month.strip_prefix('-'), year.strip_prefix('-')?), year.get(1..)?);
    let day = format!("{day} {} ", dashes.0?);
    let centuries = (19..=21).rev().map(|century| format!("{century}{year}"));
    let mut dates = centuries.filter_map(|year| {
        // Which weekday it was tells nothing of the century that was meant.
        DAYS.into_iter().find_map(|weekday| {
            let found = gregorian(weekday.get(..3)?, &day, &year, rest.get(10..)?)?;
            Some((weekday, found))
        })
    });
    let (on, date) = dates.find(|(_, date)| *date <= now + CENTURY_AHEAD)?;
    (on == weekday).then_some(date)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &str) -> Option<SystemTime> {
    let (before, year) = text.split_at_checked(text.len().checked_sub(4)?)?;
    let (year, cycles) = late(year)?;
    since(httpdate::parse_http_date(&format!("{before}{year}")).ok()?, cycles)
}

/// The parts of an IMF-fixdate: `Sun`, ` 06 Nov `, `1994`, ` 08:49:37 GMT`.
fn gregorian(weekday: &str, day: &str, year: &str, time: &str) -> Option<SystemTime> {
    let (year, cycles) = late(year)?;
    since(httpdate::parse_http_date(&format!("{weekday},{day}{year}{time}")).ok()?, cycles)
}

/// A year that `httpdate` knows, as many cycles later as are told.
fn late(year: &str) -> Option<(u64, u32)> {
    let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    let year: u64 = year.parse().ok().filter(|_| is_year)?;
    let cycles = (0..5).find(|cycles| year + CYCLE_YEARS * cycles >= 1970)?;
    Some((year + CYCLE_YEARS * cycles, u32::try_from(cycles).ok()?))
}

fn since(later: SystemTime, cycles: u32) -> Option<SystemTime> {
    let days = u32::try_from(CYCLE_DAYS).ok()?;
    later.checked_sub(DAY * days * cycles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A day of 2026.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_600)
    }

    fn seconds(text: &str) -> Option<i64> {
        let date = read(text, now())?;
        Some(match date.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => after.as_secs() as i64,
            Err(before) => -(before.duration().as_secs() as i64),
        })
    }

    #[test]
    fn the_three_formats_of_the_rfc_are_one_instant() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            " Sun, 06 Nov 1994 08:49:37 GMT\t",
        ] {
            assert_eq!(seconds(text), Some(784_111_777), "{text}");
        }
    }

    #[test]
    fn a_year_before_1970_is_a_date_too() {
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Wed, 31 Dec 1969 23:59:59 GMT"), Some(-1));
        assert_eq!(seconds("Mon, 01 Jan 1900 00:00:00 GMT"), Some(-2_208_988_800));
        assert_eq!(seconds("Mon Jan  1 00:00:00 1900"), Some(-2_208_988_800));
    }

    #[test]
    fn a_leap_second_is_the_last_that_a_clock_tells_before_it() {
        for text in [
            "Sat, 31 Dec 2016 23:59:60 GMT",
            "Saturday, 31-Dec-16 23:59:60 GMT",
            "Sat Dec 31 23:59:60 2016",
        ] {
            assert_eq!(seconds(text), Some(1_483_228_799), "{text}");
        }
    }

    #[test]
    fn two_digits_are_never_more_than_fifty_years_ahead() {
        let year = |text| seconds(text).map(|seconds| 1970 + seconds / 31_556_952);
        assert_eq!(year("Friday, 06-Nov-76 08:49:37 GMT"), Some(2076));
        assert_eq!(year("Sunday, 06-Nov-77 08:49:37 GMT"), Some(1977));
        assert_eq!(year("Tuesday, 06-Jan-26 08:49:37 GMT"), Some(2026));
        assert_eq!(year("Sunday, 06-Nov-94 08:49:37 GMT"), Some(1994));
        assert_eq!(year("Saturday, 06-Nov-76 08:49:37 GMT"), None, "that was 1976");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "yesterday",
            "784111777",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "sun, 06 nov 1994 08:49:37 gmt",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Thu, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:60 GMT",
            "Sun, 06 Nov 1994 23:59:61 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "1994-11-06T08:49:37Z",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sunday, 06 Nov 94 08:49:37 GMT",
            "Sun, ÄÖÜ",
            "Söndag, 06-Nov-94",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(secs in 0u64..253_402_300_800) {
            let date = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
            prop_assert_eq!(read(&httpdate::fmt_http_date(date), now()), Some(date));
        }

        #[test]
        fn nothing_panics(text: String, like in "[A-Z][a-z]{2,8}[, ][- 0-9A-Za-z:]{0,30}") {
            let _ = (read(&text, now()), read(&like, now()));
        }
    }
}
