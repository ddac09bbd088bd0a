//! Keys that came or went near the end of a log which the hub has lost in part.

use saphan_schemas::registry::{Change, Entry, EntryId, HubKey, HubKeyId};
use saphan_timestamps::testing::{KeyKind, TestAuthority};
use serde_json::json;

use super::abandoned::{Loss, abandoned, lose};
use super::begun::{killed_at, killed_in, signed_by, stranger};
use super::{Files, Hub, NEXT, THIRD, stamped};
use crate::ledger::{Ledger, ORIGIN, new_key};

/// A hub whose second key for checkpoints came after `early`, and alone signed what is left and the last one. What was shown and not
/// audited in between is beyond what is left, and signed by the first key.
fn late_second_key() -> (Files, Files, String, Loss) {
    let mut log = Ledger::with_messages(10);
    let (early, key) = (log.files(), log.vkey().to_string());
    for _ in 0..280 {
        log.send("{}");
    }
    let second = log.prepare(ORIGIN);
    let first = log.sign_with(second);
    let mut shown = Files::new();
    let loss = lose(log, NEXT, |log| {
        let second = log.sign_with(first);
        shown = log.files();
        log.sign_with(second);
        log.send("{}");
    });
    shown.retain(|path, _| !path.starts_with("tile/entries/001"));
    (early, shown, key, loss)
}

/// The state folder as it was.
fn restore(hub: &Hub, trusted: &[u8]) {
    std::fs::remove_dir_all(hub.path().join("state")).unwrap();
    std::fs::create_dir(hub.path().join("state")).unwrap();
    std::fs::write(hub.path().join("state/audit.db"), trusted).unwrap();
}

#[test]
fn a_loss_is_signed_by_a_key_that_what_is_left_registers_wherever_an_audit_is_killed() {
    let (early, shown, key, mut loss) = late_second_key();
    let hub = Hub::new();
    let authority = TestAuthority::new(KeyKind::P256).unwrap();
    std::fs::copy(authority.pem(), hub.path().join("ca.pem")).unwrap();
    // Files that are read when what is left is trusted, and nothing is given up yet.
    loss.whole = stamped(&loss.whole, &loss.leaves, &[300], &authority);
    hub.shows("2026h2", &early);
    assert_eq!(hub.audit("2026h2", &key).0, 0);
    hub.shows("2026h2", &shown);
    assert_eq!(hub.audit("2026h2", &key).1["verdict"]["class"], "missing-file");
    let before = std::fs::read(hub.path().join("state/audit.db")).unwrap();
    hub.shows("2026h2", &loss.whole);
    hub.shows("2027h1", &loss.next.files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["log"]["abandoned"]), (0, &abandoned(&loss)), "{told}");
    let files = |log: &'static str, files: Files| files.into_keys().map(move |path| format!("{log}/{path}"));
    let all = files("2026h2", loss.whole.clone()).chain(files("2027h1", loss.next.files()));
    for path in all.filter(|path| !path.ends_with("vkey")) {
        restore(&hub, &before);
        killed_in(&hub, "2027h1", &path, &["--vkey", &key, "--timestamp-authority", "ca.pem"]);
        let (code, told) = hub.audit("2027h1", &key);
        assert_eq!((code, &told["log"]["abandoned"]), (0, &abandoned(&loss)), "{path}: {told}");
        let evidence = std::fs::read_dir(hub.path().join("state/evidence")).unwrap();
        assert_eq!(evidence.count(), 1, "{path}: what was shown beyond is kept");
    }
}

#[test]
fn an_audit_with_a_key_that_only_the_lost_part_registered_goes_on_wherever_it_is_killed() {
    let mut given = String::new();
    let loss = lose(Ledger::with_messages(300), NEXT, |log| {
        given = log.add_log_key().to_string();
        log.send("{}");
    });
    let hub = Hub::new();
    hub.shows("2026h2", &loss.whole);
    let first = String::from_utf8(loss.kept["vkey"].clone()).unwrap();
    assert_eq!(hub.audit("2026h2", first.trim()).0, 0);
    let before = std::fs::read(hub.path().join("state/audit.db")).unwrap();
    hub.shows("2026h2", &loss.kept);
    hub.shows("2027h1", &loss.next.files());
    let mut went_back = 0;
    for path in loss.kept.keys().filter(|path| *path != "vkey") {
        restore(&hub, &before);
        killed_at(&hub, &format!("2026h2/{path}"), &given);
        went_back += u32::from(hub.path().join("state/evidence").exists());
        let (code, told) = hub.audit("2027h1", &given);
        assert_eq!((code, &told["log"]["abandoned"]), (0, &abandoned(&loss)), "{path}: {told}");
    }
    assert!(went_back > 1, "killed behind it: {went_back}");
}

#[test]
fn the_operators_key_that_what_is_left_knows_vouches_for_the_next_log_though_it_was_revoked_in_the_lost_part() {
    let loss = lose(Ledger::with_messages(300), NEXT, |log| {
        let first = log.trust().operator.unwrap();
        log.change(Change::Added(Entry::HubKey(HubKey::Operator { jwk: *new_key().public() })));
        log.change(Change::Revoked(EntryId::HubKey(HubKeyId::Operator(first.id()))));
        log.send("{}");
    });
    let key = String::from_utf8(loss.kept["vkey"].clone()).unwrap();
    let hub = Hub::new();
    hub.shows("2026h2", &loss.whole);
    assert_eq!(hub.audit("2026h2", key.trim()).0, 0);
    hub.shows("2026h2", &loss.kept);
    hub.shows("2027h1", &loss.next.files());
    let (code, told) = hub.audit("2027h1", key.trim());
    assert_eq!((code, &told["log"]["abandoned"]), (0, &abandoned(&loss)), "{told}");
}

#[test]
fn an_audit_that_comes_late_finds_the_next_log_signed_by_a_key_that_it_registered_since() {
    let mut loss = lose(Ledger::with_messages(300), NEXT, |log| {
        log.send("{}");
    });
    let (kept, whole, lost) = (loss.kept.clone(), loss.whole.clone(), abandoned(&loss));
    let key = String::from_utf8(kept["vkey"].clone()).unwrap();
    let first = loss.next.vkey().clone();
    loss.next.add_log_key();
    loss.next.change(Change::Revoked(EntryId::HubKey(HubKeyId::Log(first))));
    loss.next.use_second_log_key_only();
    let false_next = signed_by(&loss.next, &stranger());
    let third = loss.next.prepare(THIRD);
    loss.next.close(THIRD);
    let (next, previous) = (loss.next.files(), loss.next.checkpoint());
    let third = loss.next.into_next(third, previous).files();
    for trusted in [&whole, &kept] {
        let hub = Hub::new();
        hub.shows("2026h2", trusted);
        assert_eq!(hub.audit("2026h2", key.trim()).0, 0);
        hub.shows("2026h2", &kept);
        hub.shows("2027h1", &false_next);
        let (code, told) = hub.audit("2027h1", key.trim());
        assert_eq!((code, &told["verdict"]["class"]), (1, &json!("changed-checkpoint")), "{told}");
        assert!(!hub.path().join("state/evidence").exists(), "nothing is given up");
        hub.shows("2027h1", &next);
        hub.shows("2027h2", &third);
        let (code, told) = hub.audit("2027h2", key.trim());
        assert_eq!((code, &told["log"]["abandoned"]), (0, &lost), "{told}");
    }
}
