//! A log that the hub has lost in part: the next one says what is left of it.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::leaf::Abandoned;
use saphan_schemas::log::{NoteSigner, VerifierKey, verify_inclusion};
use saphan_schemas::message::MessageFile;
use saphan_schemas::registry::{Change, Entry, HubKey};
use saphan_timestamps::testing::{KeyKind, TestAuthority};
use serde_json::{Value, json};

use super::begun::{killed_at, signed_by, stranger};
use super::{Files, Hub, NEXT, processed, stamped};
use crate::ledger::{Ledger, ORIGIN, RECEIVER};
use crate::program::saphan;

/// A log of which the hub has kept the beginning, and the next.
pub(super) struct Loss {
    /// As it was when the copy was made that came back.
    pub(super) kept: Files,
    /// As it was at last.
    pub(super) whole: Files,
    pub(super) leaves: Vec<Vec<u8>>,
    /// The hub's key for it.
    key: VerifierKey,
    /// A message that was lost, as its sender has it.
    lost: MessageFile,
    /// The indices of a message that is left, and of the lost one.
    pub(super) places: (u64, u64),
    last: u64,
    pub(super) next: Ledger,
}

/// Loses what `more` puts into a log.
pub(super) fn lose(mut log: Ledger, next: &str, more: impl FnOnce(&mut Ledger)) -> Loss {
    let left = log.send(r#"{"left":true}"#);
    let (kept, checkpoint) = (log.files(), log.checkpoint());
    let lost = log.send(r#"{"lost":true}"#);
    more(&mut log);
    let file = log.file(lost);
    let signer = NoteSigner::from_pkcs8(next, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    let vouching =
        log.operators_entry(Change::Added(Entry::HubKey(HubKey::Log { vkey: signer.verifier_key().clone() })));
    let (whole, last, size, key) = (log.files(), log.checkpoint(), log.size(), log.vkey().clone());
    let leaves = log.leaves.clone();
    let abandoned = Abandoned { kept: checkpoint, key: Some(vouching) };
    let next = log.into_next_after(signer, last, Some(abandoned));
    Loss { kept, whole, leaves, key, lost: file, places: (left, lost), last: size, next }
}

/// More than a tile of messages is left, and the last tile is not the same at both sizes.
fn loss() -> Loss {
    lose(Ledger::with_messages(300), NEXT, |log| {
        for _ in 0..9 {
            log.send("{}");
        }
    })
}

pub(super) fn abandoned(loss: &Loss) -> Value {
    json!([{ "log": ORIGIN, "next": NEXT, "kept": loss.places.0 + 1, "last": loss.last }])
}

#[test]
fn a_check_goes_over_what_is_left_and_says_how_much_was_lost() {
    let mut loss = loss();
    loss.next.acknowledge_in(Some(ORIGIN), RECEIVER, processed(loss.places.0));
    let hub = Hub::new();
    for shown in [&loss.whole, &loss.kept] {
        hub.shows("2026h2", shown);
        hub.shows("2027h1", &loss.next.files());
        let (code, told) = hub.check("2027h1");
        assert_eq!((code, &told["log"]["abandoned"]), (0, &abandoned(&loss)), "{told}");
        assert_eq!((&told["log"]["size"], &told["log"]["leaves"]["messages"]), (&json!(2), &json!(301)), "{told}");
    }
    let text = saphan(hub.path(), ["log", "check", "2027h1"]).out;
    assert!(text.contains(&format!("abandoned        {ORIGIN}: {} of ", loss.places.0 + 1)), "{text}");
    // By itself it is a log like any other: what was lost for the hub is not lost for who has it.
    hub.shows("2026h2", &loss.whole);
    let (code, told) = hub.check("2026h2");
    assert_eq!((code, &told["log"]["size"]), (0, &json!(loss.last)), "{told}");
    // What was lost can be acknowledged by nobody.
    loss.next.acknowledge_in(Some(ORIGIN), RECEIVER, processed(loss.places.1));
    hub.shows("2027h1", &loss.next.files());
    let (code, told) = hub.check("2027h1");
    assert_eq!((code, &told["index"]), (1, &json!(2)), "{told}");
}

#[test]
fn an_audit_that_had_trusted_more_than_is_left_goes_back_and_keeps_what_it_had_seen() {
    let (mut loss, hub) = (loss(), Hub::new());
    let key = loss.key.to_string();
    hub.shows("2026h2", &loss.whole);
    assert_eq!(hub.audit("2026h2", &key).0, 0);
    // The hub itself shows no more than it has.
    hub.shows("2026h2", &loss.kept);
    hub.shows("2027h1", &loss.next.files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["log"]["abandoned"]), (0, &abandoned(&loss)), "{told}");
    assert_eq!(
        (&told["since"]["size"], &told["log"]["leaves"]["messages"]),
        (&json!(loss.last), &json!(301)),
        "{told}"
    );
    let evidence = std::fs::read_dir(hub.path().join("state/evidence")).unwrap();
    let evidence: Vec<_> = evidence.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    assert!(evidence.len() == 1 && evidence[0].starts_with("abandoned-"), "{evidence:?}");
    // It goes on from there, and does not go back again.
    let message = loss.next.send("{}");
    loss.next.acknowledge_in(Some(NEXT), RECEIVER, processed(message));
    hub.shows("2027h1", &loss.next.files());
    let (code, told) = hub.audit("2027h1", &loss.next.vkey().to_string());
    assert_eq!((code, &told["entries_checked"]), (0, &json!(2)), "{told}");
}

#[test]
fn an_audit_that_had_trusted_less_goes_on_to_what_is_left() {
    let log = Ledger::with_messages(300);
    let hub = Hub::new();
    let key = log.vkey().to_string();
    hub.shows("2026h2", &log.files());
    assert_eq!(hub.audit("2026h2", &key).0, 0);
    let loss = lose(log, NEXT, |log| {
        log.send("{}");
    });
    hub.shows("2026h2", &loss.whole);
    hub.shows("2027h1", &loss.next.files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["entries_checked"]), (0, &json!(2)), "{told}");
    assert!(!hub.path().join("state/evidence").exists());
}

#[test]
fn a_later_log_is_abandoned_as_the_first_one_is() {
    let (loss, hub) = (loss(), Hub::new());
    let key = loss.key.to_string();
    hub.shows("2026h2", &loss.whole);
    let second = lose(loss.next, "hub.local/log/2027h2", |log| {
        log.send("{}");
    });
    hub.shows("2027h1", &second.whole);
    assert_eq!(hub.audit("2027h1", &key).0, 0);
    hub.shows("2027h2", &second.next.files());
    let (code, told) = hub.audit("2027h2", &key);
    assert_eq!((code, told["log"]["abandoned"].as_array().map(Vec::len)), (0, Some(2)), "{told}");
    assert_eq!(told["log"]["leaves"]["messages"], 302, "{told}");
    assert_eq!(hub.check("2027h2").0, 0);
}

/// A log as it was five messages before the audit that trusts these files of it.
fn trusted_and_gone(hub: &Hub) -> (Ledger, Files) {
    let mut log = Ledger::with_messages(3);
    let before = (log.leaves.clone(), log.messages.clone());
    for _ in 0..5 {
        log.send("{}");
    }
    let trusted = log.files();
    hub.shows("2026h2", &trusted);
    assert_eq!(hub.audit("2026h2", &log.vkey().to_string()).0, 0);
    (log.leaves, log.messages) = before;
    (log, trusted)
}

#[test]
fn a_hub_that_knows_of_less_than_it_showed_has_rolled_back() {
    let hub = Hub::new();
    let (log, _) = trusted_and_gone(&hub);
    let key = log.vkey().to_string();
    let loss = lose(log, NEXT, |_| {});
    hub.shows("2026h2", &loss.kept);
    hub.shows("2027h1", &loss.next.files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("rollback")), "{told}");
    assert!(hub.path().join(told["verdict"]["evidence"].as_str().unwrap()).join("before").exists());
    assert_eq!(told["since"]["size"], Ledger::with_messages(3).size() + 5, "what was trusted stays");
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("rollback")), "{told}");
}

