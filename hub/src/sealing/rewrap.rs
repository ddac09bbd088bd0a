//! After a rotation: all data keys under the newest storage key, so that the files of the older ones can be destroyed.

use super::{SealError, StorageKeys};
use crate::store::{KeyIndex, StoreError, StoredKey};

/// Why keys cannot be wrapped again. What was done before stays done.
#[derive(Debug, thiserror::Error)]
pub enum RewrapError {
    /// A key does not open.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Wraps every data key again that is not under the newest storage key. Returns how many; 0 means that nothing needs the older
/// storage keys any more. It may be cut off and started again at any time.
///
/// # Errors
/// [`RewrapError`].
pub async fn all(keys: &StorageKeys, index: &(impl KeyIndex + ?Sized)) -> Result<u64, RewrapError> {
    let mut done = 0;
    loop {
        let newest = keys.newest()?;
        let mut stored = index.wrapped_otherwise(newest, AT_ONCE).await?;
        if stored.is_empty() {
            return Ok(done);
        }
        for StoredKey { binding, wrapped, .. } in &mut stored {
            let key = keys.unwrap(wrapped, binding)?;
            *wrapped = keys.wrap(&key, binding)?;
        }
        index.wrap_again(&stored).await?;
        done += stored.len() as u64;
    }
}

/// One short transaction's worth: everyone else waits for it.
const AT_ONCE: u32 = 256;
