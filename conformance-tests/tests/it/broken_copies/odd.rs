//! Statements, leaves and files with one member that is odd, each signed again by whoever signed it, in a log that is signed again: two
//! verifiers say the same of each, and what holds is what its signer may as well say.

mod members;
mod small;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::{StreamExt as _, stream};
use saphan_cli::log_check::{LogSource, SourceError, check};
use saphan_cli::message_check::{TrustedKeys, check_message};
use saphan_schemas::b64;
use saphan_schemas::evidence_bundle::EvidenceBundle;
use saphan_schemas::json::parse_typed;
use saphan_schemas::keys::{JwkSet, PublishedKey};
use saphan_schemas::leaf::Leaf;
use saphan_schemas::log::{SignedNote, VerifierKey};
use saphan_schemas::message::MessageFile;
use saphan_timestamps::{Authorities, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use self::members::{Odd, instead_of, odd};
use self::small::{SENDER, SmallLog, TEXT, header, resigned};
use super::real_log::Files;
use super::stamps::Timestamped;
use super::{Export, HOLDS, bundle, write};

/// Something odd: what, and the line that asks the other verifier.
struct Copy {
    /// What it is in, and the member.
    place: String,
    what: &'static str,
    asked: Asked,
}

#[derive(Clone)]
enum Asked {
    Leaf { at: usize, leaf: String },
    Checkpoint(String),
    Bundle(String),
    Message(String),
}

/// All that is needed to judge.
struct Judge {
    log: SmallLog,
    leaves: Vec<Vec<u8>>,
    keys: TrustedKeys,
    authorities: Authorities,
}

/// Both verifiers on each.
pub(super) async fn odd_members() {
    let export = Export { folder: TempDir::new().unwrap() };
    let (judge, file, evidence) = stage(&export).await;
    let mut copies = statements(&judge.log);
    copies.extend(leaves(&judge.log));
    copies.extend(checkpoints(&judge));
    copies.extend(files(&judge.log, &file, &evidence));
    let begun = Instant::now();
    let judge = Arc::new(judge);
    let own = stream::iter(copies.iter().map(|copy| copy.asked.clone()).collect::<Vec<_>>()).map(|asked| {
        let judge = Arc::clone(&judge);
        tokio::spawn(async move { judge.judge(&asked).await })
    });
    let own = own.buffered(4).map(Result::unwrap).collect::<Vec<String>>();
    let (own, other) = tokio::join!(own, other_verifier(&export, &judge, &copies));
    assert_eq!(other.len(), copies.len());
    let (mut classes, mut wrong, mut held) = (BTreeMap::<&str, usize>::new(), Vec::new(), BTreeSet::new());
    for ((Copy { place, what, asked }, own), other) in copies.iter().zip(&own).zip(&other) {
        // Of a message file one of the two names each part that does not hold, and no class.
        let same = own == other || (matches!(asked, Asked::Message(_)) && own != HOLDS && other != HOLDS);
        if !same {
            wrong.push(format!("{place}: {what}: {own}, and {other}"));
        }
        if own == HOLDS && !may_hold(place, what) {
            held.insert(format!("{place}: {what}"));
        }
        *classes.entry(other).or_default() += 1;
    }
    println!("{} copies in {:?}: {classes:?}", copies.len(), begun.elapsed());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), copies.len(), wrong.join("\n"));
    assert!(held.is_empty(), "{} hold:\n{}", held.len(), held.into_iter().collect::<Vec<_>>().join("\n"));
}

