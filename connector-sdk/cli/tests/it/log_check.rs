//! `saphan log check`.

use std::collections::BTreeMap;
use std::path::Path;

use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{HubId, SystemId};
use saphan_schemas::jws::Signed;
use saphan_schemas::leaf::{Leaf, ShardEvent, message_leaf, message_prefix};
use saphan_schemas::log::{Cosigner, NoteSigner, SignedCheckpoint, SignedNote, VerifierKey};
use saphan_schemas::registry::{Change, Entry, EntryId, Schema, SystemKey};
use serde_json::{Value, json};

use crate::hub::FakeHub;
use crate::ledger::{
    AGREEMENT, HUB, Ledger, NOW, ORIGIN, RECEIVER, SENDER, Sent, claims, new_key, new_signer, query, registry_entry,
    registry_entry_as, schema, write_files,
};
use crate::program::{saphan, saphan_beside};

/// Checks a folder with these files; gives the exit code and the object.
fn check(files: &BTreeMap<String, Vec<u8>>) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), files);
    let ended = saphan(folder.path(), ["--json", "log", "check", "."]);
    (ended.code, ended.json())
}

/// Checks a log that was kept by this ledger; it must fail with a reason that has these words, at this entry.
fn refused(ledger: &Ledger, index: u64, words: &str) {
    let (code, told) = check(&ledger.files());
    assert_eq!((code, &told["index"]), (1, &json!(index)), "{told}");
    assert!(told["reason"].as_str().unwrap().contains(words), "{told}");
}

#[test]
fn a_good_log_holds_and_is_counted() {
    let (code, told) = check(&Ledger::with_messages(600).files());
    assert_eq!((code, &told["verified"]), (0, &json!(true)), "{told}");
    let log = &told["log"];
    assert_eq!((&log["origin"], &log["hub"], &log["size"]), (&json!(ORIGIN), &json!(HUB), &json!(612)));
    assert_eq!(log["leaves"]["messages"], 600);
    assert_eq!(log["leaves"]["registry"], 10);
    assert_eq!((&log["leaves"]["acknowledgements"], &log["leaves"]["processed"]), (&json!(1), &json!(100)));
    assert_eq!(log["signatures"], 611);
}

#[test]
fn without_a_key_the_word_of_the_log_is_taken_and_that_is_said() {
    let (folder, ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(3));
    write_files(folder.path(), &ledger.files());
    let ended = saphan(folder.path(), ["log", "check", "."]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("not whose log it is"), "{}", ended.out);
    let vkey = ledger.vkey().to_string();
    for given in [vkey.as_str(), "vkey"] {
        let ended = saphan(folder.path(), ["log", "check", ".", "--vkey", given]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert!(!ended.out.contains("not whose log it is"), "{}", ended.out);
    }
}

#[test]
fn every_changed_tile_and_bundle_is_named() {
    let files = Ledger::with_messages(600).files();
    let paths: Vec<&String> = files.keys().filter(|path| path.starts_with("tile/")).collect();
    assert_eq!(paths.len(), 7, "{paths:?}");
    for path in paths {
        let mut files = files.clone();
        let bytes = files.get_mut(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let (code, told) = check(&files);
        assert_eq!((code, &told["verified"]), (1, &json!(false)), "{path}: {told}");
        assert!(told["reason"].as_str().unwrap().contains(path.as_str()), "{path}: {told}");
    }
}

#[test]
fn every_missing_or_cut_tile_and_bundle_is_named() {
    let files = Ledger::with_messages(600).files();
    for path in files.keys().filter(|path| path.starts_with("tile/")) {
        let mut missing = files.clone();
        missing.remove(path);
        let (code, told) = check(&missing);
        assert_eq!((code, &told["path"]), (1, &json!(path)), "{told}");
        assert!(told["reason"].as_str().unwrap().contains("no such file"), "{told}");
        let mut cut = files.clone();
        cut.get_mut(path).unwrap().pop();
        let (code, told) = check(&cut);
        assert_eq!((code, &told["path"]), (1, &json!(path)), "{told}");
    }
}

#[test]
fn a_changed_entry_is_named_by_its_number() {
    let mut files = Ledger::with_messages(600).files();
    let bundle = files.get_mut("tile/entries/001").unwrap();
    // The time in entry 256, the first of this bundle: a change that reads well.
    let at = bundle.windows(5).position(|window| window == b"\"ts\":").unwrap() + 10;
    bundle[at] = if bundle[at] == b'0' { b'1' } else { b'0' };
    let (code, told) = check(&files);
    assert_eq!((code, &told["index"], &told["path"]), (1, &json!(256), &json!("tile/0/001")), "{told}");
}

#[test]
fn a_checkpoint_that_is_changed_or_signed_by_another_is_refused() {
    let ledger = Ledger::with_messages(10);
    let (size, text) = (ledger.size(), ledger.checkpoint());
    let foreign = Ledger::with_messages(10).checkpoint();
    for (checkpoint, words) in [
        (text.replace(&format!("\n{size}\n"), &format!("\n{}\n", size - 1)), "changed"),
        (foreign, "not signed by the trusted key"),
        (String::from("rubbish"), "not signed"),
        (ledger.checkpoint_of(size, Sha256Hash::of(b"another tree")), "lead to the root"),
    ] {
        let mut files = ledger.files();
        files.insert("checkpoint".into(), checkpoint.into_bytes());
        let (code, told) = check(&files);
        assert_eq!((code, &told["path"]), (1, &json!("checkpoint")), "{told}");
        assert!(told["reason"].as_str().unwrap().contains(words), "{words}: {told}");
    }
}

#[test]
fn another_key_than_the_logs_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &Ledger::with_messages(2).files());
    let other = new_signer().verifier_key().to_string();
    let ended = saphan(folder.path(), ["log", "check", ".", "--vkey", &other]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.out.contains("does NOT hold") && ended.out.contains("checkpoint"), "{}", ended.out);
}

