//! A block: some messages, their acknowledgement, and perhaps their end. The hub would have written it in one commit.

use saphan_schemas::acknowledgement::{Acknowledged, Acknowledgement, AcknowledgementClaims, Outcome};
use saphan_schemas::commitment::{BodyCommitment, Salt};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::{Envelope, EnvelopeClaims};
use saphan_schemas::ids::MessageId;
use saphan_schemas::jws::Signed;
use saphan_schemas::leaf::{Leaf, message_leaf, message_prefix};
use saphan_schemas::log::leaf_hash;
use saphan_schemas::message_types::{ApplicationSubmitted, MessageBody as _};

use super::{Pattern, Writers};

/// An entry, and what a store keeps beside it.
pub(super) struct Made {
    pub(super) leaf: Vec<u8>,
    pub(super) hash: Sha256Hash,
    pub(super) what: What,
}

/// What an entry is.
pub(super) enum What {
    Message(Box<Envelope>),
    Acknowledgement(Box<Acknowledgement>),
    Erasure,
}

impl Pattern {
    /// Entries of a block.
    pub(super) const fn entries(self) -> u64 {
        match self {
            Self::Exchanged => MESSAGES + 1,
            Self::Erased => 2 * MESSAGES + 1,
        }
    }
}

impl Writers {
    /// The block from this place on, logged at `ts` (milliseconds since 1970).
    pub(super) fn block(&self, pattern: Pattern, first: u64, ts: u64) -> anyhow::Result<Vec<Made>> {
        let mut entries = Vec::with_capacity(usize::try_from(pattern.entries())?);
        for _ in 0..MESSAGES {
            entries.push(self.message(ts)?);
        }
        entries.push(self.acknowledgement(first, ts)?);
        if pattern == Pattern::Erased {
            for message in first..first + MESSAGES {
                let leaf = Leaf::Erasure { ts, index: message, basis: "retention".parse()?, log: None };
                entries.push(Made::new(leaf.to_bytes(), What::Erasure));
            }
        }
        Ok(entries)
    }

    fn message(&self, ts: u64) -> anyhow::Result<Made> {
        let claims = EnvelopeClaims {
            iss: self.sender.clone(),
            aud: self.receiver.clone(),
            hub: self.hub.clone(),
            jti: MessageId::new(),
            iat: ts / 1000,
            not_after: None,
            message_type: ApplicationSubmitted::TYPE.parse()?,
            schema: self.schema.id.clone(),
            service: Some(self.service.clone()),
            case: None,
            reply_to: None,
            purpose: Some(self.purpose.clone()),
            legal_basis: Some(self.law.clone()),
            consent: None,
            body: BodyCommitment::new(&Salt::generate()?, &self.body),
            documents: Vec::new(),
        };
        let envelope = Signed::sign(claims, &self.sender_key)?;
        let leaf = message_leaf(message_prefix(ts, &self.schema).as_bytes(), envelope.as_str());
        Ok(Made::new(leaf, What::Message(Box::new(envelope))))
    }

    fn acknowledgement(&self, first: u64, ts: u64) -> anyhow::Result<Made> {
        let processed = |index| Acknowledged { index, outcome: Outcome::Processed, code: None };
        let claims = AcknowledgementClaims {
            iss: self.receiver.clone(),
            aud: self.hub.clone(),
            jti: MessageId::new(),
            iat: ts / 1000,
            log: Some(self.origin.clone()),
            messages: (first..first + MESSAGES).map(processed).collect(),
        };
        let batch = Signed::sign(claims, &self.receiver_key)?;
        let leaf = Leaf::Acknowledgement { ts, acknowledgement: batch.as_str().to_owned() };
        Ok(Made::new(leaf.to_bytes(), What::Acknowledgement(Box::new(batch))))
    }
}

impl Made {
    fn new(leaf: Vec<u8>, what: What) -> Self {
        let hash = leaf_hash(&leaf);
        Self { leaf, hash, what }
    }
}

/// As many as a receiver acknowledges at once in a busy exchange.
const MESSAGES: u64 = 64;
