//! What can be done to an evidence bundle and to a message file.

use saphan_schemas::log::VerifierKey;
use serde_json::Value;

/// A broken file: what was done, and the class that a verifier must give.
pub(super) struct BrokenFile {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) file: Value,
}

/// What a bundle has of one of the hub's logs: checkpoint, entries and timestamps.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// Of the log before.
    Earlier,
    /// Of the newest log, or of the only one.
    Newest,
}

impl Part {
    pub(super) fn of(self, bundle: &Value) -> &Value {
        match self {
            Self::Earlier => &bundle["earlier"][0],
            Self::Newest => bundle,
        }
    }

    pub(super) fn of_mut(self, bundle: &mut Value) -> &mut Value {
        match self {
            Self::Earlier => &mut bundle["earlier"][0],
            Self::Newest => bundle,
        }
    }

    /// Which messages of the bundle are in this log: two at least, of which the first has body and receipt.
    fn messages(self, bundle: &Value) -> [usize; 2] {
        let all = bundle["messages"].as_array().unwrap().iter().enumerate();
        let of_this = all.filter(|(_, message)| message.get("log").is_some() == matches!(self, Self::Earlier));
        let places: Vec<usize> = of_this.map(|(place, _)| place).take(2).collect();
        places.try_into().expect("two messages of the log")
    }

    pub(super) fn entries(self, bundle: &Value) -> &Vec<Value> {
        self.of(bundle)["entries"].as_array().unwrap()
    }

    fn entries_mut(self, bundle: &mut Value) -> &mut Vec<Value> {
        array(&mut self.of_mut(bundle)["entries"])
    }
}

/// Broken copies of one good file.
pub(super) struct Breaking<'a> {
    good: &'a Value,
    all: Vec<BrokenFile>,
}

impl<'a> Breaking<'a> {
    pub(super) const fn new(good: &'a Value) -> Self {
        Self { good, all: Vec::new() }
    }

    pub(super) fn broken(&mut self, name: &'static str, class: &'static str, change: impl FnOnce(&mut Value)) {
        let mut file = self.good.clone();
        change(&mut file);
        assert!(file != *self.good, "{name}");
        self.all.push(BrokenFile { name, class, file });
    }

    pub(super) fn all(self) -> Vec<BrokenFile> {
        self.all
    }
}

/// What can be done to the messages of one log in a bundle, to its entries and to its checkpoint.
pub(super) fn bundles(good: &Value, part: Part) -> Vec<BrokenFile> {
    let mut breaking = Breaking::new(good);
    messages_of(good, part, &mut breaking);
    entries_of(good, part, &mut breaking);
    let mut note = |name, number: usize, change: &dyn Fn(&str) -> String| {
        breaking.broken(name, "changed-checkpoint", |file| {
            let checkpoint = &mut part.of_mut(file)["checkpoint"];
            let mut lines: Vec<String> = checkpoint.as_str().unwrap().split('\n').map(str::to_owned).collect();
            lines[number] = change(&lines[number]);
            *checkpoint = lines.join("\n").into();
        });
    };
    note("the checkpoint is of another log", 0, &|line| format!("{line}x"));
    note("the checkpoint has another size", 1, &|line| format!("{line}0"));
    note("the checkpoint has another root", 2, &super::copies::other_character);
    breaking.all()
}

fn messages_of(good: &Value, part: Part, breaking: &mut Breaking<'_>) {
    let [at, other] = part.messages(good);
    let (first, second) = (&good["messages"][at], &good["messages"][other]);
    let mut broken = |name, class, change: &dyn Fn(&mut Value)| {
        breaking.broken(name, class, |file| change(&mut file["messages"][at]));
    };
    broken("a body is another's", "changed-body", &|message| message["body"] = second["body"].clone());
    broken("a salt is another's", "changed-body", &|message| message["salt"] = second["salt"].clone());
    broken("a salt is left out", "changed-body", &|message| remove(message, "salt"));
    broken("a body is left out", "changed-body", &|message| remove(message, "body"));
    broken("a body is no base64", "changed-body", &|message| message["body"] = "*".into());
    broken("a receipt is another message's", "changed-receipt", &|message| {
        message["receipt"] = second["receipt"].clone();
    });
    broken("a receipt's signature is another's", "changed-receipt", &|message| {
        message["receipt"] = signed_as(&first["receipt"], &second["receipt"]);
    });
}