#[test]
fn a_malformed_key_that_is_no_file_either_is_told_as_both() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &Ledger::with_messages(1).files());
    let ended = saphan(folder.path(), ["log", "check", ".", "--vkey", "hub.local+1234"]);
    assert_eq!(ended.code, 2, "{}", ended.out);
    assert!(ended.err.contains("hub.local+1234 is neither a log's key (") && ended.err.contains(") nor a file"));
}

#[test]
fn a_partial_tile_may_be_gone_once_the_full_one_is_there() {
    let mut ledger = Ledger::with_messages(200);
    let (size, checkpoint) = (ledger.size(), ledger.checkpoint());
    while ledger.size() < 300 {
        ledger.send("{}");
    }
    let mut files = ledger.files();
    files.insert("checkpoint".into(), checkpoint.into_bytes());
    assert!(files.keys().all(|path| !path.contains(".p/212")) && size == 212, "{size}");
    let (code, told) = check(&files);
    assert_eq!((code, &told["log"]["size"]), (0, &json!(212)), "{told}");
}

#[test]
fn a_message_signed_with_a_key_that_is_not_registered_before_it_is_refused() {
    let mut ledger = Ledger::with_messages(3);
    let (stranger, salt) = (new_key(), Salt::generate().unwrap());
    let envelope = Signed::sign(claims(&salt, b"{}"), &stranger).unwrap();
    let index = ledger.accept(Sent { envelope, salt, body: b"{}".to_vec() });
    ledger.register(SENDER, stranger);
    refused(&ledger, index, "does not register");
}

#[test]
fn a_message_under_the_name_of_another_system_is_refused() {
    let mut ledger = Ledger::new();
    let salt = Salt::generate().unwrap();
    let envelope = Signed::sign(claims(&salt, b"{}"), ledger.key(RECEIVER)).unwrap();
    let index = ledger.accept(Sent { envelope, salt, body: b"{}".to_vec() });
    refused(&ledger, index, "does not register");
}

#[test]
fn a_message_with_a_signature_that_does_not_hold_is_refused() {
    let mut ledger = Ledger::with_messages(3);
    let (first, second) = (ledger.send("{}"), ledger.send("[]"));
    let text = |index: u64| ledger.messages[&index].envelope.as_str().rsplit_once('.').unwrap();
    let forged = format!("{}.{}", text(first).0, text(second).1);
    let leaf = message_leaf(message_prefix(NOW * 1000, &schema()).as_bytes(), &forged);
    ledger.leaves.push(leaf);
    refused(&ledger, second + 1, "the signature does not hold");
}

