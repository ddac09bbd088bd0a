//! Counts of each minute, for plots of the exchange's health.

use std::collections::BTreeMap;

/// What is counted. The number is what the file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Accepted,
    /// By problem code.
    Refused,
    Processed,
    /// By the receiver's code.
    Rejected,
    /// By how long it took from acceptance to acknowledgement: see [`step`].
    Took,
}

impl What {
    pub(super) const ALL: [Self; 5] = [Self::Accepted, Self::Refused, Self::Processed, Self::Rejected, Self::Took];

    pub(super) const fn number(self) -> i64 {
        match self {
            Self::Accepted => 0,
            Self::Refused => 1,
            Self::Processed => 2,
            Self::Rejected => 3,
            Self::Took => 4,
        }
    }

    pub(super) fn of(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.number() == number)
    }
}

/// The counts of some entries: minute, what, and which of it.
#[derive(Debug, Default)]
pub(super) struct Tally(BTreeMap<(u64, i64, i64), u64>);

impl Tally {
    /// One more at this time (ms).
    pub(super) fn count(&mut self, at: u64, what: What, which: i64) {
        *self.0.entry((at / MINUTE_MS, what.number(), which)).or_default() += 1;
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = [u64; 4]> + '_ {
        let row = |((minute, what, which), count): (&(u64, i64, i64), &u64)| {
            [*minute, what.unsigned_abs(), which.unsigned_abs(), *count]
        };
        self.0.iter().map(row)
    }
}

/// The step of a stair that a time in milliseconds does not exceed; each is at most half as high again as the one before.
pub(super) fn step(milliseconds: u64) -> i64 {
    let steps = std::iter::successors(Some(0), |step| Some(higher(*step)));
    // A hundred steps reach farther than any clock.
    steps.take(STEPS).position(|step| step >= milliseconds).map_or(STEPS as i64, |step| step as i64)
}

/// How high a step is, in milliseconds.
pub(super) fn height(step: i64) -> u64 {
    let steps = usize::try_from(step).unwrap_or(0).min(STEPS);
    (0..steps).fold(0, |height, _| higher(height))
}

fn higher(step: u64) -> u64 {
    step.saturating_add((step / 2).max(1))
}

pub(super) const MINUTE_MS: u64 = 60_000;
const STEPS: usize = 110;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_never_above_its_step_and_never_far_below() {
        for milliseconds in (0..5_000).chain([86_400_000, 31_536_000_000, u64::MAX / 4]) {
            let height = height(step(milliseconds));
            assert!(milliseconds <= height && height <= milliseconds + milliseconds / 2, "{milliseconds} {height}");
        }
        assert!(What::ALL.into_iter().all(|what| What::of(what.number()) == Some(what)));
    }
}
