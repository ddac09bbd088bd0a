//! What the hub keeps, behind one trait.
//!
//! Whatever must be atomic is one method, above all [`Store::commit`]. Documents, the ends of bodies, the keys of what is sealed,
//! auditors' queries, cosigned checkpoints and timestamps have small traits of their own, [`DocumentIndex`], [`BodyIndex`], [`KeyIndex`],
//! [`QueryIndex`], [`CosignedIndex`] and [`TimestampIndex`], which every store implements too. Implementations: [`sqlite`].

mod bodies;
pub mod cases;
mod cosigned;
mod data_keys;
mod documents;
mod queries;
pub mod sqlite;
mod timestamps;

pub use bodies::{BodyIndex, BodyRecord};
pub use cosigned::{CosignedIndex, KeptCosigned};
pub use data_keys::{KeyIndex, KeyPlace, StoredKey};
pub use documents::{
    Begun, DocumentId, DocumentIndex, DocumentRecord, DocumentState, NewDocument, NewPart, Part, Quota, Unfinished,
};
pub use queries::{KeptQuery, NewQuery, QueryIndex};
pub use timestamps::TimestampIndex;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use saphan_schemas::acknowledgement::{Acknowledged, Outcome};
use saphan_schemas::catalogue::SchemaText;
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{Code, MessageId, SystemId};
use saphan_schemas::log::{CompactRange, TileHash};
use saphan_schemas::registry::TransportKind;

use crate::sealing::{SealError, StorageKeys};
use crate::shards::Shard;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The head is not the one that the batch was built on; nothing was written.
    #[error("the log grew to {size} entries since the batch was built; nothing was written")]
    HeadMoved {
        /// The size found.
        size: u64,
    },
    /// The store failed. After [`Store::commit`] it is unknown whether the batch was written.
    #[error("the store failed while it {action}")]
    Failed {
        /// What it was doing.
        action: &'static str,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A body cannot be sealed or opened. Nothing was written.
    #[error("a body cannot be sealed or opened: {0}")]
    Seal(#[from] SealError),
    /// What was read is not what was written.
    #[error("the store holds something unreadable: {what}")]
    Corrupt {
        /// What could not be read.
        what: &'static str,
    },
}

impl StoreError {
    /// Whether one thing that was read is damaged, which nothing but a backup mends; the store itself goes on.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Seal(SealError::Broken) | Self::Corrupt { .. })
    }
}

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
    /// A registry entry, to be found again by [`Store::registry_entries`].
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

/// What is known of a message that was accepted before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The sender.
    pub sender: SystemId,
    /// The message id.
    pub id: MessageId,
    /// Its content hash.
    pub content: Sha256Hash,
    /// Its place in the log.
    pub index: u64,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// Durable and receipted, on its way.
    Accepted,
    /// The broker confirmed it. Messages that are pulled go from accepted to an outcome.
    Delivered,
    /// The receiver acknowledged it with this outcome.
    Settled(Outcome),
    /// Its `not_after` passed before anyone took it.
    Expired,
}

/// A message's record.
#[derive(Debug, Clone)]
pub struct MessageRecord {
    /// Its place in the log.
    pub index: u64,
    /// The sender.
    pub sender: SystemId,
    /// The recipient.
    pub recipient: SystemId,
    /// Where it stands.
    pub state: MessageState,
    /// The receiver's problem code, if it rejected the message.
    pub code: Option<Code>,
    /// The place of the acknowledgement in the log.
    pub acknowledgement: Option<u64>,
    /// The place of the entry that says that its body was erased.
    pub erased: Option<u64>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEntry {
    /// Its place.
    pub index: u64,
    /// Its exact bytes.
    pub leaf: Vec<u8>,
}

/// An outbox row with all that delivery needs.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The message's place in the log.
    pub index: u64,
    /// The recipient.
    pub recipient: SystemId,
    /// The exact leaf, which holds the envelope.
    pub leaf: Vec<u8>,
    /// The salt of the commitment.
    pub salt: Salt,
    /// The exact body.
    pub body: Vec<u8>,
    /// The hub's receipt.
    pub receipt: String,
    /// The proof.
    pub proof: String,
    /// Deliveries tried before this one; for the broker, since it last confirmed one.
    pub attempts: u32,
    /// How often the broker confirmed it.
    pub published: u32,
}