#[test]
fn a_revoked_key_signs_nothing_any_more() {
    let mut ledger = Ledger::with_messages(3);
    let kid = ledger.key(SENDER).id();
    ledger.change(Change::Revoked(EntryId::Key(kid)));
    let index = ledger.send("{}");
    refused(&ledger, index, "revokes before this place");
}

#[test]
fn the_keys_of_a_revoked_system_and_of_a_revoked_member_sign_nothing_any_more() {
    let sender: SystemId = SENDER.parse().unwrap();
    for id in [EntryId::System(sender.clone()), EntryId::Member(sender.member())] {
        let mut ledger = Ledger::with_messages(3);
        ledger.change(Change::Revoked(id));
        let index = ledger.send("{}");
        refused(&ledger, index, "revokes before this place");
    }
}

#[test]
fn a_key_counts_only_while_it_is_valid() {
    let mut ledger = Ledger::new();
    let (key, salt) = (new_key(), Salt::generate().unwrap());
    ledger.change(Change::Added(Entry::Key(SystemKey {
        system: SENDER.parse().unwrap(),
        jwk: *key.public(),
        not_before: None,
        not_after: Some(NOW),
    })));
    let envelope = Signed::sign(claims(&salt, b"{}"), &key).unwrap();
    let index = ledger.accept(Sent { envelope, salt, body: b"{}".to_vec() });
    refused(&ledger, index, "not valid at the entry's time");
}

#[test]
fn registry_entries_are_made_by_those_who_may_make_them() {
    let mut ledger = Ledger::with_messages(1);
    let change = Change::Revoked(EntryId::Key(ledger.key(SENDER).id()));
    let index = ledger.push(&Leaf::Registry { ts: NOW * 1000, entry: registry_entry(change, &new_key()) });
    refused(&ledger, index, "not registered for hub.local");
    let mut ledger = Ledger::with_messages(1);
    let change = Change::Revoked(EntryId::Key(ledger.key(SENDER).id()));
    let entry = registry_entry_as(RECEIVER, change, ledger.key(RECEIVER));
    let index = ledger.push(&Leaf::Registry { ts: NOW * 1000, entry });
    refused(&ledger, index, "needs an operator");
}

#[test]
fn a_message_that_no_agreement_in_force_allowed_at_its_place_is_refused() {
    let mut ledger = Ledger::with_messages(1);
    ledger.change(Change::Revoked(EntryId::Agreement(AGREEMENT.parse().unwrap())));
    let index = ledger.send("{}");
    refused(&ledger, index, "there is no agreement");
}

#[test]
fn a_key_is_registered_once() {
    let mut ledger = Ledger::new();
    let jwk = *ledger.key(SENDER).public();
    let system = RECEIVER.parse().unwrap();
    let again = SystemKey { system, jwk, not_before: None, not_after: None };
    let index = ledger.change(Change::Added(Entry::Key(again)));
    refused(&ledger, index, "registered already");
}

#[test]
fn a_message_is_logged_with_the_registered_text_of_its_schema() {
    let mut ledger = Ledger::with_messages(1);
    let sha256 = Sha256Hash::of(b"another text");
    let other = Schema { version: "1.1".parse().unwrap(), ..Schema::first(schema().id, sha256) };
    ledger.change(Change::Changed(Entry::Schema(other)));
    let index = ledger.send("{}");
    refused(&ledger, index, "another text of its schema");
}

#[test]
fn an_acknowledgement_or_erasure_speaks_of_earlier_entries() {
    let mut ledger = Ledger::with_messages(1);
    let next = ledger.size();
    let index = ledger.acknowledge(&[next]);
    refused(&ledger, index, "does not come before it");
    let mut ledger = Ledger::with_messages(1);
    let next = ledger.size();
    let index = ledger.push(&Leaf::Erasure { ts: NOW * 1000, index: next, basis: "pdpa".parse().unwrap(), log: None });
    refused(&ledger, index, "which is no message before it");
}

