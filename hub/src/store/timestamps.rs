//! Timestamps on checkpoints, as they are stored.

use futures_util::future::BoxFuture;
use saphan_schemas::log::Stamped;

use super::StoreError;
use crate::shards::Shard;

/// Timestamps on the checkpoints of each log, in the order of the sizes that they are for. Nothing else depends on them, and none is
/// ever removed.
pub trait TimestampIndex: Send + Sync {
    /// Keeps a token behind all others of its log. One for a size that is not above theirs is left out. Durable on return.
    fn keep_timestamp<'a>(
        &'a self,
        shard: &'a Shard,
        stamped: Stamped,
        token: &'a [u8],
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Those of a log from number `first` on, counted from 0.
    fn timestamps<'a>(
        &'a self,
        shard: &'a Shard,
        first: u64,
        count: u32,
    ) -> BoxFuture<'a, Result<Vec<Stamped>, StoreError>>;

    /// The newest of a log, with how many there are.
    fn newest_timestamp<'a>(&'a self, shard: &'a Shard) -> BoxFuture<'a, Result<Option<(u64, Stamped)>, StoreError>>;

    /// The token for this size of a log.
    fn timestamp<'a>(&'a self, shard: &'a Shard, size: u64) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;
}
