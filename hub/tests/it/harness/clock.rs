//! Time under the test's control.

use std::sync::atomic::{AtomicU64, Ordering};

use saphan_hub::clock::Clock;

/// 2026-11-24T18:00:00Z, in seconds since 1970: when every test begins.
pub(crate) const NOW: u64 = 1_795_543_200;

/// Stands still until it is moved.
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(NOW * 1000))
    }

    /// In seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.now_ms() / 1000
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub(crate) fn go_back(&self, seconds: u64) {
        self.0.fetch_sub(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
