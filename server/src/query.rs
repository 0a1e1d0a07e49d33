//! The query of an address: parameters as a form would send them.

use std::str::FromStr;

/// The first parameter of that name, decoded.
#[must_use]
pub fn value(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

/// A number in decimal digits alone: `from_str` would take a `+` too.
#[must_use]
pub fn number<N: FromStr>(text: &str) -> Option<N> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    is_decimal.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_and_a_number_is_digits_alone() {
        assert_eq!(value("a=1&b=x%20y+z&b=2", "b").as_deref(), Some("x y z"));
        assert_eq!(value("ab=1&a", "a").as_deref(), Some(""));
        assert_eq!(value("a=1", "b"), None);
        assert_eq!(number("007"), Some(7_u64));
        for other in ["", "+7", "-7", " 7", "7.0", "18446744073709551616"] {
            assert_eq!(number::<u64>(other), None, "{other:?}");
        }
    }
}
