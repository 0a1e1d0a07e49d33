//! File names: what a server takes, and how a client makes any name one of those.
//!
//! A name is only ever shown and sent back, never a path; it is still refused when it could fool a
//! person or another program that trusts it.

use thiserror::Error;

/// The longest name, characters: the longest that common file systems can store.
pub const NAME_CHARS_MAX: usize = 255;
/// The longest relative path, characters, separators included.
pub const PATH_CHARS_MAX: usize = 4096;

/// Why a name or path is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("the name is empty")]
    Empty,
    /// Longer than [`NAME_CHARS_MAX`] or [`PATH_CHARS_MAX`].
    #[error("it has {chars} characters, more than {max}")]
    TooLong {
        /// Its length, characters.
        chars: usize,
        /// The most there may be.
        max: usize,
    },
    /// `.` or `..`: a place, not a name.
    #[error("`{name}` names a folder's place, not a file")]
    Place {
        /// The name.
        name: String,
    },
    /// A separator, a control character or a text-direction character.
    #[error("it contains U+{:04X}, which could make it pass for another name", *.character as u32)]
    Character {
        /// The first such character.
        character: char,
    },
}

/// Checks the name of a file.
///
/// # Errors
/// [`NameError`].
pub fn check_name(name: &str) -> Result<(), NameError> {
    check_chars(name, NAME_CHARS_MAX)?;
    match name.chars().find(|&character| is_deceptive(character)) {
        Some(character) => Err(NameError::Character { character }),
        None if matches!(name, "." | "..") => Err(NameError::Place { name: name.to_owned() }),
        None => Ok(()),
    }
}

/// Checks a path of names joined by `/`, relative to the folder that was picked.
///
/// # Errors
/// [`NameError`], of the first part that has one.
pub fn check_path(path: &str) -> Result<(), NameError> {
    check_chars(path, PATH_CHARS_MAX)?;
    path.split('/').try_for_each(check_name)
}

/// The nearest name that [`check_name`] takes: deceptive characters become `_`, a name too long
/// keeps its beginning and its extension.
#[must_use]
pub fn clean(name: &str) -> String {
    let cleaned: String = name.chars().map(|c| if is_deceptive(c) { '_' } else { c }).collect();
    match cleaned.as_str() {
        "" => "unnamed".to_owned(),
        "." | ".." => "_".to_owned(),
        _ => shortened(cleaned),
    }
}

/// [`clean`] for every part of a path; empty parts go.
#[must_use]
pub fn clean_path(path: &str) -> String {
    let mut cleaned = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if !cleaned.is_empty() {
            cleaned.push('/');
        }
        cleaned.push_str(&clean(part));
    }
    cleaned
}

fn shortened(name: String) -> String {
    let chars = name.chars().count();
    if chars <= NAME_CHARS_MAX {
        return name;
    }
    let extension = name.rfind('.').map_or("", |dot| name.get(dot..).unwrap_or_default());
    let extension = if extension.chars().count() <= EXTENSION_CHARS_MAX { extension } else { "" };
    let kept = NAME_CHARS_MAX - extension.chars().count();
    name.chars().take(kept).chain(extension.chars()).collect()
}

/// The longest end of a name that is kept as its extension, characters, the dot included.
const EXTENSION_CHARS_MAX: usize = 16;

fn check_chars(text: &str, max: usize) -> Result<(), NameError> {
    match text.chars().count() {
        0 => Err(NameError::Empty),
        chars if chars > max => Err(NameError::TooLong { chars, max }),
        _ => Ok(()),
    }
}

/// Separators, controls, spaces of no width, line separators and the `Bidi_Control` characters of Unicode (UAX 9).
fn is_deceptive(character: char) -> bool {
    matches!(
        character,
        '/' | '\\' | '\u{061C}' | '\u{200B}' | '\u{2060}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}'
    ) || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_people_use_are_taken() {
        for name in
            ["a", "Ünïcödé 日本.mov", ".hidden", "no extension", "عربي.pdf", &"x".repeat(255)]
        {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        assert_eq!(check_path("2026/spring/take 1.wav"), Ok(()));
    }

    #[test]
    fn names_that_could_fool_somebody_are_refused() {
        assert_eq!(check_name(""), Err(NameError::Empty));
        assert!(matches!(check_name(".."), Err(NameError::Place { .. })));
        assert!(matches!(check_name(&"x".repeat(300)), Err(NameError::TooLong { chars: 300, .. })));
        for name in ["../../etc/passwd", "a\\b", "a\0b", "cod\u{202E}gpj.exe", "a\nb", "a\u{7f}"] {
            assert!(matches!(check_name(name), Err(NameError::Character { .. })), "{name:?}");
        }
        for path in ["../x", "a//b", "/etc/passwd", "a/", "a/./b"] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_name_too_long_keeps_its_extension() {
        let cleaned = clean(&format!("{}.tar.gz", "x".repeat(300)));
        assert_eq!(cleaned.chars().count(), NAME_CHARS_MAX);
        assert!(cleaned.ends_with("x.gz"));
    }

    proptest! {
        #[test]
        fn any_name_can_be_made_one_that_is_taken(name: String, path: String) {
            prop_assert_eq!(check_name(&clean(&name)), Ok(()));
            prop_assert!(check_name(&name).is_err() || clean(&name) == name);
            let path = clean_path(&path);
            prop_assert!(path.is_empty() || path.chars().count() > PATH_CHARS_MAX || check_path(&path).is_ok());
        }
    }
}