#[test]
fn two_histories_that_the_hub_signed_are_a_fork_whatever_the_next_log_is() {
    let hub = Hub::new();
    let (log, trusted) = trusted_and_gone(&hub);
    let key = log.vkey().to_string();
    let loss = lose(log, NEXT, |log| {
        for _ in 0..3 {
            log.send("{}");
        }
    });
    hub.shows("2026h2", &loss.whole);
    hub.shows("2027h1", &signed_by(&loss.next, &stranger()));
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("fork")), "{told}");
    let evidence = hub.path().join(told["verdict"]["evidence"].as_str().unwrap());
    let [before, shown] = ["before", "shown"].map(|name| std::fs::read(evidence.join(name)).unwrap());
    assert_eq!((&before, &shown), (&trusted["checkpoint"], &loss.whole["checkpoint"]));
}

#[test]
fn a_receipt_of_what_was_lost_is_told_as_lost_with_what_the_hub_says_itself() {
    let (loss, hub) = (loss(), Hub::new());
    hub.shows("2026h2", &loss.kept);
    hub.shows("2027h1", &loss.next.files());
    std::fs::write(hub.path().join("m.saphan.json"), serde_json::to_vec(&loss.lost).unwrap()).unwrap();
    let arguments = ["--json", "audit", "receipts", "2027h1", "--vkey", "2027h1/vkey", "--kept", "m.saphan.json"];
    let ended = saphan(hub.path(), arguments);
    let told = ended.json();
    assert_eq!((ended.code, &told["files"][0]["class"]), (1, &json!("lost")), "{told}");
    let written = std::fs::read(hub.path().join(told["files"][0]["evidence"].as_str().unwrap())).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    let leaf = written["other_entry"]["leaf"].as_str().unwrap();
    assert!(leaf.contains("\"abandoned\""), "{leaf}");
    let proof: Vec<Sha256Hash> = serde_json::from_value(written["other_entry"]["proof"].clone()).unwrap();
    let hash = saphan_schemas::log::leaf_hash(leaf.as_bytes());
    verify_inclusion(hash, 0, 1, &proof, hash).unwrap();
}

