//! Messages for the broker that were just committed, on their way to the relay without being read back from the store.
//!
//! A shortcut and nothing else: all that is here is in the store as well. Whatever does not fit is left out, and the relay is
//! told to look there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use saphan_schemas::envelope::EnvelopeClaims;
use tokio::sync::Notify;

use crate::store::{Limit, Pending};

/// The queue between the ledger's writer and the relay. It is closed until the relay opens it, and closes when it overflows.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    bell: Notify,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    open: bool,
    messages: VecDeque<Committed>,
    bytes: u64,
}

/// A message that was just committed.
#[derive(Debug)]
pub(super) struct Committed {
    /// What its envelope says, which whoever takes the row from the store has to read again.
    pub(super) claims: Arc<EnvelopeClaims>,
    /// As it stands in the outbox.
    pub(super) row: Pending,
}

impl Fresh {
    /// Empties the queue and opens it. What is committed from now on comes here; what was committed before is in the store.
    pub(super) fn open(&self) {
        *self.queue() = Queue { open: true, ..Queue::default() };
    }

    /// Whether all that was committed since it was opened went through here.
    pub(super) fn is_open(&self) -> bool {
        self.queue().open
    }

    /// Rings when something was offered, also when it found no room.
    pub(super) const fn bell(&self) -> &Notify {
        &self.bell
    }

    /// Adds a message.
    pub(super) fn offer(&self, message: Committed) {
        self.add(message);
        // Afterwards: whoever hears it must find the message.
        self.bell.notify_one();
    }

    fn add(&self, message: Committed) {
        let mut queue = self.queue();
        if !queue.open {
            return;
        }
        queue.bytes = queue.bytes.saturating_add(message.row.body.len() as u64);
        queue.messages.push_back(message);
        if queue.messages.len() > MOST_MESSAGES || queue.bytes > MOST_BYTES {
            *queue = Queue::default();
        }
    }

    /// The oldest messages, those left out that are over at `now` (ms). `None` when the queue is closed: look into the store.
    pub(super) fn take(&self, now: u64, limit: Limit) -> Option<Vec<Committed>> {
        let mut queue = self.queue();
        if !queue.open {
            return None;
        }
        let (mut taken, mut bytes) = (Vec::new(), 0_u64);
        while let Some(next) = queue.messages.front() {
            let len = next.row.body.len() as u64;
            if taken.len() >= limit.rows as usize || (bytes + len > limit.bytes && !taken.is_empty()) {
                break;
            }
            bytes += len;
            let Some(message) = queue.messages.pop_front() else { break };
            queue.bytes -= len;
            if message.claims.not_after.is_none_or(|end| end.saturating_mul(1000) > now) {
                taken.push(message);
            }
        }
        Some(taken)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some rounds of the relay.
const MOST_MESSAGES: usize = 2048;
const MOST_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use saphan_schemas::commitment::{BodyCommitment, Salt};
    use serde_json::json;

    use super::*;

    const ALL: Limit = Limit { rows: 10_000, bytes: u64::MAX };

    fn message(index: u64, bytes: usize, not_after: Option<u64>) -> Committed {
        let salt = Salt::from_bytes([0; 32]);
        let mut claims = json!({
            "iss": "th.b/two",
            "aud": "th.a/one",
            "hub": "hub.local",
            "jti": "01a212ef-81a1-7204-92ec-3ef299a3d682",
            "iat": 1,
            "type": "a.b",
            "schema": "a.b@1",
            "body": BodyCommitment::new(&salt, b"{}"),
        });
        if let Some(time) = not_after {
            claims["not_after"] = time.into();
        }
        let row = Pending {
            index,
            recipient: "th.a/one".parse().unwrap(),
            leaf: Vec::new(),
            salt,
            body: vec![0; bytes],
            receipt: String::new(),
            proof: String::new(),
            attempts: 0,
            published: 0,
        };
        Committed { claims: Arc::new(serde_json::from_value(claims).unwrap()), row }
    }

    fn indices(taken: Option<Vec<Committed>>) -> Option<Vec<u64>> {
        taken.map(|messages| messages.iter().map(|message| message.row.index).collect())
    }

    #[test]
    fn messages_come_out_in_order_within_the_limits_and_those_that_are_over_do_not() {
        let fresh = Fresh::default();
        fresh.open();
        for (index, not_after) in [(1, None), (2, Some(5)), (3, Some(6)), (4, None)] {
            fresh.offer(message(index, 10, not_after));
        }
        assert_eq!(indices(fresh.take(5000, Limit { rows: 9, bytes: 20 })), Some(vec![1]));
        assert_eq!(indices(fresh.take(5000, Limit { rows: 1, bytes: 1 })), Some(vec![3]));
        assert_eq!(indices(fresh.take(5000, ALL)), Some(vec![4]));
        assert_eq!(indices(fresh.take(5000, ALL)), Some(vec![]));
    }

    #[test]
    fn a_queue_that_nobody_opened_or_that_overflowed_holds_nothing_and_says_so() {
        let fresh = Fresh::default();
        fresh.offer(message(1, 10, None));
        assert_eq!(indices(fresh.take(0, ALL)), None);
        fresh.open();
        (0..=MOST_MESSAGES as u64).for_each(|index| fresh.offer(message(index, 0, None)));
        assert_eq!(indices(fresh.take(0, ALL)), None);
        fresh.open();
        fresh.offer(message(1, 10 << 20, None));
        fresh.offer(message(2, 10 << 20, None));
        assert_eq!(indices(fresh.take(0, ALL)), None, "too many bytes");
        fresh.open();
        fresh.offer(message(3, 1, None));
        assert_eq!(indices(fresh.take(0, ALL)), Some(vec![3]));
    }
}
