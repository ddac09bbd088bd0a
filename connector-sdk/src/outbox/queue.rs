//! Which message goes out next: in order, a bounded number in memory, the rest in the journal.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use saphan_schemas::ids::MessageId;
use tokio::time::Instant;

use crate::hub_api::Submission;
use crate::journal::StoredOutgoing;
use crate::outgoing::SignedMessage;

/// A message that waits for its receipt.
pub(super) struct Outgoing {
    pub(super) seq: i64,
    pub(super) id: MessageId,
    /// Attempts that failed for reasons of its own.
    pub(super) failures: u32,
    pub(super) content: Content,
}

pub(super) enum Content {
    /// Signed in this process.
    Fresh(Arc<SignedMessage>),
    /// Read back from the journal.
    Stored(StoredOutgoing),
}

impl Outgoing {
    pub(super) fn submission(&self) -> Submission {
        match &self.content {
            Content::Fresh(message) => Submission {
                envelope: message.envelope.as_str().to_owned(),
                salt: message.salt.to_text(),
                body: message.body.clone(),
            },
            Content::Stored(stored) => {
                Submission { envelope: stored.envelope.clone(), salt: stored.salt.to_text(), body: stored.body.clone() }
            }
        }
    }
}

/// The messages that wait.
pub(super) struct Queue {
    ready: BTreeMap<i64, Outgoing>,
    delayed: HashMap<i64, Outgoing>,
    due: BinaryHeap<Reverse<(Instant, i64)>>,
    /// From this number on, messages are in the journal only.
    backlog: Option<i64>,
    /// The highest number that was taken into memory.
    seen: i64,
}

impl Queue {
    /// A queue whose messages are all in the journal yet.
    pub(super) fn new() -> Self {
        Self { ready: BTreeMap::new(), delayed: HashMap::new(), due: BinaryHeap::new(), backlog: Some(0), seen: 0 }
    }

    /// Takes a message that was just committed, or leaves it to the journal when memory is full.
    pub(super) fn push_new(&mut self, seq: i64, message: Arc<SignedMessage>) {
        if self.backlog.is_some() || seq <= self.seen {
            return;
        }
        if self.ready.len() + self.delayed.len() >= IN_MEMORY {
            self.backlog = Some(seq);
            return;
        }
        self.seen = seq;
        let id = message.envelope.claims().jti;
        self.ready.insert(seq, Outgoing { seq, id, failures: 0, content: Content::Fresh(message) });
    }

    /// Where to read on in the journal, and how many rows, when there is room.
    pub(super) fn wants(&self) -> Option<(i64, i64)> {
        let room = self.ready.len() < IN_MEMORY / 4;
        self.backlog.filter(|_| room).map(|from| (from, READ_AT_ONCE))
    }

    /// Takes the rows that were asked for.
    pub(super) fn push_stored(&mut self, rows: Vec<StoredOutgoing>) {
        let complete = (rows.len() as i64) < READ_AT_ONCE;
        for stored in rows {
            let (seq, id) = (stored.seq, stored.id);
            self.seen = self.seen.max(seq);
            self.ready.insert(seq, Outgoing { seq, id, failures: 0, content: Content::Stored(stored) });
        }
        self.backlog = if complete { None } else { Some(self.seen + 1) };
    }

    /// Puts a message back to the front.
    pub(super) fn put_back(&mut self, message: Outgoing) {
        self.ready.insert(message.seq, message);
    }

    /// Puts a message aside until `due`.
    pub(super) fn delay(&mut self, message: Outgoing, due: Instant) {
        self.due.push(Reverse((due, message.seq)));
        self.delayed.insert(message.seq, message);
    }

    /// The next message that may go out now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Outgoing> {
        while let Some(Reverse((due, seq))) = self.due.peek().copied()
            && due <= now
        {
            self.due.pop();
            if let Some(message) = self.delayed.remove(&seq) {
                self.ready.insert(seq, message);
            }
        }
        self.ready.pop_first().map(|(_, message)| message)
    }

    /// When a message that was put aside is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }
}

/// Messages held in memory; an outbox that grows through an outage stays in the journal.
const IN_MEMORY: usize = 1024;

/// Rows read back at once.
const READ_AT_ONCE: i64 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use saphan_schemas::commitment::Salt;

    fn stored(seq: i64) -> StoredOutgoing {
        let salt = Salt::from_bytes([0; 32]);
        StoredOutgoing { seq, id: MessageId::new(), envelope: String::new(), salt, body: Vec::new() }
    }

    #[test]
    fn a_backlog_is_read_in_pieces_until_a_piece_is_short() {
        let mut queue = Queue::new();
        assert_eq!(queue.wants(), Some((0, READ_AT_ONCE)));
        queue.push_stored((1..=READ_AT_ONCE).map(stored).collect());
        assert_eq!(queue.wants(), None, "there is no room");
        while queue.pop(Instant::now()).is_some() {}
        assert_eq!(queue.wants(), Some((READ_AT_ONCE + 1, READ_AT_ONCE)));
        queue.push_stored(vec![stored(READ_AT_ONCE + 1)]);
        queue.pop(Instant::now());
        assert_eq!(queue.wants(), None, "all is read");
    }

    #[test]
    fn a_message_that_was_put_back_goes_first() {
        let mut queue = Queue::new();
        queue.push_stored(vec![stored(1), stored(2)]);
        let first = queue.pop(Instant::now()).unwrap();
        queue.put_back(first);
        assert_eq!(queue.pop(Instant::now()).unwrap().seq, 1);
    }

    #[test]
    fn a_delayed_message_waits_for_its_time() {
        let mut queue = Queue::new();
        queue.push_stored(vec![stored(1)]);
        let (now, message) = (Instant::now(), queue.pop(Instant::now()).unwrap());
        let due = now + std::time::Duration::from_secs(5);
        queue.delay(message, due);
        assert!(queue.pop(now).is_none());
        assert_eq!(queue.next_due(), Some(due));
        assert_eq!(queue.pop(due).unwrap().seq, 1);
    }
}
