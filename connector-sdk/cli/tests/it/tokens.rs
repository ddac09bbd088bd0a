//! Keys in a token of SoftHSM.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use saphan_keys::testing::{MODULE, PIN, SOFTHSM2_CONF, SoftToken};

use crate::ledger::SENDER;
use crate::program::{Ended, saphan_with};
use crate::send::Station;

/// A folder with a token in it.
fn token() -> (tempfile::TempDir, OsString) {
    let folder = tempfile::tempdir().unwrap();
    let config = SoftToken::make(folder.path()).unwrap().config().into_os_string();
    (folder, config)
}

fn with_token(folder: &Path, config: &OsStr, pin: &str, arguments: &[&str]) -> Ended {
    let ended = saphan_with(folder, &[(SOFTHSM2_CONF, config), ("SAPHAN_TOKEN_PIN", OsStr::new(pin))], arguments);
    assert!(!ended.out.contains(pin) && !ended.err.contains(pin), "the PIN was printed");
    ended
}

const NEW: [&str; 9] =
    ["--json", "keys", "new", "--pkcs11-module", MODULE, "--token", "saphan", "--token-key", "licensing"];

#[test]
fn a_key_is_made_in_the_token_once_and_shown_from_there() {
    let (folder, config) = token();
    let folder = folder.path();
    let made = with_token(folder, &config, PIN, &NEW);
    assert_eq!(made.code, 0, "{}{}", made.out, made.err);
    let key = format!("key = {{ pkcs11 = {{ key = \"licensing\", module = \"{MODULE}\", token = \"saphan\" }} }}");
    assert_eq!(made.json()["key"], key);
    assert!(!folder.join("saphan.key.pem").exists(), "the key is in the token only");

    let mut show = NEW;
    show[2] = "show";
    let shown = with_token(folder, &config, PIN, &show);
    assert_eq!((shown.code, &shown.json()["kid"]), (0, &made.json()["kid"]), "{}", shown.out);

    let again = with_token(folder, &config, PIN, &NEW);
    assert_eq!(again.code, 2, "{}", again.out);
    assert!(again.json()["error"]["what"].as_str().unwrap().contains("already"), "{}", again.out);
}

#[test]
fn a_wrong_pin_a_missing_key_and_a_missing_token_are_told_with_their_side() {
    let (folder, config) = token();
    let folder = folder.path();
    assert_eq!(with_token(folder, &config, PIN, &NEW).code, 0);
    let mut show = NEW;
    show[2] = "show";
    let complain = |pin: &str, arguments: &[&str], what: &str, side: &str| {
        let shown = with_token(folder, &config, pin, arguments);
        let error = &shown.json()["error"];
        assert_eq!((shown.code, error["side"].as_str().unwrap()), (2, side), "{error}");
        assert!(error["what"].as_str().unwrap().contains(what), "{error}");
    };
    complain("9999", &show, "refused the PIN", "caller");
    let mut other = show;
    other[8] = "other";
    complain(PIN, &other, "no P-256 key pair with the label \"other\"", "caller");
    let mut other = show;
    other[6] = "other";
    complain(PIN, &other, "no token with the label \"other\"", "machine");
}

#[tokio::test]
async fn a_message_is_sent_with_a_key_in_a_token() {
    let (folder, config) = token();
    let pin = folder.path().join("pin");
    saphan_keys::file::write_new(&pin, &format!("{PIN}\n")).unwrap();
    let station = Station::with_key(SENDER, |home| {
        let made = with_token(home, &config, PIN, &NEW);
        assert_eq!(made.code, 0, "{}{}", made.out, made.err);
        let token =
            format!("module = \"{MODULE}\", token = \"saphan\", key = \"licensing\", pin_file = \"{}\"", pin.display());
        (format!("key = {{ pkcs11 = {{ {token} }} }}\n"), made.json())
    })
    .await;
    let ended = station.send_with(&[(SOFTHSM2_CONF, config.as_os_str())], &[]).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(station.hub.held().ledger.messages.len(), 1);
}
