//! Evidence bundles over logs that their hub has lost in part.

use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::NoteSigner;
use saphan_schemas::registry::{Change, EntryId};
use serde_json::{Value, json};

use super::super::HOLDS;
use super::super::bundles::BrokenFile;
use super::super::shards::Stage;
use super::{alone, entries, message, unsigned, with_new};

/// Of the abandoned log and the one after it.
pub(super) fn bundles(stage: &Stage<'_>) -> Vec<BrokenFile> {
    let all = followed(stage).into_iter().chain(other_histories(stage));
    all.chain(vouched(stage)).chain(without(stage)).chain(stamped(stage)).collect()
}

/// In good order, with this behind the first entry of the later log.
pub(super) fn begins(stage: &Stage<'_>, more: &[Vec<u8>]) -> Value {
    with_new(stage, &stage.begun, &[&[stage.opened_with(|_| {})][..], more].concat())
}

/// Of the old log this is left, and a message behind it was lost.
fn after(stage: &Stage<'_>, kept: &[Vec<u8>], more: &[Vec<u8>]) -> Value {
    let lost = [kept, &[lost(stage)]].concat();
    let opened = stage.opened_with(|said| {
        (said.kept, said.last, said.key) = (stage.checkpoint(kept), stage.checkpoint(&lost), None);
    });
    with_new(stage, kept, &[&[opened][..], more].concat())
}

/// A message that is not left.
fn lost(stage: &Stage<'_>) -> Vec<u8> {
    stage.log.leaves[stage.log.messages()[1]].clone()
}

/// What is in the later log, and what of it follows from what is left.
fn followed(stage: &Stage<'_>) -> Vec<BrokenFile> {
    let first = Some(&*stage.log.origin);
    let prepared = [&stage.begun[..], &[stage.prepared()]].concat();
    let lost_at = stage.log.messages()[1] as u64;
    let mut early = Leaf::parse(&stage.opened_with(|_| {})).unwrap();
    if let Leaf::Shard { ts, .. } = &mut early {
        *ts -= 1;
    }
    [
        ("abandoned", HOLDS, begins(stage, &[])),
        ("abandoned, with a key that was prepared", HOLDS, after(stage, &prepared, &[])),
        ("abandoned, a message of each log", HOLDS, begins(stage, &[message(stage)])),
        ("abandoned, an old message, acknowledged and erased", HOLDS, {
            begins(stage, &[stage.said(first, stage.message), stage.erased(first, stage.message)])
        }),
        ("a message that was lost, sent again", HOLDS, begins(stage, &[lost(stage)])),
        ("a message that is left, sent again", "duplicated-entries", {
            begins(stage, &[stage.begun.last().unwrap().clone()])
        }),
        ("an acknowledgement of what was lost", "false-acknowledgement", begins(stage, &[stage.said(first, lost_at)])),
        ("an erasure of what was lost", "malformed-entry", begins(stage, &[stage.erased(first, lost_at)])),
        ("abandoned, and the next begins before its end", "malformed-entry", {
            with_new(stage, &stage.begun, &[early.to_bytes()])
        }),
    ]
    .map(|(name, class, file)| BrokenFile { name, class, file })
    .into()
}

/// What the first entry says of the log before it is not so.
fn other_histories(stage: &Stage<'_>) -> Vec<BrokenFile> {
    let (known, begun) = (stage.up_to(2), &stage.begun[..]);
    let less = &begun[..begun.len() - 1];
    let closed = stage.old(&stage.prepared());
    let mut of_the_known = begins(stage, &[]);
    of_the_known["earlier"][0] =
        json!({ "checkpoint": stage.checkpoint(known), "entries": entries(known)[..begun.len()] });
    let opened = |change: &dyn Fn(&mut String, &mut String)| {
        with_new(stage, begun, &[stage.opened_with(|said| change(&mut said.kept, &mut said.last))])
    };
    [
        ("another history of what is left", "fork", opened(&|kept, _| *kept = stage.checkpoint(&stage.other(begun)))),
        ("less is left than the bundle shows", "fork", opened(&|kept, _| *kept = stage.checkpoint(less))),
        ("what was known in place of what is left", "fork", of_the_known),
        ("what is left was not signed by the log", "changed-checkpoint", {
            opened(&|kept, _| *kept = unsigned(stage, begun))
        }),
        ("what is left is no checkpoint", "changed-checkpoint", opened(&|kept, _| kept.truncate(20))),
        ("what is left is of the later log", "changed-checkpoint", {
            opened(&|kept, _| *kept = kept.replacen(&stage.log.origin, stage.next.name(), 1))
        }),
        ("what was known was not signed by the log", "changed-checkpoint", {
            opened(&|_, last| *last = unsigned(stage, known))
        }),
        ("what was known is no checkpoint", "changed-checkpoint", opened(&|_, last| last.truncate(20))),
        ("abandoned, and nothing was lost", "fork", opened(&|kept, last| last.clone_from(kept))),
        ("more is left than was known", "fork", opened(&|_, last| *last = stage.checkpoint(less))),
        ("abandoned, and closed", "misplaced-entry", after(stage, &closed, &[])),
        ("abandoned, and closed for another", "misplaced-entry", {
            let elsewhere = stage.closed(&format!("{}x", stage.next.name()));
            after(stage, &[begun, &[stage.prepared(), elsewhere]].concat(), &[])
        }),
    ]
    .map(|(name, class, file)| BrokenFile { name, class, file })
    .into()
}

