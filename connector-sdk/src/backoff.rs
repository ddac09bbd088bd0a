//! Exponential back-off with full jitter, so that many connectors do not return in step after an outage.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::Duration;

/// How long to wait before trying again: a random time up to a bound that doubles with each attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// The bound after the first failure.
    pub(crate) first: Duration,
    /// The bound that no wait exceeds.
    pub(crate) most: Duration,
}

impl Backoff {
    /// A wait after `failures` failures in a row, at least `asked`: what the other side asked for is a floor.
    pub(crate) fn delay(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let bound = self.bound(failures);
        // Spread is needed here, not secrecy: the standard library's per-instance random keys give it.
        let random = RandomState::new().build_hasher().finish();
        let share = (random >> 11) as f64 / (1u64 << 53) as f64;
        let jittered = bound.mul_f64(share);
        asked.map_or(jittered, |asked| asked.min(LONGEST_ASKED) + jittered)
    }

    fn bound(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(200), most: Duration::from_secs(30) }
    }
}

/// A `Retry-After` beyond this is a mistake, and must not stop a sender for days.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_most() {
        let backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(1) };
        let bounds: Vec<u128> = (1..=6).map(|failures| backoff.bound(failures).as_millis()).collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.bound(u32::MAX), Duration::from_secs(1));
    }

    #[test]
    fn a_delay_is_jittered_and_never_shorter_than_asked() {
        let backoff = Backoff::default();
        let asked = Duration::from_secs(7);
        let delays: Vec<Duration> = (0..32).map(|_| backoff.delay(4, Some(asked))).collect();
        assert!(delays.iter().all(|delay| *delay >= asked && *delay <= asked + backoff.bound(4)));
        assert!(delays.iter().any(|delay| *delay != delays[0]), "no jitter in {delays:?}");
    }
}
