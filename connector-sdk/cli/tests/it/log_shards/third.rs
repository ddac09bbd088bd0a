//! First audits with the key of a log that the first one does not know of.

use saphan_cli::log_audit::state::{AuditState, StateError};
use saphan_schemas::log::{NoteSigner, SignedNote, Stamped, decode_bundle};
use saphan_timestamps::testing::{KeyKind, TestAuthority};
use serde_json::{Value, json};

use super::abandoned::lose;
use super::begun::{killed_in, signed_by, stranger};
use super::{Files, Hub, NEXT, THIRD, changed, ending, stamped};
use crate::ledger::{Ledger, ORIGIN};
use crate::program::saphan;

/// The files of three logs, one after the other, and the newest.
fn three() -> ([Files; 2], Ledger) {
    let (first, mut second) = changed();
    let key = second.prepare(THIRD);
    second.close(THIRD);
    let (files, previous) = (second.files(), second.checkpoint());
    ([first, files], second.into_next(key, previous))
}

/// The same, of which the first two were lost in part: nothing registers the key of the next one before the next one does.
fn three_after_losses() -> ([Files; 2], Ledger) {
    let more = |log: &mut Ledger| {
        log.send("{}");
    };
    let first = lose(Ledger::with_messages(300), NEXT, more);
    let second = lose(first.next, THIRD, more);
    ([first.kept, second.whole], second.next)
}

fn entries(files: &Files) -> Vec<Vec<u8>> {
    let bundles = files.iter().filter(|(path, _)| path.starts_with("tile/entries/"));
    let of = |(path, bytes): (&String, &Vec<u8>)| {
        let width = path.split_once(".p/").map_or(256, |(_, width)| width.parse().unwrap());
        let entries = decode_bundle(bytes, width).unwrap();
        entries.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    bundles.flat_map(of).collect()
}

/// Whether the folder refuses a key of the third log that nobody began with.
async fn refuses_strangers(hub: &Hub) -> bool {
    let stranger = NoteSigner::from_pkcs8(THIRD, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    let opened = AuditState::open(&hub.path().join("state"), stranger.verifier_key()).await;
    matches!(opened, Err(StateError::OtherLog { .. }))
}

#[tokio::test]
async fn a_first_audit_with_a_key_that_the_first_log_does_not_know_goes_on_wherever_it_is_killed() {
    let authority = TestAuthority::new(KeyKind::P256).unwrap();
    for ([first, second], third) in [three(), three_after_losses()] {
        let leaves = entries(&first);
        // Files that are read when all of the log is trusted.
        let first = stamped(&first, &leaves, &[leaves.len() as u64], &authority);
        let (hub, key, third) = (Hub::new(), third.vkey().to_string(), third.files());
        std::fs::copy(authority.pem(), hub.path().join("ca.pem")).unwrap();
        hub.shows("2026h2", &first);
        hub.shows("2027h1", &second);
        hub.shows("2027h2", &third);
        let more = ["--vkey", &*key, "--timestamp-authority", "ca.pem"];
        let files_of = |log: &'static str, files: &Files| {
            files.keys().filter(|path| *path != "vkey").map(|path| format!("{log}/{path}")).collect::<Vec<_>>()
        };
        let mut refused = 0;
        for path in [("2026h2", &first), ("2027h1", &second), ("2027h2", &third)]
            .map(|(log, files)| files_of(log, files))
            .concat()
        {
            killed_in(&hub, "2027h2", &path, &more);
            refused += u32::from(refuses_strangers(&hub).await);
            let arguments = ["--json", "audit", "log", "2027h2", "--state", "state"].into_iter().chain(more);
            let ended = saphan(hub.path(), arguments);
            let told: Value = ended.json();
            assert_eq!((ended.code, &told["log"]["origin"]), (0, &json!(THIRD)), "{path}: {told}");
            assert!(refuses_strangers(&hub).await, "{path}");
            std::fs::remove_dir_all(hub.path().join("state")).unwrap();
        }
        assert!(refused > 1, "killed where a log is trusted: {refused}");
    }
}

/// The checkpoint of a log with one more signature.
fn signed_too(checkpoint: &str, signer: &NoteSigner) -> String {
    let mut note: SignedNote = checkpoint.parse().unwrap();
    note.add_signature(signer).unwrap();
    note.to_string()
}

#[test]
fn a_given_key_that_signs_and_is_registered_nowhere_is_told() {
    let unregistered = |hub: &Hub, log: &str, signer: &NoteSigner| {
        for _ in 0..2 {
            let (code, told) = hub.audit(log, &signer.verifier_key().to_string());
            assert_eq!((code, &told["verdict"]["class"]), (1, &json!("unknown-key")), "{told}");
            let reason = told["verdict"]["reason"].as_str().unwrap();
            assert!(reason.contains(&signer.verifier_key().to_string()), "{reason}");
        }
    };
    // Of the newest log.
    let (first, second) = changed();
    let (hub, signer) = (Hub::new(), stranger());
    let mut files = second.files();
    let checkpoint = String::from_utf8(files["checkpoint"].clone()).unwrap();
    files.insert("checkpoint".into(), signed_too(&checkpoint, &signer).into_bytes());
    hub.shows("2026h2", &first);
    hub.shows("2027h1", &files);
    unregistered(&hub, "2027h1", &signer);
    // The log itself holds.
    assert_eq!(hub.audit("2027h1", &second.vkey().to_string()).0, 0);
    // Of a log before it.
    let (mut old, next) = ending();
    old.close(NEXT);
    let signer = NoteSigner::from_pkcs8(ORIGIN, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    let (files, previous) = (old.files(), signed_too(&old.checkpoint(), &signer));
    let new = old.into_next(next, previous);
    let hub = Hub::new();
    hub.shows("2026h2", &files);
    hub.shows("2027h1", &new.files());
    unregistered(&hub, "2027h1", &signer);
    let key = new.vkey().to_string();
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["since"]), (0, &json!(null)), "nothing of that was trusted: {told}");
}

