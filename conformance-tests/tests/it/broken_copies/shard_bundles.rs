//! Evidence bundles over the change from one log to the next.

mod abandoned;
mod three_logs;

use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::evidence_bundle::{BundledEntry, BundledMessage, EarlierLog, EvidenceBundle, Format};
use saphan_schemas::ids::MessageId;
use saphan_schemas::json::parse_typed;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{BatchAppend, CompactRange, NoteSigner, VerifierKey, leaf_hash};
use saphan_schemas::registry::{Change, EntryId};
use serde_json::Value;

use super::bundles::BrokenFile;
use super::real_log::{Files, RealLog, sign};
use super::shards::{self, Stage};
use super::{Export, HOLDS, Verdicts, copies};

/// Both verifiers give each way in which the logs of a bundle do not follow its name, whichever log's key is trusted.
pub(super) async fn bundles(log: &RealLog, export: &Export) {
    let stage = Stage::new(log);
    std::fs::write(export.path("next-vkey"), format!("{}\n", stage.next.verifier_key())).unwrap();
    let third = three_logs::signer(&stage, "third");
    std::fs::write(export.path("third-vkey"), format!("{}\n", third.verifier_key())).unwrap();
    let mut verdicts = Verdicts::default();
    let keys: [(&str, &VerifierKey); 3] =
        [("log/vkey", &log.vkey), ("next-vkey", stage.next.verifier_key()), ("third-vkey", third.verifier_key())];
    let two = by_the_hub(&stage).into_iter().chain(by_anybody(&stage)).chain(abandoned::bundles(&stage));
    let two = two.chain(three_logs::come_again(&stage)).map(|file| (file, &keys[..2]));
    let three = three_logs::bundles(&stage, &third).into_iter().map(|file| (file, &keys[..]));
    for (BrokenFile { name, class, file }, keys) in two.chain(three) {
        let bytes = serde_json::to_vec(&file).unwrap();
        std::fs::write(export.path("broken.json"), &bytes).unwrap();
        let bundle: EvidenceBundle = parse_typed(&bytes).unwrap();
        for &(key, vkey) in keys {
            let class = if UNKNOWN_SIGNER.contains(&(name, key)) { "changed-checkpoint" } else { class };
            let own = bundle.verify(vkey).map_or_else(|fault| fault.class(), |_| HOLDS);
            let other = export.other_verifier(&["bundle", key, "broken.json"]).await;
            verdicts.note(name, class, own, &other);
        }
    }
    // Whoever trusts a key of neither believes neither.
    let stranger = NoteSigner::from_pkcs8(&log.origin, &NoteSigner::generate_pkcs8().unwrap()).unwrap();
    let stranger = stranger.verifier_key();
    std::fs::write(export.path("stranger-vkey"), format!("{stranger}\n")).unwrap();
    let good = bundle(&stage, &stage.old(&stage.prepared()), &[]);
    std::fs::write(export.path("broken.json"), serde_json::to_vec(&good).unwrap()).unwrap();
    let good: EvidenceBundle = serde_json::from_value(good).unwrap();
    let own = good.verify(stranger).unwrap_err().class();
    let other = export.other_verifier(&["bundle", "stranger-vkey", "broken.json"]).await;
    verdicts.note("another key of that name", "changed-checkpoint", own, &other);
    verdicts.agree("bundles over a change of the log");
}

/// A bundle of both logs with all of their entries. `more` is behind the first entry of the new one; a message there is proven too.
fn bundle(stage: &Stage<'_>, old: &[Vec<u8>], more: &[Vec<u8>]) -> Value {
    with_new(stage, old, &[&[stage.opened(old)][..], more].concat())
}

fn with_new(stage: &Stage<'_>, old: &[Vec<u8>], new: &[Vec<u8>]) -> Value {
    over(stage, old, &[(&stage.next, new)])
}

