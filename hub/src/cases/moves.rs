//! What a case does next, and when it is asked.

use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::message_types::{
    ApplicationWithdrawn, CaseReminder, CaseSubmitted, EvidenceRequested, EvidenceReused, InformationRequested,
    MessageBody as _, ReminderKind,
};

use super::what::What;

/// The moment at which a case moves.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// The time of the entry that causes it, or of the clock, in milliseconds since 1970.
    pub now: u64,
    /// How long the hub waits for a provider, in milliseconds.
    pub patience: u64,
    /// No provider is late before this, in milliseconds since 1970: the hub was away, and answers are on their way.
    pub not_late_before: u64,
}

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
    /// `application.withdrawn`, to the authority: what the portal said at this place of the log.
    Withdraw(u64),
    /// `case.reminder`.
    Remind(ReminderKind, SystemId),
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
            Self::Withdraw(_) => ApplicationWithdrawn::TYPE,
            Self::Remind(..) => CaseReminder::TYPE,
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
}
