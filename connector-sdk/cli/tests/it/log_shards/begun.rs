//! First audits that begin in an earlier log than the one whose key is given.

use std::collections::BTreeSet;
use std::path::Path;

use saphan_cli::log_audit::state::{AuditState, StateError};
use saphan_schemas::leaf::{Leaf, ShardEvent};
use saphan_schemas::log::{Checkpoint, LogRebuilder, NoteSigner, decode_bundle, encode_bundle, leaf_hash};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Files, Hub, NEXT, changed, ending, processed};
use crate::ledger::{Ledger, ORIGIN, RECEIVER, new_signer};
use crate::program::{self, saphan};

/// The key that a state folder is bound to, if it is: another hub's key is told.
async fn bound(state: &Path) -> Option<String> {
    let other = NoteSigner::from_pkcs8("other.hub/log/1", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    match AuditState::open(state, other.verifier_key()).await {
        Err(StateError::OtherLog { found }) => Some(found),
        Err(error) => panic!("{error}"),
        Ok(_) => None,
    }
}

/// An audit of the log 2027h1 by this key, killed when it reads this file.
pub(super) fn killed_at(hub: &Hub, path: &str, key: &str) {
    killed_in(hub, "2027h1", path, &["--vkey", key]);
}

/// An audit of this log, killed when it reads this file.
pub(super) fn killed_in(hub: &Hub, log: &str, path: &str, more: &[&str]) {
    program::killed_at(hub.path(), path, &[&["audit", "log", log, "--state", "state"], more].concat());
}

#[tokio::test]
async fn a_first_audit_that_is_killed_anywhere_goes_on_with_the_same_key() {
    let (old, mut new) = changed();
    new.acknowledge_in(Some(ORIGIN), RECEIVER, processed(200));
    // So many that some of its files are read when the first log is done.
    for _ in 0..260 {
        new.send("{}");
    }
    let (hub, key, files) = (Hub::new(), new.vkey().to_string(), new.files());
    hub.shows("2026h2", &old);
    hub.shows("2027h1", &files);
    let files_of = |log: &'static str, files: Files| files.into_keys().map(move |path| (log, path));
    let mut bound_to = BTreeSet::new();
    for (log, path) in files_of("2026h2", old).chain(files_of("2027h1", files)) {
        if path == "vkey" {
            continue;
        }
        killed_at(&hub, &format!("{log}/{path}"), &key);
        bound_to.extend(bound(&hub.path().join("state")).await);
        let (code, told) = hub.audit("2027h1", &key);
        assert_eq!((code, &told["log"]["leaves"]["messages"]), (0, &json!(560)), "{log}/{path}: {told}");
        std::fs::remove_dir_all(hub.path().join("state")).unwrap();
    }
    assert!(bound_to.iter().any(|vkey| vkey.starts_with(ORIGIN)), "killed in the first log: {bound_to:?}");
    assert!(bound_to.contains(&key), "and behind it: {bound_to:?}");
}

#[test]
fn a_first_audit_believes_nothing_that_the_given_key_does_not_stand_for() {
    let hub = Hub::new();
    let shows = |old: &Files, new: &Files| {
        hub.shows("2026h2", old);
        hub.shows("2027h1", new);
    };
    let ((old, new), (false_old, false_new)) = (changed(), changed());
    let (key, mut false_new) = (new.vkey().to_string(), false_new.files());
    // All of it is somebody else's, under the same names.
    shows(&false_old, &false_new);
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("changed-checkpoint")), "{told}");
    // The checkpoint is the hub's, and what is below it is not.
    false_new.insert("checkpoint".into(), new.files()["checkpoint"].clone());
    shows(&false_old, &false_new);
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("changed-checkpoint")), "{told}");
    // Nothing of that stays.
    shows(&old, &new.files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["entries_checked"]), (0, &json!(314 + 1)), "{told}");
}

#[test]
fn a_first_audit_that_was_stopped_goes_on_with_no_other_key_of_that_name() {
    let (old, new) = changed();
    let (hub, key) = (Hub::new(), new.vkey().to_string());
    let mut cut = old.clone();
    // Behind the first place that is kept.
    cut.remove("tile/entries/001.p/58").unwrap();
    hub.shows("2026h2", &cut);
    hub.shows("2027h1", &new.files());
    assert_eq!(hub.audit("2027h1", &key).1["verdict"]["class"], "missing-file");
    hub.shows("2026h2", &old);
    let stranger = stranger();
    let (code, told) = hub.audit("2027h1", &stranger.verifier_key().to_string());
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("changed-checkpoint")), "{told}");
    let (code, told) = hub.audit("2027h1", &new_signer().verifier_key().to_string());
    assert_eq!(
        (code, &told["verdict"]["class"]),
        (1, &json!("changed-checkpoint")),
        "of the log that it is in: {told}"
    );
    assert_eq!(hub.audit("2027h1", &key).0, 0);
}

