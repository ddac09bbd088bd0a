//! Keys in a token of SoftHSM.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use cryptoki::context::Pkcs11;
use saphan_keys::testing::{MODULE, PIN, SOFTHSM2_CONF, SoftToken};
use saphan_keys::token::{TokenError, TokenSigner};
use saphan_keys::{KeySource, KeyStoreError, TokenKey, nobody};
use saphan_schemas::auth::AuthClaims;
use saphan_schemas::ids::MessageId;
use saphan_schemas::jws::{Signed, Unverified};
use saphan_schemas::keys::{KeyError, Signer};

use crate::files::passphrase;

/// SoftHSM takes its configuration from the process's environment, and a process has one SoftHSM: each test runs in a process of
/// its own, with a token of its own. Answers `None` in the outer process, when the inner one has passed.
fn token(test: &str) -> Option<SoftToken> {
    if let Some(config) = std::env::var_os(SOFTHSM2_CONF) {
        return Some(SoftToken::at(PathBuf::from(config).parent().unwrap()));
    }
    let folder = tempfile::tempdir().unwrap();
    let token = SoftToken::make(folder.path()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("tokens::{test}"), "--nocapture"])
        .env(SOFTHSM2_CONF, token.config())
        .output()
        .unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
    assert!(!said.contains(PIN) && !errors.contains(PIN), "the PIN was printed");
    None
}

fn generate(key: &TokenKey) -> Result<saphan_schemas::keys::PublicKey, TokenError> {
    TokenSigner::generate(key, &passphrase(PIN))
}

fn open(key: &TokenKey) -> Result<Arc<dyn Signer>, KeyStoreError> {
    KeySource::Token(key.clone()).open(None, &nobody)
}

fn claims() -> AuthClaims {
    AuthClaims {
        iss: "th.dlt/licensing".into(),
        aud: "hub.local".parse().unwrap(),
        jti: MessageId::new(),
        iat: 1,
        htm: "POST".into(),
        htu: "/v1/inbox/lease".into(),
    }
}

fn signs(signer: &dyn Signer) {
    let text = Signed::sign(claims(), signer).unwrap().as_str().to_owned();
    Unverified::<AuthClaims>::parse(&text).unwrap().verify(signer.public()).unwrap();
}

#[test]
fn a_key_made_in_a_token_signs_statements_that_verify_and_is_found_again_by_its_label() {
    let Some(token) = token("a_key_made_in_a_token_signs_statements_that_verify_and_is_found_again_by_its_label")
    else {
        return;
    };
    let (first, second) = (token.key("licensing 2026").unwrap(), token.key("licensing 2027").unwrap());
    let public = generate(&first).unwrap();
    assert_ne!(generate(&second).unwrap(), public);
    let signer = open(&first).unwrap();
    assert_eq!(*signer.public(), public);
    assert!(signer.waits());
    signs(&*signer);
    assert!(!format!("{signer:?}").contains(PIN), "the PIN shows in Debug");
}

#[test]
fn a_key_cannot_be_read_out_of_its_token_nor_made_twice() {
    let Some(token) = token("a_key_cannot_be_read_out_of_its_token_nor_made_twice") else { return };
    let key = token.key("k").unwrap();
    generate(&key).unwrap();
    let error = generate(&key).unwrap_err();
    assert!(matches!(error, TokenError::Exists { .. }), "{error}");

    use cryptoki::object::{Attribute, AttributeType, ObjectClass};
    let signer = open(&key).unwrap();
    let library = Pkcs11::new(MODULE).unwrap();
    let session = library.open_ro_session(library.get_slots_with_initialized_token().unwrap()[0]).unwrap();
    let private = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap()[0];
    let kept = session.get_attributes(private, &[AttributeType::Extractable, AttributeType::Sensitive]).unwrap();
    assert!(kept.contains(&Attribute::Extractable(false)) && kept.contains(&Attribute::Sensitive(true)), "{kept:?}");
    assert!(session.get_attributes(private, &[AttributeType::Value]).unwrap().is_empty());
    signs(&*signer);
}

