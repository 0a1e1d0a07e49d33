use super::*;
use crate::store::Owner;
use crate::token::{Grant, SignError};
use std::time::Duration;

fn file(bytes: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, bytes).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    (dir, path)
}

#[test]
fn a_line_end_after_text_is_no_part_of_a_key() {
    assert_eq!(secret(b"0123abcd\n"), b"0123abcd");
    assert_eq!(secret(b"0123abcd\r\n"), b"0123abcd");
    assert_eq!(secret(b"\x00\xff\n"), b"\x00\xff\n");
    assert_eq!(secret(b""), b"");
}

#[test]
fn a_key_that_others_can_read_or_write_is_refused() {
    for mode in [0o644, 0o604, 0o620, 0o602, 0o666] {
        let (_dir, path) = file(&[7; 32], mode);
        let refused = read(&path).unwrap_err();
        assert!(matches!(refused, KeyError::Exposed { mode: told, .. } if told == mode));
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }
    for mode in [0o600, 0o400, 0o440, 0o640] {
        let (_dir, path) = file(&[7; 32], mode);
        assert!(read(&path).is_ok(), "{mode:o}");
    }
}

#[test]
fn what_is_no_key_is_told_from_one() {
    let (_dir, path) = file(&[b'a'; 31], 0o600);
    assert!(matches!(read(&path), Err(KeyError::Bad { source: BadKey::Weak { bytes: 31 }, .. })));
    assert!(matches!(read(Path::new("/dev/zero")), Err(KeyError::TooLong { .. })));
    let (_dir, path) = file(&[7; 4097], 0o600);
    assert!(matches!(read(&path), Err(KeyError::TooLong { .. })));
    assert!(matches!(read(&path.with_extension("none")), Err(KeyError::Disk { .. })));
}

