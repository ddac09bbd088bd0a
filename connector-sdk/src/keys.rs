//! The keys of the systems that messages come from, fetched from the hub and kept for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saphan_schemas::envelope::UnverifiedEnvelope;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{KeyId, PublishedKey};
use tokio::time::Instant;

use crate::hub_api::{HubApi, HubError};

/// Keys by system, bounded in number and age.
pub(crate) struct SystemKeys {
    hub: Arc<dyn HubApi>,
    known: Mutex<HashMap<SystemId, Known>>,
}

struct Known {
    keys: HashMap<KeyId, PublishedKey>,
    fetched: Instant,
    /// The last key that was asked for and is not there, so that a flood of forgeries does not become one of requests.
    missing: Option<(KeyId, Instant)>,
}

impl SystemKeys {
    pub(crate) fn new(hub: Arc<dyn HubApi>) -> Self {
        Self { hub, known: Mutex::new(HashMap::new()) }
    }

    /// A key that is known and fresh, without asking the hub.
    pub(crate) fn cached(&self, system: &SystemId, key: KeyId) -> Option<PublishedKey> {
        let known = self.lock();
        let known = known.get(system).filter(|known| known.fetched.elapsed() < FRESH)?;
        known.keys.get(&key).cloned()
    }

    /// The key that an envelope names, asked from the hub if need be. None if the hub says that the system has no such key; also
    /// for what is no envelope.
    ///
    /// # Errors
    /// The hub could not be asked; it may be later.
    pub(crate) async fn of_envelope(&self, text: &str) -> Result<Option<PublishedKey>, HubError> {
        match UnverifiedEnvelope::parse(text) {
            Ok(envelope) => self.find(&envelope.claims().iss, envelope.kid()).await,
            Err(_) => Ok(None),
        }
    }

    async fn find(&self, system: &SystemId, key: KeyId) -> Result<Option<PublishedKey>, HubError> {
        if let Some(found) = self.cached(system, key) {
            return Ok(Some(found));
        }
        if self.is_missing(system, key) {
            return Ok(None);
        }
        match self.hub.system_keys(system).await {
            Ok(published) => Ok(self.keep(system, key, published)),
            // The hub knows no such system: then neither such a key.
            Err(error) if !error.is_retryable() => Ok(self.keep(system, key, Vec::new())),
            Err(error) => Err(error),
        }
    }

    fn is_missing(&self, system: &SystemId, key: KeyId) -> bool {
        let missing = self.lock().get(system).and_then(|known| known.missing);
        missing.is_some_and(|(missing, at)| missing == key && at.elapsed() < MISSING_FOR)
    }

    fn keep(&self, system: &SystemId, wanted: KeyId, published: Vec<PublishedKey>) -> Option<PublishedKey> {
        // The name is derived from the key itself; what the set says about it is not needed.
        let keys: HashMap<_, _> = published.into_iter().map(|published| (published.key.id(), published)).collect();
        let found = keys.get(&wanted).cloned();
        let now = Instant::now();
        let missing = if found.is_none() { Some((wanted, now)) } else { None };
        let mut known = self.lock();
        if known.len() >= MOST_SYSTEMS
            && !known.contains_key(system)
            && let Some(oldest) = known.iter().min_by_key(|(_, known)| known.fetched).map(|(system, _)| system.clone())
        {
            known.remove(&oldest);
        }
        known.insert(system.clone(), Known { keys, fetched: now, missing });
        found
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SystemId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After this time a system's keys are fetched anew, so that revocations are seen.
const FRESH: Duration = Duration::from_secs(600);

/// A key that was not there is asked for again after this time.
const MISSING_FOR: Duration = Duration::from_secs(5);

const MOST_SYSTEMS: usize = 1024;
