//! What is published of a log beyond the entries that the store has of it.

use std::ops::Range;

use saphan_schemas::log::{CompactRange, ProofPlan, SignedCheckpoint, TILE_WIDTH, VerifierKey, leaf_hash};

use super::Shard;
use crate::ledger::hashes_of;
use crate::publication::{PublicationError, PublishedLog};
use crate::store::sqlite::Copies as _;
use crate::store::{Store, StoreError};

/// The published entries behind those of the store, read a bundle at a time.
pub(super) struct Tail<'a> {
    published: &'a PublishedLog,
    kept: u64,
    size: u64,
}

/// What the published entries are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// They lead from those of the store to the checkpoint that is published.
    Proven,
    /// Some are not there.
    Incomplete,
    /// They lead to something else.
    Other,
}

impl<'a> Tail<'a> {
    /// Of a log of which the store has the first `kept` entries, up to the checkpoint that is published.
    pub(super) const fn new(published: &'a PublishedLog, shown: &SignedCheckpoint, kept: u64) -> Self {
        Self { published, kept, size: shown.checkpoint().size }
    }

    /// The bundles that they are in.
    pub(super) fn bundles(&self) -> Range<u64> {
        self.kept / WIDTH..self.size.div_ceil(WIDTH)
    }

    /// Those of a bundle that can be read, with their indices.
    pub(super) async fn bundle(&self, number: u64) -> impl Iterator<Item = (u64, Vec<u8>)> + use<> {
        let found = self.published.entries(number * WIDTH, TILE_WIDTH).await;
        let kept = self.kept;
        (number * WIDTH..self.size).zip(found).filter(move |(index, _)| *index >= kept)
    }

    /// Reads all of them.
    pub(super) async fn worth(
        &self,
        shown: &SignedCheckpoint,
        store: &dyn Store,
        shard: &Shard,
    ) -> Result<Worth, StoreError> {
        let mut range = range_at(store, shard, self.kept).await?;
        for bundle in self.bundles() {
            self.bundle(bundle).await.for_each(|(_, leaf)| range.push(leaf_hash(&leaf)));
        }
        Ok(match range.size() == self.size {
            true if range.root() == shown.checkpoint().root => Worth::Proven,
            true => Worth::Other,
            false => Worth::Incomplete,
        })
    }
}

/// The right edge of the tree of a log's first entries: the path to one that would come next.
async fn range_at(store: &dyn Store, shard: &Shard, size: u64) -> Result<CompactRange, StoreError> {
    let unknown = StoreError::Corrupt { what: "the edge of a tree" };
    let Ok(plan) = ProofPlan::inclusion(size, size + 1) else { return Err(unknown) };
    let mut edge = hashes_of(store, shard, &plan).await?;
    edge.reverse();
    CompactRange::from_parts(size, edge).map_err(|_| unknown)
}

/// The checkpoint that is published, if one is and a key of the log signed it.
pub(super) async fn shown(
    published: &PublishedLog,
    keys: &[VerifierKey],
) -> Result<Option<SignedCheckpoint>, PublicationError> {
    let Some(text) = published.checkpoint().await? else { return Ok(None) };
    Ok(keys.iter().find_map(|key| SignedCheckpoint::parse_and_verify(&text, key).ok()))
}

const WIDTH: u64 = TILE_WIDTH as u64;
