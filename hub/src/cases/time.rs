//! What time does to a case. Whoever a case waits for has a last moment. That it has passed is said in the log, by a
//! `case.reminder` to the portal, and only when that is there does the case go on: what was logged before it came in time.

use saphan_schemas::ids::MessageId;
use saphan_schemas::message_types::{GapReason, NextActor, ReminderKind};

use super::case::{Case, Handover};
use super::errands::{Errand, Notice, Reader};
use super::moves::{Moves, Turn};
use super::requirement::{Requirement, State, late_at};
use super::what::{Failure, What};

impl Case {
    /// When it needs a look though nothing was said, in milliseconds since 1970.
    #[must_use]
    pub fn wake(&self) -> Option<u64> {
        let errands = self.errands.iter().filter_map(Errand::wake);
        if self.has_ended() {
            return errands.min();
        }
        let again = match self.handover {
            Handover::Again { at } => Some(at),
            _ => None,
        };
        let reminders = self.requirements.iter().filter_map(Requirement::remind_at);
        let ends = self.ends().filter(|end| !is_lapsing(&self.errands, end.of)).map(|end| end.at);
        ends.chain(reminders).chain(again).chain(self.remind_at).chain(errands).min()
    }

    /// Nobody said anything, but it may be time.
    pub fn tick(&mut self, turn: Turn) -> Moves {
        let mut moves = Moves::default();
        self.tell_again(turn, &mut moves);
        if self.has_ended() {
            return moves;
        }
        self.be_patient(turn);
        self.remind_of_questions(turn, &mut moves);
        let mut lapses: Vec<End> = self.ends().filter(|end| end.at <= turn.now).collect();
        // What asks for several things lapses once.
        lapses.sort_by_key(|end| end.of);
        lapses.dedup_by_key(|end| end.of);
        for End { of, kind, .. } in lapses {
            if !is_lapsing(&self.errands, of) {
                self.tell(Notice::Lapse { of, kind, at: turn.now }, &mut moves);
            }
        }
        if matches!(self.handover, Handover::Again { at } if at <= turn.now) {
            self.handover = Handover::Waiting;
        }
        self.hand_over_if_complete(turn.now, &mut moves);
        if self.remind_at.is_some_and(|at| at <= turn.now) {
            self.remind(turn, &mut moves);
        }
        moves
    }

    /// A notice is in the log, or that it cannot be sent.
    pub(super) fn noticed(&mut self, notice: Notice, turn: Turn, moves: &mut Moves) {
        match notice {
            Notice::Lapse { of, at, .. } => self.lapsed(of, at.max(turn.now), turn, moves),
            // Both parties are told; that is one event.
            Notice::Withdrawal { .. } | Notice::Reminder { kind: ReminderKind::Overdue, to: Reader::Authority } => {}
            Notice::Reminder { kind, .. } => moves.events.push(What::Reminded { kind }),
        }
    }

    /// Whether it is still true that this message was not answered in time, or the consent has ended.
    pub(super) fn has_lapsed(&self, of: MessageId, kind: ReminderKind, now: u64) -> bool {
        let is_due = self.ends().any(|end| end.of == of && end.at <= now);
        let unanswered =
            |one: &Requirement| matches!(one.state, State::Missing { because: GapReason::ApplicantDidNotAnswer });
        let silent =
            |one: &Requirement| !matches!(one.state, State::Proven(_)) && one.late.iter().any(|late| late.id == of);
        let went_on = match kind {
            ReminderKind::EvidenceOver => self.requirements.iter().any(silent),
            ReminderKind::AnswerOver => self.requirements.iter().any(unanswered),
            ReminderKind::ConsentOver => self.consent.is_none(),
            _ => false,
        };
        is_due || went_on
    }

    /// The last moments of what it waits for.
    fn ends(&self) -> impl Iterator<Item = End> {
        let waiting = self.requirements.iter().filter_map(|requirement| match &requirement.state {
            // Before it is in the log nobody can answer it.
            State::Requested { request, until, .. } if request.index.is_some() => {
                Some(End { of: request.id, kind: ReminderKind::EvidenceOver, at: late_at(*until) })
            }
            State::Asked { is_logged: true, question, until, .. } => {
                Some(End { of: *question, kind: ReminderKind::AnswerOver, at: late_at(*until) })
            }
            _ => None,
        });
        let consent = self.consent.zip(self.consent_ends());
        waiting.chain(consent.map(|(of, at)| End { of, kind: ReminderKind::ConsentOver, at }))
    }

