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
    /// `None` while the refusal is on its way into the log.
    places: HashMap<Key, Option<u64>>,
    order: VecDeque<Key>,
}

/// What is known of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// Nothing: whoever asked logs it now, and says where or that it failed.
    Now,
    /// It was logged, or is being logged; its place, if that is known already.
    Before(Option<u64>),
}

impl LoggedRefusals {
    /// What is known of the refusal of an envelope (by SHA-256 of its text) for this reason. Of many who ask at the same moment
    /// one is to log it.
    #[must_use]
    pub fn reserve(&self, envelope: Sha256Hash, code: ProblemCode) -> Reserved {
        let mut recent = self.recent();
        let key = (envelope, code);
        if let Some(place) = recent.places.get(&key) {
            return Reserved::Before(*place);
        }
        recent.places.insert(key, None);
        recent.order.push_back(key);
        if recent.order.len() > REMEMBERED
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.places.remove(&oldest);
        }
        Reserved::Now
    }

    /// Remembers where a refusal was logged, or that it was not.
    pub fn logged(&self, envelope: Sha256Hash, code: ProblemCode, place: Option<u64>) {
        let mut recent = self.recent();
        let key = (envelope, code);
        if place.is_some() {
            recent.places.entry(key).and_modify(|known| *known = place);
        } else {
            recent.places.remove(&key);
            // It is among the newest; a hub that is busy comes here often.
            let at = recent.order.iter().rposition(|other| *other == key);
            at.and_then(|at| recent.order.remove(at));
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
            assert_eq!(refusals.reserve(envelope(number), ProblemCode::KeyRevoked), Reserved::Now);
            refusals.logged(envelope(number), ProblemCode::KeyRevoked, Some(number as u64));
        }
        assert_eq!(refusals.reserve(envelope(1), ProblemCode::KeyRevoked), Reserved::Before(Some(1)));
        assert_eq!(refusals.reserve(envelope(1), ProblemCode::DuplicateId), Reserved::Now);
        assert_eq!(refusals.reserve(envelope(0), ProblemCode::KeyRevoked), Reserved::Now);
    }

    #[test]
    fn while_one_logs_a_refusal_others_do_not_and_after_a_failure_the_next_one_does() {
        let (refusals, envelope) = (LoggedRefusals::default(), Sha256Hash::of(b"x"));
        assert_eq!(refusals.reserve(envelope, ProblemCode::KeyRevoked), Reserved::Now);
        assert_eq!(refusals.reserve(envelope, ProblemCode::KeyRevoked), Reserved::Before(None));
        refusals.logged(envelope, ProblemCode::KeyRevoked, None);
        assert_eq!(refusals.reserve(envelope, ProblemCode::KeyRevoked), Reserved::Now);
    }
}