#[test]
fn an_acknowledgement_is_of_a_message_to_its_signer() {
    let processed = |index| Acknowledged { index, outcome: Outcome::Processed, code: None };
    let mut ledger = Ledger::with_messages(2);
    let message = ledger.send("{}");
    let index = ledger.acknowledge_as(SENDER, vec![processed(message)]);
    refused(&ledger, index, "whose receiver is another system");
    let mut ledger = Ledger::with_messages(2);
    let index = ledger.acknowledge_as(RECEIVER, vec![processed(3)]);
    refused(&ledger, index, "which is no message");
}

#[test]
fn a_message_has_one_outcome_that_may_be_said_again() {
    let said = |index, outcome, code: Option<&str>| Acknowledged {
        index,
        outcome,
        code: code.map(|code| code.parse().unwrap()),
    };
    let mut ledger = Ledger::with_messages(2);
    let message = ledger.send("{}");
    for _ in 0..2 {
        ledger.acknowledge_as(RECEIVER, vec![said(message, Outcome::Rejected, Some("unreadable"))]);
    }
    let (code, told) = check(&ledger.files());
    assert_eq!((code, &told["log"]["leaves"]["rejected"]), (0, &json!(2)), "{told}");
    for (outcome, code) in [(Outcome::Processed, None), (Outcome::Rejected, Some("other"))] {
        let before = ledger.leaves.len();
        let index = ledger.acknowledge_as(RECEIVER, vec![said(message, outcome, code)]);
        refused(&ledger, index, "another outcome");
        ledger.leaves.truncate(before);
    }
}

#[test]
fn a_message_and_a_batch_of_acknowledgements_are_in_a_log_once() {
    let mut ledger = Ledger::with_messages(300);
    let first = 12;
    let again = ledger.messages[&first].clone();
    let index = ledger.accept(again);
    refused(&ledger, index, "is in entry 12 already");
    let mut ledger = Ledger::with_messages(3);
    let batch = ledger.leaves.last().unwrap().clone();
    ledger.leaves.push(batch);
    refused(&ledger, ledger.size() - 1, "already");
}

#[test]
fn of_several_faults_the_first_in_the_log_is_told_whichever_is_found_first() {
    let mut ledger = Ledger::with_messages(20);
    let again = ledger.messages[&14].clone();
    let twice = ledger.accept(again);
    // In the same bundle, what memory tells; two bundles on, what needs no other entry.
    ledger.acknowledge(&[3]);
    refused(&ledger, twice, "is in entry 14 already");
    for _ in 0..600 {
        ledger.send("{}");
    }
    let message = ledger.messages[&12].clone();
    let salt = Salt::generate().unwrap();
    let forged = Signed::sign(claims(&salt, b"{}"), &crate::ledger::new_key()).unwrap();
    ledger.accept(Sent { envelope: forged, salt, ..message });
    refused(&ledger, twice, "is in entry 14 already");
}

#[test]
fn an_erasure_speaks_of_a_message() {
    let erasure = |index| Leaf::Erasure { ts: NOW * 1000, index, basis: "pdpa".parse().unwrap(), log: None };
    let mut ledger = Ledger::with_messages(1);
    let message = ledger.send("{}");
    let index = ledger.push(&erasure(message));
    let (code, told) = check(&ledger.files());
    assert_eq!((code, &told["log"]["leaves"]["erasures"]), (0, &json!(1)), "{told}");
    ledger.push(&erasure(index));
    refused(&ledger, index + 1, "which is no message");
}

#[test]
fn an_envelope_for_another_hub_is_refused() {
    let mut ledger = Ledger::new();
    let salt = Salt::generate().unwrap();
    let hub: HubId = "hub.example".parse().unwrap();
    let envelope =
        Signed::sign(saphan_schemas::envelope::EnvelopeClaims { hub, ..claims(&salt, b"{}") }, ledger.key(SENDER));
    let index = ledger.accept(Sent { envelope: envelope.unwrap(), salt, body: b"{}".to_vec() });
    refused(&ledger, index, "another hub");
}

