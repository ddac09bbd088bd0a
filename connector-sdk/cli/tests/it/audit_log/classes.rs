//! Each way of tampering has its name.

use std::collections::BTreeMap;

use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::jws::Signed;
use saphan_schemas::leaf::{Leaf, ShardEvent, message_leaf};
use saphan_schemas::log::{decode_bundle, encode_bundle};
use saphan_schemas::registry::{AgreementSignature, Change, Entry, EntryId, Schema};

use super::Followed;
use crate::ledger::{
    AGREEMENT, Ledger, NOW, SENDER, Sent, claims, new_key, prefix, query, registry_entry, registry_entry_as, schema,
};

/// A log that was audited, and then got more messages.
fn grown() -> (Ledger, Followed) {
    let mut ledger = Ledger::with_messages(300);
    let followed = Followed::new(&ledger);
    assert_eq!(followed.holds(), ledger.size());
    while ledger.size() < 600 {
        ledger.send("{}");
    }
    (ledger, followed)
}

/// Changes the entries of the second full bundle, which is new, without changing a hash.
fn rearranged(ledger: &Ledger, change: impl Fn(&mut Vec<Vec<u8>>)) -> BTreeMap<String, Vec<u8>> {
    let mut files = ledger.files();
    let bundle = files.get_mut("tile/entries/001").unwrap();
    let mut entries: Vec<Vec<u8>> = decode_bundle(bundle, 256).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    change(&mut entries);
    *bundle = encode_bundle(&entries).unwrap();
    files
}

fn changed(ledger: &Ledger, path: &str, change: impl Fn(&mut Vec<u8>)) -> BTreeMap<String, Vec<u8>> {
    let mut files = ledger.files();
    change(files.get_mut(path).unwrap());
    files
}

#[test]
fn what_was_done_to_files_is_named() {
    let (mut ledger, followed) = grown();
    let (size, root) = (ledger.size(), Sha256Hash::of(b"another tree"));
    let forged = ledger.checkpoint_of(size, root).into_bytes();
    let cases = [
        ("changed-leaf", rearranged(&ledger, |entries| entries[100][12] ^= 1)),
        ("reordered-entries", rearranged(&ledger, |entries| entries.swap(100, 101))),
        ("duplicated-entries", rearranged(&ledger, |entries| entries[100] = entries[101].clone())),
        (
            "missing-entries",
            rearranged(&ledger, |entries| {
                let last = entries.remove(100);
                entries.push(last);
                entries.last_mut().unwrap()[12] ^= 1;
            }),
        ),
        ("missing-entries", rearranged(&ledger, |_| ()).into_iter().map(shortened).collect()),
        ("changed-leaf", changed(&ledger, "tile/0/001", |tile| tile[3000] ^= 1)),
        ("changed-tile", changed(&ledger, "tile/1/000.p/2", |tile| tile[40] ^= 1)),
        ("malformed-file", changed(&ledger, "tile/entries/001", |bundle| bundle.truncate(bundle.len() - 1))),
        ("changed-checkpoint", changed(&ledger, "checkpoint", |text| text[30] ^= 1)),
        ("changed-checkpoint", changed(&ledger, "checkpoint", |text| *text = vec![b'x'; 30])),
        ("missing-file", without(&ledger, "tile/entries/001")),
        ("missing-file", without(&ledger, "tile/0/001")),
    ];
    for (class, files) in cases {
        followed.shows(&files);
        let told = followed.finds(class);
        assert_eq!(told["since"]["size"], 312, "{told}");
    }
    followed.shows(&ledger.files());
    assert_eq!(followed.holds(), 288, "the log itself was never wrong");
    ledger.send("{}");
    let mut files = ledger.files();
    files.insert("checkpoint".into(), forged);
    followed.shows(&files);
    followed.finds("fork");
}

fn shortened((path, mut bytes): (String, Vec<u8>)) -> (String, Vec<u8>) {
    if path == "tile/entries/001" {
        let mut entries: Vec<Vec<u8>> = decode_bundle(&bytes, 256).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        entries.remove(100);
        bytes = encode_bundle(&entries).unwrap();
    }
    (path, bytes)
}

fn without(ledger: &Ledger, path: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files = ledger.files();
    files.remove(path).unwrap();
    files
}

