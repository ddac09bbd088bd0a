//! Members, systems, keys, services, schemas, agreements: a fold over the log's registry entries.

mod apply;
mod change;

pub use apply::{ApplyError, RegistryFile, RevokeSection, SystemSection, changes_for};
pub use change::ChangeError;

use std::sync::{Arc, PoisonError, RwLock};

use saphan_schemas::leaf::{Leaf, ShardEvent};
use saphan_schemas::registry::{RegistryState, Root, UnverifiedRegistryEntry};

use crate::store::{LoggedEntry, Store, StoreError};

/// The registry as the hub uses it: the state of the moment, shared without locks held for long.
#[derive(Debug)]
pub struct Registry {
    current: RwLock<Arc<RegistryState>>,
}

/// Why the registry cannot be read from the log.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An entry that was logged does not hold: the data were changed behind the hub's back.
    #[error("the entry at place {index} of the log does not hold: {reason}")]
    Entry {
        /// Its place.
        index: u64,
        /// What is wrong.
        reason: String,
    },
}

/// The origin of the log and what its registry begins with, as the first entry states them; `None` for a log that has not begun.
///
/// # Errors
/// [`RegistryError`].
pub async fn opening(store: &dyn Store) -> Result<Option<(String, Root)>, RegistryError> {
    let Some(first) = store.entries(0, 1).await?.pop() else { return Ok(None) };
    match Leaf::parse(&first) {
        Ok(Leaf::Shard { event: ShardEvent::Opened { origin, hub, operator, receipts, log, .. }, .. }) => {
            Ok(Some((origin, Root { hub, operator: *operator, receipts: *receipts, log: *log })))
        }
        _ => Err(RegistryError::Entry { index: 0, reason: "it does not open the shard".to_owned() }),
    }
}

impl Registry {
    /// The registry of a log that has just begun.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self { current: RwLock::new(Arc::new(RegistryState::new(root))) }
    }

    /// The state of the moment.
    #[must_use]
    pub fn state(&self) -> Arc<RegistryState> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Folds in what the log holds beyond the state of the moment.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn catch_up(&self, store: &dyn Store) -> Result<(), RegistryError> {
        let mut state = RegistryState::clone(&self.state());
        for LoggedEntry { index, leaf } in store.registry_entries(state.next()).await? {
            let failed = |reason: String| RegistryError::Entry { index, reason };
            let leaf = Leaf::parse(&leaf).map_err(|error| failed(error.to_string()))?;
            let Leaf::Registry { entry, ts } = leaf else {
                return Err(failed("it is not a registry leaf".into()));
            };
            let entry = UnverifiedRegistryEntry::parse(&entry).map_err(|error| failed(error.to_string()))?;
            state.take(entry, index, ts / 1000).map_err(|error| failed(error.to_string()))?;
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.next() < state.next() {
            *current = Arc::new(state);
        }
        Ok(())
    }
}
