//! Who is told when messages were committed: the relay, which is handed them, and receivers in a long poll.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use saphan_schemas::ids::SystemId;
use saphan_schemas::registry::TransportKind;
use tokio::sync::Notify;

use super::fresh::{Committed, Fresh};
use crate::store::{Effect, NewEntry, NewMessage, Pending};

/// Wakes those who wait for messages. A wakeup is a hint: whoever waits looks into the store.
#[derive(Debug, Default)]
pub struct Wakeups {
    relay: Notify,
    fresh: Fresh,
    receivers: Mutex<HashMap<SystemId, Weak<Notify>>>,
}

impl Wakeups {
    /// Rung, the relay looks into the store.
    #[must_use]
    pub const fn relay(&self) -> &Notify {
        &self.relay
    }

    /// What was just committed for the broker.
    pub(super) const fn fresh(&self) -> &Fresh {
        &self.fresh
    }

    /// A receiver's bell; it exists while somebody holds it.
    #[must_use]
    pub fn receiver(&self, system: &SystemId) -> Arc<Notify> {
        let mut receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = receivers.get(system).and_then(Weak::upgrade) {
            return bell;
        }
        let bell = Arc::new(Notify::new());
        receivers.retain(|_, bell| bell.strong_count() > 0);
        receivers.insert(system.clone(), Arc::downgrade(&bell));
        bell
    }

    /// Rings for every message among entries that were committed at the places from `first` on.
    pub fn committed(&self, first: u64, entries: Vec<NewEntry>) {
        for (index, entry) in (first..).zip(entries) {
            let Effect::Message(message) = entry.effect else { continue };
            match message.transport {
                TransportKind::Amqp => self.fresh.offer(committed(index, entry.leaf, *message)),
                TransportKind::Pull => {
                    let receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(bell) = receivers.get(&message.claims.aud).and_then(Weak::upgrade) {
                        bell.notify_waiters();
                    }
                }
            }
        }
    }
}

fn committed(index: u64, leaf: Vec<u8>, message: NewMessage) -> Committed {
    let NewMessage { claims, salt, body, receipt, proof, .. } = message;
    let recipient = claims.aud.clone();
    let row = Pending { index, recipient, leaf, salt, body, receipt, proof, attempts: 0, published: 0 };
    Committed { claims, row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_is_shared_by_those_who_wait_and_forgotten_when_nobody_does() {
        let wakeups = Wakeups::default();
        let [first, second] = ["th.a/one", "th.b/two"].map(|system| system.parse::<SystemId>().unwrap());
        let bell = wakeups.receiver(&first);
        assert!(Arc::ptr_eq(&bell, &wakeups.receiver(&first)));
        assert!(!Arc::ptr_eq(&bell, &wakeups.receiver(&second)));
        drop(bell);
        let _kept = wakeups.receiver(&second);
        assert_eq!(wakeups.receivers.lock().unwrap().len(), 1);
    }
}
