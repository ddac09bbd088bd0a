//! What is published of a log beyond the entries that the store has of it.

use std::ops::Range;

use saphan_schemas::leaf::{Leaf, ShardEvent};
use saphan_schemas::log::{CompactRange, ProofPlan, SignedCheckpoint, TILE_WIDTH, VerifierKey, leaf_hash};

use super::Shard;
use crate::ledger::hashes_of;
use crate::publication::{PublicationError, PublishedLog};
use crate::store::{Store, StoreError};

/// The published entries behind those of the store, read a bundle at a time.
pub(super) struct Tail<'a> {
    published: &'a PublishedLog,
    kept: u64,
    size: u64,
}

/// What the published entries are worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Worth {
    /// They lead from those of the store to the checkpoint that is published.
    Proven,
    /// These, by their indices, are not there.
    Incomplete(Vec<Range<u64>>),
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
        let end = if self.size > self.kept { self.size.div_ceil(WIDTH) } else { 0 };
        self.kept / WIDTH..end
    }

    /// Those of a bundle, with their indices; none if it is not there.
    ///
    /// # Errors
    /// It is there, and cannot be read: whoever went on without would lose what was said in it.
    pub(super) async fn bundle(
        &self,
        number: u64,
    ) -> Result<impl Iterator<Item = (u64, Vec<u8>)> + use<>, PublicationError> {
        let found = self.published.bundle(number, self.size).await?.unwrap_or_default();
        let kept = self.kept;
        Ok((number * WIDTH..self.size).zip(found).filter(move |(index, _)| *index >= kept))
    }

    /// The log that the published one was closed for, by its last entry.
    pub(super) async fn closed_for(&self) -> Result<Option<String>, PublicationError> {
        let Some(number) = self.bundles().last() else { return Ok(None) };
        let last = self.bundle(number).await?.last().map(|(_, leaf)| Leaf::parse(&leaf));
        Ok(match last {
            Some(Ok(Leaf::Shard { event: ShardEvent::Closed { next }, .. })) => Some(next),
            _ => None,
        })
    }

    /// Reads all of them.
    pub(super) async fn worth(
        &self,
        shown: &SignedCheckpoint,
        store: &dyn Store,
        shard: &Shard,
    ) -> Result<Worth, PublicationError> {
        let mut range = range_at(store, shard, self.kept).await?;
        let mut missing: Vec<Range<u64>> = Vec::new();
        for number in self.bundles() {
            let before = range.size();
            self.bundle(number).await?.for_each(|(_, leaf)| range.push(leaf_hash(&leaf)));
            if range.size() > before {
                continue;
            }
            let (first, end) = (self.kept.max(number * WIDTH), self.size.min((number + 1) * WIDTH));
            match missing.last_mut().filter(|last| last.end == first) {
                Some(last) => last.end = end,
                None => missing.push(first..end),
            }
        }
        Ok(match missing.is_empty() {
            true if range.size() == self.size && range.root() == shown.checkpoint().root => Worth::Proven,
            true => Worth::Other,
            false => Worth::Incomplete(missing),
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
/// What is there and cannot be read is no reason to go on without it.
pub(super) const UNREADABLE: &str = "log.publish: what is published of the lost part cannot be read. Bring it back from a copy, or empty \
    the setting to go without: then nothing of that part is logged again, and keys that were revoked in it are good again";
