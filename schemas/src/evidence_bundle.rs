//! Evidence bundles: one file that proves what was said in a few messages, to somebody who trusts a log's key and nothing else.
//!
//! A bundle holds entries of the log with their proofs: the messages, what their receivers acknowledged, and every entry of the
//! registry that says who could send them, with which key, under which agreement and schema. [`EvidenceBundle::verify`] derives
//! everything from these entries and one signed checkpoint; what only the whole log can show, it cannot.
//!
//! A hub has one log after the other. A bundle has those that it needs from the hub's first on, each with its checkpoint, and with the
//! entries that lead from one to the next: whoever trusts a key of any of them can verify all.

mod fault;
mod parts;
mod proven;
mod timestamps;
mod verify;

use serde::{Deserialize, Serialize};

use crate::b64::{self, NotBase64};
use crate::commitment::Salt;
use crate::digest::Sha256Hash;
use crate::json::form;

pub use fault::{BundleFault, EntryFault};
pub use proven::{Acknowledgement, Body, Proven, ProvenLog, ProvenMessage};
pub use timestamps::{BundledTimestamp, StampFault, StampedTree};

/// A bundle, as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceBundle {
    /// Always [`Format::V1`].
    #[serde(deserialize_with = "form::word")]
    pub format: Format,
    /// The hub's logs before this one, the first first; none where this is the hub's first.
    #[serde(default, deserialize_with = "form::objects", skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierLog>,
    /// The log's signed checkpoint, a C2SP note, that all proofs of its entries lead to.
    pub checkpoint: String,
    /// Entries of the log in its order, each once, the first of the log among them.
    #[serde(deserialize_with = "form::objects")]
    pub entries: Vec<BundledEntry>,
    /// What it proves.
    #[serde(deserialize_with = "form::objects")]
    pub messages: Vec<BundledMessage>,
    /// The exact texts of the schemas that the bodies were validated against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// Timestamps on checkpoints that the messages are in, or come before, by size.
    #[serde(default, deserialize_with = "form::objects", skip_serializing_if = "Vec::is_empty")]
    pub timestamps: Vec<BundledTimestamp>,
}

/// A log of the hub that has ended: what a bundle has of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierLog {
    /// Its last signed checkpoint, that all proofs of its entries lead to; of an abandoned log that of what is left.
    pub checkpoint: String,
    /// Entries of it in its order, each once: its first, and its last, which closes it, unless it was abandoned.
    #[serde(deserialize_with = "form::objects")]
    pub entries: Vec<BundledEntry>,
    /// Timestamps on its checkpoints, by size.
    #[serde(default, deserialize_with = "form::objects", skip_serializing_if = "Vec::is_empty")]
    pub timestamps: Vec<BundledTimestamp>,
}

/// The format of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// The first.
    #[serde(rename = "saphan-evidence@1")]
    V1,
}

/// An entry of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledEntry {
    /// Its index in its log, counted from 0.
    #[serde(deserialize_with = "form::count")]
    pub index: u64,
    /// The exact bytes of the leaf, which are text.
    pub leaf: String,
    /// The inclusion proof (RFC 6962 section 2.1.1), from the leaf upwards.
    pub proof: Vec<Sha256Hash>,
}

/// A message that is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledMessage {
    /// The origin of its log, if that is one of the earlier ones.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The index of its entry in its log.
    #[serde(deserialize_with = "form::count")]
    pub index: u64,
    /// The hub's receipt, a compact JWS.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// URL-safe base64; absent when the body is.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    /// Standard base64 of the exact bytes; absent when they were erased, or are not to be shown.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

impl EvidenceBundle {
    /// The checkpoints of which each covers all that is proven about the messages, the newest first: if one of them is cosigned, all of
    /// that is what everybody sees.
    pub fn covering<'a>(&'a self, proven: &Proven) -> impl Iterator<Item = &'a str> + use<'a> {
        let newest = std::iter::once(self.checkpoint.as_str());
        newest.chain(self.earlier.iter().skip(proven.last_log).rev().map(|log| log.checkpoint.as_str()))
    }
}

impl BundledMessage {
    /// A message of which only is shown that it was sent; with the origin of its log, if that is not the bundle's newest.
    #[must_use]
    pub const fn new(log: Option<String>, index: u64) -> Self {
        Self { log, index, receipt: None, salt: None, body: None }
    }

    /// With the hub's receipt.
    #[must_use]
    pub fn with_receipt(self, receipt: String) -> Self {
        Self { receipt: Some(receipt), ..self }
    }

    /// With what it said.
    #[must_use]
    pub fn with_body(self, salt: &Salt, body: &[u8]) -> Self {
        Self { salt: Some(salt.to_text()), body: Some(b64::encode_std(body)), ..self }
    }

    /// Salt and body, if they are there.
    ///
    /// # Errors
    /// [`NotBase64`], also when only one of the two is there.
    pub fn opened(&self) -> Result<Option<(Salt, Vec<u8>)>, NotBase64> {
        b64::opened(self.salt.as_deref(), self.body.as_deref())
    }
}
