//! How long a connection is borne that proves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What one connection did of late.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patience(Arc<AtomicU32>);

impl Patience {
    /// A request proved who it is from.
    pub(crate) fn proven(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// A request was refused and proved nothing; returns how long the answer is to wait.
    pub(crate) fn unproven(&self, pause: Duration) -> Duration {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        if before < BORNE { Duration::ZERO } else { pause }
    }
}

/// A client with a wrong key or a wrong clock gets its answers at once; it stops to ask, or is mended.
const BORNE: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_answered_at_once_and_then_none_until_one_proves_something() {
        let (patience, pause) = (Patience::default(), Duration::from_secs(1));
        for _ in 0..2 {
            for _ in 0..BORNE {
                assert_eq!(patience.unproven(pause), Duration::ZERO);
            }
            assert_eq!((patience.unproven(pause), patience.unproven(pause)), (pause, pause));
            patience.proven();
        }
    }
}
