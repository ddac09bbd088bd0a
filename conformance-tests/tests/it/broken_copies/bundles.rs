//! What can be done to an evidence bundle and to a message file.

use saphan_schemas::b64;
use saphan_timestamps::testing::{Forgery, KeyKind, TIMESTAMPS, TestAuthority};
use serde_json::Value;

use super::Timestamped;

/// A broken file: what was done, and the class that a verifier must give.
pub(super) struct BrokenFile {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) file: Value,
}

/// Of a bundle with two messages at least, the first of which has body and receipt.
pub(super) fn bundles(good: &Value) -> Vec<BrokenFile> {
    let mut all = Vec::new();
    let mut broken = |name, class, change: &dyn Fn(&mut Value)| {
        let mut file = good.clone();
        change(&mut file);
        assert_ne!(file, *good, "{name}");
        all.push(BrokenFile { name, class, file });
    };
    let (first, second) = (&good["messages"][0], &good["messages"][1]);
    broken("a body is another's", "changed-body", &|file| file["messages"][0]["body"] = second["body"].clone());
    broken("a salt is another's", "changed-body", &|file| file["messages"][0]["salt"] = second["salt"].clone());
    broken("a salt is left out", "changed-body", &|file| remove(&mut file["messages"][0], "salt"));
    broken("a body is left out", "changed-body", &|file| remove(&mut file["messages"][0], "body"));
    broken("a body is no base64", "changed-body", &|file| file["messages"][0]["body"] = "*".into());
    broken("a receipt is another message's", "changed-receipt", &|file| {
        file["messages"][0]["receipt"] = second["receipt"].clone();
    });
    broken("a receipt's signature is another's", "changed-receipt", &|file| {
        file["messages"][0]["receipt"] = signed_as(&first["receipt"], &second["receipt"]);
    });
    broken("no message is named", "missing-entries", &|file| file["messages"] = Value::Array(Vec::new()));
    let place = |index: &Value| entries(good).iter().position(|entry| entry["index"] == *index).unwrap();
    let (at, other) = (place(&first["index"]), place(&second["index"]));
    broken("a leaf is changed", "changed-leaf", &|file| {
        let leaf = file["entries"][at]["leaf"].as_str().unwrap().replacen("\"ts\":1", "\"ts\":2", 1);
        file["entries"][at]["leaf"] = leaf.into();
    });
    broken("a leaf is another's", "changed-leaf", &|file| {
        file["entries"][at]["leaf"] = file["entries"][other]["leaf"].clone();
    });
    broken("an entry has another place", "changed-leaf", &|file| {
        let last = array(&mut file["entries"]).last_mut().unwrap();
        last["index"] = (last["index"].as_u64().unwrap() + 1).into();
    });
    broken("a proof is too short", "changed-leaf", &|file| drop(array(&mut file["entries"][at]["proof"]).pop()));
    broken("a proof is too long", "changed-leaf", &|file| {
        let proof = array(&mut file["entries"][at]["proof"]);
        proof.push(proof[0].clone());
    });
    broken("a proof's hashes change places", "changed-leaf", &|file| {
        array(&mut file["entries"][at]["proof"]).swap(0, 1)
    });
    broken("two entries change places", "reordered-entries", &|file| array(&mut file["entries"]).swap(at, other));
    broken("an entry stands twice", "reordered-entries", &|file| {
        let entries = array(&mut file["entries"]);
        entries.insert(at, entries[at].clone());
    });
    broken("the entry that opens the log is left out", "missing-entries", &|file| {
        drop(array(&mut file["entries"]).remove(0))
    });
    broken("a message's entry is left out", "missing-entries", &|file| drop(array(&mut file["entries"]).remove(at)));
    for (name, class, part) in [
        ("the entry of a schema is left out", "wrong-schema", "\"kind\":\"schema\""),
        ("an agreement's signature is left out", "not-allowed", "\"action\":\"signed\""),
        ("the entry of an agreement is left out", "false-registry-change", "\"kind\":\"agreement\""),
        ("the entry of a member is left out", "false-registry-change", "\"kind\":\"member\""),
    ] {
        broken(name, class, &|file| {
            let entries = array(&mut file["entries"]);
            let at = entries.iter().position(|entry| statement(entry).contains(part)).unwrap();
            entries.remove(at);
        });
    }
    let note = |file: &mut Value, number: usize, change: &dyn Fn(&str) -> String| {
        let text = file["checkpoint"].as_str().unwrap().to_owned();
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        lines[number] = change(&lines[number]);
        file["checkpoint"] = lines.join("\n").into();
    };
    broken("the checkpoint is of another log", "changed-checkpoint", &|file| note(file, 0, &|line| format!("{line}x")));
    broken("the checkpoint has another size", "changed-checkpoint", &|file| note(file, 1, &|line| format!("{line}0")));
    broken("the checkpoint has another root", "changed-checkpoint", &|file| {
        note(file, 2, &super::copies::other_character)
    });
    broken("a schema text is changed", "wrong-schema", &|file| {
        file["schemas"][0] = format!("{} ", file["schemas"][0].as_str().unwrap()).into();
    });
    all
}

