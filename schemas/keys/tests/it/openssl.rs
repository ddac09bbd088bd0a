//! Key files go to and fro between this crate and the `openssl` program.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use saphan_keys::KeyStoreError;
use saphan_keys::file::{make_signing_key, read_signing_key};
use saphan_schemas::keys::{PublicKey, SigningKey};

use crate::files::passphrase;

fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("openssl cannot be run ({error}); install the package openssl"));
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The last 65 bytes of the DER form of a P-256 public key are its point.
fn point(spki: &[u8]) -> PublicKey {
    let point = &spki[spki.len() - 64..];
    PublicKey::from_coordinates(point[..32].try_into().unwrap(), point[32..].try_into().unwrap()).unwrap()
}

fn read(folder: &Path, name: &str, secret: &str) -> Result<SigningKey, KeyStoreError> {
    let path = folder.join(name);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    read_signing_key(&path, || Ok(passphrase(secret)))
}

#[test]
fn openssl_opens_a_protected_key_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let key = make_signing_key(&folder.path().join("k.pem"), Some(&passphrase("to openssl"))).unwrap();
    let spki = ["pkey", "-in", "k.pem", "-passin", "pass:to openssl", "-pubout", "-outform", "DER"];
    assert_eq!(point(&openssl(folder.path(), &spki)), *key.public());
}

#[test]
fn a_key_that_openssl_made_and_protected_opens_here() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    openssl(folder, &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "clear.pem"]);
    let expected = point(&openssl(folder, &["pkey", "-in", "clear.pem", "-pubout", "-outform", "DER"]));
    let protect = ["pkcs8", "-topk8", "-in", "clear.pem", "-passout", "pass:from openssl", "-out", "locked.pem"];
    for scheme in [
        &["-v2", "aes-256-cbc"][..],
        &["-v2", "aes-256-cbc", "-iter", "600000"],
        &["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA256"],
        &["-scrypt"],
    ] {
        openssl(folder, &[&protect[..], scheme].concat());
        assert_eq!(*read(folder, "locked.pem", "from openssl").unwrap().public(), expected, "{scheme:?}");
        let error = read(folder, "locked.pem", "from Openssl").unwrap_err();
        assert!(matches!(error, KeyStoreError::WrongPassphrase { .. }), "{scheme:?}: {error}");
    }
}

#[test]
fn other_protection_and_other_keys_are_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    openssl(folder, &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "clear.pem"]);
    let protect = ["pkcs8", "-topk8", "-passout", "pass:p"];
    let old = ["-in", "clear.pem", "-out", "old.pem", "-v2", "des3"];
    openssl(folder, &[&protect[..], &old].concat());
    let error = read(folder, "old.pem", "p").unwrap_err();
    assert!(matches!(error, KeyStoreError::Protection { .. }), "{error}");

    openssl(folder, &["genpkey", "-algorithm", "ED25519", "-out", "ed.pem"]);
    openssl(folder, &[&protect[..], &["-in", "ed.pem", "-out", "ed.locked.pem", "-v2", "aes-256-cbc"]].concat());
    let error = read(folder, "ed.locked.pem", "p").unwrap_err();
    assert!(matches!(error, KeyStoreError::Content { kind: "ES256", .. }), "{error}");
}
