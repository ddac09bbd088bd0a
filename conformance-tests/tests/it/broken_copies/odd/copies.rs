//! What is odd: in statements and leaves of the small log, in its checkpoint, and in a bundle and a message file of it.

use std::collections::BTreeSet;

use saphan_schemas::b64;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::SignedNote;
use saphan_schemas::message::MessageFile;
use serde_json::Value;

use super::members::{Odd, instead_of, odd};
use super::small::{NextLog, Said, SmallLog, checkpoint, header, resigned};

/// Something odd: what, and the line that asks the other verifier.
pub(super) struct Copy {
    /// What it is in, and the member.
    pub(super) place: String,
    pub(super) what: &'static str,
    pub(super) asked: Asked,
}

#[derive(Clone)]
pub(super) enum Asked {
    Leaf {
        at: usize,
        leaf: String,
    },
    /// The only leaf of the next log.
    Opened(String),
    Checkpoint(String),
    Bundle(String),
    Message(String),
}

/// What all else is a change of.
pub(super) fn good(log: &SmallLog, file: &MessageFile, evidence: &Value) -> Vec<Copy> {
    let leaf = String::from_utf8(log.bytes().swap_remove(log.message)).unwrap();
    let asked = [
        Asked::Leaf { at: log.message, leaf },
        Asked::Checkpoint(checkpoint(&log.signed(&log.bytes()))),
        Asked::Bundle(evidence.to_string()),
        Asked::Message(serde_json::to_string(file).unwrap()),
    ];
    let copy = |asked| Copy { place: "as it was made".to_owned(), what: NOTHING, asked };
    asked.into_iter().map(copy).collect()
}

/// Each kind of statement in the log, its header and its claims.
pub(super) fn statements(log: &SmallLog) -> Vec<Copy> {
    let (mut copies, mut typs, mut kinds) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (at, (leaf, said)) in log.leaves.iter().enumerate() {
        let Some(Said { typ, key }) = said else { continue };
        let good = header(typ, key);
        let claims = claims_in(leaf);
        let kind = kind_of(typ, &claims);
        if !kinds.insert(kind.clone()) {
            continue;
        }
        let mut add = |place: String, what, statement| {
            let leaf = String::from_utf8(with_statement(leaf, statement).to_bytes()).unwrap();
            copies.push(Copy { place, what, asked: Asked::Leaf { at, leaf } });
        };
        add(kind.clone(), NOTHING, resigned(&good.to_string(), &claims.to_string(), key));
        let is_first = typs.insert(*typ);
        if is_first {
            for Odd { at, what, text } in odd(&good) {
                add(format!("header of {typ}{at}"), what, resigned(&text, &claims.to_string(), key));
            }
        }
        // What stands beside a change of the registry is the same for all.
        let of_this = |odd: &Odd| is_first || odd.at.starts_with("/change") || odd.at == "/invitation";
        for Odd { at, what, text } in odd(&claims).into_iter().filter(of_this) {
            add(format!("{kind}{at}"), what, resigned(&good.to_string(), &text, key));
        }
    }
    copies
}

