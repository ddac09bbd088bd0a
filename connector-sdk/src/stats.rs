//! What a connector has done since it started, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters; they only grow.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) unverified: AtomicU64,
    pub(crate) processed: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64, more: usize) {
        counter.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// A message ended.
    pub(crate) fn ended(&self, rejected: bool) {
        Self::add(if rejected { &self.rejected } else { &self.processed }, 1);
    }

    pub(crate) fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            accepted: of(&self.accepted),
            refused: of(&self.refused),
            received: of(&self.received),
            duplicates: of(&self.duplicates),
            unverified: of(&self.unverified),
            processed: of(&self.processed),
            rejected: of(&self.rejected),
            retried: of(&self.retried),
            acknowledged: of(&self.acknowledged),
        }
    }
}

/// What a connector has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Messages that the hub accepted from this system.
    pub accepted: u64,
    /// Messages that the hub refused for good.
    pub refused: u64,
    /// Messages that arrived, verified and stored for the first time.
    pub received: u64,
    /// Verified messages that had arrived before.
    pub duplicates: u64,
    /// Messages that did not verify; no handler saw them. Above zero somebody changes messages, or keys are missing.
    pub unverified: u64,
    /// Messages that a handler finished.
    pub processed: u64,
    /// Messages that were rejected.
    pub rejected: u64,
    /// Times that a handler failed or asked for a retry.
    pub retried: u64,
    /// Outcomes that the hub has.
    pub acknowledged: u64,
}
