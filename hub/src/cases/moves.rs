//! What a case does next, and when it is asked.

use saphan_schemas::ids::MessageId;
use saphan_schemas::message_types::{
    ApplicationWithdrawn, CaseReminder, CaseSubmitted, EvidenceRequested, EvidenceReused, InformationRequested,
    MessageBody as _,
};

use super::errands::{Notice, Reader};
use super::what::What;

/// The moment at which a case moves.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// The time of the entry that causes it, or of the clock, in milliseconds since 1970.
    pub now: u64,
    /// How long the hub waits for a provider, in milliseconds.
    pub patience: u64,
    /// How long the hub waits for the applicant, in milliseconds.
    pub answer_time: u64,
    /// How long the hub waits after the first failure, in milliseconds.
    pub pause: u64,
    /// Nobody is late before this, in milliseconds since 1970: the hub was away, and answers are on their way.
    pub not_late_before: u64,
}

impl Turn {
    /// When something is tried again that has failed so many times, in milliseconds since 1970: after the first pause, then twice
    /// as long each time, up to `longest` (ms).
    pub(super) fn again(self, failures: u32, longest: u64) -> u64 {
        let doublings = failures.saturating_sub(1).min(MOST_DOUBLINGS);
        self.now.saturating_add((self.pause << doublings).min(longest))
    }
}

/// Beyond any longest pause.
const MOST_DOUBLINGS: u32 = 30;

/// What follows from a move.
#[derive(Debug, Default)]
pub struct Moves {
    /// What the hub must say.
    pub acts: Vec<Act>,
    /// What happened.
    pub events: Vec<What>,
}

/// Something that the hub must say, by the id of the message that will say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// The message's id.
    pub id: MessageId,
    /// What.
    pub say: Say,
}

impl Act {
    pub(super) fn is_to_the_authority(&self) -> bool {
        match &self.say {
            Say::HandOver => true,
            Say::Tell(notice) => notice.to() == Reader::Authority,
            Say::Request(_) | Say::Reuse(_) | Say::Ask(_) => false,
        }
    }
}

/// What the hub says. Requirements are named by their position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// `evidence.requested`, to the provider whose turn it is.
    Request(usize),
    /// `evidence.reused`, to who provided it.
    Reuse(usize),
    /// `information.requested`, to the portal.
    Ask(Vec<usize>),
    /// `case.submitted`, to the authority.
    HandOver,
    /// A notice to one of the parties.
    Tell(Notice),
}

impl Say {
    /// The type of the message that says it.
    #[must_use]
    pub const fn message_type(&self) -> &'static str {
        match self {
            Self::Request(_) => EvidenceRequested::TYPE,
            Self::Reuse(_) => EvidenceReused::TYPE,
            Self::Ask(_) => InformationRequested::TYPE,
            Self::HandOver => CaseSubmitted::TYPE,
            Self::Tell(Notice::Withdrawal { .. }) => ApplicationWithdrawn::TYPE,
            Self::Tell(Notice::Lapse { .. } | Notice::Reminder { .. }) => CaseReminder::TYPE,
        }
    }
}

impl Moves {
    /// The id of the message that will say it.
    pub(super) fn say(&mut self, say: Say) -> MessageId {
        let id = MessageId::new();
        self.acts.push(Act { id, say });
        id
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.acts.extend(more.acts);
        self.events.extend(more.events);
    }
}
