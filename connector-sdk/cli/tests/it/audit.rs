//! `saphan audit`.

use std::path::Path;

use saphan_schemas::registry::{Change, EntryId};
use serde_json::{Value, json};

use crate::ledger::{AGREEMENT, Ledger, NOW, RECEIVER, SENDER, write_files};
use crate::program::saphan;

/// The answer at a moment; without one, at the end.
fn registry_at(folder: &Path, at: Option<&str>) -> (i32, Value) {
    let at = at.map(|at| ["--at", at]);
    let arguments = ["--json", "audit", "registry", ".", "--vkey", "vkey"];
    let ended = saphan(folder, arguments.into_iter().chain(at.into_iter().flatten()));
    (ended.code, ended.json())
}

fn agreements(told: &Value) -> Vec<&str> {
    told["agreements"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

fn written(ledger: &Ledger) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &ledger.files());
    folder
}

#[test]
fn who_could_send_what_to_whom_is_told_for_any_place_of_the_log() {
    let mut ledger = Ledger::with_messages(3);
    let before = ledger.size() - 1;
    ledger.change(Change::Revoked(EntryId::Agreement(AGREEMENT.parse().unwrap())));
    let key = ledger.key(SENDER).public().id();
    ledger.change(Change::Revoked(EntryId::Key(key)));
    let folder = written(&ledger);
    let at = |index: u64| registry_at(folder.path(), Some(&index.to_string())).1;
    // The sender's system, before the receiver's is there.
    let early = at(4);
    assert_eq!((&early["entries"], &early["verified"]), (&json!(5), &json!(true)));
    assert_eq!(early["systems"], json!([{ "system": SENDER, "keys": [key.to_string()] }]));
    // Signed by one member, then by both.
    assert_eq!(agreements(&at(9)), [] as [&str; 0]);
    assert_eq!(agreements(&at(10)), [AGREEMENT]);
    let allowed = at(before);
    let terms = &allowed["agreements"][0];
    assert_eq!((&terms["sender"], &terms["receiver"]), (&json!(SENDER), &json!(RECEIVER)));
    assert_eq!(agreements(&at(before + 1)), [] as [&str; 0], "it was revoked");
    let (code, end) = registry_at(folder.path(), None);
    assert_eq!((code, &end["entries"]), (0, &json!(ledger.size())));
    assert_eq!(end["systems"][0]["keys"], json!([]), "so was the key: {end}");
}

#[test]
fn an_agreement_whose_sender_has_no_key_is_told_apart() {
    let mut ledger = Ledger::new();
    let key = ledger.key(SENDER).public().id();
    ledger.change(Change::Revoked(EntryId::Key(key)));
    let told = registry_at(written(&ledger).path(), None).1;
    assert_eq!((&told["agreements"], &told["without_key"][0]["id"]), (&json!([]), &json!(AGREEMENT)));
}

#[test]
fn a_moment_may_be_a_time_and_must_be_in_the_log() {
    let folder = written(&Ledger::with_messages(1));
    let time = |seconds: u64| {
        let time = saphan_schemas::message_types::Timestamp::from_unix_seconds(seconds).unwrap();
        registry_at(folder.path(), Some(time.as_str()))
    };
    assert_eq!(agreements(&time(NOW).1), [AGREEMENT]);
    for (code, told) in [time(NOW - 1), registry_at(folder.path(), Some("1000"))] {
        assert_eq!(code, 2, "{told}");
        assert!(told["error"]["what"].as_str().unwrap().contains("none at that moment"), "{told}");
    }
    let wrong = saphan(folder.path(), ["audit", "registry", ".", "--at", "yesterday"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("neither a place of the log nor a time"), "{}", wrong.err);
}

#[test]
fn nothing_is_told_of_a_log_that_does_not_hold() {
    let ledger = Ledger::with_messages(3);
    let mut files = ledger.files();
    let bundle = files.keys().find(|path| path.starts_with("tile/entries")).unwrap().clone();
    let bytes = files.get_mut(&bundle).unwrap();
    let end = bytes.len() - 20;
    bytes[end] ^= 1;
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &files);
    let (code, told) = registry_at(folder.path(), Some("10"));
    assert_eq!((code, &told["verified"], told.get("agreements")), (1, &json!(false), None), "{told}");
}
