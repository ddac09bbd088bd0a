//! Timestamps on checkpoints, as they are stored.

use futures_util::future::BoxFuture;
use saphan_schemas::log::Stamped;

use super::StoreError;

/// Timestamps, in the order of the sizes that they are for. Nothing else depends on them, and none is ever removed.
pub trait TimestampIndex: Send + Sync {
    /// Keeps a token behind all others. One for a size that is not above theirs is left out. Durable on return.
    fn keep_timestamp<'a>(&'a self, stamped: Stamped, token: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Those from number `first` on, counted from 0.
    fn timestamps(&self, first: u64, count: u32) -> BoxFuture<'_, Result<Vec<Stamped>, StoreError>>;

    /// The newest, with how many there are.
    fn newest_timestamp(&self) -> BoxFuture<'_, Result<Option<(u64, Stamped)>, StoreError>>;

    /// The token for this size.
    fn timestamp(&self, size: u64) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>>;
}
