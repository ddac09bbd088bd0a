//! What the hub keeps, behind one trait.
//!
//! Whatever must be atomic is one method, above all [`Store::commit`]. Documents, the ends of bodies, the keys of what is sealed,
//! auditors' queries, cosigned checkpoints and timestamps have small traits of their own, [`DocumentIndex`], [`BodyIndex`], [`KeyIndex`],
//! [`QueryIndex`], [`CosignedIndex`] and [`TimestampIndex`], which every store implements too. Implementations: [`sqlite`].

mod batch;
mod bodies;
pub mod cases;
mod cosigned;
mod data_keys;
mod documents;
mod messages;
mod outbox;
mod queries;
pub mod sqlite;
mod timestamps;

pub use batch::{Batch, Effect, Head, NewAcknowledgement, NewEntry, NewMessage};
pub use bodies::{BodyIndex, BodyRecord};
pub use cosigned::{CosignedIndex, KeptCosigned};
pub use data_keys::{KeyIndex, KeyPlace, StoredKey};
pub use documents::{
    Begun, DocumentId, DocumentIndex, DocumentRecord, DocumentState, NewDocument, NewPart, Part, Quota, Unfinished,
};
pub use messages::{Known, LoggedEntry, MessageRecord, MessageState};
pub use outbox::{Deliveries, Due, LeaseChange, LeaseRequest, Limit, Pending, Settlement, StoreCounts};
pub use queries::{KeptQuery, NewQuery, QueryIndex};
pub use timestamps::TimestampIndex;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use saphan_schemas::acknowledgement::Acknowledged;
use saphan_schemas::catalogue::SchemaText;
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{MessageId, SystemId};

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
