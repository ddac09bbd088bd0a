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
    /// Whether an audit has ended without a verdict since.
    is_silent: bool,
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
        Self { patience, answered: now, told: None, told_of_silence: false, is_silent: false }
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
        self.is_silent = true;
        is_news
    }

    /// When patience ends with an audit that runs since `begun` and at `advanced` took its last entry as one that holds, or began. A
    /// first audit may take longer than the patience, but not without taking entries; and no longer than [`LONGEST_AUDIT`], for whoever
    /// has the log's key can sign any size, and whoever serves the log can hand out one bundle each time that patience nears its end.
    /// What an audit took counts for itself alone: if it ends without a verdict, the log could not be had all the while.
    ///
    /// `None`: somebody was told already, or it never ends.
    #[must_use]
    pub fn patience_ends(&self, begun: Instant, advanced: Instant) -> Option<Instant> {
        if self.told_of_silence {
            return None;
        }
        // What this audit took does not count for those before it.
        let advanced = if self.is_silent && advanced == begun { self.answered } else { advanced };
        let ends = [advanced.checked_add(self.patience), begun.checked_add(LONGEST_AUDIT.max(self.patience))];
        ends.into_iter().flatten().min()
    }

    const fn answer(&mut self, now: Instant) {
        self.answered = now;
        self.told_of_silence = false;
        self.is_silent = false;
    }
}

/// For how long an audit that advances is no alarm, unless the patience is longer.
pub const LONGEST_AUDIT: Duration = Duration::from_secs(24 * 60 * 60);

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

    #[test]
    fn an_audit_that_hangs_has_no_more_patience_than_those_before_it_left() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut monitor = Monitor::new(Duration::from_secs(60), start);
        assert!(!monitor.cannot_be_had(after(50)));
        assert_eq!(monitor.patience_ends(after(55), after(55)), Some(after(60)));
        assert_eq!(monitor.patience_ends(after(55), after(58)), Some(after(118)), "it takes entries");
        monitor.holds(after(59));
        assert_eq!(monitor.patience_ends(after(100), after(100)), Some(after(160)));
    }

    #[test]
    fn patience_with_an_audit_that_runs_ends_after_its_last_entry_and_no_more_once_that_was_told() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut monitor = Monitor::new(Duration::from_secs(60), start);
        assert_eq!(monitor.patience_ends(start, after(600)), Some(after(660)));
        assert!(monitor.cannot_be_had(after(660)));
        assert_eq!(monitor.patience_ends(start, after(700)), None);
        monitor.holds(after(720));
        assert_eq!(monitor.patience_ends(after(780), after(780)), Some(after(840)));
    }

    #[test]
    fn patience_with_an_audit_that_advances_ends_after_a_day_or_when_it_is_longer_with_itself() {
        let start = Instant::now();
        let day = start + LONGEST_AUDIT;
        let second = Duration::from_secs(1);
        let ends = |patience| Monitor::new(patience, start).patience_ends(start, day - second);
        assert_eq!(ends(Duration::from_secs(60)), Some(day));
        assert_eq!(ends(LONGEST_AUDIT * 2), Some(day + LONGEST_AUDIT));
        assert_eq!(ends(Duration::MAX), None);
    }

    #[test]
    fn an_audit_that_took_entries_and_ends_without_a_verdict_leaves_the_log_away() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut monitor = Monitor::new(Duration::from_secs(60), start);
        assert_eq!(monitor.patience_ends(start, after(599)), Some(after(659)));
        assert!(monitor.cannot_be_had(after(600)));
    }
}
