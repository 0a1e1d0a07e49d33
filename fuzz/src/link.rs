//! Links: nobody without the key makes one, and one made with it is followed only for what a slow reader
//! finds in it.

use http::Method;
use longhaul_protocol::Millis;
use longhaul_protocol::name::check_name;
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::link::{split, with_query};
use longhaul_server::link::{Link, LinkKey, came_by_link};
use longhaul_server::route::Target;

const FILE: FileId = FileId([7; 16]);
const NOW: Millis = Millis(1_000_000);

/// The bytes as the query of an address, and, cut at the first line end, as the time and the name of a link
/// that the server made.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let key = LinkKey::new(b"0123456789abcdef0123456789abcdef");
    let judge = |query: &str| key.judge(Target::File(FILE), &Method::GET, query, NOW);
    assert!(judge(text).is_err(), "forged: {text}");
    check_address(text);
    let (time, name) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(time) = time.parse() else { return };
    let name = Some(name.to_owned()).filter(|name| !name.is_empty());
    let link = Link { file: FILE, expires_at: Millis(time), name };
    let query = key.sign(&link);
    assert!(
        came_by_link(Target::Uploads, &query)
            && split(&format!("/x?{query}")) == ("/x", Some(&query)),
        "{query}"
    );
    let is_name = link.name.as_ref().is_none_or(|name| check_name(name).is_ok());
    let is_good = is_name && time > NOW.0;
    assert_eq!(judge(&query).ok(), Some(link).filter(|_| is_good), "{query}");
    // Whatever a stranger puts before or behind, it is that link or none.
    let more = text.replace(['\n', '#'], "");
    for changed in [format!("{query}&{more}"), format!("{more}&{query}")] {
        if let Ok(found) = judge(&changed) {
            assert_eq!(Some(found), judge(&query).ok(), "{changed}");
        }
    }
    let other = key.judge(Target::Manifest(FileId([8; 16])), &Method::GET, &query, NOW);
    assert!(other.is_err(), "{query}");
    assert!(key.judge(Target::File(FILE), &Method::DELETE, &query, NOW).is_err(), "{query}");
}

/// What a sender of requests makes of an address keeps its query as it is.
fn check_address(text: &str) {
    let (_, Some(query)) = split(text) else { return };
    assert!(text.contains(&format!("?{query}")) && !query.contains('#'), "{text}");
    assert!(came_by_link(Target::Uploads, query), "{text}");
    assert_eq!(split(&with_query("/v1/files/x", Some(query))).1, Some(query), "{text}");
}
