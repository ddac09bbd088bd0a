//! Keys under a passphrase: from the environment, from a file, from the terminal.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::ledger::SENDER;
use crate::program::{Ended, PROGRAM, saphan, saphan_with};
use crate::send::Station;

const VARIABLE: &str = "SAPHAN_KEY_PASSPHRASE";

fn with_passphrase(folder: &Path, passphrase: &str, arguments: &[&str]) -> Ended {
    saphan_with(folder, &[(VARIABLE, OsStr::new(passphrase))], arguments)
}

fn write_secret(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_protected_key_opens_with_its_passphrase_and_the_error_says_whose_side_it_is_on_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = with_passphrase(folder, "correct horse", &["--json", "keys", "new", "--out", "k.pem"]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert_eq!(made.json()["protected"], true);
    let text = std::fs::read_to_string(folder.join("k.pem")).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{text}");

    let shown = with_passphrase(folder, "correct horse", &["--json", "keys", "show", "k.pem"]);
    assert_eq!(shown.json()["kid"], made.json()["kid"]);
    write_secret(&folder.join("secret"), "correct horse\n");
    let shown = saphan(folder, ["--json", "keys", "show", "k.pem", "--passphrase-file", "secret"]);
    assert_eq!(shown.json()["kid"], made.json()["kid"]);

    let wrong = with_passphrase(folder, "battery staple", &["--json", "keys", "show", "k.pem"]);
    let error = &wrong.json()["error"];
    assert_eq!(
        (wrong.code, &error["what"], &error["side"]),
        (2, &"the passphrase does not open k.pem".into(), &"caller".into())
    );
    assert!(!wrong.out.contains("battery"), "{}", wrong.out);
    let missing = saphan(folder, ["--json", "keys", "show", "k.pem"]);
    assert_eq!(missing.code, 2);
    assert!(missing.json()["error"]["advice"].as_str().unwrap().contains(VARIABLE), "{}", missing.out);
}

#[test]
fn without_a_terminal_no_passphrase_is_asked_for_and_no_key_is_made_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let made = saphan(folder.path(), ["--json", "keys", "new", "--passphrase"]);
    assert_eq!(made.code, 2, "{}", made.out);
    assert!(made.json()["error"]["what"].as_str().unwrap().contains("there is no terminal"), "{}", made.out);
    assert!(!folder.path().join("saphan.key.pem").exists());
}

/// Runs the program on a terminal of its own, where somebody types these lines; answers with what the terminal showed.
fn on_a_terminal(folder: &Path, arguments: &str, typed: &str) -> (i32, String) {
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--echo", "never", "--command", &format!("{PROGRAM} {arguments}"), "/dev/null"])
        .current_dir(folder)
        .env_remove(VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("script cannot be run ({error}); install the package bsdutils"));
    // Held until the program ends: the terminal hangs up with it.
    let mut keyboard = terminal.stdin.take().unwrap();
    keyboard.write_all(typed.as_bytes()).unwrap();
    keyboard.flush().unwrap();
    let status = terminal.wait().unwrap();
    drop(keyboard);
    let output = terminal.wait_with_output().unwrap();
    (status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_passphrase_is_asked_for_twice_on_the_terminal_and_not_shown_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (code, shown) = on_a_terminal(folder, "keys new --passphrase --out k.pem", "correct horse\ncorrect horse\n");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("Passphrase for the new key: ") && shown.contains("The same again: "), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
    assert_eq!(with_passphrase(folder, "correct horse", &["keys", "show", "k.pem"]).code, 0);
    let (code, shown) = on_a_terminal(folder, "keys show k.pem", "correct horse\n");
    assert_eq!(code, 0, "{shown}");

    let (code, shown) =
        on_a_terminal(folder, "keys new --passphrase --out other.pem", "correct horse\ncorrect house\n");
    assert_eq!(code, 2, "{shown}");
    assert!(shown.contains("the two passphrases differ; no key was made"), "{shown}");
    assert!(!folder.join("other.pem").exists());
}

#[tokio::test]
async fn a_message_is_sent_with_a_protected_key_whose_passphrase_the_configuration_finds() {
    let station = Station::with_key(SENDER, |folder| {
        write_secret(&folder.join("secret"), "correct horse\n");
        let made = saphan(folder, ["--json", "keys", "new", "--passphrase-file", "secret"]);
        assert_eq!(made.code, 0, "{}", made.err);
        ("key = \"saphan.key.pem\"\nkey_passphrase_file = \"secret\"\n".into(), made.json())
    })
    .await;
    let ended = station.send(&[]).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(station.hub.held().ledger.messages.len(), 1);
}
