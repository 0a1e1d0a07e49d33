//! Media types: told from what is none, because they go into a header as they are.

use crate::wire::TYPE_BYTES_MAX;

/// Whether a text is a media type (RFC 9110, section 8.3.1) of at most [`TYPE_BYTES_MAX`] bytes.
#[must_use]
pub fn is_media_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default();
    let names = essence.trim_end_matches([' ', '\t']).split_once('/');
    text.len() <= TYPE_BYTES_MAX
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && names.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_told_from_what_is_none() {
        for text in ["video/mp4", "text/plain; charset=utf-8", "application/vnd.x+json"] {
            assert!(is_media_type(text), "{text}");
        }
        let long = format!("text/{}", "x".repeat(TYPE_BYTES_MAX));
        for text in
            ["", "text", "/", "a/", "a/b/c", "text/plain\r\nx: y", "text/ümlaut", "a b/c", &long]
        {
            assert!(!is_media_type(text), "{text}");
        }
    }
}
