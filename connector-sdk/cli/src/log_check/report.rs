//! What a checked log holds.

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::HubId;
use saphan_schemas::succession::AbandonedLog;
use serde::{Deserialize, Serialize};

/// A log of which everything holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogReport {
    /// The log's name.
    pub origin: String,
    /// The hub that keeps it.
    pub hub: HubId,
    /// The number of entries.
    pub size: u64,
    /// The root of the tree, as signed and as derived.
    pub root: Sha256Hash,
    /// Entries by kind.
    pub leaves: LeafCounts,
    /// Signatures checked, besides the checkpoint's.
    pub signatures: u64,
    /// The next shard, when this one is closed.
    pub closed_for: Option<String>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
    /// The hub's earlier logs, oldest first; the counts are over all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
    /// Those among them that were abandoned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub abandoned: Vec<AbandonedLog>,
    /// The number of entries of those.
    #[serde(skip)]
    pub first: u64,
    /// The time of the last entry, in milliseconds since 1970.
    #[serde(skip)]
    pub ts: u64,
}

/// Entries of a log by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafCounts {
    /// Accepted messages.
    pub messages: u64,
    /// Refusals.
    pub refusals: u64,
    /// Batches of acknowledgements.
    pub acknowledgements: u64,
    /// Messages that these say were processed. A message that is acknowledged in two batches counts twice.
    pub processed: u64,
    /// Messages that these say were rejected.
    pub rejected: u64,
    /// Changes of the registry.
    pub registry: u64,
    /// Erased bodies.
    pub erasures: u64,
    /// Queries of auditors.
    #[serde(default)]
    pub queries: u64,
    /// Openings and closings of the shard.
    pub shards: u64,
}