/// Which outbox rows for the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deliveries {
    /// Every one.
    All,
    /// Those of which [`Store::settle`] wrote something: to be tried again, or to be delivered again.
    Again,
}

/// Outbox rows for the broker.
#[derive(Debug, Clone)]
pub struct Due {
    /// The oldest that are due.
    pub messages: Vec<Pending>,
    /// Those among the oldest whose bodies do not open: damaged, and nothing that can be delivered.
    pub unreadable: Vec<u64>,
    /// Whether the limit left others out.
    pub more: bool,
}

/// What became of a delivery to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Confirmed. The outbox row stays until the receiver acknowledges, should the broker lose what it confirmed.
    Delivered {
        /// The message's place in the log.
        index: u64,
        /// To be published again unless it is acknowledged by then, in milliseconds since 1970.
        again: u64,
    },
    /// Not confirmed: to be tried again.
    Retry {
        /// The message's place in the log.
        index: u64,
        /// Not before this time, in milliseconds since 1970.
        at: u64,
    },
}

/// A lease of pulled messages.
#[derive(Debug, Clone, Copy)]
pub struct LeaseRequest<'a> {
    /// Who leases.
    pub recipient: &'a SystemId,
    /// The lease's own id.
    pub lease: &'a str,
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// When the lease ends, in milliseconds since 1970.
    pub until: u64,
    /// At most so much.
    pub limit: Limit,
}

/// At most so many rows, and about so many bytes of bodies; one row at least.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Rows.
    pub rows: u32,
    /// Bytes.
    pub bytes: u64,
}

/// Counts for health and metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Outbox rows that the broker never confirmed.
    pub outbox_amqp: u64,
    /// Outbox rows waiting to be pulled and acknowledged.
    pub outbox_pull: u64,
}

/// Who looks something up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The ledger's writer. Everyone waits for it, so it waits for no request.
    Ledger,
    /// A request.
    Request,
}