#[test]
fn a_log_begins_with_its_opening_and_ends_with_its_closing() {
    let mut ledger = Ledger::with_messages(1);
    ledger.leaves.remove(0);
    refused(&ledger, 0, "does not open this log");
    let mut ledger = Ledger::with_messages(1);
    ledger.push(&Leaf::Shard { ts: NOW * 1000, event: ShardEvent::Closed { next: "hub.local/log/2027h1".into() } });
    let (code, told) = check(&ledger.files());
    assert_eq!((code, &told["log"]["closed_for"]), (0, &json!("hub.local/log/2027h1")), "{told}");
    let index = ledger.send("{}");
    refused(&ledger, index, "closed");
}

#[test]
fn the_names_of_hub_log_and_key_in_the_first_entry_fit_together() {
    type Names<'a> = &'a dyn Fn(&mut HubId, &mut VerifierKey);
    let with = |ledger: &mut Ledger, change: Names<'_>| {
        let Leaf::Shard { ts, mut event } = Leaf::parse(&ledger.leaves[0]).unwrap() else { panic!("not opened") };
        let ShardEvent::Opened { hub, log, .. } = &mut event else { panic!("not opened") };
        change(hub, log);
        ledger.leaves[0] = Leaf::Shard { ts, event }.to_bytes();
    };
    let other_hub = |hub: &mut HubId, _: &mut VerifierKey| *hub = "hub.loca".parse().unwrap();
    let next = "hub.local/log/2027h1";
    let stranger = NoteSigner::from_pkcs8("hub.local/log/2028h1", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    let other_key = |_: &mut HubId, log: &mut VerifierKey| *log = stranger.verifier_key().clone();
    for change in [&other_hub as Names<'_>, &other_key] {
        let mut ledger = Ledger::with_messages(1);
        with(&mut ledger, change);
        refused(&ledger, 0, "do not fit together");
        let mut ledger = Ledger::with_messages(1);
        let signer = ledger.prepare(next);
        ledger.close(next);
        let (old, last) = (ledger.files(), ledger.checkpoint());
        let mut later = ledger.into_next(signer, last);
        with(&mut later, change);
        let folder = tempfile::tempdir().unwrap();
        write_files(&folder.path().join("2026h2"), &old);
        write_files(&folder.path().join("2027h1"), &later.files());
        let ended = saphan(folder.path(), ["--json", "log", "check", "2027h1"]);
        let told = ended.json();
        assert_eq!((ended.code, &told["index"]), (1, &json!(0)), "{told}");
        assert!(told["reason"].as_str().unwrap().contains("do not fit together"), "{told}");
    }
}

#[test]
fn something_that_is_no_leaf_is_refused() {
    let mut ledger = Ledger::with_messages(1);
    ledger.leaves.push(br#"{"t":"gossip","ts":1}"#.to_vec());
    refused(&ledger, ledger.size() - 1, "not a leaf");
}

#[test]
fn the_export_is_the_same_log() {
    let (folder, ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(600));
    write_files(&folder.path().join("log"), &ledger.files());
    let ended = saphan(folder.path(), ["log", "check", "log", "--export", "copy"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    for (path, bytes) in ledger.files() {
        assert_eq!(std::fs::read(folder.path().join("copy").join(&path)).unwrap(), bytes, "{path}");
    }
    assert_eq!(count_files(&folder.path().join("copy")), ledger.files().len());
}

#[test]
fn a_log_that_does_not_hold_is_not_exported_as_a_whole_one() {
    let (folder, ledger) = (tempfile::tempdir().unwrap(), Ledger::with_messages(10));
    let mut files = ledger.files();
    files.get_mut("tile/0/000.p/22").unwrap()[3] ^= 1;
    write_files(&folder.path().join("log"), &files);
    assert_eq!(saphan(folder.path(), ["log", "check", "log", "--export", "copy"]).code, 1);
    assert!(!folder.path().join("copy/checkpoint").exists());
}

#[test]
fn what_is_no_log_is_told_apart_from_one_that_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    std::fs::write(folder.path().join("vkey"), ledger.vkey().to_string()).unwrap();
    let ended = saphan(folder.path(), ["--json", "log", "check", "."]);
    assert_eq!(ended.code, 2, "{}", ended.out);
    assert!(ended.json()["error"]["what"].as_str().unwrap().contains("no checkpoint"), "{}", ended.out);
    for source in ["nowhere", "ftp://127.0.0.1/"] {
        assert_eq!(saphan(folder.path(), ["log", "check", source]).code, 2, "{source}");
    }
}

#[tokio::test]
async fn a_hubs_log_is_checked_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(Ledger::with_messages(600)).await;
    let prefix = format!("{}/v1/log/", hub.url());
    for address in [hub.url(), &prefix] {
        let ended = saphan_beside(folder.path(), ["--json", "log", "check", address, "--export", "copy"]).await;
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
        assert_eq!(ended.json()["log"]["size"], 612);
    }
    let ended = saphan_beside(folder.path(), ["log", "check", "copy"]).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
}

#[tokio::test]
async fn a_hub_that_is_not_there_says_nothing_about_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let hub = FakeHub::start(Ledger::new()).await;
    let url = hub.url().to_owned();
    hub.stop().await;
    let ended = saphan_beside(folder.path(), ["--json", "log", "check", &url]).await;
    assert_eq!(ended.code, 3, "{}", ended.out);
    assert_eq!(ended.json()["error"]["side"], "hub");
}

