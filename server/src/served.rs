//! The type that a file is served as: what its sender calls it, unless a page could run it then.
//!
//! A page that somebody else can write into, a site's own perhaps, may name any address of its site as its
//! script, also under a policy that allows `'self'` alone. Neither a sandbox nor `attachment` keeps a browser
//! from that: they are for what is opened. What does is `nosniff`, and a type that is none of a script's.

use longhaul_protocol::wire::FileMeta;

/// The type of a file that came without one.
const OCTETS: &str = "application/octet-stream";

/// What browsers run as a script (WHATWG MIME Sniffing, section 4.6, "JavaScript MIME type"), in small letters.
const SCRIPTS: [&str; 16] = [
    "application/ecmascript",
    "application/javascript",
    "application/x-ecmascript",
    "application/x-javascript",
    "text/ecmascript",
    "text/javascript",
    "text/javascript1.0",
    "text/javascript1.1",
    "text/javascript1.2",
    "text/javascript1.3",
    "text/javascript1.4",
    "text/javascript1.5",
    "text/jscript",
    "text/livescript",
    "text/x-ecmascript",
    "text/x-javascript",
];

/// What they take for a style, which can read what a form is filled with and tell it.
const STYLE: &str = "text/css";

/// The media type of a file, as its sender calls it.
#[must_use]
pub fn media_type(meta: &FileMeta) -> &str {
    match meta.media_type.as_str() {
        "" => OCTETS,
        media_type => media_type,
    }
}

/// What its bytes are served as. Where a comma would have a browser take what follows it for another type,
/// because it reads the header as a list and believes the last, the parameters are left out.
#[must_use]
pub fn served_type(meta: &FileMeta) -> &str {
    let whole = media_type(meta);
    let essence = essence(whole);
    let is_run =
        SCRIPTS.into_iter().chain([STYLE]).any(|known| essence.eq_ignore_ascii_case(known));
    match () {
        () if is_run => OCTETS,
        () if whole.contains(',') => essence,
        () => whole,
    }
}

/// A type without its parameters.
#[must_use]
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_served_as_what_it_is_called_but_never_as_what_a_page_runs() {
        for (called, served) in [
            ("", OCTETS),
            ("text/html; charset=utf-8", "text/html; charset=utf-8"),
            ("application/postscript", "application/postscript"),
            ("text/javascripts", "text/javascripts"),
            ("text/javascript", OCTETS),
            ("Text/JavaScript1.5 ; charset=utf-8", OCTETS),
            ("application/x-ECMAScript", OCTETS),
            ("text/css;a=b", OCTETS),
            ("video/webm;codecs=vp8,opus", "video/webm"),
            ("image/png;, text/javascript", "image/png"),
            ("image/png ;a=\"b, text/css\"", "image/png"),
        ] {
            let meta = FileMeta { media_type: called.into(), ..FileMeta::default() };
            assert_eq!(served_type(&meta), served, "{called}");
        }
    }
}
