//! After a rotation: all data keys under the newest storage key, so that the files of the older ones can be destroyed.

use std::collections::HashSet;

use super::{SealError, StorageKeys};
use crate::store::{KeyIndex, KeyPlace, StoreError, StoredKey};

/// Why keys cannot be wrapped again. What was done before stays done.
#[derive(Debug, thiserror::Error)]
pub enum RewrapError {
    /// There is no storage key, or no randomness.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrapped {
    /// Keys that are wrapped with the newest storage key now.
    pub done: u64,
    /// Keys that do not open: damaged, or of a storage key that is not here. They stay as they are.
    pub unopened: u64,
}

/// Wraps every data key again that is not under the newest storage key. When nothing was done and nothing is left, nothing needs the
/// older storage keys any more. It may be cut off and started again at any time.
///
/// # Errors
/// [`RewrapError`].
pub async fn all(keys: &StorageKeys, index: &(impl KeyIndex + ?Sized)) -> Result<Rewrapped, RewrapError> {
    let mut done = 0;
    let mut unopened: HashSet<KeyPlace> = HashSet::new();
    loop {
        let newest = keys.newest()?;
        let limit = AT_ONCE.saturating_add(u32::try_from(unopened.len()).unwrap_or(u32::MAX));
        let stored = index.wrapped_otherwise(newest, limit).await?;
        let mut again = Vec::new();
        for StoredKey { place, binding, wrapped } in stored {
            if unopened.contains(&place) {
                continue;
            }
            match keys.unwrap(&wrapped, &binding) {
                Ok(key) => {
                    let wrapped = keys.wrap(&key, &binding)?;
                    again.push(StoredKey { place, binding, wrapped });
                }
                Err(_) => {
                    unopened.insert(place);
                }
            }
        }
        if again.is_empty() {
            return Ok(Rewrapped { done, unopened: unopened.len() as u64 });
        }
        index.wrap_again(&again).await?;
        done += again.len() as u64;
    }
}

/// One short transaction's worth: everyone else waits for it.
const AT_ONCE: u32 = 256;
