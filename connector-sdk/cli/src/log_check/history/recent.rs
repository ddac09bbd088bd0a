//! The latest messages, in memory.

use std::borrow::Cow;
use std::collections::VecDeque;

use saphan_schemas::ids::SystemId;

use super::StatementRow;
use crate::log_check::error::LeafFault;

/// The messages from some place on, of which there are never too many.
pub(super) struct Recent {
    /// All messages from this place on are here.
    first: u64,
    messages: VecDeque<Message>,
}

struct Message {
    place: u64,
    receiver: SystemId,
    outcome: Option<Cow<'static, str>>,
}

/// What an acknowledgement of a message comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is the first.
    New,
    /// Another said the same before.
    Same,
    /// It must not be.
    Not(LeafFault),
    /// The message is none of the latest.
    Older,
}

impl Recent {
    /// Nothing is known of what is before this place.
    pub(super) const fn from(first: u64) -> Self {
        Self { first, messages: VecDeque::new() }
    }

    /// The next entry, if it is a message.
    pub(super) fn add(&mut self, statement: &StatementRow) {
        let Some(receiver) = &statement.receiver else { return };
        if self.messages.len() == MOST
            && let Some(oldest) = self.messages.pop_front()
        {
            self.first = oldest.place + 1;
        }
        self.messages.push_back(Message { place: statement.entry, receiver: receiver.clone(), outcome: None });
    }

    /// Whether the entry at this place is a message; `None` if it is older.
    pub(super) fn is_message(&self, place: u64) -> Option<bool> {
        (place >= self.first).then(|| self.position(place).is_some())
    }

    /// Notes what `signer` says of the message at this place.
    #[expect(clippy::ptr_arg, reason = "the clone of a borrowed text copies nothing")]
    pub(super) fn settle(&mut self, place: u64, signer: &SystemId, outcome: &Cow<'static, str>) -> Found {
        if place < self.first {
            return Found::Older;
        }
        let at = self.position(place);
        let Some(message) = at.and_then(|at| self.messages.get_mut(at)) else {
            return Found::Not(LeafFault::AcknowledgesNoMessage { index: place });
        };
        if message.receiver != *signer {
            return Found::Not(LeafFault::NotTheReceiver { index: place });
        }
        match &message.outcome {
            Some(before) if before == outcome => Found::Same,
            Some(_) => Found::Not(LeafFault::OtherOutcome { index: place }),
            None => {
                message.outcome = Some(outcome.clone());
                Found::New
            }
        }
    }

    fn position(&self, place: u64) -> Option<usize> {
        self.messages.binary_search_by_key(&place, |message| message.place).ok()
    }
}

/// A few megabytes. More than are on their way at once in a busy hub.
const MOST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(entry: u64, receiver: Option<&str>) -> StatementRow {
        StatementRow { entry, id: [0; 32], receiver: receiver.map(|name| name.parse().unwrap()) }
    }

    #[test]
    fn only_its_receiver_settles_a_message_and_only_in_one_way() {
        let (receiver, other): (SystemId, SystemId) = ("th.a/x".parse().unwrap(), "th.b/y".parse().unwrap());
        let mut recent = Recent::from(10);
        recent.add(&message(10, Some("th.a/x")));
        recent.add(&message(11, None));
        let (processed, rejected) = (Cow::Borrowed("processed"), Cow::Owned("rejected late".to_owned()));
        assert_eq!(recent.settle(9, &receiver, &processed), Found::Older);
        assert_eq!(recent.settle(10, &other, &processed), Found::Not(LeafFault::NotTheReceiver { index: 10 }));
        assert_eq!(recent.settle(10, &receiver, &processed), Found::New);
        assert_eq!(recent.settle(10, &receiver, &processed), Found::Same);
        assert_eq!(recent.settle(10, &receiver, &rejected), Found::Not(LeafFault::OtherOutcome { index: 10 }));
        let no_message = Found::Not(LeafFault::AcknowledgesNoMessage { index: 11 });
        assert_eq!(recent.settle(11, &receiver, &processed), no_message);
        assert_eq!([9, 10, 11, 12].map(|place| recent.is_message(place)), [None, Some(true), Some(false), Some(false)]);
    }

    #[test]
    fn of_messages_that_are_no_longer_among_the_latest_nothing_is_said() {
        let receiver: SystemId = "th.a/x".parse().unwrap();
        let mut recent = Recent::from(0);
        (0..MOST as u64 + 2).for_each(|place| recent.add(&message(place, Some("th.a/x"))));
        assert_eq!(recent.messages.len(), MOST);
        assert_eq!(recent.settle(1, &receiver, &Cow::Borrowed("processed")), Found::Older);
        assert_eq!(recent.settle(2, &receiver, &Cow::Borrowed("processed")), Found::New);
    }
}