/// A bundle of a log and of those after it, with the first message of each of these.
fn over(stage: &Stage<'_>, old: &[Vec<u8>], later: &[(&NoteSigner, &[Vec<u8>])]) -> Value {
    let part = |mut files: Files, leaves: &[Vec<u8>]| EarlierLog {
        checkpoint: String::from_utf8(files.remove("checkpoint").unwrap()).unwrap(),
        entries: entries(leaves),
        timestamps: Vec::new(),
    };
    let mut earlier = vec![part(stage.log.signed(old), old)];
    earlier.extend(later.iter().map(|(log, leaves)| part(RealLog::signed_by(&[*log], leaves), leaves)));
    let newest = earlier.pop().unwrap();
    let is_message = |leaf: &Vec<u8>| matches!(Leaf::parse(leaf).unwrap(), Leaf::Message { .. });
    let mut messages = vec![BundledMessage::new(Some(stage.log.origin.clone()), stage.message)];
    messages.extend(later.iter().enumerate().filter_map(|(number, (log, leaves))| {
        let at = leaves.iter().position(is_message)?;
        Some(BundledMessage::new((number + 1 < later.len()).then(|| log.name().to_owned()), at as u64))
    }));
    let bundle = EvidenceBundle {
        format: Format::V1,
        earlier,
        checkpoint: newest.checkpoint,
        entries: newest.entries,
        messages,
        schemas: Vec::new(),
        timestamps: Vec::new(),
    };
    serde_json::to_value(bundle).unwrap()
}

fn entries(leaves: &[Vec<u8>]) -> Vec<BundledEntry> {
    let tree = BatchAppend::new(&CompactRange::new(), leaves.iter().map(|leaf| leaf_hash(leaf)).collect());
    let entry = |(index, leaf): (usize, &Vec<u8>)| BundledEntry {
        index: index as u64,
        leaf: String::from_utf8(leaf.clone()).unwrap(),
        proof: tree.inclusion_proof(index as u64).unwrap(),
    };
    leaves.iter().enumerate().map(entry).collect()
}

/// The last checkpoint of these entries, with another's signature.
fn unsigned(stage: &Stage<'_>, old: &[Vec<u8>]) -> String {
    let (checkpoint, other) = (stage.checkpoint(old), stage.checkpoint(&old[1..]));
    let ((text, _), (_, signatures)) = (checkpoint.split_once("\n\n").unwrap(), other.split_once("\n\n").unwrap());
    format!("{text}\n\n{signatures}")
}

/// The sender's next message.
fn message(stage: &Stage<'_>) -> Vec<u8> {
    let (claims, schema, _) = stage.log.message(usize::try_from(stage.message).unwrap());
    let claims = EnvelopeClaims { jti: MessageId::new(), ..claims };
    Leaf::Message { ts: stage.ts(), schema, envelope: sign(claims, &stage.log.sender) }.to_bytes()
}

