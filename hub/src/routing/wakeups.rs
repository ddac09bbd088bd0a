//! Who is to be woken when messages were committed: the relay, and receivers in a long poll.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use saphan_schemas::ids::SystemId;
use saphan_schemas::registry::TransportKind;
use tokio::sync::Notify;

use crate::store::{Batch, Effect};

/// Wakes those who wait for messages. A wakeup is a hint: whoever waits looks into the store.
#[derive(Debug, Default)]
pub struct Wakeups {
    relay: Notify,
    receivers: Mutex<HashMap<SystemId, Weak<Notify>>>,
}

impl Wakeups {
    /// The relay's bell.
    #[must_use]
    pub const fn relay(&self) -> &Notify {
        &self.relay
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

    /// Rings for every message of a committed batch.
    pub fn committed(&self, batch: &Batch) {
        for entry in &batch.entries {
            let Effect::Message(message) = &entry.effect else { continue };
            match message.transport {
                TransportKind::Amqp => self.relay.notify_one(),
                TransportKind::Pull => {
                    let receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(bell) = receivers.get(&message.recipient).and_then(Weak::upgrade) {
                        bell.notify_waiters();
                    }
                }
            }
        }
    }
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
