//! What an entry of the log says by itself, flat: what auditors search for, and what the rows of an export are held against.
//!
//! Nothing is verified here; whoever holds the log verifies it. No personal data: a leaf has none.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::acknowledgement::{Acknowledged, UnverifiedAcknowledgement};
use crate::envelope::UnverifiedEnvelope;
use crate::ids::{CaseId, Code, MessageId, MessageType, ServiceId, SystemId};
use crate::leaf::Leaf;
use crate::registry::UnverifiedRegistryEntry;

/// The kind of an entry: its `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// An accepted message.
    Message,
    /// A message that was refused.
    Refusal,
    /// A batch of acknowledgements.
    Acknowledgement,
    /// A change of the registry.
    Registry,
    /// A body that was erased.
    Erasure,
    /// A shard's first or last entry.
    Shard,
    /// An auditor's query.
    Query,
}

impl EntryKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Message, Self::Refusal, Self::Acknowledgement, Self::Registry, Self::Erasure, Self::Shard, Self::Query];

    /// The word in the leaf.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Refusal => "refusal",
            Self::Acknowledgement => "acknowledgement",
            Self::Registry => "registry",
            Self::Erasure => "erasure",
            Self::Shard => "shard",
            Self::Query => "query",
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not a kind of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("kinds of entries are message, refusal, acknowledgement, registry, erasure, shard and query")]
pub struct UnknownKind;

impl FromStr for EntryKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// What one entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryFacts {
    /// Its kind.
    pub kind: EntryKind,
    /// When it was logged, in milliseconds since 1970.
    pub at: u64,
    /// When it was signed, in seconds since 1970: messages, acknowledgements and registry entries.
    pub signed: Option<u64>,
    /// Its own id: messages, acknowledgements and registry entries.
    pub id: Option<MessageId>,
    /// Who signed it, or who asked: a system, or the hub for its operator's changes of the registry. A refusal does not say.
    pub from: Option<Box<str>>,
    /// The receiving system of a message.
    pub to: Option<SystemId>,
    /// The type of a message.
    pub message_type: Option<MessageType>,
    /// The public service of a message.
    pub service: Option<ServiceId>,
    /// The case of a message.
    pub case: Option<CaseId>,
    /// The problem code of a refusal, or the legal basis of an erasure.
    pub code: Option<Code>,
    /// What an acknowledgement says of messages.
    pub acknowledged: Vec<Acknowledged>,
    /// The index of the message whose body was erased.
    pub erases: Option<u64>,
    /// The origin of the log of the messages that it speaks of, if it names one. An acknowledgement that names none is of the hub's first
    /// log, an erasure of the log that it stands in.
    pub log: Option<Box<str>>,
}

impl EntryFacts {
    /// Reads a leaf; `None` for what is none of the seven kinds, or whose statement cannot be read.
    #[must_use]
    pub fn read(leaf: &[u8]) -> Option<Self> {
        match Leaf::parse(leaf).ok()? {
            Leaf::Message { ts, envelope, .. } => Self::message(ts, &envelope),
            Leaf::Refusal { ts, code, .. } => Some(Self { code: Some(code), ..Self::of(EntryKind::Refusal, ts) }),
            Leaf::Acknowledgement { ts, acknowledgement } => {
                let batch = UnverifiedAcknowledgement::parse(&acknowledgement).ok()?;
                let claims = batch.claims();
                Some(Self {
                    signed: Some(claims.iat),
                    id: Some(claims.jti),
                    from: Some(claims.iss.as_str().into()),
                    acknowledged: claims.messages.clone(),
                    log: claims.log.as_deref().map(Into::into),
                    ..Self::of(EntryKind::Acknowledgement, ts)
                })
            }
            Leaf::Registry { ts, entry } => {
                let entry = UnverifiedRegistryEntry::parse(&entry).ok()?;
                let claims = entry.claims();
                Some(Self {
                    signed: Some(claims.iat),
                    id: Some(claims.jti),
                    from: Some(claims.iss.as_str().into()),
                    ..Self::of(EntryKind::Registry, ts)
                })
            }
            Leaf::Erasure { ts, index, basis, log } => Some(Self {
                code: Some(basis),
                erases: Some(index),
                log: log.map(Into::into),
                ..Self::of(EntryKind::Erasure, ts)
            }),
            Leaf::Query { ts, auditor, .. } => {
                Some(Self { from: Some(auditor.as_str().into()), ..Self::of(EntryKind::Query, ts) })
            }
            Leaf::Shard { ts, .. } => Some(Self::of(EntryKind::Shard, ts)),
        }
    }

    fn message(ts: u64, envelope: &str) -> Option<Self> {
        let envelope = UnverifiedEnvelope::parse(envelope).ok()?;
        let claims = envelope.claims();
        Some(Self {
            signed: Some(claims.iat),
            id: Some(claims.jti),
            from: Some(claims.iss.as_str().into()),
            to: Some(claims.aud.clone()),
            message_type: Some(claims.message_type.clone()),
            service: claims.service.clone(),
            case: claims.case,
            ..Self::of(EntryKind::Message, ts)
        })
    }

    const fn of(kind: EntryKind, at: u64) -> Self {
        Self {
            kind,
            at,
            signed: None,
            id: None,
            from: None,
            to: None,
            message_type: None,
            service: None,
            case: None,
            code: None,
            acknowledged: Vec::new(),
            erases: None,
            log: None,
        }
    }
}
