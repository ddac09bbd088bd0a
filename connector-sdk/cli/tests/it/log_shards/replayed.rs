//! Two genuine checkpoints of a log that lost nothing, shown by a mirror as the ends of a loss.

use saphan_schemas::leaf::{Abandoned, Leaf, ShardEvent};
use saphan_schemas::log::{NoteSigner, decode_bundle, encode_bundle, leaf_hash};
use saphan_schemas::registry::{Change, Entry, HubKey};
use serde_json::json;

use super::begun::{signed_by, stranger};
use super::{Files, Hub, NEXT, THIRD};
use crate::ledger::{Ledger, NOW};

/// What the mirror has of a log that goes on, and what it makes of it.
struct Replay {
    /// As it was when the auditor came first, less than what is said to be left.
    early: Files,
    kept: Files,
    /// The checkpoints that are said to be the ends of the loss.
    ends: [String; 2],
    last: Files,
    whole: Files,
    size: u64,
    key: String,
    log: Ledger,
    /// A key for the next log that is registered in what is said to be left.
    prepared: NoteSigner,
    /// And one that is registered after that.
    late: NoteSigner,
    /// The operator's entry for it.
    vouching: String,
}

fn replay() -> Replay {
    let mut log = Ledger::with_messages(20);
    let early = log.files();
    for _ in 0..280 {
        log.send("{}");
    }
    let prepared = log.prepare(NEXT);
    let (kept, first_end) = (log.files(), log.checkpoint());
    log.send("{}");
    let late = stranger();
    let vouching = log.operators_entry(Change::Added(Entry::HubKey(HubKey::Log { vkey: late.verifier_key().clone() })));
    log.push(&Leaf::Registry { ts: NOW * 1000, entry: vouching.clone() });
    log.send("{}");
    let (whole, size) = (log.files(), log.size());
    for _ in 0..5 {
        log.send("{}");
    }
    let (last, second_end) = (log.files(), log.checkpoint());
    let (ends, key) = ([first_end, second_end], log.vkey().to_string());
    Replay { early, kept, ends, last, whole, size, key, log, prepared, late, vouching }
}

