//! The use case behind `POST /v1/registry`: signed entries become leaves, and take effect.

use std::sync::Arc;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::jws::JwsError;
use saphan_schemas::log::NoteSigner;
use saphan_schemas::registry::{
    Change, Entry, EntryId, HubKeyId, RegistryState, RejectedEntry, UnverifiedRegistryEntry,
};

use super::publish::{JudgeError, SchemaJudge};
use super::{Current, Registry, RegistryError, SchemaRefusal};
use crate::ledger::{Draft, Judgement, Ledger, LedgerError, LedgerKeys, RegistryDraft};
use crate::store::{Store, StoreError};

/// Why entries are not applied.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Not a registry entry.
    #[error("entry {at} is not a registry entry: {source}")]
    Malformed {
        /// Which, from 0.
        at: usize,
        /// Why.
        #[source]
        source: JwsError,
    },
    /// The registry refuses it.
    #[error("entry {at}: {source}")]
    Rejected {
        /// Which, from 0.
        at: usize,
        /// Why.
        #[source]
        source: RejectedEntry,
    },
    /// A key that is needed is revoked.
    #[error(
        "entry {at}: the hub still signs with this key; when another was added and is not used, the hub's log says why"
    )]
    InUse {
        /// Which, from 0.
        at: usize,
    },
    /// A schema's text cannot stand.
    #[error("{0}")]
    Schema(#[from] SchemaRefusal),
    /// The check of a schema was lost.
    #[error("the check of a schema did not finish")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger did not take it. Entries before it may be applied; the same file again applies the rest.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// What was logged cannot be read back.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<JudgeError> for ChangeError {
    fn from(error: JudgeError) -> Self {
        match error {
            JudgeError::Refused(refusal) => refusal.into(),
            JudgeError::Store(error) => error.into(),
            JudgeError::Lost => Self::Lost,
        }
    }
}

impl Registry {
    /// Checks signed entries on the state of the moment, all of them before the first is logged, and applies them. `now` is
    /// the time in seconds since 1970; `schemas` are texts that entries name. The caller sees to it that no other change runs at
    /// the same time.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change(
        &self,
        texts: &[String],
        schemas: &[String],
        now: u64,
        ledger: &Ledger,
        store: &dyn Store,
    ) -> Result<usize, ChangeError> {
        // What a change before this one logged, but could not fold in, is part of the state too.
        self.catch_up(store).await?;
        let Current { state, catalogue } = self.current();
        let mut trial = RegistryState::clone(&state);
        let mut judge = SchemaJudge::new(catalogue, schemas, store)?;
        let mut place = trial.next();
        let mut drafts = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let entry = UnverifiedRegistryEntry::parse(text).map_err(|source| ChangeError::Malformed { at, source })?;
            let next = trial.next();
            let before = text_before(&trial, &entry.claims().change);
            let taken = trial.take(entry, next, now).map_err(|source| ChangeError::Rejected { at, source })?;
            if needs(&ledger.keys().borrow(), &taken.entry.claims().change, &trial) {
                return Err(ChangeError::InUse { at });
            }
            must_name_what_stands(&trial, &taken.entry.claims().change)
                .map_err(|source| ChangeError::Rejected { at, source })?;
            judge.judge(before, &taken.entry.claims().change).await?;
            drafts.push(taken);
        }
        // Before the entries: a text that no entry names does no harm, an entry whose text is lost does.
        let kept = judge.kept(&trial);
        if !kept.is_empty() {
            store.keep_schemas(&kept).await?;
        }
        let count = drafts.len();
        let mut result = Ok(count);
        for (at, taken) in drafts.into_iter().enumerate() {
            // Now and then: until they are folded in, what others send is judged on a state that has passed, and again.
            if at % FOLD_EVERY == FOLD_EVERY - 1
                && let Err(error) = self.catch_up(store).await
            {
                tracing::warn!(%error, "entries that were logged are folded in later");
            }
            // Each was judged on the state behind the one before; the writer sees to it that it stands there.
            let judgement = Judgement::new(place, taken.until);
            match ledger.append(Draft::Registry(Box::new(RegistryDraft { judgement, entry: taken.entry }))).await {
                Ok(appended) => place = appended.index() + 1,
                Err(error) => {
                    result = Err(error.into());
                    break;
                }
            }
        }
        self.catch_up(store).await?;
        result
    }
}

/// Whether the hub signs with the key that a change revokes, and with no other. Nobody believes what it signs with it from there
/// on.
fn needs(keys: &LedgerKeys, change: &Change, after: &RegistryState) -> bool {
    match change {
        Change::Revoked(EntryId::HubKey(HubKeyId::Receipts(kid))) => keys.receipts.public().id() == *kid,
        Change::Revoked(EntryId::HubKey(HubKeyId::Log(_))) => {
            let stands =
                |signer: &Arc<NoteSigner>| after.log_keys().standing().any(|vkey| vkey == signer.verifier_key());
            !keys.logs.iter().any(stands)
        }
        _ => false,
    }
}

/// That an agreement names message types and services that are registered: otherwise it is more likely misspelt than meant.
pub(super) fn must_name_what_stands(state: &RegistryState, change: &Change) -> Result<(), RejectedEntry> {
    match change {
        Change::Added(Entry::Agreement(agreement)) | Change::Changed(Entry::Agreement(agreement)) => {
            agreement.must_name_what_stands(state)
        }
        _ => Ok(()),
    }
}

/// The text that stood last before a change of its schema, also where that ended: the versions go on from it.
fn text_before(state: &RegistryState, change: &Change) -> Option<Sha256Hash> {
    match change {
        Change::Added(Entry::Schema(schema)) | Change::Changed(Entry::Schema(schema)) => {
            state.schema_texts(&schema.id).last().copied()
        }
        _ => None,
    }
}

const FOLD_EVERY: usize = 16;
