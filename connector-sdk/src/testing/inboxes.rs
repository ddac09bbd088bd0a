//! The test hub's inboxes, with leases.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use saphan_schemas::ids::{MessageId, SystemId};
use tokio::time::Instant;

/// What waits for whom, and what is leased.
#[derive(Default)]
pub(super) struct Inboxes {
    waiting: HashMap<SystemId, VecDeque<u64>>,
    leases: HashMap<String, Leased>,
    settled: HashSet<u64>,
    /// Given back, and not available before their time.
    later: Vec<(Instant, SystemId, u64)>,
}

struct Leased {
    system: SystemId,
    indices: HashSet<u64>,
    ends: Instant,
}

impl Inboxes {
    pub(super) fn add(&mut self, system: &SystemId, index: u64) {
        self.waiting.entry(system.clone()).or_default().push_back(index);
    }

    /// Delivers a message again, even one that is settled.
    pub(super) fn add_again(&mut self, system: &SystemId, index: u64) {
        self.settled.remove(&index);
        self.add(system, index);
    }

    /// Leases what waits; of the first `twice` messages a second delivery waits from then on.
    pub(super) fn lease(&mut self, system: &SystemId, max: usize, twice: &mut usize) -> Option<(String, Vec<u64>)> {
        let now = Instant::now();
        self.expire(|lease| lease.ends <= now);
        self.bring_back(now);
        let waiting = self.waiting.get_mut(system)?;
        let count = waiting.len().min(max);
        let indices: Vec<u64> = waiting.drain(..count).filter(|index| !self.settled.contains(index)).collect();
        if indices.is_empty() {
            return None;
        }
        let again = (*twice).min(indices.len());
        *twice -= again;
        waiting.extend(indices.iter().take(again));
        let id = MessageId::new().to_string();
        let lease = Leased { system: system.clone(), indices: indices.iter().copied().collect(), ends: now + LEASE };
        self.leases.insert(id.clone(), lease);
        Some((id, indices))
    }

    /// False when there is no such lease.
    pub(super) fn extend(&mut self, lease: &str) -> bool {
        self.leases.get_mut(lease).is_some_and(|lease| {
            let live = lease.ends > Instant::now();
            if live {
                lease.ends = Instant::now() + LEASE;
            }
            live
        })
    }

    pub(super) fn release(&mut self, lease: &str, indices: &[u64], delay: Duration) -> bool {
        let Some(lease) = self.leases.get_mut(lease) else { return false };
        let due = Instant::now() + delay;
        for index in indices {
            if lease.indices.remove(index) {
                self.later.push((due, lease.system.clone(), *index));
            }
        }
        true
    }

    pub(super) fn settle(&mut self, index: u64) {
        self.settled.insert(index);
        self.leases.retain(|_, lease| {
            lease.indices.remove(&index);
            !lease.indices.is_empty()
        });
    }

    pub(super) fn expire_all(&mut self) {
        self.expire(|_| true);
        let now = Instant::now();
        self.later.iter_mut().for_each(|(due, ..)| *due = now);
    }

    fn expire(&mut self, over: impl Fn(&Leased) -> bool) {
        let ended: Vec<Leased> = self.leases.extract_if(|_, lease| over(lease)).map(|(_, lease)| lease).collect();
        for lease in ended {
            let mut indices: Vec<u64> = lease.indices.into_iter().collect();
            indices.sort_unstable();
            self.waiting.entry(lease.system).or_default().extend(indices);
        }
    }

    fn bring_back(&mut self, now: Instant) {
        for (_, system, index) in self.later.extract_if(.., |(due, ..)| *due <= now) {
            self.waiting.entry(system).or_default().push_back(index);
        }
    }
}

/// How long a lease lasts.
pub(super) const LEASE: Duration = Duration::from_secs(60);
