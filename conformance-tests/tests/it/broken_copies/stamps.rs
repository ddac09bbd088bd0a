//! Timestamps on checkpoints of the logs, what a bundle's tokens prove, and what can be done to them.

use std::collections::BTreeMap;

use saphan_schemas::b64;
use saphan_schemas::evidence_bundle::{Proven, StampedTree};
use saphan_schemas::log::{Checkpoint, LogRebuilder, Stamped};
use saphan_timestamps::testing::{Forgery, KeyKind, TIMESTAMPS, TestAuthority};
use saphan_timestamps::{Authorities, Timestamp, TimestampFault};
use serde_json::Value;

use super::bundles::{Breaking, BrokenFile, Part, array};
use super::real_log::Files;
use super::{Export, HOLDS, write};

/// An authority, and the checkpoints of logs that it stamped, one of each log.
pub(super) struct Timestamped {
    authority: TestAuthority,
    texts: BTreeMap<String, Vec<u8>>,
}

impl Timestamped {
    /// Its certificate is in a file of this name.
    pub(super) fn new(export: &Export, pem: &str) -> Self {
        let authority = TestAuthority::new(KeyKind::Rsa).unwrap();
        std::fs::copy(authority.pem(), export.path(pem)).unwrap();
        Self { authority, texts: BTreeMap::new() }
    }

    /// Puts a timestamp for these entries beside the log in this folder.
    pub(super) fn publish(&mut self, export: &Export, folder: &str, origin: &str, entries: &[Vec<u8>]) {
        let mut rebuilder = LogRebuilder::new();
        for leaf in entries {
            rebuilder.push_entry(leaf).unwrap();
        }
        let size = rebuilder.size();
        let text = Checkpoint::new(origin.to_owned(), size, rebuilder.root()).to_note_text().into_bytes();
        let mut files = Files::new();
        files.insert(Stamped::page_path(0), Stamped::to_page(&[Stamped { size, time: 1 }]).into_bytes());
        files.insert(Stamped::token_path(size), self.authority.token(&text).unwrap());
        write(&files, &export.path(folder));
        self.texts.insert(origin.to_owned(), text);
    }

    /// What the tokens of a bundle are, of which all else holds.
    pub(super) fn judge(&self, proven: &Proven) -> &'static str {
        self.verify(proven).map_or_else(|fault| fault.class(), |_| HOLDS)
    }

    /// What the tokens of a bundle prove, of which all else holds.
    pub(super) fn verify(&self, proven: &Proven) -> Result<Vec<Timestamp>, TimestampFault> {
        let trusted = Authorities::from_pem(&std::fs::read(self.authority.pem()).unwrap()).unwrap();
        assert_eq!(proven.stamped.len(), self.texts.len());
        let verify = |tree: &StampedTree| Timestamp::of(&tree.token, tree.text.as_bytes(), tree.logged, &trusted);
        proven.stamped.iter().map(verify).collect()
    }
}

/// 2025-06-01, in seconds since 1970: the authority's certificate is good then, and no log had begun.
const IN_2025: u64 = 1_748_736_000;

/// What can be done to the timestamp of one log in a bundle.
pub(super) fn timestamps(good: &Value, part: Part, stamped: &Timestamped) -> Vec<BrokenFile> {
    let mut breaking = Breaking::new(good);
    for (name, class, token) in tokens(good, part, stamped) {
        breaking.broken(name, class, |file| {
            part.of_mut(file)["timestamps"][0]["token"] = b64::encode_std(&token).into();
        });
    }
    let mut broken = |name, change: &dyn Fn(&mut Value)| {
        breaking.broken(name, "other-timestamp", |file| change(&mut part.of_mut(file)["timestamps"][0]));
    };
    broken("a timestamp's size is another", &|stamp| stamp["size"] = (stamp["size"].as_u64().unwrap() + 1).into());
    broken("a timestamp's root is another", &|stamp| stamp["root"] = stamp["proof"][0].clone());
    broken("a timestamp's proof is too short", &|stamp| drop(array(&mut stamp["proof"]).pop()));
    broken("a timestamp is older than the messages", &|stamp| stamp["size"] = 1.into());
    breaking.all()
}

/// Tokens in the place of the one that is there.
fn tokens(good: &Value, part: Part, stamped: &Timestamped) -> [(&'static str, &'static str, Vec<u8>); 10] {
    let part = part.of(good);
    let Timestamped { authority, texts } = stamped;
    let text = &texts[part["checkpoint"].as_str().unwrap().lines().next().unwrap()];
    let token = b64::decode_std(part["timestamps"][0]["token"].as_str().unwrap()).unwrap();
    let forged = |time, usage| authority.forge(text, Forgery { time, usage }).unwrap();
    let foreign = TestAuthority::new(KeyKind::P384).unwrap();
    let (mut changed, mut of_another_time) = (token.clone(), token.clone());
    *changed.last_mut().unwrap() ^= 1;
    // A GeneralizedTime of 15 characters.
    let time = token.windows(2).position(|pair| pair == [0x18, 15]).unwrap();
    of_another_time[time + 5] ^= 1;
    [
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
}
