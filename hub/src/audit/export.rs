//! Everything of the hub's present log that fits, each row with what proves it, at constant memory. Earlier logs have other
//! checkpoints.

use std::collections::VecDeque;
use std::sync::Arc;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::facts::EntryFacts;
use saphan_schemas::ids::SystemId;
use saphan_schemas::log::{ProofPlan, leaf_hash};

use super::index::{Index, IndexError};
use super::{Asked, AuditError, Fate, Filter, Row};
use crate::app::App;
use crate::ledger::hashes_of;
use crate::limits::Lane;
use crate::store::StoreError;

/// An entry with the proof that it is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The row.
    pub row: Row,
    /// Whether it does not fit itself, and is here because a row that fits, and comes later, cites it.
    pub supports: bool,
    /// The exact leaf bytes.
    pub leaf: Vec<u8>,
    /// Their leaf hash.
    pub hash: Sha256Hash,
    /// The inclusion proof (RFC 9162 section 2.1.3.1) for the export's checkpoint.
    pub proof: Vec<Sha256Hash>,
}

/// An export under way. It holds a place among the long answers until it is dropped.
pub struct Export {
    /// The index of the entry that says that this was asked.
    pub query: u64,
    /// How many entries were searched, from the hub's first on.
    pub indexed: u64,
    /// The size of the checkpoint that the proofs are for.
    pub size: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
    app: Arc<App>,
    auditor: SystemId,
    index: Index,
    filter: Filter,
    before: Option<u64>,
    /// Places of entries that were given lately because they support others.
    given: VecDeque<u64>,
    _lane: Lane,
}

impl Asked<'_> {
    /// Begins an export of all entries that fit and were logged before the query.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn export(&self, filter: Filter) -> Result<Export, AuditError> {
        let lane = self.app.audit.lanes.enter(&self.auditor).await;
        let (index, indexed) = self.index().await?;
        let indexed = indexed.min(self.place);
        let (size, checkpoint) = self.app.newest_checkpoint();
        Ok(Export {
            query: self.index_of_query(),
            indexed,
            size,
            checkpoint,
            app: Arc::clone(self.app),
            auditor: self.auditor.clone(),
            index,
            filter,
            before: Some(indexed),
            given: VecDeque::new(),
            _lane: lane,
        })
    }
}

impl Export {
    /// Which entries.
    #[must_use]
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The next rows, the newest first, each after those that support it; `None` at the end.
    ///
    /// # Errors
    /// [`AuditError`]; then the export ends unfinished.
    pub async fn next(&mut self) -> Result<Option<Vec<Exported>>, AuditError> {
        let Some(before) = self.before else { return Ok(None) };
        let found = {
            // It has all the time that it needs.
            let _place = self.app.audit.searches.enter(&self.auditor).await;
            self.index.search(&self.filter, before, ROWS_AT_ONCE).await
        };
        let found = found.map_err(|error| self.app.audit.noted(error))?;
        let first = self.first();
        self.before = found.next.filter(|next| *next > first);
        let mut exported = Vec::with_capacity(found.rows.len() * 2);
        for row in found.rows.into_iter().filter(|row| row.index >= first) {
            let row = self.as_of_the_checkpoint(row);
            // What it was found by may have been said after the checkpoint.
            let code = self.filter.code.as_ref().map(ToString::to_string);
            if (self.filter.outcome.is_some() && row.outcome != self.filter.outcome)
                || (code.is_some() && row.code != code)
            {
                continue;
            }
            let erasure = row.erasure.filter(|_| row.outcome.is_some());
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

    /// What was said of a message after the checkpoint is left out: the export shows the log as it was then.
    fn as_of_the_checkpoint(&self, mut row: Row) -> Row {
        if row.acknowledgement.is_some_and(|place| place >= self.first() + self.size) {
            (row.outcome, row.code) = (Some(Fate::Unacknowledged), None);
            (row.acknowledgement, row.acknowledged_at) = (None, None);
        }
        row.erasure = row.erasure.filter(|place| *place < self.first() + self.size);
        row
    }

    /// The place at which the log begins.
    fn first(&self) -> u64 {
        self.app.shards.present().first
    }

    async fn fitting(&self, row: Row) -> Result<Exported, AuditError> {
        let (leaf, hash, proof) = self.proven(row.index).await?;
        let row = row.located(&self.app.shards).of_one_log();
        // The index is a file like others: what it says is shown only as far as the log says it too.
        let from_log = EntryFacts::read(&leaf).map(|facts| Row::new(row.index, &facts).of_one_log());
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
        Ok(Exported { row, supports: false, leaf, hash, proof })
    }

    async fn supporting(&self, place: u64) -> Result<Exported, AuditError> {
        let (leaf, hash, proof) = self.proven(place).await?;
        let facts = EntryFacts::read(&leaf).ok_or(StoreError::Corrupt { what: "an entry that another cites" })?;
        let row = Row::new(self.app.shards.located(place).index, &facts).of_one_log();
        Ok(Exported { row, supports: true, leaf, hash, proof })
    }

    async fn proven(&self, place: u64) -> Result<(Vec<u8>, Sha256Hash, Vec<Sha256Hash>), AuditError> {
        let store = &*self.app.store;
        let leaf = store.entries(place, 1).await?.pop().ok_or(StoreError::Corrupt { what: "an entry of the log" })?;
        let shards = &self.app.shards;
        let plan = ProofPlan::inclusion(shards.located(place).index, self.size);
        let plan = plan.map_err(|_| StoreError::Corrupt { what: "the log's size" })?;
        let proof = hashes_of(store, shards.present(), &plan).await?;
        let hash = leaf_hash(&leaf);
        Ok((leaf, hash, proof))
    }
}

/// Rows that are held at once.
const ROWS_AT_ONCE: usize = 64;
/// Supporting entries that are not given again.
const REMEMBERED: usize = 256;