/// A small log and what is needed to verify it in a folder, a message file of it, and an evidence bundle.
async fn stage(export: &Export) -> (Judge, MessageFile, Value) {
    let log = SmallLog::new();
    let leaves = log.bytes();
    write(&log.signed(&leaves), &export.path("log"));
    let vkey = log.signer.verifier_key();
    std::fs::write(export.path("log/vkey"), format!("{vkey}\n")).unwrap();
    std::fs::create_dir(export.path("keys")).unwrap();
    let set = |issuer: &str, key: &small::Key| JwkSet {
        issuer: issuer.to_owned(),
        keys: vec![PublishedKey::unlimited(*key.public())],
    };
    let (hub, sender) = (set(log.hub.as_str(), &log.receipts), set(SENDER, &log.sender));
    for (name, set) in [("hub".to_owned(), &hub), (SENDER.replace('/', "__"), &sender)] {
        let path = export.path("keys").join(format!("{name}.jwks.json"));
        std::fs::write(path, serde_json::to_vec(set).unwrap()).unwrap();
    }
    let mut keys = TrustedKeys::new(hub, vkey.clone()).unwrap();
    keys.add_sender(sender).unwrap();
    let (file, _) = log.kept();
    std::fs::write(export.path("0.json"), serde_json::to_vec(&file).unwrap()).unwrap();
    Timestamped::new(export, "ca.pem").publish(export, "log", vkey.name(), &leaves[..leaves.len() - 1]);
    let mut evidence = bundle(export, "log", "log/vkey", &["0.json"]).await;
    evidence["schemas"] = json!([TEXT]);
    let authorities = Authorities::from_pem(&std::fs::read(export.path("ca.pem")).unwrap()).unwrap();
    (Judge { log, leaves, keys, authorities }, file, evidence)
}

/// Each kind of statement in the log, its header and its claims.
fn statements(log: &SmallLog) -> Vec<Copy> {
    let (mut copies, mut headers) = (Vec::new(), BTreeSet::new());
    for (at, (leaf, said)) in log.leaves.iter().enumerate() {
        let Some(small::Said { typ, key }) = said else { continue };
        let good = header(typ, key);
        let claims = claims_in(leaf);
        let kind = kind_of(typ, &claims);
        let mut add = |place: String, what, statement| {
            let leaf = String::from_utf8(with_statement(leaf, statement).to_bytes()).unwrap();
            copies.push(Copy { place, what, asked: Asked::Leaf { at, leaf } });
        };
        if headers.insert(*typ) {
            for Odd { at, what, text } in odd(&good) {
                add(format!("header of {typ}{at}"), what, resigned(&text, &claims.to_string(), key));
            }
        }
        for Odd { at, what, text } in odd(&claims) {
            add(format!("{kind}{at}"), what, resigned(&good.to_string(), &text, key));
        }
    }
    copies
}

