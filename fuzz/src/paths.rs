//! Paths, names and owners: a path is found exactly when it is written like one of the wire's, and
//! any name can be made one that is taken.

use http::HeaderValue;
use longhaul_protocol::media_type::is_media_type;
use longhaul_protocol::name::{check_name, check_path, clean, clean_path};
use longhaul_protocol::wire::FileMeta;
use longhaul_protocol::wire::ids::{FileId, UploadId};
use longhaul_protocol::wire::path;
use longhaul_server::route::Target;
use longhaul_server::served::served_type;
use longhaul_server::store::Owner;
use longhaul_server::told::disposition;

/// One text as each of them.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check_target(text);
    check_names(text);
    if is_media_type(text) {
        HeaderValue::from_str(text).expect("it goes into a header");
        check_served(text);
    }
    if let Ok(owner) = Owner::parse(text) {
        assert_eq!(owner.0, text);
        assert_eq!(Owner::named(text).is_ok(), !owner.is_guest());
    }
}

fn check_target(text: &str) {
    let target = Target::of(text);
    assert_eq!(target, walked(text), "{text}");
    if let Some(written) = written(target) {
        assert_eq!(written, text);
    }
}

/// The slow twin: the names between the slashes.
fn walked(text: &str) -> Target {
    let names: Vec<_> = text.split('/').collect();
    match names.as_slice() {
        ["", "healthz"] => Target::Healthz,
        ["", "readyz"] => Target::Readyz,
        ["", "openapi.json"] => Target::OpenApi,
        ["", "v1", rest @ ..] => below(rest).unwrap_or(Target::Nowhere),
        _ => Target::Site,
    }
}

fn below(names: &[&str]) -> Option<Target> {
    Some(match *names {
        ["uploads"] => Target::Uploads,
        ["files"] => Target::Files,
        ["guests"] => Target::Guests,
        ["problems"] => Target::Problems,
        ["uploads", id] => Target::Upload(UploadId(hex(id)?)),
        ["uploads", id, "digests"] => Target::Digests(UploadId(hex(id)?)),
        ["uploads", id, "proofs"] => Target::Proofs(UploadId(hex(id)?)),
        ["uploads", id, "content"] => Target::Content(UploadId(hex(id)?)),
        ["uploads", id, "chunks"] => Target::Chunks(UploadId(hex(id)?)),
        ["uploads", id, "seal"] => Target::Seal(UploadId(hex(id)?)),
        ["files", id] => Target::File(FileId(hex(id)?)),
        ["files", id, "manifest"] => Target::Manifest(FileId(hex(id)?)),
        ["files", id, "links"] => Target::Links(FileId(hex(id)?)),
        _ => return None,
    })
}

fn hex(text: &str) -> Option<[u8; 16]> {
    let is_lower = text.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f'));
    let number = u128::from_str_radix(text, 16).ok()?;
    (text.len() == 32 && is_lower).then(|| number.to_be_bytes())
}

fn written(target: Target) -> Option<String> {
    Some(match target {
        Target::Uploads => path::UPLOADS.to_owned(),
        Target::Upload(id) => path::upload(id),
        Target::Digests(id) => path::digests(id),
        Target::Proofs(id) => path::proofs(id),
        Target::Content(id) => path::content(id),
        Target::Chunks(id) => path::chunks(id),
        Target::Seal(id) => path::seal(id),
        Target::Files => path::FILES.to_owned(),
        Target::File(id) => path::file(id),
        Target::Manifest(id) => path::manifest(id),
        Target::Links(id) => path::links(id),
        Target::Guests => path::GUESTS.to_owned(),
        Target::Problems => path::PROBLEMS.to_owned(),
        Target::Healthz => path::HEALTHZ.to_owned(),
        Target::Readyz => path::READYZ.to_owned(),
        Target::OpenApi => path::OPENAPI.to_owned(),
        _ => return None,
    })
}

fn check_names(text: &str) {
    let cleaned = clean(text);
    assert_eq!(check_name(&cleaned), Ok(()), "{text:?}");
    assert_eq!(clean(&cleaned), cleaned, "{text:?}");
    if check_name(text).is_ok() {
        assert_eq!(cleaned, text, "a name that is taken stays what it is");
        assert!(!text.contains(['/', '\\', '\0', '\n']), "{text:?}");
        HeaderValue::from_bytes(text.as_bytes()).expect("no control character");
        check_disposition(text);
    }
    if check_path(text).is_ok() {
        assert_eq!(clean_path(text), text);
        assert!(text.split('/').all(|name| check_name(name).is_ok()), "{text:?}");
    }
}

/// Whatever a file's type is called, no browser takes its bytes for a script (WHATWG MIME Sniffing, section 4.6)
/// or a style: where there is a list it believes the last.
fn check_served(media_type: &str) {
    let meta = FileMeta { media_type: media_type.to_owned(), ..FileMeta::default() };
    let served = served_type(&meta);
    HeaderValue::from_str(served).expect("it goes into a header");
    for one in served.split(',') {
        let essence = one.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/').unwrap_or_default();
        let plain = subtype.strip_prefix("x-").unwrap_or(subtype);
        let version = subtype.strip_prefix("javascript1.").unwrap_or_default();
        let is_script = match kind {
            "text" | "application" if ["javascript", "ecmascript"].contains(&plain) => true,
            "text" => {
                let is_known = ["0", "1", "2", "3", "4", "5"].contains(&version);
                is_known || ["jscript", "livescript", "css"].contains(&subtype)
            }
            _ => false,
        };
        assert!(!is_script, "{media_type:?} is served as {served:?}");
    }
}

/// A name is told whole, and nothing in it ends what it is told in.
fn check_disposition(name: &str) {
    let told = disposition(name);
    HeaderValue::from_str(&told).expect("ASCII");
    let quoted = told.strip_prefix("attachment; filename=\"").expect("a name");
    let (plain, exact) = quoted.split_once("\"; filename*=UTF-8''").expect("the same exactly");
    assert_eq!(plain.chars().count(), name.chars().count(), "{told}");
    assert!(!plain.contains(['"', '\\', '%']) && !exact.contains([' ', ';', '"', ',']), "{told}");
    let bytes: Vec<_> = exact.split('%').enumerate().flat_map(unescaped).collect();
    assert_eq!(String::from_utf8(bytes).as_deref(), Ok(name), "{told}");
}

/// What stands between two `%` is two digits of a byte, but for the first, and letters.
fn unescaped((at, text): (usize, &str)) -> Vec<u8> {
    let (digits, rest) = text.split_at(if at == 0 { 0 } else { 2 });
    let byte = (at > 0).then(|| u8::from_str_radix(digits, 16).expect("a byte"));
    byte.into_iter().chain(rest.bytes()).collect()
}