/// What a hub signed, in good order or not.
fn by_the_hub(stage: &Stage<'_>) -> Vec<BrokenFile> {
    let (log, prepared) = (stage.log, stage.prepared());
    let old = stage.old(&prepared);
    let first = Some(&*log.origin);
    let new = |more: &[Vec<u8>]| bundle(stage, &old, more);
    // With more before its end.
    let ending = |more: Vec<u8>, prepared: Option<&Vec<u8>>, next: &str| {
        let end = [Some(&more), prepared, Some(&stage.closed(next))].into_iter().flatten().cloned().collect::<Vec<_>>();
        [&stage.begun[..], &end].concat()
    };
    let revoked = |ended: EntryId| ending(stage.changed(Change::Revoked(ended)), Some(&prepared), stage.next.name());
    let key = revoked(EntryId::Key(log.sender.public().id()));
    let agreement = revoked(EntryId::Agreement(copies::agreement_of_the_messages(log).parse().unwrap()));
    let mut other = old.clone();
    other.swap(1, 2);
    let unprepared = [&stage.begun[..], &[stage.closed(stage.next.name())]].concat();
    let elsewhere =
        [&stage.begun[..], &[prepared.clone(), stage.closed(&log.origin.replace("/log/", "/log/x"))]].concat();
    let open = [&stage.begun[..], std::slice::from_ref(&prepared)].concat();
    let file = |name, class, file| BrokenFile { name, class, file };
    vec![
        file("in good order", HOLDS, new(&[])),
        file("a message of each log", HOLDS, new(&[message(stage)])),
        file("an old message, acknowledged and erased", HOLDS, {
            new(&[stage.said(first, stage.message), stage.erased(first, stage.message)])
        }),
        file("an acknowledgement in no log", "false-acknowledgement", new(&[stage.said(None, stage.message)])),
        file("an acknowledgement in this log", "false-acknowledgement", {
            new(&[stage.said(Some(stage.next.name()), stage.message)])
        }),
        file("an acknowledgement behind the end", "false-acknowledgement", {
            new(&[stage.said(first, old.len() as u64)])
        }),
        file("an acknowledgement of what is no message", "false-acknowledgement", new(&[stage.said(first, 0)])),
        file("an erasure in this log", "malformed-entry", new(&[stage.erased(None, stage.message)])),
        file("a message that was there before", "duplicated-entries", new(&[stage.begun.last().unwrap().clone()])),
        file("a key that was revoked in the log before", "invalid-key", bundle(stage, &key, &[message(stage)])),
        file("an agreement that was revoked in the log before", "not-allowed", {
            bundle(stage, &agreement, &[message(stage)])
        }),
        file("the key that was revoked signed before", HOLDS, bundle(stage, &key, &[])),
        file("another last checkpoint", "fork", with_new(stage, &old, &[stage.opened(&other)])),
        file("a last checkpoint that the old log did not sign", "changed-checkpoint", {
            with_new(stage, &old, &[stage.opened_after(unsigned(stage, &old), None)])
        }),
        file("not closed", "misplaced-entry", bundle(stage, &open, &[])),
        file("closed for another", "misplaced-entry", bundle(stage, &elsewhere, &[])),
        file("a key that nobody registered", "unknown-key", bundle(stage, &unprepared, &[])),
        file("a later log of another hub", "malformed-entry", {
            with_new(stage, &old, &[shards::with_hub(&stage.opened(&old), "hub.else")])
        }),
        file("a later log with the key of another", "malformed-entry", {
            with_new(stage, &old, &[shards::with_key(&stage.opened(&old), &log.vkey)])
        }),
        file("a log of another hub after one that is left out", "malformed-entry", {
            let opened = shards::with_hub(&stage.opened(&old), "hub.else");
            alone(with_new(stage, &old, &[opened, message(stage)]))
        }),
        file("a log that is closed in the bundle's last", "malformed-entry", new(&[stage.closed("x/log/y")])),
    ]
}

/// Without the log before.
fn alone(mut file: Value) -> Value {
    file.as_object_mut().unwrap().remove("earlier").unwrap();
    file["messages"].as_array_mut().unwrap().remove(0);
    file
}

