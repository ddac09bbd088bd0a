//! When somebody must be told.

use std::time::{Duration, Instant};

use super::finding::Finding;
use crate::log_check::TamperClass;

/// Hears what each audit of a log that is watched found, and says when that is news for whoever is to be woken.
#[derive(Debug)]
pub struct Monitor {
    patience: Duration,
    /// When the log was had last, or the watch began.
    answered: Instant,
    told: Option<Told>,
    told_of_silence: bool,
}

/// What somebody was told of. As a log grows, its numbers of entries change; that is no news.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    class: TamperClass,
    entry: Option<u64>,
    file: Option<String>,
}

impl Monitor {
    /// Begins a watch. A log that cannot be had is told of after `patience`, for it may only be busy.
    #[must_use]
    pub const fn new(patience: Duration, now: Instant) -> Self {
        Self { patience, answered: now, told: None, told_of_silence: false }
    }

    /// The log holds.
    pub fn holds(&mut self, now: Instant) {
        self.answer(now);
        self.told = None;
    }

    /// The log does not hold. Gives whether this is news: something else than before, or after it had held.
    pub fn does_not_hold(&mut self, finding: &Finding, now: Instant) -> bool {
        self.answer(now);
        // Where entries stand is in the bundle's path already, and a partial bundle gets another one as the log grows.
        let file = if finding.entry().is_some() { None } else { finding.file() };
        let found = Told { class: finding.class(), entry: finding.entry(), file };
        let is_news = self.told.as_ref() != Some(&found);
        self.told = Some(found);
        is_news
    }

    /// The log could not be had. Gives whether that is news: for longer than the patience, for the first time since it was had.
    pub fn cannot_be_had(&mut self, now: Instant) -> bool {
        let is_news = !self.told_of_silence && now.duration_since(self.answered) >= self.patience;
        self.told_of_silence |= is_news;
        is_news
    }

    const fn answer(&mut self, now: Instant) {
        self.answered = now;
        self.told_of_silence = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_check::{LeafFault, LogCheckError};

    fn entry(index: u64) -> Finding {
        Finding::Log(LogCheckError::Leaf { index, fault: LeafFault::Signature })
    }

    #[test]
    fn a_verdict_is_told_once_and_again_after_the_log_had_held() {
        let now = Instant::now();
        let mut monitor = Monitor::new(Duration::from_secs(60), now);
        assert!(monitor.does_not_hold(&entry(5), now));
        assert!(!monitor.does_not_hold(&entry(5), now));
        assert!(monitor.does_not_hold(&entry(6), now), "another entry");
        assert!(!monitor.cannot_be_had(now));
        assert!(!monitor.does_not_hold(&entry(6), now), "nothing was known in between");
        monitor.holds(now);
        assert!(monitor.does_not_hold(&entry(6), now));
    }

    #[test]
    fn silence_is_told_once_when_patience_ends_and_again_after_an_answer() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut monitor = Monitor::new(Duration::from_secs(60), start);
        assert!(!monitor.cannot_be_had(after(59)));
        assert!(monitor.cannot_be_had(after(60)));
        assert!(!monitor.cannot_be_had(after(600)));
        monitor.holds(after(700));
        assert!(!monitor.cannot_be_had(after(759)));
        assert!(monitor.cannot_be_had(after(760)));
    }
}