/// The entry that brings the key of the later log.
fn vouched(stage: &Stage<'_>) -> Vec<BrokenFile> {
    let [_, operator] = &stage.log.operators;
    let operator = &**operator;
    let signer = |name: &str| NoteSigner::from_pkcs8(name, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    let prepared = [&stage.begun[..], &[stage.prepared()]].concat();
    let Leaf::Registry { entry: registered, .. } = Leaf::parse(prepared.last().unwrap()).unwrap() else {
        panic!("it registers a key")
    };
    let known = [&prepared[..], &[lost(stage)]].concat();
    let opened = |key: Option<String>| with_new(stage, &stage.begun, &[stage.opened_with(|said| said.key = key)]);
    let again = |key: String| {
        let opened = stage.opened_with(|said| {
            (said.kept, said.last) = (stage.checkpoint(&prepared), stage.checkpoint(&known));
            said.key = Some(key);
        });
        with_new(stage, &prepared, &[opened])
    };
    let revoked = Change::Revoked(EntryId::Key(stage.log.sender.public().id()));
    [
        ("a key that nobody vouches for", "unknown-key", opened(None)),
        ("a word for a key of the abandoned log", "unknown-key", {
            opened(Some(stage.entry_for(&signer(&stage.log.origin), operator)))
        }),
        ("a word for another key of the later log", "unknown-key", {
            opened(Some(stage.entry_for(&signer(stage.next.name()), operator)))
        }),
        ("a word that revokes a key", "unknown-key", opened(Some(stage.entry_of(revoked, operator)))),
        ("a word that is not the operator's", "false-registry-change", {
            opened(Some(stage.entry_for(&stage.next, &stage.log.receiver)))
        }),
        ("a word that cannot be read", "changed-envelope", opened(Some("e30.e30.e30".to_owned()))),
        ("a word for a key that was prepared", "false-registry-change", again(stage.entry_for(&stage.next, operator))),
        ("a word that is in the abandoned log", "duplicated-entries", again(registered)),
    ]
    .map(|(name, class, file)| BrokenFile { name, class, file })
    .into()
}

/// What anybody can leave out of a bundle.
fn without(stage: &Stage<'_>) -> Vec<BrokenFile> {
    let good = begins(stage, &[message(stage)]);
    let closed = after(stage, &stage.old(&stage.prepared()), &[]);
    let left_out = |file: &Value, at: usize| {
        let mut file = file.clone();
        file["earlier"][0]["entries"].as_array_mut().unwrap().remove(at);
        file
    };
    let mut behind = good.clone();
    behind["messages"][0]["index"] = stage.log.messages()[1].into();
    [
        ("the abandoned log is left out", "missing-entries", alone(good.clone())),
        ("the beginning of the abandoned log is left out", "missing-entries", left_out(&good, 0)),
        ("a message of what was lost", "missing-entries", behind),
        // This the logs show, and their witnesses.
        ("abandoned, and closed, which is left out", HOLDS, left_out(&closed, stage.begun.len() + 1)),
    ]
    .map(|(name, class, file)| BrokenFile { name, class, file })
    .into()
}

/// Timestamps of the abandoned log.
fn stamped(stage: &Stage<'_>) -> Vec<BrokenFile> {
    let stamped = |of: &[Vec<u8>]| {
        let mut file = begins(stage, &[]);
        let root = stage.checkpoint(of).lines().nth(2).unwrap().replace('+', "-").replace('/', "_").replace('=', "");
        file["earlier"][0]["timestamps"] = json!([{ "size": of.len(), "root": root, "proof": [], "token": "AAAA" }]);
        file
    };
    [
        ("a timestamp of what is left", HOLDS, stamped(&stage.begun)),
        ("a timestamp of what was lost", "other-timestamp", stamped(stage.up_to(2))),
    ]
    .map(|(name, class, file)| BrokenFile { name, class, file })
    .into()
}
