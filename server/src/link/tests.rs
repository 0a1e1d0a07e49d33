use super::*;
use longhaul_protocol::wire::ids::UploadId;
use proptest::prelude::*;

const NOW: Millis = Millis(1_000);
const FILE: FileId = FileId([7; 16]);

fn key() -> LinkKey {
    LinkKey::new(&[1; 32])
}

fn link() -> Link {
    Link { file: FILE, expires_at: Millis(2_000), name: Some("a b&c=ü.txt".into()) }
}

fn judged(query: &str) -> Result<Link, LinkError> {
    key().judge(Target::File(FILE), &Method::GET, query, NOW)
}

#[test]
fn a_link_allows_what_was_signed_until_its_time() {
    let query = key().sign(&link());
    for target in [Target::File(FILE), Target::Manifest(FILE)] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(key().judge(target, &method, &query, NOW), Ok(link()));
        }
    }
    let until = |ms| key().judge(Target::File(FILE), &Method::GET, &query, Millis(ms));
    assert_eq!(until(1_999), Ok(link()));
    assert_eq!(until(2_000), Err(LinkError::Expired));
    let plain = Link { name: None, ..link() };
    assert_eq!(judged(&key().sign(&plain)), Ok(plain));
}

#[test]
fn a_link_is_for_nothing_else() {
    let query = key().sign(&link());
    let by = |target, method: &Method| key().judge(target, method, &query, NOW);
    for method in [Method::DELETE, Method::POST, Method::PUT, Method::PATCH] {
        assert_eq!(by(Target::File(FILE), &method), Err(LinkError::Use));
    }
    let upload = UploadId(FILE.0);
    for target in [
        Target::Files,
        Target::Links(FILE),
        Target::Upload(upload),
        Target::Content(upload),
        Target::Uploads,
    ] {
        assert_eq!(by(target, &Method::GET), Err(LinkError::Use), "{target:?}");
    }
    let other = FileId([8; 16]);
    assert_eq!(by(Target::File(other), &Method::GET), Err(LinkError::Signature));
    assert_eq!(by(Target::Manifest(other), &Method::GET), Err(LinkError::Signature));
}

#[test]
fn a_link_that_was_changed_anywhere_is_not_followed() {
    let query = key().sign(&link());
    assert_eq!(judged(&query), Ok(link()));
    let (rest, signature) = query.rsplit_once('=').unwrap();
    let (expires, name) = ("expires=2000&", "name=a+b%26c%3D%C3%BC.txt&");
    assert!(query.starts_with(&format!("{expires}{name}")), "{query}");
    for (changed, why) in [
        (query.replace("2000", "3000"), LinkError::Signature),
        (query.replace("2000", "+2000"), LinkError::Malformed),
        (query.replace("2000", ""), LinkError::Malformed),
        (query.replace("2000", "99999999999999999999"), LinkError::Malformed),
        (query.replace("txt", "exe"), LinkError::Signature),
        (query.replace("name=a", "name=a%0D%0A"), LinkError::Malformed),
        (query.replace("name=a", "name=..%2Fa"), LinkError::Malformed),
        (query.replace(name, ""), LinkError::Signature),
        (query.replace(name, "name=&"), LinkError::Malformed),
        (query.replace(expires, ""), LinkError::Malformed),
        (format!("{query}&expires=3000"), LinkError::Malformed),
        (format!("name=x&{query}"), LinkError::Malformed),
        (format!("{query}&signature={signature}"), LinkError::Malformed),
        (format!("{rest}="), LinkError::Signature),
        (format!("{rest}={signature}="), LinkError::Malformed),
        (format!("{rest}={}", &signature[4..]), LinkError::Signature),
        (LinkKey::new(&[2; 32]).sign(&link()), LinkError::Signature),
        (String::new(), LinkError::Malformed),
    ] {
        assert_eq!(judged(&changed), Err(why), "{changed}");
    }
    for at in 0..signature.len() {
        let mut bytes = signature.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'Q' } else { b'A' };
        let changed = format!("{rest}={}", String::from_utf8(bytes).unwrap());
        assert!(judged(&changed).is_err(), "{changed}");
    }
}

#[test]
fn a_key_is_never_shown() {
    let shown = format!("{:?}", LinkKey::new(&[77; 32]));
    assert!(!shown.contains("77"), "{shown}");
}

#[test]
fn what_is_left_of_a_link_is_one_where_links_lead() {
    for query in ["expires=1", "start=7&name=x"] {
        assert!(
            came_by_link(Target::File(FILE), query) && !came_by_link(Target::Files, query),
            "{query}"
        );
    }
}

#[test]
fn what_others_add_to_an_address_does_not_matter() {
    let query = key().sign(&link());
    for more in [format!("{query}&utm_source=mail"), format!("start=7&{query}")] {
        assert_eq!(judged(&more), Ok(link()), "{more}");
        assert!(came_by_link(Target::File(FILE), &more));
    }
    for other in ["", "start=7", "signatures=x", "Name=signature", "a=b&Signature=x"] {
        assert!(!came_by_link(Target::File(FILE), other), "{other}");
    }
    assert!(
        came_by_link(Target::File(FILE), "signature")
            && came_by_link(Target::Files, "%73ignature=x")
    );
}

proptest! {
    #[test]
    fn no_two_links_have_one_signature(
        file: [u8; 16], at: u64, name: Option<String>, other_at: u64, other_name: Option<String>,
    ) {
        let one = Link { file: FileId(file), expires_at: Millis(at), name };
        let other = Link { file: FileId(file), expires_at: Millis(other_at), name: other_name };
        prop_assert_eq!(one == other, said(&one) == said(&other));
    }
}