#[test]
fn only_the_key_that_an_audit_set_out_with_may_go_on_and_it_must_still_lead() {
    let ([first, second], third) = three();
    let (hub, key) = (Hub::new(), third.vkey().to_string());
    let authority = TestAuthority::new(KeyKind::P256).unwrap();
    std::fs::copy(authority.pem(), hub.path().join("ca.pem")).unwrap();
    let (mut late, leaves) = (first.clone(), entries(&first));
    // A list of timestamps that is none, beside a log that holds and is trusted.
    late.insert(Stamped::page_path(0), b"none".to_vec());
    hub.shows("2026h2", &late);
    hub.shows("2027h1", &second);
    hub.shows("2027h2", &third.files());
    let audit = |vkey: &str| {
        let arguments = ["--json", "audit", "log", "2027h2", "--vkey", vkey, "--state", "state"];
        saphan(hub.path(), arguments.into_iter().chain(["--timestamp-authority", "ca.pem"]))
    };
    assert_eq!(audit(&key).json()["verdict"]["class"], "malformed-file");
    let other = NoteSigner::from_pkcs8(THIRD, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    let ended =
        saphan(hub.path(), ["audit", "log", "2027h2", "--vkey", &other.verifier_key().to_string(), "--state", "state"]);
    assert!(ended.code == 2 && ended.err.contains("that of the log with the key"), "{} {}", ended.code, ended.err);
    // The key is the right one, and what is shown is not.
    hub.shows("2026h2", &first);
    hub.shows("2027h2", &signed_by(&third, &other));
    let (code, told) = hub.audit("2027h2", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("changed-checkpoint")), "{told}");
    hub.shows("2027h2", &third.files());
    let (code, told) = hub.audit("2027h2", &key);
    assert_eq!((code, &told["since"]["size"]), (0, &json!(leaves.len())), "it goes on: {told}");
}
