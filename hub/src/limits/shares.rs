//! How much of something bounded each payer holds.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Exhausted, Payer};

/// At most so much for each payer. Remembers those that hold something.
#[derive(Debug, Clone)]
pub struct Shares<K = Payer> {
    most: usize,
    what: &'static str,
    held: Arc<Mutex<HashMap<K, usize>>>,
}

/// What a payer holds; given back when dropped.
#[derive(Debug)]
pub struct Share<K: Eq + Hash = Payer> {
    held: Arc<Mutex<HashMap<K, usize>>>,
    payer: K,
    amount: usize,
}

impl<K: Clone + Eq + Hash> Shares<K> {
    /// At most `most` of `what`.
    #[must_use]
    pub fn new(most: usize, what: &'static str) -> Self {
        Self { most, what, held: Arc::default() }
    }

    /// Holds `amount` more.
    ///
    /// # Errors
    /// [`Exhausted`] when that were over the payer's share.
    pub fn take(&self, payer: &K, amount: usize) -> Result<Share<K>, Exhausted> {
        let mut held = lock(&self.held);
        let before = held.get(payer).copied().unwrap_or(0);
        let after = before.saturating_add(amount);
        if after > self.most {
            return Err(Exhausted::of(self.what));
        }
        held.insert(payer.clone(), after);
        Ok(Share { held: Arc::clone(&self.held), payer: payer.clone(), amount })
    }

    /// Whether a payer holds a quarter of its share or more.
    #[must_use]
    pub fn is_well_used(&self, payer: &K) -> bool {
        lock(&self.held).get(payer).is_some_and(|held| *held >= self.most / 4)
    }
}

fn lock<K>(held: &Mutex<HashMap<K, usize>>) -> MutexGuard<'_, HashMap<K, usize>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(amount) = held.get_mut(&self.payer) {
            *amount = amount.saturating_sub(self.amount);
            if *amount == 0 {
                held.remove(&self.payer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holds_its_share_and_no_more_and_what_is_dropped_is_free_again() {
        let shares = Shares::new(4, "places");
        let [a, b] = ["a", "b"].map(|name| Payer::System(format!("th.dga/{name}").parse().unwrap()));
        let first = shares.take(&a, 3).unwrap();
        assert_eq!(shares.take(&a, 2).unwrap_err(), Exhausted { what: "places", seconds: 1 });
        let second = shares.take(&a, 1).unwrap();
        let _other = shares.take(&b, 4).unwrap();
        drop(first);
        assert!(shares.is_well_used(&a));
        let third = shares.take(&a, 3).unwrap();
        drop((second, third));
        assert!(!shares.is_well_used(&a));
        assert_eq!(lock(&shares.held).len(), 1, "who holds nothing is forgotten");
        assert!(shares.take(&a, usize::MAX).is_err());
    }
}
