//! One log after the other: a check of the newest goes over all, and an audit follows.

mod abandoned;
mod begun;
mod late_keys;
mod mirrors;
mod replayed;
mod third;

use std::collections::BTreeMap;
use std::path::Path;

use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{Checkpoint, LogRebuilder, NoteSigner, Stamped};
use saphan_timestamps::testing::TestAuthority;
use serde_json::{Value, json};

use crate::ledger::{Ledger, NOW, ORIGIN, RECEIVER, write_files};
use crate::program::saphan;

const NEXT: &str = "hub.local/log/2027h1";
const THIRD: &str = "hub.local/log/2027h2";
type Files = BTreeMap<String, Vec<u8>>;

/// The folders of a hub's logs, as it publishes them, and what an auditor keeps.
struct Hub(tempfile::TempDir);

impl Hub {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn shows(&self, log: &str, files: &Files) {
        let folder = self.path().join(log);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        write_files(&folder, files);
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn check(&self, log: &str) -> (i32, Value) {
        let ended = saphan(self.path(), ["--json", "log", "check", log]);
        (ended.code, ended.json())
    }

    /// An audit of what the hub shows as its present log, by this key.
    fn audit(&self, log: &str, vkey: &str) -> (i32, Value) {
        let ended = saphan(self.path(), ["--json", "audit", "log", log, "--vkey", vkey, "--state", "state"]);
        (ended.code, ended.json())
    }
}

/// With timestamps for the first `sizes` of these entries of the hub's first log.
fn stamped(files: &Files, leaves: &[Vec<u8>], sizes: &[u64], authority: &TestAuthority) -> Files {
    let mut files = files.clone();
    let page: Vec<Stamped> = sizes.iter().map(|size| Stamped { size: *size, time: NOW }).collect();
    files.insert(Stamped::page_path(0), Stamped::to_page(&page).into_bytes());
    for size in sizes {
        let mut tree = LogRebuilder::new();
        leaves[..*size as usize].iter().for_each(|leaf| drop(tree.push_entry(leaf).unwrap()));
        let text = Checkpoint::new(ORIGIN.into(), *size, tree.root()).to_note_text();
        files.insert(Stamped::token_path(*size), authority.token(text.as_bytes()).unwrap());
    }
    files
}

fn processed(index: u64) -> Vec<Acknowledged> {
    vec![Acknowledged { index, outcome: Outcome::Processed, code: None }]
}

/// A log of some messages, and the key of the next.
fn ending() -> (Ledger, NoteSigner) {
    let mut ledger = Ledger::with_messages(300);
    let next = ledger.prepare(NEXT);
    (ledger, next)
}

/// That log, closed in good order, and the next.
fn changed() -> (Files, Ledger) {
    let (mut old, next) = ending();
    old.close(NEXT);
    let (files, previous) = (old.files(), old.checkpoint());
    (files, old.into_next(next, previous))
}

#[test]
fn a_check_of_the_newest_log_goes_over_those_before_it() {
    let (old, mut new) = changed();
    let message = new.send("{}");
    new.acknowledge_in(Some(NEXT), RECEIVER, processed(message));
    // Not acknowledged yet: the first hundred were.
    new.acknowledge_in(Some(ORIGIN), RECEIVER, processed(200));
    new.push(&Leaf::Erasure { ts: NOW * 1000, index: 200, basis: "pdpa".parse().unwrap(), log: Some(ORIGIN.into()) });
    new.push(&Leaf::Erasure { ts: NOW * 1000, index: message, basis: "pdpa".parse().unwrap(), log: None });
    let hub = Hub::new();
    hub.shows("2026h2", &old);
    hub.shows("2027h1", &new.files());
    let (code, told) = hub.check("2027h1");
    assert_eq!(code, 0, "{told}");
    let log = &told["log"];
    assert_eq!((&log["origin"], &log["size"], &log["earlier"]), (&json!(NEXT), &json!(6), &json!([ORIGIN])));
    assert_eq!((&log["leaves"]["messages"], &log["leaves"]["shards"]), (&json!(301), &json!(3)));
    assert_eq!((&log["leaves"]["processed"], &log["leaves"]["erasures"]), (&json!(102), &json!(2)));
    let (code, told) = hub.check("2026h2");
    assert_eq!((code, &told["log"]["closed_for"]), (0, &json!(NEXT)), "{told}");
}

#[test]
fn an_audit_follows_over_the_change_with_the_key_that_it_knows() {
    let (mut old, next) = ending();
    let hub = Hub::new();
    let key = old.vkey().to_string();
    hub.shows("2026h2", &old.files());
    assert_eq!(hub.audit("2026h2", &key).0, 0);
    let late = old.send("{}");
    old.close(NEXT);
    hub.shows("2026h2", &old.files());
    let previous = old.checkpoint();
    let mut new = old.into_next(next, previous);
    new.acknowledge_in(Some(ORIGIN), RECEIVER, processed(late));
    hub.shows("2027h1", &new.files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["entries_checked"]), (0, &json!(4)), "{told}");
    assert_eq!((&told["log"]["origin"], &told["log"]["leaves"]["messages"]), (&json!(NEXT), &json!(301)));
    // From now on with either key, and it goes on in the new log.
    for vkey in [&key, &new.vkey().to_string()] {
        let message = new.send("{}");
        new.acknowledge_in(Some(NEXT), RECEIVER, processed(message));
        hub.shows("2027h1", &new.files());
        let (code, told) = hub.audit("2027h1", vkey);
        assert_eq!((code, &told["entries_checked"]), (0, &json!(2)), "{told}");
    }
    new.acknowledge_in(Some(ORIGIN), RECEIVER, processed(5000));
    hub.shows("2027h1", &new.files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("false-acknowledgement")), "{told}");
    assert_eq!(told["verdict"]["entry"], new.size() - 1, "counted in its log");
}

