//! The leaves of one bundle, read but not yet believed.

use saphan_schemas::acknowledgement::UnverifiedAcknowledgement;
use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::SystemId;
use saphan_schemas::leaf::{Leaf, SchemaVersion, ShardEvent};
use saphan_schemas::log::{TilePath, decode_bundle};
use saphan_schemas::registry::UnverifiedRegistryEntry;

use super::error::{LeafFault, LogCheckError};

/// A bundle with its leaves.
pub(super) struct ReadBundle {
    pub(super) path: TilePath,
    pub(super) bytes: Vec<u8>,
    /// As many as the bundle has entries; a leaf that cannot be read is judged when its turn comes.
    pub(super) leaves: Vec<Result<ReadLeaf, LeafFault>>,
}

/// A leaf with its statement read.
pub(super) enum ReadLeaf {
    Message { ts: u64, schema: SchemaVersion, envelope: Box<UnverifiedEnvelope> },
    Refusal { ts: u64 },
    Acknowledgement { ts: u64, batch: Box<UnverifiedAcknowledgement> },
    Registry { ts: u64, entry: Box<UnverifiedRegistryEntry> },
    Erasure { ts: u64, index: u64, log: Option<String> },
    Query { ts: u64, auditor: SystemId },
    Shard { ts: u64, event: Box<ShardEvent> },
}

impl ReadLeaf {
    /// When it was logged, in milliseconds since 1970.
    pub(super) const fn ts(&self) -> u64 {
        match self {
            Self::Message { ts, .. }
            | Self::Refusal { ts }
            | Self::Acknowledgement { ts, .. }
            | Self::Registry { ts, .. }
            | Self::Erasure { ts, .. }
            | Self::Query { ts, .. }
            | Self::Shard { ts, .. } => *ts,
        }
    }
}

/// Reads all leaves of a bundle. This is most of the work besides signatures, and needs no order.
pub(super) fn read_bundle(path: TilePath, bytes: Vec<u8>) -> Result<ReadBundle, LogCheckError> {
    let entries = decode_bundle(&bytes, path.width()).map_err(|source| LogCheckError::Bundle { path, source })?;
    let leaves = entries.into_iter().map(read_leaf).collect();
    Ok(ReadBundle { path, bytes, leaves })
}

impl ReadBundle {
    /// The entries that the registry follows from, verbatim. The first has the place `first`.
    pub(super) fn kept(&self, first: u64) -> Vec<(u64, Vec<u8>)> {
        let entries = decode_bundle(&self.bytes, self.path.width()).unwrap_or_default();
        let matters =
            |leaf: &Result<ReadLeaf, LeafFault>| matches!(leaf, Ok(ReadLeaf::Registry { .. } | ReadLeaf::Shard { .. }));
        let leaves = (first..).zip(entries).zip(&self.leaves).filter(|(_, leaf)| matters(leaf));
        leaves.map(|((index, entry), _)| (index, entry.to_vec())).collect()
    }
}

/// Reads one leaf.
pub(super) fn read_leaf(bytes: &[u8]) -> Result<ReadLeaf, LeafFault> {
    match Leaf::parse(bytes).map_err(LeafFault::NotALeaf)? {
        Leaf::Message { ts, schema, envelope } => {
            let envelope = Box::new(UnverifiedEnvelope::parse(&envelope).map_err(LeafFault::Envelope)?);
            Ok(ReadLeaf::Message { ts, schema, envelope })
        }
        Leaf::Refusal { ts, .. } => Ok(ReadLeaf::Refusal { ts }),
        Leaf::Acknowledgement { ts, acknowledgement } => {
            let batch = UnverifiedAcknowledgement::parse(&acknowledgement).map_err(LeafFault::Acknowledgement)?;
            Ok(ReadLeaf::Acknowledgement { ts, batch: Box::new(batch) })
        }
        Leaf::Registry { ts, entry } => {
            let entry = UnverifiedRegistryEntry::parse(&entry).map_err(LeafFault::Registry)?;
            Ok(ReadLeaf::Registry { ts, entry: Box::new(entry) })
        }
        Leaf::Erasure { ts, index, log, .. } => Ok(ReadLeaf::Erasure { ts, index, log }),
        Leaf::Query { ts, auditor, .. } => Ok(ReadLeaf::Query { ts, auditor }),
        Leaf::Shard { ts, event, .. } => Ok(ReadLeaf::Shard { ts, event: Box::new(event) }),
    }
}