#[test]
fn a_key_is_made_once_and_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token.key");
    let made = read_or_make(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(made.len(), 64);
    assert_eq!(read_or_make(&path).unwrap(), made);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A token that this key signs for so long as a test takes.
fn signed(key: &TokenKey) -> String {
    key.sign(&Grant::of(Owner::local()), Duration::from_secs(60)).unwrap()
}

#[test]
fn the_halves_of_a_pair_belong_together_and_one_of_them_signs() {
    let dir = tempfile::tempdir().unwrap();
    let pair = make_pair(&dir.path().join("token.key")).unwrap();
    assert_eq!(pair.public, dir.path().join("token.key.pub"));
    assert_eq!(mode(&pair.private), 0o600);
    let (private, public) = (read(&pair.private).unwrap(), read(&pair.public).unwrap());
    let token = signed(&private);
    assert_eq!(public.judge(&token), Ok(Grant::of(Owner::local())));
    assert_eq!(private.judge(&token), Ok(Grant::of(Owner::local())));
    assert!(private.signs() && !public.signs());
    let refused = public.sign(&Grant::of(Owner::local()), Duration::from_secs(60));
    assert!(matches!(refused, Err(SignError::Public)));
    let shown = format!("{private:?} {public:?}");
    let der = <(SectionKind, Vec<u8>)>::from_pem_slice(&std::fs::read(&pair.private).unwrap());
    let of_secret = format!("{:?}", &der.unwrap().1[16..20]);
    assert!(!shown.contains(of_secret.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn a_key_that_is_there_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token.key");
    make_secret(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(
        read(&path).unwrap().judge(&signed(&read(&path).unwrap())),
        Ok(Grant::of(Owner::local()))
    );
    let before = std::fs::read(&path).unwrap();
    for made in [make_secret(&path), make_pair(&path).map(drop)] {
        assert!(matches!(made, Err(KeyError::Taken { .. })), "{made:?}");
    }
    std::fs::rename(&path, dir.path().join("other.pub")).unwrap();
    let taken = make_pair(&dir.path().join("other"));
    assert!(matches!(taken, Err(KeyError::Taken { path }) if path.ends_with("other.pub")));
    assert_eq!(std::fs::read(dir.path().join("other.pub")).unwrap(), before);
}

/// As `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout` write them.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

/// RFC 8032, section 7.1, test 1.
#[test]
fn keys_of_other_programs_are_read() {
    let (_dir, private) = file(PRIVATE.as_bytes(), 0o600);
    let (_dir, public) = file(PUBLIC.as_bytes(), 0o644);
    let token = signed(&read(&private).unwrap());
    assert_eq!(read(&public).unwrap().judge(&token), Ok(Grant::of(Owner::local())));
}

#[test]
fn a_private_key_is_for_its_owner_and_a_public_one_for_all_to_read_and_none_to_write() {
    for (text, mode, is_taken) in [
        (PRIVATE, 0o640, true),
        (PRIVATE, 0o644, false),
        (PRIVATE, 0o620, false),
        (PUBLIC, 0o644, true),
        (PUBLIC, 0o664, false),
        (PUBLIC, 0o646, false),
    ] {
        let (_dir, path) = file(text.as_bytes(), mode);
        match read(&path) {
            Ok(_) => assert!(is_taken, "{mode:o} {text}"),
            Err(error) => {
                let is_exposed =
                    matches!(error, KeyError::Exposed { mode: told, .. } if told == mode);
                assert!(!is_taken && is_exposed, "{mode:o} {text}: {error}");
            }
        }
    }
}

#[test]
fn what_anybody_may_know_is_no_secret_whatever_stands_before_it() {
    let openssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea me@here\n";
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let wide: Vec<u8> =
        format!("\u{feff}{PUBLIC}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [
        format!("\u{feff}{PUBLIC}").into_bytes(),
        format!("# of the page's server\n{PUBLIC}").into_bytes(),
        format!("Bag Attributes: <No Attributes>\r\n{PUBLIC}").into_bytes(),
        PUBLIC.replace("-----BEGIN PUBLIC", "-----BEGIN\tPUBLIC").into_bytes(),
        wide,
        openssh.into(),
        format!("# mine\n{openssh}").into_bytes(),
        format!("\n{}", openssh.replace("ssh-ed25519", "ecdsa-sha2-nistp256")).into_bytes(),
        openssh.replace("ssh-ed25519", "sk-ssh-ed25519@openssh.com").into_bytes(),
        format!("---- BEGIN SSH2 PUBLIC KEY ----\n{openssh}").into_bytes(),
        jwk.into(),
        <(SectionKind, Vec<u8>)>::from_pem_slice(PUBLIC.as_bytes()).unwrap().1,
        PUBLIC.lines().nth(1).unwrap().into(),
        format!("\u{feff} {{\"keys\": [{jwk}]}}\n").into_bytes(),
    ] {
        for mode in [0o600, 0o644] {
            let (_dir, path) = file(&bytes, mode);
            let refused = read(&path).unwrap_err();
            assert!(matches!(refused, KeyError::NotASecret { .. }), "{refused}");
            assert!(refused.to_string().contains("-----BEGIN PUBLIC KEY-----"), "{refused}");
        }
    }
    for secret in
        ["correct horse battery staple, and some ssh- of it", "{31 bytes more than a brace has}"]
    {
        let (_dir, path) = file(secret.as_bytes(), 0o600);
        assert!(read(&path).is_ok(), "{secret}");
    }
}

#[test]
fn what_is_in_pem_and_no_key_of_ed25519_is_no_secret_either() {
    let other = PUBLIC.replace("MCowBQYDK2VwAyEA", "MCowBQYDK2VuAyEA");
    let short = PUBLIC.replace("MCowBQYDK2VwAyEA11qYAYKx", "MCowBQYDK2VwAyEA");
    let labelled = PRIVATE.replace("PRIVATE KEY", "RSA PRIVATE KEY");
    let cut = &PRIVATE[..60];
    for text in [&other, &short, &labelled, cut, &PRIVATE.replace("MC4CAQ", "MC4CAA")] {
        let (_dir, path) = file(text.as_bytes(), 0o600);
        let refused = read(&path).unwrap_err();
        assert!(
            matches!(refused, KeyError::Bad { source: BadKey::NotEd25519, .. }),
            "{refused}: {text}"
        );
    }
}