#[test]
fn nothing_is_given_up_for_a_loss_that_no_key_of_the_hub_signed() {
    let (honest, hub) = (Ledger::with_messages(305), Hub::new());
    let key = honest.vkey().to_string();
    hub.shows("2026h2", &honest.files());
    assert_eq!(hub.audit("2026h2", &key).0, 0);
    // Somebody else's logs under the same names, with less left than was trusted.
    let loss = loss();
    assert!(loss.places.0 < honest.size() && honest.size() < loss.last);
    hub.shows("2026h2", &loss.kept);
    hub.shows("2027h1", &loss.next.files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("changed-checkpoint")), "{told}");
    assert!(!hub.path().join("state/evidence").exists(), "nobody is accused");
    hub.shows("2026h2", &honest.files());
    let (code, told) = hub.audit("2026h2", &key);
    assert_eq!((code, &told["since"]["size"]), (0, &json!(honest.size())), "what was trusted is there: {told}");
}

#[test]
fn timestamps_of_what_was_lost_are_not_missed() {
    let (loss, hub) = (loss(), Hub::new());
    let key = loss.key.to_string();
    let authority = TestAuthority::new(KeyKind::P256).unwrap();
    std::fs::copy(authority.pem(), hub.path().join("ca.pem")).unwrap();
    let stamped = |files: &Files, sizes: &[u64]| stamped(files, &loss.leaves, sizes, &authority);
    let audit = |log: &str| {
        let arguments = ["--json", "audit", "log", log, "--vkey", &key, "--state", "state"];
        let ended = saphan(hub.path(), arguments.into_iter().chain(["--timestamp-authority", "ca.pem"]));
        (ended.code, ended.json())
    };
    hub.shows("2026h2", &stamped(&loss.whole, &[20, loss.places.1 + 1, loss.last]));
    let (code, told) = audit("2026h2");
    assert_eq!((code, &told["timestamps"]["held"]), (0, &json!(3)), "{told}");
    hub.shows("2026h2", &stamped(&loss.kept, &[20]));
    hub.shows("2027h1", &loss.next.files());
    let (code, told) = audit("2027h1");
    assert_eq!((code, &told["timestamps"]["earlier"][0]["held"]), (0, &json!(1)), "{told}");
}

#[test]
fn an_audit_that_is_killed_when_it_went_back_goes_on_with_the_same_key() {
    let mut log = Ledger::with_messages(300);
    let first = log.vkey().to_string();
    // Bound to one key of the log, and asked with another.
    let given = log.add_log_key().to_string();
    let loss = lose(log, NEXT, |log| {
        log.send("{}");
    });
    let hub = Hub::new();
    hub.shows("2026h2", &loss.whole);
    assert_eq!(hub.audit("2026h2", &first).0, 0);
    let trusted = std::fs::read(hub.path().join("state/audit.db")).unwrap();
    hub.shows("2026h2", &loss.kept);
    hub.shows("2027h1", &loss.next.files());
    let mut went_back = 0;
    for path in loss.kept.keys().filter(|path| *path != "vkey") {
        killed_at(&hub, &format!("2026h2/{path}"), &given);
        let kept_before = hub.path().join("state/evidence").exists();
        went_back += u32::from(kept_before);
        let (code, told) = hub.audit("2027h1", &given);
        assert_eq!((code, &told["log"]["leaves"]["messages"]), (0, &json!(301)), "{path}: {told}");
        std::fs::remove_dir_all(hub.path().join("state")).unwrap();
        std::fs::create_dir(hub.path().join("state")).unwrap();
        std::fs::write(hub.path().join("state/audit.db"), &trusted).unwrap();
    }
    assert!(went_back > 1, "killed behind it: {went_back}");
}
