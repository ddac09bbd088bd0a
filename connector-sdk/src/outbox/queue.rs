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
    /// About what it takes of a request: base64 makes four bytes of three.
    fn bytes(&self) -> usize {
        let (envelope, body) = match &self.content {
            Content::Fresh(message) => (message.envelope.as_str(), &message.body),
            Content::Stored(stored) => (stored.envelope.as_str(), &stored.body),
        };
        envelope.len() + body.len().div_ceil(3) * 4 + FRAME_BYTES
    }

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

    /// The next messages that may go out now, in one request: `most` at most, and a bounded number of bytes. A message that failed
    /// before goes alone, so that one which spoils a request spoils no other message's; and so does one that is large.
    pub(super) fn pop(&mut self, now: Instant, most: usize) -> Vec<Outgoing> {
        self.come_due(now);
        let (mut popped, mut bytes) = (Vec::new(), 0);
        while popped.len() < most
            && let Some(first) = self.ready.first_entry()
        {
            let alone = first.get().failures > 0;
            bytes += first.get().bytes();
            if !popped.is_empty() && (alone || bytes > REQUEST_BYTES) {
                break;
            }
            popped.push(first.remove());
            if alone {
                break;
            }
        }
        popped
    }

    fn come_due(&mut self, now: Instant) {
        while let Some(Reverse((due, seq))) = self.due.peek().copied()
            && due <= now
        {
            self.due.pop();
            if let Some(message) = self.delayed.remove(&seq) {
                self.ready.insert(seq, message);
            }
        }
    }

    /// When a message that was put aside is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }
}

/// Half of what the hub takes in a request.
const REQUEST_BYTES: usize = 512 * 1024;

/// Salt, names and punctuation of a message in a request.
const FRAME_BYTES: usize = 128;

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

    fn popped(queue: &mut Queue, now: Instant, most: usize) -> Vec<i64> {
        queue.pop(now, most).iter().map(|message| message.seq).collect()
    }

    #[test]
    fn a_backlog_is_read_in_pieces_until_a_piece_is_short() {
        let mut queue = Queue::new();
        assert_eq!(queue.wants(), Some((0, READ_AT_ONCE)));
        queue.push_stored((1..=READ_AT_ONCE).map(stored).collect());
        assert_eq!(queue.wants(), None, "there is no room");
        while !queue.pop(Instant::now(), 100).is_empty() {}
        assert_eq!(queue.wants(), Some((READ_AT_ONCE + 1, READ_AT_ONCE)));
        queue.push_stored(vec![stored(READ_AT_ONCE + 1)]);
        queue.pop(Instant::now(), 1);
        assert_eq!(queue.wants(), None, "all is read");
    }

    #[test]
    fn a_message_that_was_put_back_goes_first() {
        let mut queue = Queue::new();
        queue.push_stored(vec![stored(1), stored(2)]);
        let first = queue.pop(Instant::now(), 1).remove(0);
        queue.put_back(first);
        assert_eq!(popped(&mut queue, Instant::now(), 1), [1]);
    }

    #[test]
    fn a_delayed_message_waits_for_its_time() {
        let mut queue = Queue::new();
        queue.push_stored(vec![stored(1)]);
        let (now, message) = (Instant::now(), queue.pop(Instant::now(), 1).remove(0));
        let due = now + std::time::Duration::from_secs(5);
        queue.delay(message, due);
        assert!(queue.pop(now, 9).is_empty());
        assert_eq!(queue.next_due(), Some(due));
        assert_eq!(popped(&mut queue, due, 9), [1]);
    }

    #[test]
    fn messages_go_together_in_order_but_large_ones_and_those_that_failed_go_alone() {
        let mut queue = Queue::new();
        queue.push_stored((1..=6).map(stored).collect());
        let with = |seq, failures, bytes| {
            let content = Content::Stored(StoredOutgoing { body: vec![0; bytes], ..stored(seq) });
            Outgoing { seq, id: MessageId::new(), failures, content }
        };
        queue.put_back(with(3, 1, 0));
        queue.put_back(with(5, 0, REQUEST_BYTES));
        let now = Instant::now();
        let requests: Vec<_> = (0..6).map(|_| popped(&mut queue, now, 9)).collect();
        assert_eq!(requests, [vec![1, 2], vec![3], vec![4], vec![5], vec![6], vec![]]);
    }

    #[test]
    fn no_more_messages_go_than_are_asked_for() {
        let mut queue = Queue::new();
        queue.push_stored((1..=5).map(stored).collect());
        let now = Instant::now();
        assert_eq!(popped(&mut queue, now, 0), Vec::<i64>::new());
        assert_eq!(popped(&mut queue, now, 3), [1, 2, 3]);
        assert_eq!(popped(&mut queue, now, 3), [4, 5]);
    }
}