/// The logs that the mirror shows as those after it, each with its shard.
type Falsified = Vec<(&'static str, Files)>;

/// The false next log, whose first entry names this key.
fn next(replay: Replay, signer: NoteSigner, key: Option<String>) -> Ledger {
    let [kept, last] = replay.ends;
    replay.log.into_next_after(signer, last, Some(Abandoned { kept, key }))
}

/// A key for a log that the hub has prepared none for.
fn unheard() -> NoteSigner {
    NoteSigner::from_pkcs8("hub.local/log/2028h1", &NoteSigner::generate_pkcs8().unwrap()).unwrap()
}

fn of_an_unheard_key(replay: Replay) -> Falsified {
    vec![("2028h1", next(replay, unheard(), None).files())]
}

fn of_a_stranger(replay: Replay) -> Falsified {
    vec![("2027h1", next(replay, stranger(), None).files())]
}

fn of_a_key_that_did_not_sign(mut replay: Replay) -> Falsified {
    let prepared = std::mem::replace(&mut replay.prepared, stranger());
    vec![("2027h1", signed_by(&next(replay, prepared, None), &stranger()))]
}

fn of_a_key_that_the_operator_vouched_for_elsewhere(mut replay: Replay) -> Falsified {
    let (late, vouching) = (std::mem::replace(&mut replay.late, stranger()), replay.vouching.clone());
    vec![("2027h1", signed_by(&next(replay, late, Some(vouching)), &stranger()))]
}

/// With another log after it.
fn of_an_unheard_key_that_went_on(replay: Replay) -> Falsified {
    let mut second = next(replay, unheard(), None);
    let third = second.prepare(THIRD);
    second.close(THIRD);
    let (files, previous) = (second.files(), second.checkpoint());
    vec![("2028h1", files), ("2027h2", second.into_next(third, previous).files())]
}

/// The hub closed the log and went on; the first entry of its next log is another one than the mirror shows.
fn of_the_hub(mut replay: Replay, messages: usize) -> Falsified {
    let [kept, last] = replay.ends;
    replay.log.close(NEXT);
    let previous = replay.log.checkpoint();
    let mut next = replay.log.into_next(replay.late, previous);
    for _ in 0..messages {
        next.send("{}");
    }
    let mut files = next.files();
    let path = |kind: &str| files.keys().find(|path| path.starts_with(&format!("tile/{kind}/000"))).unwrap().clone();
    let (bundle, tile) = (path("entries"), path("0"));
    let count = u16::try_from(next.size().min(256)).unwrap();
    let mut entries: Vec<Vec<u8>> =
        decode_bundle(&files[&bundle], count).unwrap().into_iter().map(<[u8]>::to_vec).collect();
    let Leaf::Shard { ts, event } = Leaf::parse(&entries[0]).unwrap() else { panic!("it is not opened") };
    let ShardEvent::Opened { origin, hub, operator, receipts, log, .. } = event else { panic!("not opened") };
    let abandoned = Some(Box::new(Abandoned { kept, key: Some(replay.vouching) }));
    let event = ShardEvent::Opened { origin, hub, operator, receipts, log, previous: Some(last), abandoned };
    entries[0] = Leaf::Shard { ts, event }.to_bytes();
    files.insert(bundle, encode_bundle(&entries).unwrap());
    files.get_mut(&tile).unwrap()[..32].copy_from_slice(leaf_hash(&entries[0]).as_bytes());
    vec![("2027h1", files)]
}

type Mirror = (&'static str, fn(Replay) -> Falsified);

const MIRRORS: [Mirror; 7] = [
    ("unknown-key", of_an_unheard_key),
    ("changed-checkpoint", of_a_stranger),
    ("changed-checkpoint", of_a_key_that_did_not_sign),
    ("changed-checkpoint", of_a_key_that_the_operator_vouched_for_elsewhere),
    ("unknown-key", of_an_unheard_key_that_went_on),
    ("changed-checkpoint", |replay| of_the_hub(replay, 3)),
    ("changed-tile", |replay| of_the_hub(replay, 300)),
];

/// What the auditor had before the mirror came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Had {
    /// Trusted more than what is said to be left.
    Trusted,
    /// Was shown more, and trusted less.
    Shown,
    /// Was shown more, and trusted nothing.
    ShownAtFirst,
}

#[test]
fn nothing_is_given_up_for_a_loss_that_the_hub_does_not_tell_of() {
    for (at, (class, falsify)) in MIRRORS.into_iter().enumerate() {
        for had in [Had::Trusted, Had::Shown, Had::ShownAtFirst] {
            let case = format!("{at} {had:?}");
            let (replay, hub) = (replay(), Hub::new());
            let key = replay.key.clone();
            if had == Had::Shown {
                hub.shows("2026h2", &replay.early);
                assert_eq!(hub.audit("2026h2", &key).0, 0, "{case}");
            }
            let mut seen = replay.whole.clone();
            if had != Had::Trusted {
                seen.retain(|path, _| !path.starts_with("tile/entries/001"));
            }
            hub.shows("2026h2", &seen);
            let code = hub.audit("2026h2", &key).0;
            assert_eq!(code, i32::from(had != Had::Trusted), "{case}");
            let (kept, whole, size) = (replay.kept.clone(), replay.whole.clone(), replay.size);
            // The log shows what is said to be left, or all of it.
            hub.shows("2026h2", if at % 2 == 0 { &kept } else { &replay.last });
            let logs = falsify(replay);
            logs.iter().for_each(|(shard, files)| hub.shows(shard, files));
            for _ in 0..2 {
                let (code, told) = hub.audit(logs[logs.len() - 1].0, &key);
                assert_eq!((code, &told["verdict"]["class"]), (1, &json!(class)), "{case}: {told}");
                assert!(!hub.path().join("state/evidence").exists(), "{case}: nobody is accused");
            }
            hub.shows("2026h2", &kept);
            let (code, told) = hub.audit("2026h2", &key);
            assert_eq!((code, &told["verdict"]["class"]), (1, &json!("rollback")), "{case}: {told}");
            let evidence = hub.path().join(told["verdict"]["evidence"].as_str().unwrap());
            let before = std::fs::read_to_string(evidence.join("before")).unwrap();
            assert_eq!(before.as_bytes(), whole["checkpoint"], "{case}");
            hub.shows("2026h2", &whole);
            let (code, told) = hub.audit("2026h2", &key);
            assert_eq!((code, &told["log"]["size"]), (0, &json!(size)), "{case}: {told}");
        }
    }
}

#[test]
fn a_key_that_was_registered_in_the_lost_part_signs_no_next_log() {
    let (mut replay, hub) = (replay(), Hub::new());
    let (key, whole, size) = (replay.key.clone(), replay.whole.clone(), replay.size);
    hub.shows("2026h2", &whole);
    assert_eq!(hub.audit("2026h2", &key).0, 0);
    hub.shows("2026h2", &replay.kept);
    let late = std::mem::replace(&mut replay.late, stranger());
    hub.shows("2027h1", &next(replay, late, None).files());
    let (code, told) = hub.audit("2027h1", &key);
    assert_eq!((code, &told["verdict"]["class"]), (1, &json!("changed-checkpoint")), "{told}");
    hub.shows("2026h2", &whole);
    let (code, told) = hub.audit("2026h2", &key);
    assert_eq!((code, &told["since"]["size"]), (0, &json!(size)), "{told}");
}