/// What the hub keeps. Every method is durable on return unless it says otherwise.
pub trait Store:
    DocumentIndex + BodyIndex + KeyIndex + QueryIndex + CosignedIndex + TimestampIndex + Send + Sync
{
    /// Seals bodies with these keys from now on, and opens them. Without keys no body is written, and none is read that was sealed.
    fn seal_with(&self, keys: Arc<StorageKeys>);

    /// The logs, oldest first.
    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, StoreError>>;

    /// The head of the newest log; `None` in a store that was never written.
    fn head(&self) -> BoxFuture<'_, Result<Option<Head>, StoreError>>;

    /// Writes entries, message records, outbox rows, outcomes and the new head together or not at all. Refused with
    /// [`StoreError::HeadMoved`] when `batch.first` is not the next place. After [`StoreError::Failed`] the outcome
    /// is unknown: read [`Self::head`] before anything else. A message id that its sender used before makes it fail;
    /// callers look first with [`Self::known`].
    fn commit<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Writes a little that changes nothing, to learn whether a commit could be written.
    fn probe(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Those of `keys` that were accepted before.
    fn known<'a>(
        &'a self,
        asker: Asker,
        keys: &'a [(&'a SystemId, MessageId)],
    ) -> BoxFuture<'a, Result<Vec<Known>, StoreError>>;

    /// The records with this message id; ids are unique for a sender only.
    fn messages(&self, id: MessageId) -> BoxFuture<'_, Result<Vec<MessageRecord>, StoreError>>;

    /// One of these places that holds no message to this recipient; `None` when all do.
    fn not_addressed<'a>(
        &'a self,
        recipient: &'a SystemId,
        indices: &'a [u64],
    ) -> BoxFuture<'a, Result<Option<u64>, StoreError>>;

    /// What receivers said of the messages at these places, in order of places; those that were not acknowledged are left out.
    fn outcomes<'a>(&'a self, asker: Asker, indices: &'a [u64])
    -> BoxFuture<'a, Result<Vec<Acknowledged>, StoreError>>;

    /// The receipt of the message at this place.
    fn receipt(&self, index: u64) -> BoxFuture<'_, Result<Option<String>, StoreError>>;

    /// A batch of acknowledgements that was accepted before: its content hash and place.
    fn acknowledgement<'a>(
        &'a self,
        asker: Asker,
        receiver: &'a SystemId,
        id: MessageId,
    ) -> BoxFuture<'a, Result<Option<(Sha256Hash, u64)>, StoreError>>;

    /// Leaf bytes of `count` entries from place `first` on; fewer at the end of the newest log. Places go on over all logs.
    fn entries(&self, first: u64, count: u32) -> BoxFuture<'_, Result<Vec<Vec<u8>>, StoreError>>;

    /// `count` hashes of a tile level of a log from index `first` on; level 0 is the leaf hashes. Fewer where the newest log ends;
    /// nobody asks beyond the end of an earlier one.
    fn hashes<'a>(
        &'a self,
        shard: &'a Shard,
        level: u8,
        first: u64,
        count: u32,
    ) -> BoxFuture<'a, Result<Vec<Sha256Hash>, StoreError>>;

    /// The checkpoint that was signed when exactly this was the next place.
    fn checkpoint(&self, end: u64) -> BoxFuture<'_, Result<Option<String>, StoreError>>;

    /// The registry entries from place `first` on, in order.
    fn registry_entries(&self, first: u64) -> BoxFuture<'_, Result<Vec<LoggedEntry>, StoreError>>;

    /// Keeps texts of schemas for ever; one that is kept already stays as it is.
    fn keep_schemas<'a>(&'a self, texts: &'a [SchemaText]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Those of the schema texts with these hashes that are kept.
    fn schema_texts<'a>(&'a self, hashes: &'a [Sha256Hash]) -> BoxFuture<'a, Result<Vec<SchemaText>, StoreError>>;

    /// Outbox rows for the broker that are due at `now` (ms), oldest first, expired ones left out.
    fn due(&self, which: Deliveries, now: u64, limit: Limit) -> BoxFuture<'_, Result<Due, StoreError>>;

    /// Writes what became of deliveries. May be lost in a power cut: then they are delivered again.
    fn settle<'a>(&'a self, settlements: &'a [Settlement]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Leases outbox rows of one recipient, oldest first; those whose bodies do not open are leased, and left out. May be lost in a power cut: then they are leased again.
    fn lease<'a>(&'a self, request: LeaseRequest<'a>) -> BoxFuture<'a, Result<Vec<Pending>, StoreError>>;

    /// Moves the end of a lease's rows, or of some of them, to `until` (ms), or gives them back then and ends the lease.
    /// Returns how many rows were still leased.
    fn move_lease<'a>(&'a self, change: LeaseChange<'a>) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Ends the outbox rows whose `not_after` passed at `now` (ms) before anyone took them; returns how many.
    fn expire(&self, now: u64) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// What is kept of cases.
    fn cases(&self) -> &dyn cases::CaseStore;

    /// Counts for health and metrics.
    fn counts(&self) -> BoxFuture<'_, Result<StoreCounts, StoreError>>;
}

/// A change of a lease.
#[derive(Debug, Clone, Copy)]
pub struct LeaseChange<'a> {
    /// Who leased.
    pub recipient: &'a SystemId,
    /// The lease's own id.
    pub lease: &'a str,
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// When the rows are free again, in milliseconds since 1970.
    pub until: u64,
    /// Only these rows; `None` for all.
    pub only: Option<&'a [u64]>,
    /// Whether the lease ends with this.
    pub ends: bool,
}
