//! What auditors asked.

use futures_util::future::BoxFuture;
use saphan_schemas::commitment::Salt;
use saphan_schemas::digest::Sha256Hash;

use super::StoreError;

/// A query, to be kept with its entry of the log, which holds the commitment.
#[derive(Debug, Clone)]
pub struct NewQuery {
    /// The commitment: HMAC-SHA-256(salt, text).
    pub commit: Sha256Hash,
    /// The salt.
    pub salt: Salt,
    /// The exact text.
    pub text: String,
}

/// A query as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptQuery {
    /// The place of its entry.
    pub index: u64,
    /// The salt of the commitment in the entry.
    pub salt: Salt,
    /// The exact text.
    pub text: String,
}

/// The texts of queries. They are written by [`Store::commit`](super::Store::commit), with their entries.
pub trait QueryIndex: Send + Sync {
    /// Those of the queries at these places whose texts are kept and open, in order of places.
    fn queries<'a>(&'a self, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<KeptQuery>, StoreError>>;
}