#[test]
fn the_end_of_a_log_that_none_of_its_keys_signed_is_not_trusted() {
    let (mut ledger, _) = ending();
    let (hub, key) = (Hub::new(), ledger.vkey().to_string());
    hub.shows("2026h2", &ledger.files());
    assert_eq!(hub.audit("2026h2", &key).0, 0);
    // Whoever serves the log ends it, and names a key of their own in the first entry, which the audit does not read again.
    let mirror = new_signer();
    let good = ledger.leaves.clone();
    ledger.close(NEXT);
    let mut files = ledger.files();
    let mut tree = LogRebuilder::new();
    ledger.leaves.iter().for_each(|leaf| drop(tree.push_entry(leaf).unwrap()));
    let last = Checkpoint::new(ORIGIN.into(), ledger.size(), tree.root()).sign_with(&mirror, &None).unwrap();
    files.insert("checkpoint".into(), last.clone().into_bytes());
    let bundle = files.get_mut("tile/entries/000").unwrap();
    let mut entries: Vec<Vec<u8>> = decode_bundle(bundle, 256).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    let Leaf::Shard { ts, event } = Leaf::parse(&entries[0]).unwrap() else { panic!("it is not opened") };
    let ShardEvent::Opened { origin, hub: id, operator, receipts, previous, abandoned, .. } = event else {
        panic!("not opened")
    };
    let log = Box::new(mirror.verifier_key().clone());
    let event = ShardEvent::Opened { origin, hub: id, operator, receipts, log, previous, abandoned };
    entries[0] = Leaf::Shard { ts, event }.to_bytes();
    *bundle = encode_bundle(&entries).unwrap();
    let tile = files.get_mut("tile/0/000").unwrap();
    tile[..32].copy_from_slice(leaf_hash(&entries[0]).as_bytes());
    hub.shows("2026h2", &files);
    let stranger = stranger();
    ledger.leaves = good;
    let whole = (ledger.files(), ledger.size());
    let late = ledger.into_next(stranger, last);
    hub.shows("2027h1", &late.files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("changed-checkpoint")), "{told}");
    assert_eq!(told["verdict"]["evidence"], json!(null), "nobody is accused: {told}");
    hub.shows("2026h2", &whole.0);
    let (code, told) = hub.audit("2026h2", &key);
    assert_eq!((code, &told["log"]["size"]), (0, &json!(whole.1)), "what was trusted stays: {told}");
}

/// A key of nobody for the next log.
pub(super) fn stranger() -> NoteSigner {
    NoteSigner::from_pkcs8(NEXT, &NoteSigner::generate_pkcs8().unwrap()).unwrap()
}

/// The files of a log whose checkpoint this key alone signs.
pub(super) fn signed_by(ledger: &Ledger, signer: &NoteSigner) -> Files {
    let mut tree = LogRebuilder::new();
    ledger.leaves.iter().for_each(|leaf| drop(tree.push_entry(leaf).unwrap()));
    let checkpoint =
        Checkpoint::new(ledger.origin.clone(), ledger.size(), tree.root()).sign_with(signer, &None).unwrap();
    let mut files = ledger.files();
    files.insert("checkpoint".into(), checkpoint.into_bytes());
    files
}

#[test]
fn a_first_audit_comes_to_a_log_whose_key_was_changed_with_the_key_that_it_registers() {
    let (old, mut new) = changed();
    for _ in 0..260 {
        new.send("{}");
    }
    let second = new.prepare(NEXT);
    let stranger = stranger();
    let (hub, key) = (Hub::new(), second.verifier_key().to_string());
    hub.shows("2026h2", &old);
    hub.shows("2027h1", &signed_by(&new, &stranger));
    let (code, told) = hub.audit("2027h1", &stranger.verifier_key().to_string());
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("changed-checkpoint")), "registered nowhere: {told}");
    std::fs::remove_dir_all(hub.path().join("state")).unwrap();
    hub.shows("2027h1", &signed_by(&new, &second));
    // Stopped in the second log, of which nothing is trusted then.
    killed_at(&hub, "2027h1/tile/entries/001.p/6", &key);
    for _ in 0..2 {
        let (code, told) = hub.audit("2027h1", &key);
        assert_eq!((code, &told["log"]["leaves"]["messages"]), (0, &json!(560)), "{told}");
    }
    new.send("{}");
    hub.shows("2027h1", &signed_by(&new, &second));
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["entries_checked"]), (0, &json!(1)), "{told}");
}

#[tokio::test]
async fn a_later_key_of_the_hub_is_taken_when_all_is_audited_again() {
    let (old, new) = changed();
    let (old_key, new_key) = (String::from_utf8(old["vkey"].clone()).unwrap(), new.vkey().to_string());
    let from_start = |hub: &Hub| {
        let again = ["audit", "log", "2026h2", "--vkey", old_key.trim(), "--state", "state", "--from-start"];
        let whole = old["tile/entries/001.p/58"].clone();
        std::fs::remove_file(hub.path().join("2026h2/tile/entries/001.p/58")).unwrap();
        assert_eq!(saphan(hub.path(), again).code, 1);
        std::fs::write(hub.path().join("2026h2/tile/entries/001.p/58"), whole).unwrap();
    };
    for is_of_old_format in [true, false] {
        let hub = Hub::new();
        hub.shows("2026h2", &old);
        hub.shows("2027h1", &new.files());
        assert_eq!(hub.audit("2026h2", old_key.trim()).0, 0);
        if is_of_old_format {
            let file = SqliteConnectOptions::new().filename(hub.path().join("state/audit.db"));
            let mut connection = file.connect().await.unwrap();
            sqlx::raw_sql("UPDATE log SET format = 1").execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        } else {
            from_start(&hub);
        }
        let stranger = stranger();
        let (code, told) = hub.audit("2027h1", &stranger.verifier_key().to_string());
        assert_eq!((code, &told["verdict"]["class"]), (1, &json!("changed-checkpoint")), "{told}");
        let (code, told) = hub.audit("2027h1", &new_key);
        assert_eq!((code, &told["since"]["size"]), (0, &json!(314)), "{is_of_old_format}: {told}");
        assert_eq!(told["log"]["origin"], NEXT, "{told}");
    }
}
