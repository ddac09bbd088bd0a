//! What can be appended, and what comes back.

use std::num::NonZeroU16;

use saphan_schemas::acknowledgement::{Acknowledged, Acknowledgement};
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::Envelope;
use saphan_schemas::ids::{Code, SystemId};
use saphan_schemas::leaf::{SchemaVersion, ShardEvent};
use saphan_schemas::problem::ProblemCode;
use saphan_schemas::registry::{RegistryEntry, TransportKind};

/// An entry to be.
#[derive(Debug)]
pub enum Draft {
    /// A message that passed admission.
    Message(Box<MessageDraft>),
    /// A message of a known sender that did not.
    Refusal(RefusalDraft),
    /// A batch of acknowledgements that passed its checks.
    Acknowledgement(Box<AcknowledgementDraft>),
    /// A signed change of the registry.
    Registry(Box<RegistryDraft>),
    /// The erasure of a body.
    Erasure(ErasureDraft),
    /// A link between shards.
    Shard(Box<ShardEvent>),
    /// An auditor's query.
    Query(Box<QueryDraft>),
}

/// What a judgement about a draft rests on. The writer sends a draft back whose judgement no longer holds at its place in the
/// log, so that a message that stands behind the revocation of its key was never accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// The first place of the log that the registry's state did not have folded in.
    pub registry: u64,
    /// When the judgement ends by itself, in milliseconds since 1970: the end of the validity of a key, an agreement, or a consent
    /// that is cited.
    pub until: Option<u64>,
}

impl Judgement {
    /// On the registry before `registry`, by keys and agreements of which the first ends at `until` (seconds since 1970).
    #[must_use]
    pub fn new(registry: u64, until: Option<u64>) -> Self {
        Self { registry, until: until.map(|seconds| seconds.saturating_mul(1000)) }
    }

    /// The same, but it ends at `until` (milliseconds since 1970) at the latest.
    #[must_use]
    pub fn ending(self, until: u64) -> Self {
        Self { until: Some(self.until.map_or(until, |before| before.min(until))), ..self }
    }
}

/// A message that passed admission.
#[derive(Debug)]
pub struct MessageDraft {
    /// What its admission rests on.
    pub judgement: Judgement,
    /// The verified envelope.
    pub envelope: Envelope,
    /// What its body was validated against.
    pub schema: SchemaVersion,
    /// How it reaches the recipient.
    pub transport: TransportKind,
    /// For how many days its body is kept; `None` until somebody erases it.
    pub kept_days: Option<NonZeroU16>,
    /// The commitments of the documents that it cites, and that messages cite of which it holds copies.
    pub documents: Vec<Sha256Hash>,
    /// The salt of the commitment.
    pub salt: Salt,
    /// The exact body.
    pub body: Vec<u8>,
}

/// A message of a known sender that was refused.
#[derive(Debug, Clone, Copy)]
pub struct RefusalDraft {
    /// Why.
    pub code: ProblemCode,
    /// SHA-256 of the envelope's exact text.
    pub envelope: Sha256Hash,
}

/// A batch of acknowledgements that passed its checks.
#[derive(Debug)]
pub struct AcknowledgementDraft {
    /// What its acceptance rests on.
    pub judgement: Judgement,
    /// The verified batch.
    pub acknowledgement: Acknowledgement,
    /// The place of the first entry of the log that it is about.
    pub first: u64,
}

impl AcknowledgementDraft {
    /// What it says, with the places of the messages in place of their indices.
    pub(crate) fn places(&self) -> impl Iterator<Item = Acknowledged> {
        let messages = self.acknowledgement.claims().messages.iter();
        messages.map(|one| Acknowledged { index: one.index.saturating_add(self.first), ..one.clone() })
    }
}

/// A change of the registry whose signer may make it.
#[derive(Debug)]
pub struct RegistryDraft {
    /// What that rests on.
    pub judgement: Judgement,
    /// The verified entry.
    pub entry: RegistryEntry,
}

/// The erasure of a body that nobody needs any more. A second one of the same body is a duplicate, whatever its basis.
#[derive(Debug, Clone)]
pub struct ErasureDraft {
    /// The place of its message.
    pub index: u64,
    /// The code of the legal basis.
    pub basis: Code,
}

/// A query of a system that may audit.
#[derive(Debug, Clone)]
pub struct QueryDraft {
    /// What that rests on.
    pub judgement: Judgement,
    /// Who asks.
    pub auditor: SystemId,
    /// The salt of the commitment to the text.
    pub salt: Salt,
    /// The exact text.
    pub text: String,
}

impl Draft {
    /// What the draft's acceptance rests on; nothing for the hub's own entries.
    #[must_use]
    pub const fn judgement(&self) -> Option<Judgement> {
        match self {
            Self::Message(message) => Some(message.judgement),
            Self::Acknowledgement(acknowledgement) => Some(acknowledgement.judgement),
            Self::Registry(registry) => Some(registry.judgement),
            Self::Query(query) => Some(query.judgement),
            Self::Refusal(_) | Self::Erasure(_) | Self::Shard(_) => None,
        }
    }
}

/// What became of a [`Draft`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// A message is in the log.
    Message {
        /// Its place.
        index: u64,
        /// The hub's receipt.
        receipt: String,
        /// The `tlog-proof@v1` text.
        proof: String,
    },
    /// The same message, the same batch of acknowledgements, or an erasure of the same body was accepted before, at this place.
    Duplicate {
        /// Its place.
        index: u64,
    },
    /// Another entry is in the log.
    Entry {
        /// Its place.
        index: u64,
    },
}

impl Appended {
    /// Its place.
    #[must_use]
    pub const fn index(&self) -> u64 {
        match self {
            Self::Message { index, .. } | Self::Duplicate { index } | Self::Entry { index } => *index,
        }
    }
}
