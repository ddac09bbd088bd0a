//! Messages for the broker that were just committed, on their way to the relay without being read back from the store.
//!
//! A shortcut and nothing else: all that is here is in the store as well. Whatever does not fit is left out, and the relay is
//! told to look there.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    messages: VecDeque<Waiting>,
    bytes: u64,
}

#[derive(Debug)]
struct Waiting {
    message: Pending,
    /// In seconds since 1970.
    not_after: Option<u64>,
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

    /// Adds a message that was committed.
    pub(super) fn offer(&self, message: Pending, not_after: Option<u64>) {
        self.add(message, not_after);
        // Afterwards: whoever hears it must find the message.
        self.bell.notify_one();
    }

    fn add(&self, message: Pending, not_after: Option<u64>) {
        let mut queue = self.queue();
        if !queue.open {
            return;
        }
        queue.bytes = queue.bytes.saturating_add(message.body.len() as u64);
        queue.messages.push_back(Waiting { message, not_after });
        if queue.messages.len() > MOST_MESSAGES || queue.bytes > MOST_BYTES {
            *queue = Queue::default();
        }
    }

    /// The oldest messages, those left out that are over at `now` (ms). `None` when the queue is closed: look into the store.
    pub(super) fn take(&self, now: u64, limit: Limit) -> Option<Vec<Pending>> {
        let mut queue = self.queue();
        if !queue.open {
            return None;
        }
        let (mut taken, mut bytes) = (Vec::new(), 0_u64);
        while let Some(next) = queue.messages.front() {
            let len = next.message.body.len() as u64;
            if taken.len() >= limit.rows as usize || (bytes + len > limit.bytes && !taken.is_empty()) {
                break;
            }
            bytes += len;
            let Some(Waiting { message, not_after }) = queue.messages.pop_front() else { break };
            queue.bytes -= len;
            if not_after.is_none_or(|end| end.saturating_mul(1000) > now) {
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
    use saphan_schemas::commitment::Salt;

    use super::*;

    const ALL: Limit = Limit { rows: 10_000, bytes: u64::MAX };

    fn message(index: u64, bytes: usize) -> Pending {
        Pending {
            index,
            recipient: "th.a/one".parse().unwrap(),
            leaf: Vec::new(),
            claims: None,
            salt: Salt::from_bytes([0; 32]),
            body: vec![0; bytes],
            receipt: String::new(),
            proof: String::new(),
            attempts: 0,
            published: 0,
        }
    }

    fn indices(taken: Option<Vec<Pending>>) -> Option<Vec<u64>> {
        taken.map(|messages| messages.iter().map(|message| message.index).collect())
    }

    #[test]
    fn messages_come_out_in_order_within_the_limits_and_those_that_are_over_do_not() {
        let fresh = Fresh::default();
        fresh.open();
        for (index, not_after) in [(1, None), (2, Some(5)), (3, Some(6)), (4, None)] {
            fresh.offer(message(index, 10), not_after);
        }
        assert_eq!(indices(fresh.take(5000, Limit { rows: 9, bytes: 20 })), Some(vec![1]));
        assert_eq!(indices(fresh.take(5000, Limit { rows: 1, bytes: 1 })), Some(vec![3]));
        assert_eq!(indices(fresh.take(5000, ALL)), Some(vec![4]));
        assert_eq!(indices(fresh.take(5000, ALL)), Some(vec![]));
    }

    #[test]
    fn a_queue_that_nobody_opened_or_that_overflowed_holds_nothing_and_says_so() {
        let fresh = Fresh::default();
        fresh.offer(message(1, 10), None);
        assert_eq!(indices(fresh.take(0, ALL)), None);
        fresh.open();
        (0..=MOST_MESSAGES as u64).for_each(|index| fresh.offer(message(index, 0), None));
        assert_eq!(indices(fresh.take(0, ALL)), None);
        fresh.open();
        fresh.offer(message(1, 10 << 20), None);
        fresh.offer(message(2, 10 << 20), None);
        assert_eq!(indices(fresh.take(0, ALL)), None, "too many bytes");
        fresh.open();
        fresh.offer(message(3, 1), None);
        assert_eq!(indices(fresh.take(0, ALL)), Some(vec![3]));
    }
}
