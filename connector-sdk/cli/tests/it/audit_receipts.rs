//! `saphan audit receipts`.

use std::collections::BTreeMap;
use std::path::Path;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::jws::Signed;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::leaf::message_leaf;
use saphan_schemas::log::{SignedCheckpoint, leaf_hash, verify_consistency, verify_inclusion};
use saphan_schemas::message::MessageFile;
use saphan_schemas::receipt::UnverifiedReceipt;
use serde_json::{Value, json};

use crate::ledger::{Ledger, ORIGIN, prefix, write_files};
use crate::program::saphan;

const NEXT: &str = "hub.local/log/2027h1";

/// A folder with what receivers kept, and the log that the hub shows later.
struct Site(tempfile::TempDir);

impl Site {
    fn keeping(files: &[(u64, MessageFile)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("kept")).unwrap();
        for (index, file) in files {
            let path = folder.path().join(format!("kept/{index}.saphan.json"));
            std::fs::write(path, serde_json::to_vec(file).unwrap()).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn shown(&self, ledger: &Ledger) -> (i32, Value) {
        write_files(&self.path().join("log"), &ledger.files());
        let arguments = ["--json", "audit", "receipts", "log", "--vkey", "log/vkey", "--kept", "kept"];
        let ended = saphan(self.path(), arguments);
        (ended.code, ended.json())
    }

    /// The one contradiction, as it was written out.
    fn contradiction(&self, told: &Value) -> Value {
        let wrong: Vec<_> = told["files"].as_array().unwrap().iter().filter(|one| one["agrees"] == false).collect();
        assert_eq!(wrong.len(), 1, "{told}");
        let path = self.path().join(wrong[0]["evidence"].as_str().unwrap());
        let written: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(written["class"], wrong[0]["class"]);
        written
    }
}

fn kept(ledger: &Ledger) -> Vec<(u64, MessageFile)> {
    ledger.messages.keys().map(|index| (*index, ledger.file(*index))).collect()
}

fn hashes(value: &Value) -> Vec<Sha256Hash> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn receipts_of_any_time_agree_with_the_log_that_they_are_of() {
    let mut ledger = Ledger::with_messages(2);
    let mut files = kept(&ledger);
    for number in 0..300 {
        let index = ledger.send(&format!(r#"{{"number":{number}}}"#));
        if number % 60 == 0 {
            files.push((index, ledger.file(index)));
        }
    }
    // Not the newest entry, and a key that came later.
    ledger.rotate_receipt_key();
    let index = ledger.send("{}");
    files.push((index, ledger.file(index)));
    ledger.send("{}");
    let (code, told) = Site::keeping(&files).shown(&ledger);
    assert_eq!((code, &told["agree"], &told["verdict"]["holds"]), (0, &json!(files.len()), &json!(true)), "{told}");
}

#[test]
fn a_receipt_for_more_than_the_log_shows_is_proof() {
    let mut ledger = Ledger::with_messages(2);
    let (shown, leaves) = (kept(&ledger), ledger.leaves.clone());
    let index = ledger.send("{}");
    let later = (index, ledger.file(index));
    let site = Site::keeping(&[shown, vec![later]].concat());
    ledger.leaves = leaves;
    let (code, told) = site.shown(&ledger);
    assert_eq!((code, &told["agree"]), (1, &json!(2)), "{told}");
    let written = site.contradiction(&told);
    assert_eq!(written["class"], "receipt-without-entry");
    let checkpoint =
        SignedCheckpoint::parse_and_verify(written["checkpoint"].as_str().unwrap(), ledger.vkey()).unwrap();
    let receipt = UnverifiedReceipt::parse(written["receipt"].as_str().unwrap()).unwrap();
    assert!(receipt.claims().size > checkpoint.checkpoint().size);
}

#[test]
fn another_entry_at_a_receipts_place_is_proof_that_anybody_can_check() {
    let mut ledger = Ledger::with_messages(2);
    let files = kept(&ledger);
    let index = *ledger.messages.keys().next().unwrap();
    let other = ledger.send("{}");
    let envelope = ledger.messages[&other].envelope.as_str().to_owned();
    ledger.leaves.pop();
    ledger.leaves[usize::try_from(index).unwrap()] = message_leaf(prefix().as_bytes(), &envelope);
    let site = Site::keeping(&files[..1]);
    let (code, told) = site.shown(&ledger);
    assert_eq!(code, 1, "{told}");
    let written = site.contradiction(&told);
    assert_eq!(written["class"], "other-entry");
    let checkpoint =
        SignedCheckpoint::parse_and_verify(written["checkpoint"].as_str().unwrap(), ledger.vkey()).unwrap();
    let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
    let receipt = UnverifiedReceipt::parse(written["receipt"].as_str().unwrap()).unwrap();
    let leaf = leaf_hash(written["other_entry"]["leaf"].as_str().unwrap().as_bytes());
    assert_ne!(leaf, receipt.claims().leaf);
    verify_inclusion(leaf, receipt.claims().index, size, &hashes(&written["other_entry"]["proof"]), root).unwrap();
}

#[test]
fn a_log_that_was_another_one_when_the_receipt_was_signed_is_a_fork() {
    let mut ledger = Ledger::with_messages(2);
    let files = kept(&ledger);
    let last = *ledger.messages.keys().last().unwrap();
    let other = ledger.send("{}");
    let envelope = ledger.messages[&other].envelope.as_str().to_owned();
    // The first message's entry is where it was; the other one's is not.
    ledger.leaves[usize::try_from(last).unwrap()] = message_leaf(prefix().as_bytes(), &envelope);
    ledger.leaves.pop();
    ledger.send("{}");
    let site = Site::keeping(&files[..1]);
    let (code, told) = site.shown(&ledger);
    assert_eq!(code, 1, "{told}");
    let written = site.contradiction(&told);
    assert_eq!(written["class"], "fork");
    let checkpoint =
        SignedCheckpoint::parse_and_verify(written["checkpoint"].as_str().unwrap(), ledger.vkey()).unwrap();
    let receipt = UnverifiedReceipt::parse(written["receipt"].as_str().unwrap()).unwrap();
    let root: Sha256Hash = serde_json::from_value(written["other_root"]["root"].clone()).unwrap();
    assert_ne!(root, receipt.claims().root);
    let (size, proof) = (checkpoint.checkpoint().size, hashes(&written["other_root"]["proof"]));
    verify_consistency(receipt.claims().size, root, size, checkpoint.checkpoint().root, &proof).unwrap();
}

#[test]
fn what_the_hub_did_not_sign_says_nothing_against_it() {
    let ledger = Ledger::with_messages(1);
    let (index, good) = kept(&ledger).remove(0);
    let claims = UnverifiedReceipt::parse(&good.receipt).unwrap().claims().clone();
    let forger = SigningKey::generate().unwrap().0;
    let mut false_claims = claims;
    false_claims.size += 5;
    let with_receipt = |receipt: &str| {
        let mut file = good.clone();
        file.receipt = receipt.to_owned();
        file
    };
    let forged = with_receipt(Signed::sign(false_claims, &forger).unwrap().as_str());
    let foreign = kept(&Ledger::with_messages(1)).remove(0).1;
    for file in [forged, foreign, with_receipt("nothing")] {
        let site = Site::keeping(&[(index, file)]);
        let (code, told) = site.shown(&ledger);
        assert_eq!((code, &told["files"][0]["agrees"]), (2, &Value::Null), "{told}");
        assert!(!site.path().join("contradictions").exists());
    }
    let empty = Site::keeping(&[]);
    write_files(&empty.path().join("log"), &ledger.files());
    let ended = saphan(empty.path(), ["audit", "receipts", "log", "--vkey", "log/vkey", "--kept", "kept"]);
    assert!(ended.code == 2 && ended.err.contains("no *.saphan.json"), "{}", ended.err);
}

/// The hub's log of `ledger` is closed, and its next one begins: that one, and the files of the first.
fn next_log(mut ledger: Ledger) -> (Ledger, BTreeMap<String, Vec<u8>>) {
    let signer = ledger.prepare(NEXT);
    ledger.close(NEXT);
    let (files, previous) = (ledger.files(), ledger.checkpoint());
    (ledger.into_next(signer, previous), files)
}

#[test]
fn a_receipt_is_compared_with_the_log_that_it_names() {
    let ledger = Ledger::with_messages(300);
    let mut files = vec![(20, ledger.file(20)), (305, ledger.file(305))];
    // It stands at a place that the next log has too.
    let low = *ledger.messages.keys().next().unwrap();
    files.push((low, ledger.file(low)));
    let (mut newer, older) = next_log(ledger);
    for _ in 0..30 {
        newer.send("{}");
    }
    files.push((1_007, newer.file(7)));
    let site = Site::keeping(&files);
    let compared = |older: &BTreeMap<String, Vec<u8>>, newer: &Ledger| {
        write_files(&site.path().join("2026h2"), older);
        write_files(&site.path().join("2027h1"), &newer.files());
        let arguments = ["--json", "audit", "receipts", "2027h1", "--vkey", "2027h1/vkey", "--kept", "kept"];
        let ended = saphan(site.path(), arguments);
        (ended.code, ended.json())
    };
    let (code, told) = compared(&older, &newer);
    assert_eq!((code, &told["agree"]), (0, &json!(4)), "{told}");
    let of = |log: &str| told["files"].as_array().unwrap().iter().filter(|one| one["log"] == log).count();
    assert_eq!((of(ORIGIN), of(NEXT)), (3, 1), "{told}");
    // One log alone: the other's receipt says nothing about it, and nothing against the hub.
    let ended =
        saphan(site.path(), ["--json", "audit", "receipts", "2026h2", "--vkey", "2026h2/vkey", "--kept", "kept"]);
    let told = ended.json();
    assert_eq!((ended.code, &told["agree"], &told["verdict"]["holds"]), (3, &json!(3), &json!(false)), "{told}");
    let one = told["files"].as_array().unwrap().iter().find(|one| one["agrees"].is_null()).unwrap();
    assert_eq!(one["log"], NEXT, "{told}");
    assert!(one["reason"].as_str().unwrap().contains("could not be compared"), "{told}");
}

#[test]
fn a_contradiction_in_a_closed_log_is_proof_with_the_checkpoint_of_that_log() {
    let mut ledger = Ledger::with_messages(2);
    let index = ledger.send("{}");
    let kept = (index, ledger.file(index));
    // What the hub closed never had it.
    ledger.leaves.pop();
    ledger.messages.remove(&index);
    let key = ledger.vkey().clone();
    let (newer, older) = next_log(ledger);
    let site = Site::keeping(&[kept]);
    write_files(&site.path().join("2026h2"), &older);
    write_files(&site.path().join("2027h1"), &newer.files());
    let ended =
        saphan(site.path(), ["--json", "audit", "receipts", "2027h1", "--vkey", "2027h1/vkey", "--kept", "kept"]);
    assert_eq!(ended.code, 1, "{}", ended.out);
    let written = site.contradiction(&ended.json());
    assert_eq!(written["class"], "other-entry");
    let checkpoint = SignedCheckpoint::parse_and_verify(written["checkpoint"].as_str().unwrap(), &key).unwrap();
    let leaf = leaf_hash(written["other_entry"]["leaf"].as_str().unwrap().as_bytes());
    let (size, root) = (checkpoint.checkpoint().size, checkpoint.checkpoint().root);
    verify_inclusion(leaf, index, size, &hashes(&written["other_entry"]["proof"]), root).unwrap();
}