/// Each kind of leaf, and of its members those that are no objects.
fn leaves(log: &SmallLog) -> Vec<Copy> {
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
        for (name, value) in scalars(&value) {
            let member = format!("\"{name}\":{value}");
            for (what, written) in instead_of(&value) {
                let leaf = text.replacen(&member, &format!("\"{name}\":{written}"), 1);
                let place = format!("{kind}/{name}");
                copies.push(Copy { place, what, asked: Asked::Leaf { at, leaf } });
            }
        }
    }
    copies
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
fn checkpoints(judge: &Judge) -> Vec<Copy> {
    let good = String::from_utf8(judge.log.signed(&judge.leaves)["checkpoint"].clone()).unwrap();
    let (text, lines) = good.split_once("\n\n").unwrap();
    let size = judge.leaves.len().to_string();
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
        add(what, SignedNote::sign(text, &judge.log.signer).unwrap().to_string());
    }
    for (what, more) in [
        ("a line more", "more"),
        ("an empty line more", ""),
        ("a line with a control character above 127", "\u{85}"),
        ("a line of blanks", " "),
    ] {
        add(what, SignedNote::sign(format!("{text}\n{more}\n"), &judge.log.signer).unwrap().to_string());
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
fn files(log: &SmallLog, file: &MessageFile, evidence: &Value) -> Vec<Copy> {
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
    for (kind, statement, Odd { at, what, .. }) in of_claims.chain(of_header) {
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
    let text = match leaf {
        Leaf::Message { envelope: text, .. }
        | Leaf::Acknowledgement { acknowledgement: text, .. }
        | Leaf::Registry { entry: text, .. } => text,
        _ => panic!("a leaf without a statement"),
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
    words.iter().filter_map(|word| word.as_str()).fold(typ.to_owned(), |kind, word| format!("{kind} {word}"))
}

impl Judge {
    async fn judge(&self, asked: &Asked) -> String {
        match asked {
            Asked::Bundle(text) => self.bundle(text).to_owned(),
            Asked::Message(text) => {
                let file = parse_typed::<MessageFile>(text.as_bytes());
                let verified = file.is_ok_and(|file| check_message(&file, &self.keys, None).verified);
                if verified { HOLDS } else { "does not hold" }.to_owned()
            }
            Asked::Leaf { at, leaf } => {
                let mut leaves = self.leaves.clone();
                leaves[*at] = leaf.clone().into_bytes();
                self.log(self.log.signed(&leaves)).await
            }
            Asked::Checkpoint(note) => {
                let mut files = self.log.signed(&self.leaves);
                files.insert("checkpoint".to_owned(), note.clone().into_bytes());
                self.log(files).await
            }
        }
    }

    async fn log(&self, files: Files) -> String {
        match check(&InMemory(files), self.vkey(), &()).await {
            Ok(_) => HOLDS.to_owned(),
            Err(error) => error.class().unwrap_or_else(|| panic!("no verdict: {error}")).name().to_owned(),
        }
    }

    fn bundle(&self, text: &str) -> &'static str {
        let Ok(bundle) = parse_typed::<EvidenceBundle>(text.as_bytes()) else { return "malformed-file" };
        let stamped = |tree: &saphan_schemas::evidence_bundle::StampedTree| {
            Timestamp::of(&tree.token, tree.text.as_bytes(), tree.logged, &self.authorities).err()
        };
        match bundle.verify(self.vkey()) {
            Ok(proven) => proven.stamped.iter().find_map(stamped).map_or(HOLDS, |fault| fault.class()),
            Err(fault) => fault.class(),
        }
    }

    fn vkey(&self) -> &VerifierKey {
        self.log.signer.verifier_key()
    }

    /// The line for the other verifier.
    fn line(&self, asked: &Asked) -> Value {
        match asked {
            Asked::Bundle(text) => json!({ "bundle": text }),
            Asked::Message(text) => json!({ "message": text }),
            Asked::Checkpoint(note) => json!({ "checkpoint": note }),
            Asked::Leaf { at, leaf } => {
                let mut leaves = self.leaves.clone();
                leaves[*at] = leaf.clone().into_bytes();
                let checkpoint = String::from_utf8(self.log.signed(&leaves)["checkpoint"].clone()).unwrap();
                json!({ "at": at, "leaf": leaf, "checkpoint": checkpoint })
            }
        }
    }
}

struct InMemory(Files);

impl LogSource for InMemory {
    fn fetch<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<u8>, SourceError>> {
        async move { self.0.get(path).cloned().ok_or(SourceError::NotFound) }.boxed()
    }

    fn beside(&self, _: &str) -> Option<Box<dyn LogSource>> {
        None
    }
}

/// What the other verifier says of each, in one process.
async fn other_verifier(export: &Export, judge: &Judge, copies: &[Copy]) -> Vec<String> {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/broken_copies/odd.py");
    let verifier = concat!(env!("CARGO_MANIFEST_DIR"), "/verifier");
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-B", "-W", "ignore", here, verifier, ".", "ca.pem"]);
    python.current_dir(export.folder.path()).kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let asking = async move {
        let leaves: Vec<&str> = judge.leaves.iter().map(|leaf| std::str::from_utf8(leaf).unwrap()).collect();
        let good = json!(leaves);
        for line in std::iter::once(good).chain(copies.iter().map(|copy| judge.line(&copy.asked))) {
            stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        }
    };
    let (output, ()) = tokio::join!(python.wait_with_output(), asking);
    let output = output.unwrap();
    assert!(output.status.success(), "the other verifier ended with {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
}

/// Whether whoever signs it may as well say that.
fn may_hold(place: &str, what: &str) -> bool {
    MAY_HOLD.iter().any(|(places, whats)| place.ends_with(places) && whats.contains(&what))
}

/// Ends of places, and what may be there.
const MAY_HOLD: &[(&str, &[&str])] = &[];
