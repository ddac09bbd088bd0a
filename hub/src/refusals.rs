//! Which refusals are in the log already: an envelope that is sent again and again, or by whoever found it in the public log,
//! is one leaf and not a way to fill the log.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::problem::ProblemCode;

/// The refusals logged last, with their places. Forgotten after a restart and beyond a bound: a leaf more does no harm.
#[derive(Debug, Default)]
pub struct LoggedRefusals(Mutex<Recent>);

type Key = (Sha256Hash, ProblemCode);

#[derive(Debug, Default)]
struct Recent {
    places: HashMap<Key, u64>,
    order: VecDeque<Key>,
}

impl LoggedRefusals {
    /// Where the refusal of an envelope (by SHA-256 of its text) for this reason is in the log, if it is known.
    #[must_use]
    pub fn place(&self, envelope: Sha256Hash, code: ProblemCode) -> Option<u64> {
        self.recent().places.get(&(envelope, code)).copied()
    }

    /// Remembers where a refusal was logged.
    pub fn remember(&self, envelope: Sha256Hash, code: ProblemCode, place: u64) {
        let mut recent = self.recent();
        if recent.places.insert((envelope, code), place).is_none() {
            recent.order.push_back((envelope, code));
        }
        if recent.order.len() > REMEMBERED
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.places.remove(&oldest);
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About 10 MB.
const REMEMBERED: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_refusals_are_forgotten_and_the_newest_are_known() {
        let refusals = LoggedRefusals::default();
        let envelope = |number: usize| Sha256Hash::of(&number.to_be_bytes());
        for number in 0..=REMEMBERED {
            refusals.remember(envelope(number), ProblemCode::KeyRevoked, number as u64);
        }
        assert_eq!(refusals.place(envelope(0), ProblemCode::KeyRevoked), None);
        assert_eq!(refusals.place(envelope(1), ProblemCode::KeyRevoked), Some(1));
        assert_eq!(refusals.place(envelope(1), ProblemCode::DuplicateId), None);
    }
}
