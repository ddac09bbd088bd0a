//! The keys of what is sealed, as they are stored: wrapped.

use futures_util::future::BoxFuture;
use saphan_schemas::ids::MessageId;

use super::StoreError;
use crate::sealing::{Binding, StorageKeyId, WrappedKey};

/// Where a wrapped key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPlace {
    /// Among the keys of documents, under this number.
    Document(u64),
    /// With the body of the message at this place of the log.
    Body(u64),
    /// With a letter of the hub's own system that is not in the log yet.
    Letter(MessageId),
    /// With the text of the query at this place of the log.
    Query(u64),
}

/// A wrapped key with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Where it is.
    pub place: KeyPlace,
    /// What it is for.
    pub binding: Binding,
    /// The key.
    pub wrapped: WrappedKey,
}

/// All wrapped keys, whatever they are for. Every method is durable on return.
pub trait KeyIndex: Send + Sync {
    /// Keys that another storage key than this one wraps, at most `limit`.
    fn wrapped_otherwise(&self, newest: StorageKeyId, limit: u32) -> BoxFuture<'_, Result<Vec<StoredKey>, StoreError>>;

    /// Puts these in the place of those that are there. What was destroyed meanwhile stays destroyed.
    fn wrap_again<'a>(&'a self, keys: &'a [StoredKey]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The storage keys that something is wrapped with.
    fn storage_keys(&self) -> BoxFuture<'_, Result<Vec<StorageKeyId>, StoreError>>;
}
