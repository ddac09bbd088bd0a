//! Whether the hub takes messages.

use tokio::time::Instant;

/// Closed after an outage, for a while. Then one message probes before the others follow.
#[derive(Default)]
pub(super) struct Gate {
    failures: u32,
    until: Option<Instant>,
}

impl Gate {
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| until <= now)
    }

    /// Forgets a time that has come, so that nobody waits for it again.
    pub(super) fn pass(&mut self, now: Instant) {
        self.until = self.until.filter(|until| *until > now);
    }

    /// Whether one message is to probe.
    pub(super) const fn probes(&self) -> bool {
        self.failures > 0
    }

    /// How often it was closed since it was open.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// When it is to be tried again.
    pub(super) const fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn close(&mut self, until: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.until = Some(until);
    }

    pub(super) fn open(&mut self) {
        if self.failures > 0 {
            tracing::info!("the hub takes messages again");
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_gate_whose_time_has_come_is_open_and_waits_for_nothing() {
        let (now, mut gate) = (Instant::now(), Gate::default());
        gate.close(now + Duration::from_secs(1));
        assert!(!gate.is_open(now));
        gate.pass(now + Duration::from_secs(1));
        assert_eq!((gate.until(), gate.probes()), (None, true), "one message probes");
        gate.open();
        assert!(!gate.probes());
    }
}