#[test]
fn a_first_audit_begins_with_the_hubs_first_log() {
    let (old, mut new) = changed();
    let hub = Hub::new();
    hub.shows("2026h2", &old);
    new.acknowledge_in(Some(ORIGIN), RECEIVER, processed(200));
    hub.shows("2027h1", &new.files());
    let key = new.vkey().to_string();
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["entries_checked"]), (0, &json!(314 + 2)), "{told}");
    let next = "hub.local/log/2027h2";
    let signer = new.prepare(next);
    new.close(next);
    hub.shows("2027h1", &new.files());
    let previous = new.checkpoint();
    let third = new.into_next(signer, previous);
    hub.shows("2027h2", &third.files());
    let (code, told) = hub.audit("2027h2", &key);
    assert_eq!((code, &told["entries_checked"]), (0, &json!(3)), "{told}");
    assert_eq!(told["log"]["earlier"], json!([ORIGIN, NEXT]));
    assert_eq!(hub.check("2027h2").0, 0);

    // What the later logs showed would be forgotten.
    let again = ["audit", "log", "2027h2", "--vkey", &key, "--state", "state", "--from-start"];
    let ended = saphan(hub.path(), again);
    assert!(ended.code == 2 && ended.err.contains("into an empty folder"), "{} {}", ended.code, ended.err);
    assert_eq!(hub.audit("2027h2", &key).0, 0, "the state stays as it was");
}

