//! What a bundle proves.

use serde::Serialize;

use super::StampedTree;
use crate::acknowledgement::Outcome;
use crate::digest::Sha256Hash;
use crate::envelope::EnvelopeClaims;
use crate::ids::{Code, HubId};
use crate::keys::KeyId;
use crate::leaf::SchemaVersion;
use crate::registry::Agreement;

/// Everything that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// The hub.
    pub hub: HubId,
    /// The log's origin.
    pub origin: String,
    /// The size of the tree that all proofs lead to.
    pub size: u64,
    /// Its root.
    pub root: Sha256Hash,
    /// How many entries of the log are in the bundle.
    pub entries: usize,
    /// The messages.
    pub messages: Vec<ProvenMessage>,
    /// What timestamps are for. Their tokens were not verified.
    #[serde(skip)]
    pub stamped: Vec<StampedTree>,
}

/// A message of which it is proven who stated it, where it stands, and that it was allowed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvenMessage {
    /// Its place in the log, counted from 0.
    pub index: u64,
    /// When it was logged, by the hub's clock, in milliseconds since 1970.
    pub logged_at: u64,
    /// What its sender signed.
    pub envelope: EnvelopeClaims,
    /// The sender's key.
    pub key: KeyId,
    /// The agreement that allowed it.
    pub agreement: Agreement,
    /// The schema that its body was validated against.
    pub schema: SchemaVersion,
    /// Whether the exact text of that schema is in the bundle.
    pub schema_text: bool,
    /// Whether the hub's receipt is in the bundle, and holds.
    pub receipt: bool,
    /// Its body.
    pub body: Body,
    /// What its receiver said.
    pub acknowledgement: Option<Acknowledgement>,
}

/// What is known of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Body {
    /// These exact bytes are what the sender committed to.
    Shown {
        /// Their number.
        bytes: u64,
    },
    /// It is not in the bundle. Whoever has salt and bytes can still show that they are the ones.
    NotShown,
    /// The hub erased its copy, and said so in the log.
    Erased {
        /// The place of the entry that says so.
        index: u64,
        /// The code of the legal basis.
        basis: Code,
    },
}

/// A receiver's signed statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acknowledgement {
    /// The place of its entry.
    pub index: u64,
    /// What became of the message.
    pub outcome: Outcome,
    /// Why it was rejected.
    pub code: Option<Code>,
}
