//! Logs that a dishonest hub signed, with two things wrong: which one is told (auditor-guide.md, below the classes).

use saphan_schemas::acknowledgement::{AcknowledgementClaims, UnverifiedAcknowledgement};
use saphan_schemas::ids::MessageId;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::leaf::Leaf;

use super::copies::{Broken, partial, with_signature_of};
use super::real_log::{RealLog, sign};

pub(super) fn two_faults(log: &RealLog) -> Vec<Broken> {
    let messages = log.messages();
    let (first, second) = (messages[3], messages[4]);
    let (known, new) = (&log.receiver, SigningKey::generate().unwrap().0);
    let no_leaf = b"{}".to_vec();
    let mut copies = Vec::new();
    let mut broken = |name, class, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut leaves = log.leaves.clone();
        change(&mut leaves);
        copies.push(Broken { name, class, files: log.signed(&leaves) });
    };
    broken("a signature is another's, and the entry behind it is none", "changed-envelope", &|leaves| {
        leaves[first] = with_signature_of(log, first, second);
        leaves[second].clone_from(&no_leaf);
    });
    broken("a message is logged twice, and a signature behind it is another's", "duplicated-entries", &|leaves| {
        leaves[second] = with_signature_of(log, second, first);
        leaves.insert(first + 1, log.leaves[first].clone());
    });
    broken("what is no message is acknowledged, and the entry behind it is none", "false-acknowledgement", &|leaves| {
        leaves.extend([acknowledged(log, 1, known, |_| {}), no_leaf.clone()]);
    });
    let later = log.leaves.len() as u64 + 5;
    broken("what comes later is acknowledged, with a key that nobody registered", "unknown-key", &|leaves| {
        leaves.push(acknowledged(log, later, &new, |_| {}));
    });
    broken("what comes later is acknowledged, for another hub", "wrong-hub", &|leaves| {
        leaves.push(acknowledged(log, later, known, |claims| claims.aud = "hub.elsewhere".parse().unwrap()));
    });
    broken("what comes later is acknowledged, under an id that was used", "duplicated-entries", &|leaves| {
        leaves.push(acknowledged(log, later, known, |claims| claims.jti = of_the_first_batch(log).jti));
    });
    broken("a message of no log is acknowledged, under an id that was used", "duplicated-entries", &|leaves| {
        leaves.push(acknowledged(log, 1, known, |claims| {
            (claims.jti, claims.log) = (of_the_first_batch(log).jti, Some(format!("{}-else", log.origin)));
        }));
    });
    let mut leaves = log.leaves.clone();
    leaves.push(no_leaf);
    let mut files = log.signed(&leaves);
    let tile = partial(&files, "tile/1/");
    files.get_mut(&tile).unwrap()[40] ^= 1;
    copies.push(Broken {
        name: "a hash of level 1 is changed, and the last entry is none",
        class: "changed-tile",
        files,
    });
    copies
}

/// A batch of the receiver about this one, signed with this key, at the end of the log.
fn acknowledged(
    log: &RealLog,
    index: u64,
    key: &SigningKey,
    change: impl FnOnce(&mut AcknowledgementClaims),
) -> Vec<u8> {
    let mut claims = of_the_first_batch(log);
    claims.jti = MessageId::new();
    claims.messages.truncate(1);
    claims.messages[0].index = index;
    change(&mut claims);
    Leaf::Acknowledgement { ts: log.last_ts(), acknowledgement: sign(claims, key) }.to_bytes()
}

fn of_the_first_batch(log: &RealLog) -> AcknowledgementClaims {
    let batches = log.places(|leaf| matches!(leaf, Leaf::Acknowledgement { .. }));
    let Leaf::Acknowledgement { acknowledgement, .. } = log.leaf(batches[0]) else { panic!("a batch") };
    UnverifiedAcknowledgement::parse(&acknowledgement).unwrap().claims().clone()
}