#[test]
fn what_is_wrong_with_token_pin_label_or_library_is_told() {
    let Some(token) = token("what_is_wrong_with_token_pin_label_or_library_is_told") else { return };
    let key = token.key("k").unwrap();
    generate(&key).unwrap();
    let try_with = |key: &TokenKey, pin: &str| TokenSigner::open(key, &passphrase(pin)).map(drop).unwrap_err();
    let error = try_with(&key, "1234567");
    assert!(matches!(error, TokenError::Pin { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("1234567"));
    let error = try_with(&TokenKey { key: "other".into(), ..key.clone() }, PIN);
    assert_eq!(error.to_string(), "the token \"saphan\" holds no P-256 key pair with the label \"other\"");
    let error = try_with(&TokenKey { token: "other".into(), ..key.clone() }, PIN);
    assert!(error.to_string().contains("\"other\"") && error.to_string().ends_with("Those there: saphan"), "{error}");
    let error = try_with(&TokenKey { module: "/none.so".into(), ..key.clone() }, PIN);
    assert!(error.to_string().starts_with("/none.so is no PKCS #11 library"), "{error}");
    let nowhere = TokenKey { pin_file: None, pin_env: Some("SAPHAN_TEST_NO_PIN".into()), ..key };
    let error = KeySource::Token(nowhere).open(None, &nobody).unwrap_err();
    assert!(error.to_string().contains("SAPHAN_TEST_NO_PIN"), "{error}");
}

#[test]
fn a_key_of_another_curve_is_no_key_of_ours() {
    let Some(token) = token("a_key_of_another_curve_is_no_key_of_ours") else { return };
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("p384.pem");
    let curve = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out"];
    assert!(Command::new("openssl").args(curve).arg(&pem).status().unwrap().success());
    let pem = pem.display().to_string();
    token.utility(&["--import", &pem, "--token", "saphan", "--label", "p384", "--id", "01", "--pin", PIN]).unwrap();
    let error = TokenSigner::open(&token.key("p384").unwrap(), &passphrase(PIN)).map(drop).unwrap_err();
    assert!(error.to_string().contains("another curve than P-256"), "{error}");
}

#[test]
fn a_key_that_was_imported_from_a_file_is_the_same_key() {
    let Some(token) = token("a_key_that_was_imported_from_a_file_is_the_same_key") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k.pem");
    let file = saphan_keys::file::make_signing_key(&path, None).unwrap();
    let pem = path.display().to_string();
    token.utility(&["--import", &pem, "--token", "saphan", "--label", "k", "--id", "02", "--pin", PIN]).unwrap();
    let signer = open(&token.key("k").unwrap()).unwrap();
    assert_eq!(signer.public(), file.public());
    signs(&*signer);
}

#[test]
fn many_threads_sign_at_once_with_few_sessions() {
    let Some(token) = token("many_threads_sign_at_once_with_few_sessions") else { return };
    let key = token.key("k").unwrap();
    generate(&key).unwrap();
    let signer = open(&key).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| (0..20).for_each(|_| signs(&*signer)));
        }
    });
    let library = Pkcs11::new(MODULE).unwrap();
    let slot = library.get_slots_with_initialized_token().unwrap()[0];
    assert!(library.get_token_info(slot).unwrap().session_count().is_none_or(|open| open <= 8));
}

#[test]
fn a_token_that_forgot_its_sessions_is_logged_into_again() {
    let Some(token) = token("a_token_that_forgot_its_sessions_is_logged_into_again") else { return };
    let key = token.key("k").unwrap();
    generate(&key).unwrap();
    let signer = open(&key).unwrap();
    signs(&*signer);
    for _ in 0..3 {
        log_out();
        signs(&*signer);
    }
    for _ in 0..3 {
        Pkcs11::new(MODULE).unwrap().finalize().unwrap();
        signs(&*signer);
    }
}

#[test]
fn a_token_that_refuses_the_pin_is_asked_once_and_never_locked() {
    let name = "a_token_that_refuses_the_pin_is_asked_once_and_never_locked";
    let Some(token) = token(name) else { return };
    let key = token.key("k").unwrap();
    generate(&key).unwrap();
    let signer = open(&key).unwrap();
    // The PIN that was right is wrong from now on.
    change_pin(PIN, "314159");
    log_out();
    for _ in 0..20 {
        let error = signer.sign(b"text").unwrap_err();
        assert!(matches!(error, KeyError::Unavailable { .. }) && error.is_retryable(), "{error}");
        assert!(error.to_string().contains("refused the PIN"), "{error}");
    }
    change_pin("314159", PIN);
    // Not even the right one is tried by a signer that was refused: it knows no better than before.
    assert!(signer.sign(b"text").unwrap_err().to_string().contains("refused the PIN"));
    signs(&*open(&key).unwrap());
}

/// Ends the login of all sessions of this process.
fn log_out() {
    let library = Pkcs11::new(MODULE).unwrap();
    library.open_ro_session(library.get_slots_with_initialized_token().unwrap()[0]).unwrap().logout().unwrap();
}

fn change_pin(old: &str, new: &str) {
    let library = Pkcs11::new(MODULE).unwrap();
    let slot = library.get_slots_with_initialized_token().unwrap()[0];
    let session = library.open_rw_session(slot).unwrap();
    let (old, new) = (cryptoki::types::AuthPin::from(old), cryptoki::types::AuthPin::from(new));
    match session.login(cryptoki::session::UserType::User, Some(&old)) {
        Ok(()) | Err(cryptoki::error::Error::Pkcs11(cryptoki::error::RvError::UserAlreadyLoggedIn, _)) => {}
        Err(error) => panic!("{error}"),
    }
    session.set_pin(&old, &new).unwrap();
}
