//! Everything of one of the hub's logs that fits, each row with what proves it, at constant memory.

use std::collections::VecDeque;
use std::sync::Arc;

use saphan_schemas::audit::{FORMAT, Head, ProvenRow};
use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::facts::EntryFacts;
use saphan_schemas::ids::SystemId;
use saphan_schemas::log::{ProofPlan, leaf_hash};

use super::index::{Index, IndexError};
use super::{Asked, AuditError, Fate, Filter, Place, PlacedRow, Row};
use crate::app::App;
use crate::ledger::hashes_of;
use crate::limits::Lane;
use crate::shards::{Log, Shard};
use crate::store::StoreError;

/// An export under way. It holds a place among the long answers until it is dropped.
pub struct Export {
    head: Head,
    app: Arc<App>,
    auditor: SystemId,
    index: Index,
    /// What is looked for: more than what fits, where that rests on what was said behind the checkpoint.
    searched: Filter,
    shard: Shard,
    before: Option<u64>,
    /// Places of entries that were given lately because they support others.
    given: VecDeque<Place>,
    _lane: Lane,
}

impl Asked<'_> {
    /// Begins an export of all entries of a log that fit and were logged before the query. Without a log's origin it is the present one.
    ///
    /// # Errors
    /// [`AuditError`]; [`AuditError::NotFound`] for a log that the hub has not.
    pub async fn export(&self, filter: Filter, log: Option<&str>) -> Result<Export, AuditError> {
        let lane = self.app.audit.lanes.enter(&self.auditor).await;
        let shards = &self.app.shards;
        let present = shards.present();
        let Log { shard, end } = shards.of_origin(log.unwrap_or(&present.origin)).ok_or(AuditError::NotFound)?;
        let (index, indexed) = self.index().await?;
        let indexed = indexed.min(self.place);
        let (size, checkpoint) = match end.size() {
            None => self.app.newest_checkpoint(),
            Some(size) => {
                let last = self.app.store.checkpoint(shard.first + size).await?;
                (size, last.ok_or(StoreError::Corrupt { what: "the last checkpoint of an earlier log" })?)
            }
        };
        // What is said of its messages behind its checkpoint, by later logs or while this runs, does not count.
        let outcome = filter.outcome.filter(|outcome| *outcome != Fate::Unacknowledged);
        let head = Head {
            format: FORMAT.to_owned(),
            log: shard.origin.clone(),
            size,
            checkpoint,
            query: self.index_of_query(),
            query_log: end.size().map(|_| present.origin.clone()),
            indexed,
            filter: filter.clone(),
        };
        Ok(Export {
            head,
            app: Arc::clone(self.app),
            auditor: self.auditor.clone(),
            index,
            searched: Filter { outcome, ..filter },
            shard: shard.clone(),
            before: Some(indexed.min(end.size().map_or(u64::MAX, |size| shard.first + size))),
            given: VecDeque::new(),
            _lane: lane,
        })
    }
}

impl Export {
    /// What it is of.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The next rows, the newest first, each after those that support it; `None` at the end.
    ///
    /// # Errors
    /// [`AuditError`]; then the export ends unfinished.
    pub async fn next(&mut self) -> Result<Option<Vec<ProvenRow>>, AuditError> {
        let Some(before) = self.before else { return Ok(None) };
        let found = {
            // It has all the time that it needs.
            let _place = self.app.audit.searches.enter(&self.auditor).await;
            self.index.search(&self.searched, before, ROWS_AT_ONCE).await
        };
        let found = found.map_err(|error| self.app.audit.noted(error))?;
        let first = self.shard.first;
        self.before = found.next.filter(|next| *next > first);
        let mut exported = Vec::with_capacity(found.rows.len() * 2);
        for row in found.rows.into_iter().filter(|row| row.place.0 >= first) {
            // The export shows the log as it was at its checkpoint. What a row was found by may have been said since.
            let row = row.before(Place(first + self.head.size));
            if !self.head.filter.fits(row.says()) {
                continue;
            }
            let erasure = row.erasure.filter(|_| row.says().outcome.is_some());
            for place in row.acknowledgement.into_iter().chain(erasure) {
                if !self.given.contains(&place) {
                    exported.push(self.supporting(place).await?);
                    self.given.push_back(place);
                }
            }
            exported.push(self.fitting(row).await?);
            // Dropped here, so that nothing that this page cites is dropped before it.
            while self.given.len() > REMEMBERED {
                self.given.pop_front();
            }
        }
        Ok(Some(exported))
    }

    async fn fitting(&self, row: PlacedRow) -> Result<ProvenRow, AuditError> {
        let (leaf, hash, proof) = self.proven(row.place).await?;
        let row = row.located(&self.app.shards).of_one_log();
        // The index is a file like others: what it says is shown only as far as the log says it too.
        let from_log = EntryFacts::read(leaf.as_bytes()).map(|facts| Row::new(row.index, &facts).of_one_log());
        let agrees = match &from_log {
            Some(facts) => {
                let mut plain = row.clone();
                if row.outcome.is_some() {
                    (plain.outcome, plain.code) = (facts.outcome, facts.code.clone());
                    (plain.acknowledgement, plain.acknowledged_at, plain.erasure) = (None, None, None);
                }
                plain == *facts
            }
            None => row.kind.is_none(),
        };
        if !agrees {
            let damage = IndexError::Unreadable { what: "a row is not what the log says" };
            return Err(self.app.audit.noted(damage).into());
        }
        Ok(ProvenRow { row, supports: false, leaf, hash, proof })
    }

    async fn supporting(&self, place: Place) -> Result<ProvenRow, AuditError> {
        let (leaf, hash, proof) = self.proven(place).await?;
        let facts = EntryFacts::read(leaf.as_bytes());
        let facts = facts.ok_or(StoreError::Corrupt { what: "an entry that another cites" })?;
        let row = Row::new(self.app.shards.located(place.0).index, &facts).of_one_log();
        Ok(ProvenRow { row, supports: true, leaf, hash, proof })
    }

    async fn proven(&self, place: Place) -> Result<(String, Sha256Hash, Vec<Sha256Hash>), AuditError> {
        let store = &*self.app.store;
        let leaf = store.entries(place.0, 1).await?.pop().ok_or(StoreError::Corrupt { what: "an entry of the log" })?;
        let plan = ProofPlan::inclusion(self.app.shards.located(place.0).index, self.head.size);
        let plan = plan.map_err(|_| StoreError::Corrupt { what: "the log's size" })?;
        let proof = hashes_of(store, &self.shard, &plan).await?;
        let hash = leaf_hash(&leaf);
        let leaf = String::from_utf8(leaf).map_err(|_| StoreError::Corrupt { what: "a leaf that is no text" })?;
        Ok((leaf, hash, proof))
    }
}

/// Rows that are held at once.
const ROWS_AT_ONCE: usize = 64;
/// Supporting entries that are not given again.
const REMEMBERED: usize = 256;
