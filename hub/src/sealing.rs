//! Content that only the hub can read, each under a key of its own.
//!
//! Everything sealed has its own [`DataKey`]. Of that, only a [`WrappedKey`] is stored: the data key, encrypted with a
//! [`StorageKey`] that is a file beside the store. Who has the store, or its backup, has nothing; who destroys the wrapped key has
//! destroyed the content, wherever copies of it are. When the storage key is rotated, the wrapped keys are [wrapped
//! again](rewrap), and the content stays as it is.
//!
//! AES-256-GCM (NIST SP 800-38D) by ring, and nothing else.

mod data_key;
mod once;
pub mod rewrap;
mod storage_key;

pub(crate) use data_key::TAG_BYTES;
pub use data_key::{DataKey, Sealed};
pub use once::SealedOnce;
pub use storage_key::{StorageKey, StorageKeyId, StorageKeys, WrappedKey};

use std::sync::Arc;

/// Why something cannot be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The random source failed.
    #[error("the system's random source failed")]
    NoRandomness,
    /// What is opened was changed, cut off, or is something else than it is taken for.
    #[error("what was sealed does not open: it was changed, or is not what it is taken for")]
    Broken,
    /// The file of the storage key is gone.
    #[error("the storage key {id} is not here")]
    KeyMissing {
        /// Its name.
        id: StorageKeyId,
    },
    /// There is no storage key at all.
    #[error("there is no storage key")]
    NoKey,
}

/// What sealed bytes are for; they open for nothing else.
///
/// A purpose in words that ends in a version, and whatever tells one of its kind from another. Both parts are told apart by a
/// zero byte, which no purpose has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding(Arc<[u8]>);

impl Binding {
    /// `purpose`, e.g. `document-salt-1`, and which one.
    #[must_use]
    pub fn new(purpose: &'static str, which: &[&[u8]]) -> Self {
        let mut bytes = Vec::with_capacity(purpose.len() + 64);
        bytes.extend_from_slice(purpose.as_bytes());
        bytes.push(0);
        for part in which {
            bytes.extend_from_slice(part);
        }
        Self(bytes.into())
    }

    /// As it was stored beside a wrapped key.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The bytes that are authenticated beside the content.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
