//! `saphan keys`.

use std::os::unix::fs::PermissionsExt as _;

use saphan_schemas::keys::{PublicKey, SigningKey};

use crate::program::saphan;

#[test]
fn a_new_key_is_readable_by_its_owner_only_and_its_public_half_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let made = saphan(folder.path(), ["--json", "keys", "new", "--out", "k.pem"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let path = folder.path().join("k.pem");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let key = SigningKey::from_pem(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let made = made.json();
    assert_eq!(made["kid"], key.id().to_string());
    assert_eq!(serde_json::from_value::<PublicKey>(made["jwk"].clone()).unwrap(), *key.public());

    let shown = saphan(folder.path(), ["keys", "show", "k.pem"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(shown.out.contains(made["registry"].as_str().unwrap()), "{}", shown.out);
}

#[test]
fn nothing_that_is_printed_holds_the_private_key() {
    let folder = tempfile::tempdir().unwrap();
    let made = saphan(folder.path(), ["keys", "new", "--out", "k.pem"]);
    let pem = std::fs::read_to_string(folder.path().join("k.pem")).unwrap();
    for line in pem.lines().filter(|line| !line.starts_with('-')) {
        assert!(!made.out.contains(line) && !made.err.contains(line));
    }
}

#[test]
fn a_key_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(saphan(folder.path(), ["keys", "new", "--out", "k.pem"]).code, 0);
    let before = std::fs::read(folder.path().join("k.pem")).unwrap();
    let again = saphan(folder.path(), ["--json", "keys", "new", "--out", "k.pem"]);
    assert_eq!(again.code, 2);
    assert!(again.json()["error"]["what"].as_str().unwrap().contains("exists already"));
    assert_eq!(std::fs::read(folder.path().join("k.pem")).unwrap(), before);
}

#[test]
fn a_file_that_is_no_key_or_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pem");
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    for (file, expected) in [("x.pem", "x.pem holds no ES256 key"), ("none.pem", "cannot read none.pem")] {
        let shown = saphan(folder.path(), ["keys", "show", file]);
        assert_eq!((shown.code, shown.out.as_str()), (2, ""));
        assert!(shown.err.contains(expected), "{}", shown.err);
    }
}

#[test]
fn a_key_that_others_can_read_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(saphan(folder.path(), ["keys", "new", "--out", "k.pem"]).code, 0);
    std::fs::set_permissions(folder.path().join("k.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let shown = saphan(folder.path(), ["--json", "keys", "show", "k.pem"]);
    assert_eq!(shown.code, 2);
    let error = &shown.json()["error"];
    assert_eq!(error["what"], "k.pem can be read by others than its owner (mode 0644)");
    assert_eq!(error["side"], "caller");
    assert!(error["advice"].as_str().unwrap().starts_with("chmod 600 k.pem"), "{error}");
}
