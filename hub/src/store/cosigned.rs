//! Checkpoints that witnesses cosigned, as far as they are stored.

use futures_util::future::BoxFuture;

use super::StoreError;
use crate::shards::Shard;
use crate::witnesses::Cosigned;

/// The newest checkpoint of a log that a quorum of witnesses has cosigned. Of a log that goes on it is asked for again and again, and
/// need not be here; of one that is closed it is the last word of those who may not be there for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCosigned {
    /// The checkpoint.
    pub cosigned: Cosigned,
    /// Whether every witness that the hub asks has cosigned it. Nobody is asked again then.
    pub by_all: bool,
}

/// The cosigned checkpoint of each log that is kept.
pub trait CosignedIndex: Send + Sync {
    /// Keeps one in the place of an earlier one that is not of more entries. Durable on return.
    fn keep_cosigned<'a>(
        &'a self,
        shard: &'a Shard,
        cosigned: &'a KeptCosigned,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// That of this log.
    fn kept_cosigned<'a>(&'a self, shard: &'a Shard) -> BoxFuture<'a, Result<Option<KeptCosigned>, StoreError>>;
}
