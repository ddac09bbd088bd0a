//! Members, systems, keys, services, schemas, agreements: a fold over the log's registry entries.

mod apply;
mod change;
mod publish;
mod texts;
mod view;

pub use apply::{ApplyError, RegistryFile, RevokeSection, SystemSection, changes_for};
pub use change::ChangeError;
pub use publish::SchemaRefusal;
pub use view::RegistryView;

use std::sync::Arc;

use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::leaf::{Leaf, ShardEvent};
use saphan_schemas::registry::{RegistryState, RejectedEntry, Root, UnverifiedRegistryEntry};
use tokio::sync::watch;

use crate::store::{LoggedEntry, Store, StoreError};

/// The registry as the hub uses it: the state of the moment with the schemas that it names, shared without locks held for long.
#[derive(Debug)]
pub struct Registry {
    embedded: Arc<Catalogue>,
    current: watch::Sender<Current>,
}

/// A state of the registry and the catalogue with the texts that it names. Both change together: a message is never checked
/// against another text than the one that its receipt cites.
#[derive(Debug, Clone)]
pub struct Current {
    /// Who exists and may do what.
    pub state: Arc<RegistryState>,
    /// The schemas, those that ended too, without those whose registered text the hub does not have.
    pub catalogue: Arc<Catalogue>,
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
    /// The task that compiles schemas was lost.
    #[error("the schemas could not be compiled")]
    NotCompiled,
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
    /// The registry of a log that has just begun, with the catalogue that the hub is built with.
    #[must_use]
    pub fn new(root: Root, embedded: Arc<Catalogue>) -> Self {
        let current = Current { state: Arc::new(RegistryState::new(root)), catalogue: Arc::clone(&embedded) };
        Self { embedded, current: watch::Sender::new(current) }
    }

    /// Waits until all entries before this place of the log are folded in.
    pub async fn reached(&self, place: u64) {
        // It fails when the sender is gone, which is here.
        let _ = self.current.subscribe().wait_for(|current| current.state.next() >= place).await;
    }

    /// The state of the moment.
    #[must_use]
    pub fn state(&self) -> Arc<RegistryState> {
        self.current().state
    }

    /// The catalogue that the hub is built with.
    #[must_use]
    pub fn embedded(&self) -> &Catalogue {
        &self.embedded
    }

    /// The schemas of the moment.
    #[must_use]
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.current().catalogue
    }

    /// State and schemas of one moment.
    #[must_use]
    pub fn current(&self) -> Current {
        self.current.borrow().clone()
    }

    /// Folds in, before it is logged, the entry that the next leaf will bring: the key of a log whose forerunner is abandoned.
    ///
    /// # Errors
    /// [`RejectedEntry`].
    pub(crate) fn foresee(&self, entry: UnverifiedRegistryEntry, place: u64, now: u64) -> Result<(), RejectedEntry> {
        let Current { state, catalogue } = self.current();
        let mut state = RegistryState::clone(&state);
        state.take(entry, place, now)?;
        self.current.send_replace(Current { state: Arc::new(state), catalogue });
        Ok(())
    }

    /// Folds in what the log holds beyond the state of the moment, and looks again for texts of schemas that were not there.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn catch_up(&self, store: &dyn Store) -> Result<(), RegistryError> {
        let before = self.current();
        let mut state = RegistryState::clone(&before.state);
        for LoggedEntry { index, leaf } in store.registry_entries(state.next()).await? {
            let failed = |reason: String| RegistryError::Entry { index, reason };
            let leaf = Leaf::parse(&leaf).map_err(|error| failed(error.to_string()))?;
            let entry = leaf.registry_entry().ok_or_else(|| failed("it is not a registry leaf".into()))?;
            let entry = UnverifiedRegistryEntry::parse(entry).map_err(|error| failed(error.to_string()))?;
            state.take(entry, index, leaf.ts() / 1000).map_err(|error| failed(error.to_string()))?;
        }
        let catalogue = if before.state.last_schema_texts().eq(state.last_schema_texts()) && texts::is_complete(&before)
        {
            before.catalogue
        } else {
            texts::catalogue(&self.embedded, &state, store).await?
        };
        let new = Current { state: Arc::new(state), catalogue };
        self.current.send_if_modified(|current| {
            let is_newer = current.state.next() <= new.state.next();
            if is_newer {
                *current = new;
            }
            is_newer
        });
        Ok(())
    }
}
