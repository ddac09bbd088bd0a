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
use crate::succession::AbandonedLog;

/// Everything that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// The hub.
    pub hub: HubId,
    /// The origin of the newest log in the bundle.
    pub origin: String,
    /// The size of the tree that all proofs of its entries lead to.
    pub size: u64,
    /// Its root.
    pub root: Sha256Hash,
    /// How many entries of all logs are in the bundle.
    pub entries: usize,
    /// The hub's logs before it, the first first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<ProvenLog>,
    /// Those among them that were lost in part: what is proven of them stands in what is left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub abandoned: Vec<AbandonedLog>,
    /// The last log, counted from the hub's first, in which something about a message stands.
    #[serde(skip)]
    pub last_log: usize,
    /// The messages.
    pub messages: Vec<ProvenMessage>,
    /// What timestamps are for. Their tokens were not verified.
    #[serde(skip)]
    pub stamped: Vec<StampedTree>,
}

/// A log that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvenLog {
    /// Its origin.
    pub origin: String,
    /// Its size; of an abandoned one, how many entries are left.
    pub size: u64,
    /// Its root.
    pub root: Sha256Hash,
}

/// A message of which it is proven who stated it, where it stands, and that it was allowed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvenMessage {
    /// The origin of its log.
    pub log: String,
    /// Its index in that log, counted from 0.
    pub index: u64,
    /// Its place over all of the hub's logs.
    #[serde(skip)]
    pub place: u64,
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
        /// The origin of the log that says so, if it is a later one than the message's.
        #[serde(skip_serializing_if = "Option::is_none")]
        log: Option<String>,
        /// The index of the entry that says so in its log.
        index: u64,
        /// The code of the legal basis.
        basis: Code,
    },
}

/// A receiver's signed statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Acknowledgement {
    /// The origin of its log, if it is a later one than the message's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The index of its entry in its log.
    pub index: u64,
    /// What became of the message.
    pub outcome: Outcome,
    /// Why it was rejected.
    pub code: Option<Code>,
}