/// What anybody can do to a bundle in good order.
fn by_anybody(stage: &Stage<'_>) -> Vec<BrokenFile> {
    let (first, old) = (Some(&*stage.log.origin), stage.old(&stage.prepared()));
    let good = bundle(stage, &old, &[stage.said(first, stage.message), message(stage)]);
    let mut all = vec![BrokenFile { name: "all in one", class: HOLDS, file: good.clone() }];
    let mut broken = |name, class, change: &dyn Fn(&mut Value)| {
        let mut file = good.clone();
        change(&mut file);
        assert_ne!(file, good, "{name}");
        all.push(BrokenFile { name, class, file });
    };
    let earlier = |file: &mut Value| file["earlier"][0]["entries"].as_array_mut().unwrap().clone();
    let set = |file: &mut Value, entries: Vec<Value>| file["earlier"][0]["entries"] = entries.into();
    let end = old.len() - 1;
    broken("the log before is left out", "missing-entries", &|file| {
        *file = alone(file.take());
    });
    broken("the end of the log before is left out", "missing-entries", &|file| {
        let mut entries = earlier(file);
        entries.pop();
        set(file, entries);
    });
    broken("the beginning of the log before is left out", "missing-entries", &|file| {
        let mut entries = earlier(file);
        entries.remove(0);
        set(file, entries);
    });
    broken("the beginning of the later log is left out", "missing-entries", &|file| {
        file["entries"].as_array_mut().unwrap().remove(0);
    });
    broken("the key of the later log is left out", "unknown-key", &|file| {
        let mut entries = earlier(file);
        entries.remove(end - 1);
        set(file, entries);
    });
    broken("the old message is left out", "missing-entries", &|file| {
        let mut entries = earlier(file);
        entries.remove(usize::try_from(stage.message).unwrap());
        file["entries"].as_array_mut().unwrap().remove(1);
        set(file, entries);
    });
    broken("the last checkpoint in the later log is changed", "changed-leaf", &|file| {
        let leaf = file["entries"][0]["leaf"].as_str().unwrap().replacen(&format!("\\n{}\\n", end + 1), "\\n1\\n", 1);
        file["entries"][0]["leaf"] = leaf.into();
    });
    broken("a proof is that of the other log", "changed-leaf", &|file| {
        file["earlier"][0]["entries"][0]["proof"] = file["entries"][0]["proof"].clone();
    });
    broken("an entry stands in the other log", "changed-leaf", &|file| {
        let entry = file["entries"][1].clone();
        let mut entries = earlier(file);
        entries[1] = entry;
        set(file, entries);
    });
    broken("entries of the log before change places", "reordered-entries", &|file| {
        let mut entries = earlier(file);
        entries.swap(1, 2);
        set(file, entries);
    });
    broken("the logs change places", "missing-entries", &|file| {
        let old = file["earlier"][0].clone();
        file["earlier"][0] = serde_json::json!({ "checkpoint": file["checkpoint"], "entries": file["entries"] });
        (file["checkpoint"], file["entries"]) = (old["checkpoint"].clone(), old["entries"].clone());
        file["messages"] = serde_json::json!([{ "index": stage.message }]);
    });
    broken("the log before is there twice", "missing-entries", &|file| {
        let old = file["earlier"][0].clone();
        file["earlier"].as_array_mut().unwrap().push(old);
    });
    let with_another_root = |checkpoint: &mut Value| {
        let mut lines: Vec<String> = checkpoint.as_str().unwrap().split('\n').map(str::to_owned).collect();
        lines[2] = copies::other_character(&lines[2]);
        *checkpoint = lines.join("\n").into();
    };
    broken("the checkpoint before has another root", "changed-checkpoint", &|file| {
        with_another_root(&mut file["earlier"][0]["checkpoint"]);
    });
    broken("the later checkpoint has another root", "changed-checkpoint", &|file| {
        with_another_root(&mut file["checkpoint"]);
    });
    broken("a message is in no log", "missing-entries", &|file| {
        file["messages"][0]["log"] = "hub.elsewhere/log/x".into()
    });
    broken("a message is in the other log", "missing-entries", &|file| {
        file["messages"][1]["log"] = stage.log.origin.clone().into();
        file["messages"].as_array_mut().unwrap().swap(0, 1);
    });
    broken("a message is behind the end of its log", "missing-entries", &|file| {
        file["messages"][0]["index"] = (end as u64 + 3).into();
    });
    broken("the messages change places", "reordered-entries", &|file| {
        file["messages"].as_array_mut().unwrap().swap(0, 1);
    });
    all
}

/// What is left out here is what says whose key signed a checkpoint, to who trusts this key.
const UNKNOWN_SIGNER: [(&str, &str); 7] = [
    ("the log before is left out", "log/vkey"),
    ("the abandoned log is left out", "log/vkey"),
    ("a log of another hub after one that is left out", "log/vkey"),
    ("the beginning of the log before is left out", "next-vkey"),
    ("the beginning of the abandoned log is left out", "next-vkey"),
    // Of that name there are two.
    ("a log that was there before", "log/vkey"),
    ("a log that was there before, after no end", "log/vkey"),
];