fn entries_of(good: &Value, part: Part, breaking: &mut Breaking<'_>) {
    let places = part.messages(good).map(|message| &good["messages"][message]["index"]);
    let place = |index: &Value| part.entries(good).iter().position(|entry| entry["index"] == *index).unwrap();
    let [at, other] = places.map(place);
    let mut broken = |name, class, change: &dyn Fn(&mut Vec<Value>)| {
        breaking.broken(name, class, |file| change(part.entries_mut(file)));
    };
    broken("a leaf is changed", "changed-leaf", &|entries| {
        let leaf = entries[at]["leaf"].as_str().unwrap().replacen("\"ts\":1", "\"ts\":2", 1);
        entries[at]["leaf"] = leaf.into();
    });
    broken("a leaf is another's", "changed-leaf", &|entries| entries[at]["leaf"] = entries[other]["leaf"].clone());
    broken("an entry has another place", "changed-leaf", &|entries| {
        let last = entries.last_mut().unwrap();
        last["index"] = (last["index"].as_u64().unwrap() + 1).into();
    });
    broken("a proof is too short", "changed-leaf", &|entries| drop(array(&mut entries[at]["proof"]).pop()));
    broken("a proof is too long", "changed-leaf", &|entries| {
        let proof = array(&mut entries[at]["proof"]);
        proof.push(proof[0].clone());
    });
    broken("a proof's hashes change places", "changed-leaf", &|entries| array(&mut entries[at]["proof"]).swap(0, 1));
    broken("two entries change places", "reordered-entries", &|entries| entries.swap(at, other));
    broken("an entry stands twice", "reordered-entries", &|entries| entries.insert(at, entries[at].clone()));
    broken("the entry that opens the log is left out", "missing-entries", &|entries| drop(entries.remove(0)));
    broken("a message's entry is left out", "missing-entries", &|entries| drop(entries.remove(at)));
}

/// What can be done to the entries of the registry on which the messages rest, and to what belongs to the whole bundle. `first`: the
/// part with these entries.
pub(super) fn registries(good: &Value, first: Part) -> Vec<BrokenFile> {
    let mut breaking = Breaking::new(good);
    for (name, class, said) in [
        ("the entry of a schema is left out", "wrong-schema", "\"kind\":\"schema\""),
        ("an agreement's signature is left out", "not-allowed", "\"action\":\"signed\""),
        ("the entry of an agreement is left out", "false-registry-change", "\"kind\":\"agreement\""),
        ("the entry of a member is left out", "false-registry-change", "\"kind\":\"member\""),
    ] {
        breaking.broken(name, class, |file| {
            let entries = first.entries_mut(file);
            let at = entries.iter().position(|entry| statement(entry).contains(said)).unwrap();
            entries.remove(at);
        });
    }
    breaking.broken("no message is named", "missing-entries", |file| file["messages"] = Value::Array(Vec::new()));
    breaking.broken("a schema text is changed", "wrong-schema", |file| {
        file["schemas"][0] = format!("{} ", file["schemas"][0].as_str().unwrap()).into();
    });
    breaking.all()
}

/// What can be done to the change from one log to the next. `key`: that of the next log.
pub(super) fn changes_of_the_log(good: &Value, key: &VerifierKey) -> Vec<BrokenFile> {
    let mut breaking = Breaking::new(good);
    let mut broken = |name, class, change: &dyn Fn(&mut Value)| breaking.broken(name, class, change);
    broken("the entry that closes the log is left out", "missing-entries", &|file| {
        drop(Part::Earlier.entries_mut(file).pop());
    });
    let of_receipts = "\"use\":\"receipts\"";
    for (name, class, part, said) in [
        ("the entry of the next log's key is left out", "unknown-key", Part::Earlier, &*key.to_string()),
        // The next log begins with it.
        ("the entry of a key for receipts is left out", "unknown-key", Part::Earlier, of_receipts),
        ("the entry of a key for receipts is left out in the next log", "changed-receipt", Part::Newest, of_receipts),
    ] {
        broken(name, class, &|file| {
            let entries = part.entries_mut(file);
            let is_it = |entry: &Value| statement(entry).contains(said) && statement(entry).contains("\"added\"");
            let at = entries.iter().position(is_it).unwrap();
            entries.remove(at);
        });
    }
    for (name, from, to) in [
        ("a leaf is that of the log before", Part::Earlier, Part::Newest),
        ("a leaf is that of the next log", Part::Newest, Part::Earlier),
    ] {
        broken(name, "changed-leaf", &|file| {
            let leaf = from.entries(good)[1]["leaf"].clone();
            to.entries_mut(file)[1]["leaf"] = leaf;
        });
    }
    broken("a receipt is that of a message of the next log", "changed-receipt", &|file| {
        let [[old, _], [new, _]] = [Part::Earlier, Part::Newest].map(|part| part.messages(good));
        file["messages"][old]["receipt"] = good["messages"][new]["receipt"].clone();
    });
    broken("the timestamps are those of the next log", "other-timestamp", &|file| {
        file["earlier"][0]["timestamps"] = good["timestamps"].clone();
    });
    breaking.all()
}

/// Of a message file with a body.
pub(super) fn messages(good: &Value, other: &Value) -> Vec<BrokenFile> {
    let mut breaking = Breaking::new(good);
    let mut broken = |name, class, change: &dyn Fn(&mut Value)| breaking.broken(name, class, change);
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
    breaking.all()
}

pub(super) fn array(value: &mut Value) -> &mut Vec<Value> {
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
