//! So many a second for each payer, by the generic cell rate algorithm: a token bucket that keeps one number a payer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Exhausted, Payer};

/// As many a second as configured for each payer, and two seconds' worth at once; or one in so many seconds, and some at once.
#[derive(Debug)]
pub struct RateLimit {
    /// Between two of them at the steady rate, in nanoseconds; `None`: no limit.
    interval: Option<u64>,
    /// What may come at once: so many nanoseconds' worth.
    window: u64,
    what: &'static str,
    /// When each would be back at its full allowance, in nanoseconds since 1970.
    full_at: Mutex<HashMap<Payer, u64>>,
}

impl RateLimit {
    /// At most `per_second` of `what`, up to a million; 0 for no limit.
    #[must_use]
    pub fn new(per_second: u32, what: &'static str) -> Self {
        let interval = SECOND.checked_div(per_second.into());
        Self { interval, window: WINDOW, what, full_at: Mutex::default() }
    }

    /// One of `what` in `seconds`, and `at_once` after a while without any.
    #[must_use]
    pub fn spaced(seconds: u32, at_once: u32, what: &'static str) -> Self {
        let interval = SECOND * u64::from(seconds);
        Self { interval: Some(interval), window: interval * u64::from(at_once), what, full_at: Mutex::default() }
    }

    /// Takes one, at `now` (ms since 1970).
    ///
    /// # Errors
    /// [`Exhausted`].
    pub fn take(&self, payer: &Payer, now: u64) -> Result<(), Exhausted> {
        self.take_all(1, payer, now)
    }

    /// Takes `wanted`, or none.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub fn take_all(&self, wanted: u64, payer: &Payer, now: u64) -> Result<(), Exhausted> {
        if self.take_between(wanted, wanted, payer, now) == wanted { Ok(()) } else { Err(self.exhausted()) }
    }

    /// Takes as many as there are, `wanted` at most, at `now` (ms since 1970); returns how many.
    pub fn take_up_to(&self, wanted: u64, payer: &Payer, now: u64) -> u64 {
        self.take_between(0, wanted, payer, now)
    }

    /// Takes as many as there are, `most` at most, and none of fewer than `least`; returns how many.
    fn take_between(&self, least: u64, most: u64, payer: &Payer, now: u64) -> u64 {
        let Some(interval) = self.interval else { return most };
        let now = nanoseconds(now);
        let mut payers = self.payers();
        let full_at = payers.entry(payer.clone()).or_insert(now);
        self.settle(full_at, now);
        let there_are = most.min((now + self.window - *full_at) / interval);
        let taken = if there_are < least { 0 } else { there_are };
        *full_at += taken * interval;
        taken
    }

    /// Whether there is one, at `now` (ms since 1970), without taking it.
    ///
    /// # Errors
    /// [`Exhausted`].
    pub fn check(&self, payer: &Payer, now: u64) -> Result<(), Exhausted> {
        let Some(interval) = self.interval else { return Ok(()) };
        let now = nanoseconds(now);
        let mut payers = self.payers();
        let Some(full_at) = payers.get_mut(payer) else { return Ok(()) };
        self.settle(full_at, now);
        if now + self.window - *full_at >= interval { Ok(()) } else { Err(self.exhausted()) }
    }

    /// Gives one back that was taken for nothing.
    pub fn give_back(&self, payer: &Payer) {
        if let Some(interval) = self.interval
            && let Some(at) = self.payers().get_mut(payer)
        {
            *at = at.saturating_sub(interval);
        }
    }

    /// What to say to a payer whose allowance is spent.
    #[must_use]
    pub fn exhausted(&self) -> Exhausted {
        let seconds = self.interval.unwrap_or(0).div_ceil(SECOND).max(1);
        Exhausted { seconds, ..Exhausted::of(self.what) }
    }

    /// Nobody saves up more than a window's worth. And nobody can owe more than that, unless the clock was set back: then all
    /// begin anew, or an hour that comes twice would stop everyone for that hour.
    fn settle(&self, full_at: &mut u64, now: u64) {
        if !(now..=now + self.window).contains(full_at) {
            *full_at = now;
        }
    }

    fn payers(&self) -> MutexGuard<'_, HashMap<Payer, u64>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanoseconds(milliseconds: u64) -> u64 {
    // Until the year 2554.
    milliseconds.saturating_mul(1_000_000).min(u64::MAX / 2)
}