/// Of a message file with a body.
pub(super) fn messages(good: &Value, other: &Value) -> Vec<BrokenFile> {
    let mut all = Vec::new();
    let mut broken = |name, class, change: &dyn Fn(&mut Value)| {
        let mut file = good.clone();
        change(&mut file);
        assert_ne!(file, *good, "{name}");
        all.push(BrokenFile { name, class, file });
    };
    broken("the envelope's signature is another's", "changed-envelope", &|file| {
        file["envelope"] = signed_as(&good["envelope"], &other["envelope"]);
    });
    broken("the body is another's", "changed-body", &|file| file["body"] = other["body"].clone());
    broken("the salt is another's", "changed-body", &|file| file["salt"] = other["salt"].clone());
    broken("the receipt is another's", "changed-receipt", &|file| file["receipt"] = other["receipt"].clone());
    broken("the receipt's signature is another's", "changed-receipt", &|file| {
        file["receipt"] = signed_as(&good["receipt"], &other["receipt"]);
    });
    broken("the proof is another's", "changed-leaf", &|file| file["proof"] = other["proof"].clone());
    broken("the leaf before the envelope is changed", "changed-leaf", &|file| {
        let proof = good["proof"].as_str().unwrap();
        let (head, rest) = proof.split_once("\nindex ").unwrap();
        file["proof"] = format!("{}\nindex {rest}", super::copies::other_character(head)).into();
    });
    broken("the checkpoint in the proof has another root", "changed-checkpoint", &|file| {
        let proof = good["proof"].as_str().unwrap();
        let (proof, note) = proof.split_once("\n\n").unwrap();
        let mut lines: Vec<String> = note.split('\n').map(str::to_owned).collect();
        lines[2] = super::copies::other_character(&lines[2]);
        file["proof"] = format!("{proof}\n\n{}", lines.join("\n")).into();
    });
    all
}

fn entries(bundle: &Value) -> &Vec<Value> {
    bundle["entries"].as_array().unwrap()
}

fn array(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().unwrap()
}

fn remove(value: &mut Value, member: &str) {
    value.as_object_mut().unwrap().remove(member).unwrap();
}

/// What a registry entry of a bundle says.
fn statement(entry: &Value) -> String {
    let leaf: Value = serde_json::from_str(entry["leaf"].as_str().unwrap()).unwrap();
    let Some(payload) = leaf["entry"].as_str().and_then(|jws| jws.split('.').nth(1)) else { return String::new() };
    String::from_utf8(saphan_schemas::b64::decode_url(payload).unwrap()).unwrap()
}

fn signed_as(one: &Value, other: &Value) -> Value {
    super::copies::signed_as(one.as_str().unwrap(), other.as_str().unwrap()).into()
}

/// 2025-06-01, in seconds since 1970: the authority's certificate is good then, and no log had begun.
const IN_2025: u64 = 1_748_736_000;

/// Of a bundle with one timestamp.
pub(super) fn timestamps(good: &Value, stamped: &Timestamped) -> Vec<BrokenFile> {
    let Timestamped { authority, text } = stamped;
    let token = b64::decode_std(good["timestamps"][0]["token"].as_str().unwrap()).unwrap();
    let forged = |time, usage| authority.forge(text, Forgery { time, usage }).unwrap();
    let foreign = TestAuthority::new(KeyKind::P384).unwrap();
    let (mut changed, mut of_another_time) = (token.clone(), token.clone());
    *changed.last_mut().unwrap() ^= 1;
    // A GeneralizedTime of 15 characters.
    let time = token.windows(2).position(|pair| pair == [0x18, 15]).unwrap();
    of_another_time[time + 5] ^= 1;
    let mut all: Vec<BrokenFile> = [
        ("a timestamp is another authority's", "untrusted-timestamp", foreign.token(text).unwrap()),
        ("a timestamp is for something else", "other-timestamp", authority.token(b"something else").unwrap()),
        ("a timestamp's signature is changed", "changed-timestamp", changed),
        ("a timestamp's time is changed", "changed-timestamp", of_another_time),
        ("a timestamp ends too early", "malformed-timestamp", token[..token.len() - 1].to_vec()),
        ("a timestamp is before its certificate", "expired-timestamp", forged("20200101000000Z", TIMESTAMPS)),
        ("a timestamp is behind its certificate", "expired-timestamp", forged("20991231000000Z", TIMESTAMPS)),
        ("a timestamp is before the entries", "early-timestamp", authority.token_at(text, IN_2025).unwrap()),
        ("a timestamp's certificate is for anything", "not-for-timestamps", forged("20200101000000Z", "")),
        ("a timestamp's usage is not critical", "not-for-timestamps", forged("20200101000000Z", "timeStamping")),
    ]
    .into_iter()
    .map(|(name, class, token)| {
        let mut file = good.clone();
        file["timestamps"][0]["token"] = b64::encode_std(&token).into();
        BrokenFile { name, class, file }
    })
    .collect();
    let mut broken = |name, change: &dyn Fn(&mut Value)| {
        let mut file = good.clone();
        change(&mut file["timestamps"][0]);
        assert_ne!(file, *good, "{name}");
        all.push(BrokenFile { name, class: "other-timestamp", file });
    };
    broken("a timestamp's size is another", &|stamp| stamp["size"] = (stamp["size"].as_u64().unwrap() + 1).into());
    broken("a timestamp's root is another", &|stamp| stamp["root"] = stamp["proof"][0].clone());
    broken("a timestamp's proof is too short", &|stamp| drop(array(&mut stamp["proof"]).pop()));
    broken("a timestamp is older than the messages", &|stamp| stamp["size"] = 1.into());
    all
}
