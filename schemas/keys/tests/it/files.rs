//! Key files and their protection.

use std::fs::{Permissions, set_permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use saphan_keys::file::{make_signing_key, read_signing_key};
use saphan_keys::{KeySource, KeyStoreError, Passphrase, nobody};

pub(crate) fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.into()).unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_protected_key_opens_with_its_passphrase_and_with_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.pem");
    let made = make_signing_key(&path, Some(&passphrase("สวัสดี ok"))).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{text}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let read = read_signing_key(&path, || Ok(passphrase("สวัสดี ok"))).unwrap();
    assert_eq!(read.public(), made.public());
    let error = read_signing_key(&path, || Ok(passphrase("สวัสดี"))).unwrap_err();
    assert!(matches!(error, KeyStoreError::WrongPassphrase { .. }), "{error}");
}

#[test]
fn a_key_without_protection_asks_for_no_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.pem");
    let made = make_signing_key(&path, None).unwrap();
    let read = read_signing_key(&path, || panic!("nothing is to be asked")).unwrap();
    assert_eq!(read.public(), made.public());
}

#[test]
fn a_key_file_that_others_can_read_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.pem");
    make_signing_key(&path, None).unwrap();
    for mode in [0o640, 0o604, 0o644, 0o610] {
        set_mode(&path, mode);
        let error = read_signing_key(&path, || panic!("nothing is to be asked")).unwrap_err();
        assert!(matches!(&error, KeyStoreError::Open { mode: told, .. } if *told == mode), "{error}");
        assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
    }
    for mode in [0o600, 0o400] {
        set_mode(&path, mode);
        read_signing_key(&path, || panic!("nothing is to be asked")).unwrap();
    }
}

#[test]
fn the_passphrase_may_be_the_first_line_of_a_file_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let (key, secret) = (folder.path().join("k.pem"), folder.path().join("secret"));
    let made = make_signing_key(&key, Some(&passphrase("first line"))).unwrap();
    let source = KeySource::File(key);
    std::fs::write(&secret, "first line\nmore\n").unwrap();
    set_mode(&secret, 0o644);
    let error = source.open(Some(&secret), &nobody).unwrap_err();
    assert!(matches!(error, KeyStoreError::Open { .. }), "{error}");
    set_mode(&secret, 0o600);
    assert_eq!(source.open(Some(&secret), &nobody).unwrap().public(), made.public());
    std::fs::write(&secret, "\n").unwrap();
    let error = source.open(Some(&secret), &nobody).unwrap_err();
    assert!(matches!(error, KeyStoreError::Empty { .. }), "{error}");
}

#[test]
fn without_anybody_to_ask_a_missing_passphrase_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.pem");
    make_signing_key(&path, Some(&passphrase("p"))).unwrap();
    let error = KeySource::File(path).open(None, &nobody).unwrap_err();
    assert!(error.to_string().contains("SAPHAN_KEY_PASSPHRASE"), "{error}");
}

#[test]
fn a_key_file_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.pem");
    make_signing_key(&path, None).unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = make_signing_key(&path, None).unwrap_err();
    assert!(
        matches!(&error, KeyStoreError::File { source, .. } if source.kind() == ErrorKind::AlreadyExists),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn what_is_no_key_is_told_and_a_changed_one_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.pem");
    let write = |text: &str| {
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
    };
    let read = || read_signing_key(&path, || Ok(passphrase("p"))).unwrap_err();
    for text in [
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
    ] {
        write(text);
        assert!(matches!(read(), KeyStoreError::Content { kind: "ES256", .. }), "{text}");
    }
    let other = folder.path().join("other.pem");
    make_signing_key(&other, Some(&passphrase("p"))).unwrap();
    let good = std::fs::read_to_string(&other).unwrap();
    // The last whole line is within the encrypted bytes.
    let mut lines: Vec<String> = good.lines().map(str::to_owned).collect();
    let at = lines.len() - 3;
    lines[at] = lines[at].chars().rev().collect();
    write(&lines.join("\n"));
    assert!(matches!(read(), KeyStoreError::WrongPassphrase { .. }), "{}", read());
}