const SECOND: u64 = 1_000_000_000;

/// What may come at once of what is limited by the second.
const WINDOW: u64 = 2 * SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_543_200_000;

    fn system(name: &str) -> Payer {
        Payer::System(format!("th.dga/{name}").parse().unwrap())
    }

    #[test]
    fn two_seconds_worth_may_come_at_once_and_then_as_many_as_a_second_gives() {
        let (limit, portal) = (RateLimit::new(3, "tests"), system("portal"));
        assert_eq!(limit.take_up_to(100, &portal, NOW), 6);
        assert_eq!(limit.take(&portal, NOW), Err(Exhausted { what: "tests", seconds: 1 }));
        assert_eq!(limit.take_up_to(100, &portal, NOW + 1000), 3);
        assert_eq!(limit.take_up_to(100, &portal, NOW + 1333), 0);
        assert_eq!(limit.take_up_to(100, &portal, NOW + 1334), 1);
        assert_eq!(limit.take_up_to(100, &portal, NOW + 1_000_000), 6, "nobody saves up");
    }

    #[test]
    fn after_the_time_that_is_said_there_is_one() {
        for per_second in [1, 7, 1000, 1_000_000] {
            let (limit, portal) = (RateLimit::new(per_second, "tests"), system("portal"));
            limit.take_up_to(u64::MAX, &portal, NOW);
            let Err(Exhausted { seconds, .. }) = limit.check(&portal, NOW) else { panic!("{per_second}: not spent") };
            limit.check(&portal, NOW + seconds * 1000).unwrap();
            limit.take(&portal, NOW + seconds * 1000).unwrap();
        }
    }

    #[test]
    fn of_what_is_rare_some_may_come_at_once_and_then_one_in_its_time_all_of_a_request_or_none() {
        let (limit, portal) = (RateLimit::spaced(60, 5, "tests"), system("portal"));
        limit.take_all(4, &portal, NOW).unwrap();
        assert_eq!(limit.take_all(2, &portal, NOW), Err(Exhausted { what: "tests", seconds: 60 }));
        limit.take_all(1, &portal, NOW).unwrap();
        limit.take_all(1, &portal, NOW + 59_999).unwrap_err();
        limit.take_all(1, &portal, NOW + 60_000).unwrap();
        limit.take_all(6, &portal, NOW + 1_000_000_000).unwrap_err();
        limit.take_all(5, &portal, NOW + 1_000_000_000).unwrap();
    }

    #[test]
    fn each_has_its_own() {
        let limit = RateLimit::new(1, "tests");
        assert_eq!(limit.take_up_to(9, &system("a"), NOW), 2);
        assert_eq!(limit.take_up_to(9, &system("b"), NOW), 2);
    }

    #[test]
    fn without_a_limit_there_is_always_one_and_nothing_is_remembered() {
        let (limit, portal) = (RateLimit::new(0, "tests"), system("portal"));
        assert_eq!(limit.take_up_to(1 << 40, &portal, NOW), 1 << 40);
        limit.check(&portal, NOW).unwrap();
        assert!(limit.payers().is_empty());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_more() {
        let (limit, portal) = (RateLimit::new(1, "tests"), system("portal"));
        limit.take_up_to(2, &portal, NOW);
        limit.give_back(&portal);
        assert_eq!(limit.take_up_to(9, &portal, NOW), 1);
        limit.give_back(&system("unknown"));
        for _ in 0..9 {
            limit.give_back(&portal);
        }
        assert_eq!(limit.take_up_to(9, &portal, NOW), 2);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nobody() {
        let (limit, portal) = (RateLimit::new(1, "tests"), system("portal"));
        limit.take_up_to(2, &portal, NOW);
        assert_eq!(limit.take_up_to(9, &portal, NOW - 3_600_000), 2);
    }
}
