//! Statements, leaves and files with one member that is odd, each signed again by whoever signed it, in a log that is signed again: two
//! verifiers say the same of each, and what holds is what its signer may as well say.

mod copies;
mod holding;
mod members;
mod small;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::{StreamExt as _, stream};
use saphan_cli::log_check::{LogSource, SourceError};
use saphan_cli::message_check::{TrustedKeys, check_message};
use saphan_schemas::evidence_bundle::{EvidenceBundle, StampedTree};
use saphan_schemas::json::parse_typed;
use saphan_schemas::keys::{JwkSet, PublishedKey};
use saphan_schemas::log::VerifierKey;
use saphan_schemas::message::MessageFile;
use saphan_timestamps::{Authorities, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::copies::{Asked, Copy, checkpoints, files, good, leaves, opened, statements};
use self::holding::{holds, rules};
use self::small::{NextLog, SENDER, SmallLog, TEXT, checkpoint};
use super::real_log::Files;
use super::stamps::Timestamped;
use super::{Export, HOLDS, bundle, verdict, write};

/// All that is needed to judge.
struct Judge {
    log: SmallLog,
    next: NextLog,
    leaves: Vec<Vec<u8>>,
    keys: TrustedKeys,
    authorities: Authorities,
}

/// Both verifiers on each.
pub(super) async fn odd_members() {
    let export = Export { folder: TempDir::new().unwrap() };
    let (judge, file, evidence) = stage(&export).await;
    let mut copies = good(&judge.log, &file, &evidence);
    copies.extend(statements(&judge.log));
    copies.extend(leaves(&judge.log));
    copies.extend(opened(&judge.next));
    copies.extend(checkpoints(&judge.log));
    copies.extend(files(&judge.log, &file, &evidence));
    let begun = Instant::now();
    let judge = Arc::new(judge);
    let own = stream::iter(copies.iter().map(|copy| copy.asked.clone()).collect::<Vec<_>>()).map(|asked| {
        let judge = Arc::clone(&judge);
        tokio::spawn(async move { judge.judge(&asked).await })
    });
    let own = own.buffered(4).map(Result::unwrap).collect::<Vec<String>>();
    let leaves: Vec<&str> = judge.leaves.iter().map(|leaf| std::str::from_utf8(leaf).unwrap()).collect();
    let lines = std::iter::once(json!(leaves)).chain(copies.iter().map(|copy| judge.line(&copy.asked)));
    let other = export.script("odd.py", ".", &[".", "ca.pem"], lines.map(|line| line.to_string()));
    let (own, other) = tokio::join!(own, other);
    assert_eq!(other.len(), copies.len());
    let (mut classes, mut wrong) = (BTreeMap::<&str, usize>::new(), Vec::new());
    for ((Copy { place, what, asked }, own), other) in copies.iter().zip(&own).zip(&other) {
        // Of a message file one of the two names each part that does not hold, and no class.
        let same = own == other || (matches!(asked, Asked::Message(_)) && own != HOLDS && other != HOLDS);
        if !same {
            wrong.push(format!("{place}: {what}: {own}, and {other}"));
        } else if (own == HOLDS) != holds(place, what) {
            wrong.push(format!("{place}: {what}: {own}, as both say"));
        }
        *classes.entry(other).or_default() += 1;
    }
    println!("{} copies in {:?}: {classes:?}", copies.len(), begun.elapsed());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), copies.len(), wrong.join("\n"));
    for rule in rules() {
        assert!(copies.iter().any(|copy| rule.is_about(&copy.place, copy.what)), "no copy is so: {rule:?}");
    }
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
    let next = NextLog::after(&log);
    (Judge { log, next, leaves, keys, authorities }, file, evidence)
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
            Asked::Opened(leaf) => {
                let log = InMemory { files: self.next.signed(leaf), before: Some(self.next.before.clone()) };
                verdict(&log, self.next.signer.verifier_key()).await
            }
        }
    }

    async fn log(&self, files: Files) -> String {
        verdict(&InMemory { files, before: None }, self.vkey()).await
    }

    fn bundle(&self, text: &str) -> &'static str {
        let Ok(bundle) = parse_typed::<EvidenceBundle>(text.as_bytes()) else { return "malformed-file" };
        let stamped =
            |tree: &StampedTree| Timestamp::of(&tree.token, tree.text.as_bytes(), tree.logged, &self.authorities).err();
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
                json!({ "at": at, "leaf": leaf, "checkpoint": checkpoint(&self.log.signed(&leaves)) })
            }
            Asked::Opened(leaf) => json!({
                "opened": leaf,
                "checkpoint": checkpoint(&self.next.signed(leaf)),
                "key": self.next.signer.verifier_key().to_string(),
                "before": checkpoint(&self.next.before),
            }),
        }
    }
}

struct InMemory {
    files: Files,
    /// The log before, if one is there.
    before: Option<Files>,
}

impl LogSource for InMemory {
    fn fetch<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<u8>, SourceError>> {
        async move { self.files.get(path).cloned().ok_or(SourceError::NotFound) }.boxed()
    }

    fn beside(&self, shard: &str) -> Option<Box<dyn LogSource>> {
        let files = self.before.clone().filter(|_| shard == "main")?;
        Some(Box::new(Self { files, before: None }))
    }
}
