//! The use case behind `POST /v1/registry`: signed entries become leaves, and take effect.

use saphan_schemas::ids::HubId;
use saphan_schemas::jws::JwsError;
use saphan_schemas::registry::{RegistryEntry, UnverifiedRegistryEntry};

use super::{Registry, RegistryError, RegistryState, RejectedEntry};
use crate::ledger::{Draft, Ledger, LedgerError};
use crate::store::Store;

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
    /// Not signed by the operator.
    #[error("entry {at} is not signed with the operator's key of this hub")]
    NotTheOperator {
        /// Which, from 0.
        at: usize,
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
    /// The ledger did not take it. Entries before it may be applied; the same file again applies the rest.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// What was logged cannot be read back.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Registry {
    /// Checks signed entries on the state of the moment, all of them before the first is logged, and applies them. The
    /// caller sees to it that no other change runs at the same time.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change(
        &self,
        hub: &HubId,
        texts: &[String],
        ledger: &Ledger,
        store: &dyn Store,
    ) -> Result<usize, ChangeError> {
        // What a change before this one logged, but could not fold in, is part of the state too.
        self.catch_up(store).await?;
        let mut trial = RegistryState::clone(&self.state());
        let mut entries = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let entry = self.check(hub, at, text)?;
            let next = trial.next();
            trial.apply(&entry.claims().change, next, 0).map_err(|source| ChangeError::Rejected { at, source })?;
            entries.push(entry);
        }
        let count = entries.len();
        let mut result = Ok(count);
        for entry in entries {
            if let Err(error) = ledger.append(Draft::Registry(Box::new(entry))).await {
                result = Err(error.into());
                break;
            }
        }
        self.catch_up(store).await?;
        result
    }

    fn check(&self, hub: &HubId, at: usize, text: &str) -> Result<RegistryEntry, ChangeError> {
        let entry = UnverifiedRegistryEntry::parse(text).map_err(|source| ChangeError::Malformed { at, source })?;
        if entry.claims().iss != *hub {
            return Err(ChangeError::NotTheOperator { at });
        }
        entry.verify(self.operator()).map_err(|_| ChangeError::NotTheOperator { at })
    }
}