    /// The last moment of what this message said has passed by `seen` (ms since 1970), unless something came or was promised before
    /// that was logged.
    fn lapsed(&mut self, of: MessageId, seen: u64, turn: Turn, moves: &mut Moves) {
        let Some(End { kind, at, .. }) = self.ends().find(|end| end.of == of).filter(|_| !self.has_ended()) else {
            return;
        };
        if at > seen {
            // Also when the log would not take it: it is said anew when that moment has passed.
            self.forget_lapse(of);
            return;
        }
        match kind {
            ReminderKind::ConsentOver => moves.extend(self.consent_ended(turn)),
            ReminderKind::AnswerOver => {
                let unanswered =
                    self.positions(|state| matches!(state, State::Asked { question, .. } if *question == of));
                self.go_without(&unanswered, GapReason::ApplicantDidNotAnswer, moves);
            }
            _ => {
                let silent = |state: &State| matches!(state, State::Requested { request, .. } if request.id == of);
                for at in self.positions(silent) {
                    self.give_up(at, Failure::TimedOut, turn, moves);
                }
            }
        }
    }

    /// That this message lapses need not be said any more.
    pub(super) fn forget_lapse(&mut self, message: MessageId) {
        self.errands.retain(|errand| !matches!(errand.notice, Notice::Lapse { of, .. } if of == message));
    }

    /// Nobody is late while the hub has only just come back.
    fn be_patient(&mut self, turn: Turn) {
        for requirement in &mut self.requirements {
            let (message, until, latest) = match &mut requirement.state {
                State::Requested { request, until, latest, .. } => (request.id, until, Some(latest)),
                State::Asked { is_logged: true, question, until, .. } => (*question, until, None),
                _ => continue,
            };
            let is_late = late_at(*until) <= turn.now && !is_lapsing(&self.errands, message);
            if is_late && turn.now < turn.not_late_before {
                *until = turn.not_late_before;
                if let Some(latest) = latest {
                    *latest = turn.not_late_before.max(*latest);
                }
            }
        }
    }

    /// Reminds the applicant of what the hub asked, while there is time to answer.
    fn remind_of_questions(&mut self, turn: Turn, moves: &mut Moves) {
        let mut is_near = false;
        for requirement in &mut self.requirements {
            let State::Asked { is_logged: true, until, remind_at, .. } = &mut requirement.state else { continue };
            let reminded = remind_at.take_if(|at| *at <= turn.now).is_some();
            is_near |= reminded && turn.now < late_at(*until);
        }
        if is_near {
            self.tell(Notice::Reminder { kind: ReminderKind::AnswerDue, to: Reader::Portal }, moves);
        }
    }

    /// Reminds of the day of the decision: first who must act, then both, every week.
    fn remind(&mut self, turn: Turn, moves: &mut Moves) {
        let is_over = self.due_at().is_some_and(|due| due <= turn.now);
        let (kind, readers) = match (is_over, self.next) {
            (true, _) => (ReminderKind::Overdue, &[Reader::Portal, Reader::Authority][..]),
            (false, NextActor::Applicant) => (ReminderKind::DueSoon, &[Reader::Portal][..]),
            (false, _) => (ReminderKind::DueSoon, &[Reader::Authority][..]),
        };
        self.remind_at = if is_over { Some(turn.now + OVERDUE_AGAIN_MS) } else { self.due_at() };
        if is_over {
            self.forget_older_reminders();
        }
        for to in readers {
            self.tell(Notice::Reminder { kind, to: *to }, moves);
        }
    }
}

/// Whether the log is about to say that this message lapses.
fn is_lapsing(errands: &[Errand], message: MessageId) -> bool {
    errands.iter().any(|errand| matches!(errand.notice, Notice::Lapse { of, .. } if of == message))
}

/// The last moment of what a message said: a request, a question, or a consent.
#[derive(Debug, Clone, Copy)]
struct End {
    /// The message.
    of: MessageId,
    /// What is said of it then.
    kind: ReminderKind,
    /// The moment, in milliseconds since 1970.
    at: u64,
}

const OVERDUE_AGAIN_MS: u64 = 7 * 86_400_000;
