//! Timestamps in a bundle: the tree that each is for, and that it is the beginning of the bundle's.
//!
//! What a token itself proves is not looked at here: that needs an authority that is trusted (crate `saphan-timestamps`).

use serde::{Deserialize, Serialize};

use super::fault::BundleFault;
use super::parts::{Part, Parts};
use crate::b64;
use crate::digest::Sha256Hash;
use crate::json::form;
use crate::leaf::Leaf;
use crate::log::{Checkpoint, VerifyError, verify_consistency};

/// A timestamp on an earlier checkpoint of a log in the bundle, or on the one that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledTimestamp {
    /// How many entries were in the log then.
    #[serde(deserialize_with = "form::count")]
    pub size: u64,
    /// Their root.
    pub root: Sha256Hash,
    /// The consistency proof (RFC 6962 section 2.1.2) from there to the bundle's checkpoint; empty where both are one.
    pub proof: Vec<Sha256Hash>,
    /// Standard base64 of the token (RFC 3161), in DER.
    token: String,
}

/// A checkpoint that a timestamp is for, of which is proven that the bundle's has grown from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StampedTree {
    /// The log's origin.
    pub log: String,
    /// How many entries were in the log then.
    pub size: u64,
    /// The same over all of the hub's logs: whatever has a lower place is older than the timestamp.
    pub end: u64,
    /// What the token must be over: the checkpoint's text.
    pub text: String,
    /// When the last of the bundle's entries in that tree was logged, by the hub's clock, in seconds since 1970.
    pub logged: u64,
    /// The token, in DER. It was not verified.
    pub token: Vec<u8>,
}

/// Why a timestamp does not belong to its bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StampFault {
    /// Not the beginning of the bundle's tree, or the proof was changed.
    #[error("root and proof do not lead to the checkpoint: {0}")]
    Proof(#[from] VerifyError),
    /// Not in the order of sizes, or twice.
    #[error("it stands after one that is not smaller")]
    Order,
    /// No message of the bundle is in the tree, or before it.
    #[error("it is older than each message of the bundle")]
    CoversNothing,
    /// The token is not base64.
    #[error("its token is not base64")]
    Unreadable,
}

impl StampFault {
    pub(super) const fn class(&self) -> &'static str {
        match self {
            Self::Proof(_) | Self::Order | Self::CoversNothing => "other-timestamp",
            Self::Unreadable => "malformed-timestamp",
        }
    }
}

impl BundledTimestamp {
    /// A token, and the proof from the tree that it is for to the bundle's.
    #[must_use]
    pub fn new(size: u64, root: Sha256Hash, proof: Vec<Sha256Hash>, token: &[u8]) -> Self {
        Self { size, root, proof, token: b64::encode_std(token) }
    }
}

/// The trees of all timestamps, in order. `messages`: the places of the messages.
pub(super) fn verify(parts: &Parts<'_>, messages: &[u64]) -> Result<Vec<StampedTree>, BundleFault> {
    let mut trees = Vec::new();
    for part in parts.all() {
        let first = messages.iter().min().map(|place| place.saturating_sub(part.first));
        let mut before = 0;
        for stamp in part.timestamps {
            let tree = stamp.verify(part, before, first);
            let log = parts.named(part);
            trees.push(tree.map_err(|fault| BundleFault::Timestamp { log, size: stamp.size, fault })?);
            before = stamp.size;
        }
    }
    Ok(trees)
}

impl BundledTimestamp {
    /// `before`: the size of the one before it. `first`: the index of the first entry that it may be for.
    fn verify(&self, part: &Part<'_>, before: u64, first: Option<u64>) -> Result<StampedTree, StampFault> {
        let Self { size, root, proof, token } = self;
        if before >= *size && before > 0 {
            return Err(StampFault::Order);
        }
        if first.is_none_or(|first| first >= *size) {
            return Err(StampFault::CoversNothing);
        }
        let checkpoint = &part.checkpoint;
        verify_consistency(*size, *root, checkpoint.size, checkpoint.root, proof)?;
        let text = Checkpoint::new(checkpoint.origin.clone(), *size, *root).to_note_text();
        let token = b64::decode_std(token).map_err(|_| StampFault::Unreadable)?;
        let last = part.entries.iter().rev().find(|entry| entry.index < *size);
        let logged = last.and_then(|last| Leaf::parse(last.leaf.as_bytes()).ok()).map_or(0, |leaf| leaf.ts() / 1000);
        let (log, end) = (checkpoint.origin.clone(), part.first + size);
        Ok(StampedTree { log, size: *size, end, text, logged, token })
    }
}