fn count_files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}

#[test]
fn a_policys_witnesses_must_have_cosigned_the_log_or_what_it_has_grown_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::with_messages(300);
    let cosigner = Cosigner::from_pkcs8("w.example", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    let cosigned = |checkpoint: &str| {
        let signed = SignedCheckpoint::parse_and_verify(checkpoint, ledger.vkey()).unwrap();
        let mut note: SignedNote = checkpoint.parse().unwrap();
        note.add_line(cosigner.cosign(&signed, NOW)).unwrap();
        note.to_string()
    };
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let check = || {
        let ended = saphan(folder.path(), ["--json", "log", "check", ".", "--vkey", "vkey", "--policy", "policy"]);
        (ended.code, ended.json())
    };
    write("policy", &format!("witness w {}\nquorum w\n", cosigner.key()));
    write_files(folder.path(), &ledger.files());
    let (earlier, size) = (ledger.checkpoint(), ledger.size());
    let forked = ledger.checkpoint_of(size - 1, Sha256Hash::of(b"another history"));
    let ahead = ledger.checkpoint_of(size + 9, Sha256Hash::of(b"what is not shown"));
    let [earlier_cosigned, forked, ahead] = [&earlier, &forked, &ahead].map(|checkpoint| cosigned(checkpoint));

    let (code, told) = check();
    assert_eq!((code, &told["class"]), (1, &json!("too-few-witnesses")), "{told}");
    write("checkpoint", &earlier_cosigned);
    let (code, told) = check();
    assert_eq!((code, &told["cosigned"]), (0, &json!({ "size": size, "by": ["w"] })), "{told}");
    // The log has grown since.
    ledger.send("{}");
    write_files(folder.path(), &ledger.files());
    for (text, expected) in
        [(&earlier_cosigned, "holds"), (&earlier, "too-few-witnesses"), (&forked, "fork"), (&ahead, "rollback")]
    {
        write("checkpoint.cosigned", text);
        let (code, told) = check();
        match expected {
            "holds" => assert_eq!((code, &told["cosigned"]["size"]), (0, &json!(size)), "{told}"),
            class => assert_eq!((code, &told["class"]), (1, &json!(class)), "{told}"),
        }
    }
}

#[test]
fn queries_of_auditors_are_counted_and_hold_as_long_as_these_may_audit() {
    let mut ledger = Ledger::with_messages(3);
    ledger.admit_auditor("th.oag/audit");
    ledger.push(&query("th.oag/audit"));
    ledger.push(&query("th.oag/audit"));
    let (code, told) = check(&ledger.files());
    assert_eq!((code, &told["log"]["leaves"]["queries"]), (0, &json!(2)), "{told}");
    ledger.change(Change::Revoked(EntryId::System("th.oag/audit".parse().unwrap())));
    let index = ledger.push(&query("th.oag/audit"));
    refused(&ledger, index, "has not the role of an auditor");
}