#[test]
fn each_way_in_which_two_logs_do_not_follow_has_its_name() {
    let fork = |mut old: Ledger, next: NoteSigner| {
        old.close(NEXT);
        let files = old.files();
        let other = old.checkpoint_of(old.size(), Sha256Hash::of(b"another history"));
        (files, old.into_next(next, other))
    };
    let cut = |mut old: Ledger, next: NoteSigner| {
        let before = old.checkpoint();
        old.close(NEXT);
        (old.files(), old.into_next(next, before))
    };
    let grown = |mut old: Ledger, next: NoteSigner| {
        old.close(NEXT);
        let previous = old.checkpoint();
        old.send("{}");
        (old.files(), old.into_next(next, previous))
    };
    let shorter = |mut old: Ledger, next: NoteSigner| {
        let files = old.files();
        old.close(NEXT);
        let previous = old.checkpoint();
        (files, old.into_next(next, previous))
    };
    let open = |old: Ledger, next: NoteSigner| {
        (old.files(), {
            let previous = old.checkpoint();
            old.into_next(next, previous)
        })
    };
    let for_another = |mut old: Ledger, next: NoteSigner| {
        old.close("hub.local/log/other");
        let previous = old.checkpoint();
        (old.files(), old.into_next(next, previous))
    };
    let unsigned = |mut old: Ledger, next: NoteSigner| {
        old.close(NEXT);
        let (files, previous) = (old.files(), old.checkpoint());
        let (text, signature) = previous.rsplit_once(' ').unwrap();
        let (before, after) = signature.split_at(20);
        let letter = if after.starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{text} {before}{letter}{}", &after[1..]);
        (files, old.into_next(next, forged))
    };
    type Broken<'a> = &'a dyn Fn(Ledger, NoteSigner) -> (Files, Ledger);
    let cases: [(&str, Broken<'_>); 7] = [
        ("fork", &fork),
        ("fork", &cut),
        ("fork", &grown),
        ("rollback", &shorter),
        ("misplaced-entry", &open),
        ("misplaced-entry", &for_another),
        ("changed-checkpoint", &unsigned),
    ];
    for (at, (class, broken)) in cases.into_iter().enumerate() {
        let (ledger, next) = ending();
        let (hub, key) = (Hub::new(), ledger.vkey().to_string());
        hub.shows("2026h2", &ledger.files());
        assert_eq!(hub.audit("2026h2", &key).0, 0);
        let (old, new) = broken(ledger, next);
        hub.shows("2026h2", &old);
        hub.shows("2027h1", &new.files());
        let (code, told) = hub.audit("2027h1", &key);
        assert_eq!((code, &told["verdict"]["class"]), (1, &json!(class)), "{at}: {told}");
        let (code, told) = hub.check("2027h1");
        assert_eq!((code, &told["verified"]), (1, &json!(false)), "{at}: {told}");
    }
}

#[test]
fn a_log_with_a_key_that_the_one_before_does_not_register_is_none_of_this_hub() {
    let mut old = Ledger::with_messages(3);
    let (hub, key) = (Hub::new(), old.vkey().to_string());
    hub.shows("2026h2", &old.files());
    assert_eq!(hub.audit("2026h2", &key).0, 0);
    old.close(NEXT);
    hub.shows("2026h2", &old.files());
    let stranger = NoteSigner::from_pkcs8(NEXT, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    let previous = old.checkpoint();
    let new = old.into_next(stranger, previous);
    hub.shows("2027h1", &new.files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("unknown-key")), "{told}");
    let (code, told) = hub.check("2027h1");
    assert_eq!((code, &told["index"]), (1, &json!(0)), "{told}");
}

#[test]
fn what_does_not_say_which_log_it_is_about_counts_for_nothing() {
    let hub = Hub::new();
    type Said<'a> = &'a dyn Fn(&mut Ledger) -> u64;
    let statements: [(&str, Said<'_>); 5] = [
        ("none of this hub's logs", &|new| new.acknowledge_as(RECEIVER, processed(1))),
        ("none of this hub's logs", &|new| new.acknowledge_in(Some("hub.local/log/2025h1"), RECEIVER, processed(200))),
        // The end of the old log is entry 313 of it.
        ("none of this hub's logs", &|new| new.acknowledge_in(Some(ORIGIN), RECEIVER, processed(315))),
        ("which is no message", &|new| new.acknowledge_in(Some(ORIGIN), RECEIVER, processed(313))),
        ("none of this hub's logs", &|new| {
            let log = Some("hub.local/log/2025h1".into());
            new.push(&Leaf::Erasure { ts: NOW * 1000, index: 200, basis: "pdpa".parse().unwrap(), log })
        }),
    ];
    for (words, say) in statements {
        let (old, mut new) = changed();
        new.send("{}");
        let index = say(&mut new);
        hub.shows("2026h2", &old);
        hub.shows("2027h1", &new.files());
        let (code, told) = hub.check("2027h1");
        assert_eq!((code, &told["index"]), (1, &json!(index)), "{told}");
        assert!(told["reason"].as_str().unwrap().contains(words), "{told}");
    }
}