/// What the hub itself logs, and signs, that must not be there: the entry is the last one.
fn logged(class: &str, tamper: impl FnOnce(&mut Ledger)) {
    let mut ledger = Ledger::with_messages(20);
    let followed = Followed::new(&ledger);
    followed.holds();
    tamper(&mut ledger);
    followed.shows(&ledger.files());
    let told = followed.finds(class);
    assert_eq!(told["verdict"]["entry"], ledger.size() - 1, "{told}");
}

fn message(ledger: &mut Ledger, change: impl FnOnce(&mut EnvelopeClaims)) {
    let salt = Salt::generate().unwrap();
    let mut claims = claims(&salt, b"{}");
    change(&mut claims);
    let envelope = Signed::sign(claims, ledger.key(SENDER)).unwrap();
    ledger.accept(Sent { envelope, salt, body: b"{}".to_vec() });
}

#[test]
fn what_a_hub_logged_that_may_not_be_there_is_named() {
    logged("changed-envelope", |ledger| {
        let (first, second) = (ledger.send("{}"), ledger.send("[]"));
        let text = |index: u64| ledger.messages[&index].envelope.as_str().rsplit_once('.').unwrap();
        let forged = format!("{}.{}", text(first).0, text(second).1);
        ledger.leaves.push(message_leaf(prefix().as_bytes(), &forged));
    });
    logged("unknown-key", |ledger| {
        let salt = Salt::generate().unwrap();
        let envelope = Signed::sign(claims(&salt, b"{}"), &new_key()).unwrap();
        ledger.accept(Sent { envelope, salt, body: b"{}".to_vec() });
    });
    logged("invalid-key", |ledger| {
        ledger.change(Change::Revoked(EntryId::Key(ledger.key(SENDER).id())));
        ledger.send("{}");
    });
    logged("wrong-schema", |ledger| {
        let other = Schema::first(schema().id, Sha256Hash::of(b"another text"));
        ledger.change(Change::Changed(Entry::Schema(Schema { version: "1.1".parse().unwrap(), ..other })));
        ledger.send("{}");
    });
    logged("not-allowed", |ledger| message(ledger, |claims| claims.service = None));
    logged("wrong-hub", |ledger| message(ledger, |claims| claims.hub = "hub.example".parse().unwrap()));
    logged("duplicated-entries", |ledger| {
        let sent = ledger.messages[&12].clone();
        ledger.accept(sent);
    });
    logged("duplicated-entries", |ledger| {
        let entry = ledger.leaves[3].clone();
        ledger.leaves.push(entry);
    });
    logged("false-acknowledgement", |ledger| {
        let processed = Acknowledged { index: 12, outcome: Outcome::Processed, code: None };
        ledger.acknowledge_as(SENDER, vec![processed]);
    });
    logged("false-registry-change", |ledger| {
        let change = Change::Revoked(EntryId::Key(ledger.key(SENDER).id()));
        ledger.push(&Leaf::Registry { ts: NOW * 1000, entry: registry_entry(change, &new_key()) });
    });
    logged("false-registry-change", |ledger| {
        let signature = AgreementSignature { agreement: AGREEMENT.parse().unwrap(), terms: Sha256Hash::of(b"others") };
        let entry = registry_entry_as(SENDER, Change::Signed(signature), ledger.key(SENDER));
        ledger.push(&Leaf::Registry { ts: NOW * 1000, entry });
    });
    logged("false-erasure", |ledger| {
        ledger.push(&Leaf::Erasure { ts: NOW * 1000, index: 3, basis: "pdpa".parse().unwrap(), log: None });
    });
    logged("false-query", |ledger| {
        ledger.push(&query(SENDER));
    });
    logged("false-query", |ledger| {
        ledger.push(&query("th.oag/audit"));
    });
    logged("malformed-entry", |ledger| ledger.leaves.push(br#"{"t":"gossip","ts":1}"#.to_vec()));
    logged("misplaced-entry", |ledger| {
        let member = Change::Revoked(EntryId::Agreement(AGREEMENT.parse().unwrap()));
        ledger.push(&Leaf::Registry { ts: NOW * 1000 - 1, entry: ledger.operators_entry(member) });
    });
    logged("misplaced-entry", |ledger| {
        ledger.push(&Leaf::Shard { ts: NOW * 1000, event: ShardEvent::Closed { next: "hub.local/log/next".into() } });
        ledger.send("{}");
    });
}
