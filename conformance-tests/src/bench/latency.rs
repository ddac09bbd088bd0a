//! Latencies and what is said of them.

use std::time::Duration;

use serde::Serialize;

/// The median and the 99th percentile, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: f64,
    /// Ninety-nine of a hundred are faster.
    pub p99: f64,
}

impl Percentiles {
    /// Of these latencies, by the nearest rank; `None` of none.
    #[must_use]
    pub fn of(mut latencies: Vec<Duration>) -> Option<Self> {
        latencies.sort_unstable();
        let rank = |percent: usize| {
            let at = (latencies.len() * percent).div_ceil(100).saturating_sub(1);
            latencies.get(at).map(|latency| latency.as_secs_f64() * 1000.0)
        };
        Some(Self { p50: rank(50)?, p99: rank(99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let latencies = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(Percentiles::of(latencies), Some(Percentiles { p50: 100.0, p99: 198.0 }));
        assert_eq!(Percentiles::of(Vec::new()), None);
    }
}