/// Each kind of leaf, and of its members those that are no objects.
pub(super) fn leaves(log: &SmallLog) -> Vec<Copy> {
    let (mut copies, mut kinds) = (Vec::new(), BTreeSet::new());
    for (at, (leaf, _)) in log.leaves.iter().enumerate() {
        let text = String::from_utf8(leaf.to_bytes()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let kind = format!(
            "leaf {} {}",
            value["t"].as_str().unwrap(),
            value["event"].as_object().map_or("", |event| { event.keys().next().unwrap() })
        );
        if !kinds.insert(kind.clone()) {
            continue;
        }
        let mut add = |name: &str, what, leaf| {
            copies.push(Copy { place: format!("{kind}/{name}"), what, asked: Asked::Leaf { at, leaf } });
        };
        add("", "a member more", format!("{},\"odd\":1}}", &text[..text.len() - 1]));
        for (name, value) in scalars(&value) {
            odd_member(&text, &name, &value).into_iter().for_each(|(what, leaf)| add(&name, what, leaf));
        }
    }
    copies
}

/// What the next log says of the one before.
pub(super) fn opened(next: &NextLog) -> Vec<Copy> {
    let text = String::from_utf8(next.opened.to_bytes()).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let opened = &value["event"]["opened"];
    let abandoned = &opened["abandoned"];
    let copy =
        |name, what, leaf| Copy { place: format!("leaf shard opened later/{name}"), what, asked: Asked::Opened(leaf) };
    let mut copies = vec![copy("", NOTHING, text.clone())];
    for (name, value) in [
        ("previous", &opened["previous"]),
        ("abandoned", abandoned),
        ("kept", &abandoned["kept"]),
        ("key", &abandoned["key"]),
    ] {
        copies.extend(odd_member(&text, name, value).into_iter().map(|(what, leaf)| copy(name, what, leaf)));
    }
    copies
}

/// The leaf with each thing that can be odd about a member of it.
fn odd_member(leaf: &str, name: &str, value: &Value) -> Vec<(&'static str, String)> {
    let member = format!("\"{name}\":{value}");
    let written = [format!(",{member}"), format!("{member},"), member.clone()];
    let with_comma = written.iter().find(|written| leaf.contains(*written)).unwrap();
    let mut all = vec![
        ("left out", leaf.replacen(with_comma, "", 1)),
        ("twice", leaf.replacen(&member, &format!("{member},{member}"), 1)),
    ];
    let others = instead_of(value).into_iter();
    all.extend(others.map(|(what, written)| (what, leaf.replacen(&member, &format!("\"{name}\":{written}"), 1))));
    all
}

/// The members that are texts or numbers, those of inner objects too.
fn scalars(value: &Value) -> Vec<(String, Value)> {
    let members = value.as_object().into_iter().flatten();
    members
        .flat_map(|(name, value)| match value {
            Value::Object(_) => scalars(value),
            _ => vec![(name.clone(), value.clone())],
        })
        .collect()
}

/// Checkpoints of the good log, signed again.
pub(super) fn checkpoints(log: &SmallLog) -> Vec<Copy> {
    let good = checkpoint(&log.signed(&log.bytes()));
    let (text, lines) = good.split_once("\n\n").unwrap();
    let size = log.leaves.len().to_string();
    let mut copies = Vec::new();
    let mut add = |what, note: String| {
        copies.push(Copy { place: "checkpoint".to_owned(), what, asked: Asked::Checkpoint(note) });
    };
    for (what, from, to) in [
        ("a size of 2^63", &*size, "9223372036854775808"),
        ("a size of 2^63 - 1", &size, "9223372036854775807"),
        ("a size of 2^64 - 1", &size, "18446744073709551615"),
        ("a size of 2^64", &size, "18446744073709551616"),
        ("a size with a nought before it", &size, &format!("0{size}")),
        ("a size with a plus", &size, &format!("+{size}")),
        ("a size with a blank", &size, &format!("{size} ")),
        ("a size in other digits", &size, "๓๙"),
        ("no size", &size, ""),
        ("a root without its end", "=", ""),
        ("another root with the same bytes", "=", "=="),
    ] {
        let text = format!(
            "{}\n",
            text.replacen(&format!("\n{from}"), &format!("\n{to}"), 1).replacen(from, to, usize::from(from == "="))
        );
        add(what, SignedNote::sign(text, &log.signer).unwrap().to_string());
    }
    for (what, more) in [
        ("a line more", "more"),
        ("an empty line more", ""),
        ("a line with a control character above 127", "\u{85}"),
        ("a line of blanks", " "),
    ] {
        add(what, SignedNote::sign(format!("{text}\n{more}\n"), &log.signer).unwrap().to_string());
    }
    add("a tab", format!("{text}\t\n\n{lines}"));
    add("a carriage return", good.replace('\n', "\r\n"));
    add("no new line at its end", good.trim_end().to_owned());
    add("an empty line behind it", format!("{good}\n"));
    add("16 signatures", format!("{good}{}", "— x AAAAAAA=\n".repeat(15)));
    add("17 signatures", format!("{good}{}", "— x AAAAAAA=\n".repeat(16)));
    add("a signature that is too short", format!("{good}— x AAAAAA==\n"));
    add("a signature by nobody", format!("{good}—  AAAAAAA=\n"));
    add("a signature by a name with a plus", format!("{good}— x+y AAAAAAA=\n"));
    add("256 KiB and more", format!("{good}— {} AAAAAAA=\n", "x".repeat(256 << 10)));
    add("nothing", String::new());
    copies
}

/// Members of the bundle and of the message file, and of the receipt in both.
pub(super) fn files(log: &SmallLog, file: &MessageFile, evidence: &Value) -> Vec<Copy> {
    let message = serde_json::to_value(file).unwrap();
    let copy = |kind: &str, asked: fn(String) -> Asked, odd: Odd| Copy {
        place: format!("{kind}{}", odd.at),
        what: odd.what,
        asked: asked(odd.text),
    };
    let mut copies: Vec<Copy> = odd(evidence).into_iter().map(|odd| copy("bundle", Asked::Bundle, odd)).collect();
    copies.extend(odd(&message).into_iter().map(|odd| copy("message file", Asked::Message, odd)));
    let (_, receipt) = log.kept();
    let good = header("saphan-receipt+jws", &log.receipts);
    let of_claims =
        odd(&receipt).into_iter().map(|odd| ("receipt", resigned(&good.to_string(), &odd.text, &log.receipts), odd));
    let of_header = odd(&good)
        .into_iter()
        .map(|odd| ("header of receipt", resigned(&odd.text, &receipt.to_string(), &log.receipts), odd));
    let nothing = Odd { at: String::new(), what: NOTHING, text: receipt.to_string() };
    let as_it_was = ("receipt", resigned(&good.to_string(), &nothing.text, &log.receipts), nothing);
    for (kind, statement, Odd { at, what, .. }) in of_claims.chain(of_header).chain([as_it_was]) {
        let (mut evidence, mut message) = (evidence.clone(), message.clone());
        evidence["messages"][0]["receipt"] = statement.clone().into();
        message["receipt"] = statement.into();
        for (file, asked) in
            [("bundle", Asked::Bundle(evidence.to_string())), ("message file", Asked::Message(message.to_string()))]
        {
            copies.push(Copy { place: format!("{kind} in a {file}{at}"), what, asked });
        }
    }
    copies.extend(proofs(&message));
    copies
}

/// Other ways to write the proof.
fn proofs(message: &Value) -> Vec<Copy> {
    let proof = message["proof"].as_str().unwrap();
    let index = &proof[proof.find("index ").unwrap()..proof.find("index ").unwrap() + 8];
    let changes = [
        ("another format", "@v1", "@v2".to_owned()),
        ("an index with a nought before it", "index ", "index 0".to_owned()),
        ("an index with a plus", "index ", "index +".to_owned()),
        ("an index with two blanks", "index ", "index  ".to_owned()),
        ("an index of 2^63", index, "index 9223372036854775808".to_owned()),
        ("no index", index, String::new()),
        ("an extra line twice", "\nextra ", "\nextra \nextra ".to_owned()),
        ("no extra line", "\nextra ", "\nother ".to_owned()),
        ("a hash without its end", "=\n", "\n".to_owned()),
        ("a carriage return", "\n\n", "\r\n\n".to_owned()),
        ("two empty lines", "\n\n", "\n\n\n".to_owned()),
        ("an empty line first", "c2sp", "\nc2sp".to_owned()),
    ];
    let copy = |(what, from, to): (&'static str, &str, String)| {
        let mut message = message.clone();
        message["proof"] = proof.replacen(from, &to, 1).into();
        Copy { place: "proof".to_owned(), what, asked: Asked::Message(message.to_string()) }
    };
    changes.into_iter().map(copy).collect()
}

fn claims_in(leaf: &Leaf) -> Value {
    let (Leaf::Message { envelope: text, .. }
    | Leaf::Acknowledgement { acknowledgement: text, .. }
    | Leaf::Registry { entry: text, .. }) = leaf
    else {
        panic!("a leaf without a statement")
    };
    serde_json::from_slice(&b64::decode_url(text.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn with_statement(leaf: &Leaf, text: String) -> Leaf {
    match leaf.clone() {
        Leaf::Message { ts, schema, .. } => Leaf::Message { ts, schema, envelope: text },
        Leaf::Acknowledgement { ts, .. } => Leaf::Acknowledgement { ts, acknowledgement: text },
        Leaf::Registry { ts, .. } => Leaf::Registry { ts, entry: text },
        _ => panic!("a leaf without a statement"),
    }
}

/// The statement, of the registry with the kind of the change.
fn kind_of(typ: &str, claims: &Value) -> String {
    let change = &claims["change"];
    let words = [&change["action"], &change["entry"]["kind"], &change["entry"]["use"], &change["entry"]["id"]["use"]];
    let words = words.iter().filter_map(|word| word.as_str()).chain(claims.get("invitation").map(|_| "by invitation"));
    words.fold(typ.to_owned(), |kind, word| format!("{kind} {word}"))
}

/// Nothing is odd: it holds.
pub(super) const NOTHING: &str = "nothing odd";
