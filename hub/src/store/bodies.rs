//! What there is to know of bodies beside what is in them: whether they are still needed, until when, and which were erased.

use futures_util::future::BoxFuture;
use saphan_schemas::ids::CaseId;

use super::{Asker, StoreError};

/// A message, as far as the erasure of its body is concerned.
#[derive(Debug, Clone)]
pub struct BodyRecord {
    /// Its place in the log.
    pub index: u64,
    /// The exact leaf, which holds the envelope.
    pub leaf: Vec<u8>,
    /// The place of the entry that says that it was erased.
    pub erased: Option<u64>,
    /// Whether its recipient has neither acknowledged it nor let it expire.
    pub undelivered: bool,
    /// Cases that use it as evidence though it came for another.
    pub reused_by: Vec<CaseId>,
}

/// Bodies and their end. Erasing itself is an entry of the log: [`Effect::Erasure`](super::Effect::Erasure).
pub trait BodyIndex: Send + Sync {
    /// Those of these places that hold messages, in order of places.
    fn bodies<'a>(&'a self, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<BodyRecord>, StoreError>>;

    /// Those of these messages that were erased, each with the place of the entry that says so.
    fn erasures<'a>(&'a self, asker: Asker, indices: &'a [u64]) -> BoxFuture<'a, Result<Vec<(u64, u64)>, StoreError>>;

    /// Messages whose bodies are to be erased by `now` (ms), those that wait longest first.
    fn bodies_due(&self, now: u64, limit: u32) -> BoxFuture<'_, Result<Vec<u64>, StoreError>>;

    /// Keeps these bodies until this time, in milliseconds since 1970. Durable on return.
    fn keep_bodies<'a>(&'a self, indices: &'a [u64], until: u64) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Leaves no copy of what was erased in any file of the store; `false` if somebody reads there, and copies may be left. Others
    /// wait for it as for a write.
    fn wipe(&self) -> BoxFuture<'_, Result<bool, StoreError>>;
}
