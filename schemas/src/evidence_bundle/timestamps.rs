//! Timestamps in a bundle: the tree that each is for, and that it is the beginning of the bundle's.
//!
//! What a token itself proves is not looked at here: that needs an authority that is trusted (crate `saphan-timestamps`).

use serde::{Deserialize, Serialize};

use super::EvidenceBundle;
use crate::b64;
use crate::digest::Sha256Hash;
use crate::log::{Checkpoint, VerifyError, verify_consistency};

/// A timestamp on an earlier checkpoint, or on the bundle's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledTimestamp {
    /// How many entries were in the log then.
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
    /// How many entries were in the log then: whatever has a lower place is older than the timestamp.
    pub size: u64,
    /// What the token must be over: the checkpoint's text.
    pub text: String,
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
    /// No message of the bundle is in the tree.
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

/// The trees of all timestamps, in order; or the size of the first that does not belong there.
pub(super) fn verify(bundle: &EvidenceBundle, checkpoint: &Checkpoint) -> Result<Vec<StampedTree>, (u64, StampFault)> {
    let mut trees: Vec<StampedTree> = Vec::with_capacity(bundle.timestamps.len());
    let first = bundle.messages.iter().map(|message| message.index).min();
    for stamp in &bundle.timestamps {
        let fault = |fault| (stamp.size, fault);
        if trees.last().is_some_and(|before| before.size >= stamp.size) {
            return Err(fault(StampFault::Order));
        }
        if first.is_none_or(|first| first >= stamp.size) {
            return Err(fault(StampFault::CoversNothing));
        }
        let BundledTimestamp { size, root, proof, token } = stamp;
        let grown = verify_consistency(*size, *root, checkpoint.size, checkpoint.root, proof);
        grown.map_err(|error| fault(error.into()))?;
        let text = Checkpoint::new(checkpoint.origin.clone(), *size, *root).to_note_text();
        let token = b64::decode_std(token).map_err(|_| fault(StampFault::Unreadable))?;
        trees.push(StampedTree { size: *size, text, token });
    }
    Ok(trees)
}
