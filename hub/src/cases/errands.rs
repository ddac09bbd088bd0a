//! What a case has to tell its parties, tried until it is told: nothing else in the case would remember it.

use saphan_schemas::ids::MessageId;
use saphan_schemas::message_types::ReminderKind;
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::moves::{Moves, Say, Turn};

/// A notice, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    pub(super) notice: Notice,
    progress: Progress,
    /// How often it could not be sent.
    pub(super) refused: u32,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Notice {
    /// `application.withdrawn`, to the authority: what the portal said at this place of the log.
    Withdrawal {
        /// The place.
        index: u64,
    },
    /// `case.reminder`, to the portal: what was said until some moment counts no longer.
    Lapse {
        /// The message that said it: a request, a question, or a consent.
        of: MessageId,
        /// What it was.
        kind: ReminderKind,
        /// When that was seen, in milliseconds since 1970.
        at: u64,
    },
    /// `case.reminder`.
    Reminder {
        /// Of what.
        kind: ReminderKind,
        /// To whom.
        to: Reader,
    },
}

/// A party of a case that reads notices, whichever system it has by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reader {
    /// The portal.
    Portal,
    /// The competent authority.
    Authority,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
enum Progress {
    /// The authority must have the case first.
    Waiting,
    /// It is about to be told.
    Sending { id: MessageId },
    /// It could not be sent; it is tried again then (milliseconds since 1970).
    Again { at: u64 },
}

impl Notice {
    /// Whom it goes to.
    pub(super) const fn to(self) -> Reader {
        match self {
            Self::Withdrawal { .. } => Reader::Authority,
            Self::Lapse { .. } => Reader::Portal,
            Self::Reminder { to, .. } => to,
        }
    }
}

impl Errand {
    /// When it is tried again, in milliseconds since 1970.
    pub(super) const fn wake(&self) -> Option<u64> {
        match self.progress {
            Progress::Again { at } => Some(at),
            Progress::Waiting | Progress::Sending { .. } => None,
        }
    }
}

impl Case {
    /// Has something told.
    pub(super) fn tell(&mut self, notice: Notice, moves: &mut Moves) {
        let progress = Progress::Sending { id: moves.say(Say::Tell(notice)) };
        self.errands.push(Errand { notice, progress, refused: 0 });
    }

    /// The same, once the authority has the case.
    pub(super) fn tell_after_the_handover(&mut self, notice: Notice) {
        self.errands.push(Errand { notice, progress: Progress::Waiting, refused: 0 });
    }

    /// What the message with this id tells.
    pub(super) fn errand(&self, id: MessageId) -> Option<&Errand> {
        self.errands.iter().find(|errand| errand.progress == Progress::Sending { id })
    }

    /// It is told, or need not be any more.
    pub(super) fn told(&mut self, id: MessageId) {
        self.errands.retain(|errand| errand.progress != Progress::Sending { id });
    }

    /// It could not be sent: at once in a new letter, or later.
    pub(super) fn not_told(&mut self, id: MessageId, at_once: bool, turn: Turn, moves: &mut Moves) {
        let Some(errand) = self.errands.iter_mut().find(|errand| errand.progress == Progress::Sending { id }) else {
            return;
        };
        errand.progress = if at_once {
            Progress::Sending { id: moves.say(Say::Tell(errand.notice)) }
        } else {
            errand.refused = errand.refused.saturating_add(1);
            Progress::Again { at: turn.again(errand.refused, LONGEST_PAUSE_MS) }
        };
    }

    /// Of the same day somebody is about to be reminded more urgently.
    pub(super) fn forget_older_reminders(&mut self) {
        use ReminderKind::{DueSoon, Overdue};
        let older = |notice| matches!(notice, Notice::Reminder { kind: DueSoon | Overdue, .. });
        self.errands.retain(|errand| !older(errand.notice));
    }

    /// The authority has the case now.
    pub(super) fn tell_what_waited(&mut self, moves: &mut Moves) {
        self.try_errands(moves, |progress| progress == Progress::Waiting);
    }

    /// It may be time for what could not be sent.
    pub(super) fn tell_again(&mut self, turn: Turn, moves: &mut Moves) {
        // Nobody is reminded of a case that has ended.
        if self.has_ended() {
            self.errands.retain(|errand| matches!(errand.notice, Notice::Withdrawal { .. }));
        }
        self.try_errands(moves, |progress| matches!(progress, Progress::Again { at } if at <= turn.now));
    }

    fn try_errands(&mut self, moves: &mut Moves, is_time: impl Fn(Progress) -> bool) {
        for errand in self.errands.iter_mut().filter(|errand| is_time(errand.progress)) {
            errand.progress = Progress::Sending { id: moves.say(Say::Tell(errand.notice)) };
        }
    }
}

/// The longest pause for what cannot be sent: an agreement that ended may be renewed any time.
pub(super) const LONGEST_PAUSE_MS: u64 = 320 * 60_000;
