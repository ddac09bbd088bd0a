//! What is written together with entries of the log.

use std::sync::Arc;

use saphan_schemas::acknowledgement::Outcome;
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{Code, MessageId, SystemId};
use saphan_schemas::log::{CompactRange, TileHash};
use saphan_schemas::registry::TransportKind;

use super::NewQuery;

/// The tree head: everything needed to append without reading the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The place of the log's first entry.
    pub first: u64,
    /// The compact range; its size is the number of the log's entries.
    pub range: CompactRange,
    /// The signed checkpoint of that size.
    pub checkpoint: String,
}

impl Head {
    /// The place after the last entry.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.first + self.range.size()
    }
}

/// Entries that are written together with the head that they lead to.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Which log they are of, from 0.
    pub shard: u32,
    /// The place of the first one.
    pub first: u64,
    /// The entries, in order from `first` on.
    pub entries: Vec<NewEntry>,
    /// The hashes of tile levels 1 and above that became complete.
    pub tile_hashes: Vec<TileHash>,
    /// The head after.
    pub head: Head,
}

/// One entry and what follows from it.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// The exact leaf bytes.
    pub leaf: Vec<u8>,
    /// Their leaf hash.
    pub hash: Sha256Hash,
    /// What else is written with it.
    pub effect: Effect,
}

/// What is written together with an entry.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Nothing: a refusal, the end of a shard.
    None,
    /// A log begins with it.
    Opened {
        /// The log's origin.
        origin: String,
        /// Whether it is a registry entry too: the operator's word for the log's key.
        vouches: bool,
    },
    /// The erasure of a body, with its key and what rests on it: documents that nothing else cites, evidence to use again, and a
    /// delivery that there should not be any more.
    Erasure {
        /// The message's place.
        index: u64,
    },
    /// A registry entry, to be found again by [`super::Store::registry_entries`].
    Registry,
    /// An accepted message: its record and its outbox row.
    Message(Box<NewMessage>),
    /// An auditor's query: its text.
    Query(Box<NewQuery>),
    /// A batch of acknowledgements: outcomes of messages, whose outbox rows end.
    Acknowledgement(NewAcknowledgement),
}

/// The record of an accepted message.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// What its envelope says: sender, recipient, id (unique for its sender), and when it is over.
    pub claims: Arc<EnvelopeClaims>,
    /// How it reaches the recipient.
    pub transport: TransportKind,
    /// What makes two submissions the same: [`saphan_schemas::jws::Signed::content_hash`].
    pub content: Sha256Hash,
    /// The salt of the commitment.
    pub salt: Salt,
    /// The exact body.
    pub body: Vec<u8>,
    /// When the body is to be erased, in milliseconds since 1970.
    pub until: Option<u64>,
    /// The hub's receipt.
    pub receipt: String,
    /// The proof, kept until delivery; later it is computed again.
    pub proof: String,
    /// The commitments of the documents that it cites, itself or in copies that it holds: from now on its sender and its recipient
    /// may read them.
    pub documents: Vec<Sha256Hash>,
}

/// The outcomes that a batch of acknowledgements states.
#[derive(Debug, Clone)]
pub struct NewAcknowledgement {
    /// The receiver that signed it.
    pub receiver: SystemId,
    /// The batch's own id, unique for its receiver.
    pub id: MessageId,
    /// [`saphan_schemas::jws::Signed::content_hash`] of the batch.
    pub content: Sha256Hash,
    /// The messages, by their place in the log. An outcome already recorded stays.
    pub outcomes: Vec<(u64, Outcome, Option<Code>)>,
}
