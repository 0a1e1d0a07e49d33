//! The table of bounds and the constants of the code are held to each other, both ways.

use std::collections::BTreeMap;
use std::path::Path;

use super::{page, rows};

/// Constants that bound nothing: formats, versions, permissions, the calendar, what the system gives, and
/// what a map begins with.
const NO_BOUNDS: [&str; 21] = [
    "CENTURY_AHEAD",
    "CHECKSUM_LEN",
    "CYCLE_DAYS",
    "CYCLE_YEARS",
    "DAY",
    "DIGEST_LEN",
    "DIR_MODE",
    "FILE_MODE",
    "HEADERS",
    "JOURNAL_VERSION",
    "NOTE_VERSION",
    "LAST_TIME",
    "LONGEST",
    "MODE_REFUSED",
    "PAGE_BYTES",
    "PART_OVERHEAD_BYTES",
    "PROTOCOL_VERSION",
    "SCHEMA_VERSION",
    "ST_BLOCK",
    "VERSION",
    "VERSION_UNCHECKED",
];

/// The types that a bound may have.
const TYPES: [&str; 7] = ["u8", "u16", "u32", "u64", "usize", "Millis", "Duration"];

/// A number in the code: bytes, milliseconds, or how many.
type Numbers = BTreeMap<String, String>;

/// What stands for numbers in the code of the four crates: constants, and defaults in `config.rs`.
fn numbers() -> Numbers {
    let mut found = Numbers::new();
    for of in ["protocol", "server", "wasm-client", "cli"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of).join("src");
        look_through(&root, &mut found);
    }
    found
}

fn look_through(dir: &Path, found: &mut Numbers) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look_through(&path, found);
        } else if path.extension().is_some_and(|is| is == "rs") && !is_test(&path) {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            constants(text, found);
            if path.ends_with("config.rs") {
                defaults(text, found);
            }
        }
    }
}

fn is_test(path: &Path) -> bool {
    ["tests.rs", "in_browser.rs"].iter().any(|name| path.ends_with(name))
}

fn constants(text: &str, found: &mut Numbers) {
    for after in text.split("const ").skip(1) {
        let Some((declared, _)) = after.split_once(';') else { continue };
        let Some((name, rest)) = declared.split_once(": ") else { continue };
        let Some((kind, value)) = rest.split_once('=') else { continue };
        if !name.contains(char::is_whitespace) && TYPES.contains(&kind.trim()) {
            let before = found.insert(name.to_owned(), value.trim().to_owned());
            assert_eq!(before, None, "two constants are called {name}");
        }
    }
}

/// `name: value,` in an `impl Default`, which ends with the first brace at the margin.
fn defaults(text: &str, found: &mut Numbers) {
    for body in text.split("impl Default for ").skip(1) {
        for line in body.lines().take_while(|line| *line != "}") {
            if let Some((name, value)) = line.trim().trim_end_matches(',').split_once(": ") {
                found.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// What an expression comes to; times are milliseconds. `None` is no number.
fn value(expression: &str, numbers: &Numbers) -> Option<u64> {
    let text = expression.trim();
    for (call, factor) in
        [("Millis(", 1), ("Duration::from_millis(", 1), ("Duration::from_secs(", 1000)]
    {
        let inner = text.strip_prefix(call).and_then(|inner| inner.strip_suffix(')'));
        if let Some(inner) = inner {
            return Some(value(inner, numbers)? * factor);
        }
    }
    for (operator, apply) in OPERATORS {
        if let Some((left, right)) = text.rsplit_once(operator) {
            return apply(value(left, numbers)?, value(right, numbers)?);
        }
    }
    let digits = text.replace('_', "");
    digits.parse().ok().or_else(|| value(numbers.get(text)?, numbers))
}

type Operator = (&'static str, fn(u64, u64) -> Option<u64>);

/// Those that bind least come first.
const OPERATORS: [Operator; 3] = [
    (" << ", |left, right| left.checked_shl(u32::try_from(right).ok()?)),
    (" * ", u64::checked_mul),
    (" / ", u64::checked_div),
];

/// What a bound in the table comes to: a number, and a unit that makes it bytes or milliseconds.
fn told(bound: &str) -> Option<u64> {
    let (number, unit) = bound.split_once(' ').unwrap_or((bound, ""));
    let factor = match unit.split([' ', '/']).next().unwrap_or_default() {
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "days" => 86_400_000,
        _ => 1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[test]
fn every_row_of_the_bounds_is_a_number_of_the_code() {
    let numbers = numbers();
    for row in rows(&page(), "## Bounds (checked)") {
        let [what, bound, why, name] = row.as_slice() else { panic!("{row:?}") };
        let of_code = value(&name.replace('`', ""), &numbers);
        // A name says its unit where its type does not.
        let scale = if name.contains("_SECONDS") { 1000 } else { 1 };
        assert!(of_code.is_some(), "{what}: there is no {name}");
        assert_eq!(of_code.map(|number| number * scale), told(bound), "{what}: {bound} is {name}");
        assert!(!why.is_empty(), "{what}: without a reason");
    }
}

#[test]
fn every_bound_of_the_code_is_in_the_table() {
    let rows = rows(&page(), "## Bounds (checked)");
    let in_table = |name: &str| rows.iter().any(|row| row[3].contains(&format!("`{name}`")));
    let numbers = numbers();
    let missing: Vec<_> = numbers
        .keys()
        .filter(|name| value(name, &numbers).is_some() && !NO_BOUNDS.contains(&name.as_str()))
        // One that is only another's name for itself has no reason of its own.
        .filter(|name| !in_table(name) && !numbers.contains_key(&numbers[*name]))
        .collect();
    assert!(missing.is_empty(), "write a row for {missing:?}");
}
