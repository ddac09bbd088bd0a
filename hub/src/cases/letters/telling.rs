//! What portal and authority are told.

use saphan_schemas::ids::MessageId;
use saphan_schemas::message_types::{
    ApplicationWithdrawn, CaseReminder, Date, ReminderKind, WithdrawalReason, WithdrawnBy,
};

use super::{Cites, Desk, Letter, LetterError, Sources, timestamp};
use crate::cases::case::Case;
use crate::cases::errands::{Notice, Reader};
use crate::cases::requirement::Requirement;
use crate::cases::texts;

impl Desk {
    pub(super) fn notice(
        &self,
        case: &Case,
        id: MessageId,
        notice: Notice,
        sources: &Sources<'_>,
    ) -> Result<Option<Letter>, LetterError> {
        let to = match notice.to() {
            Reader::Portal => &case.portal,
            Reader::Authority => &case.authority,
        };
        match notice {
            Notice::Withdrawal { index } => {
                let said = sources.copies.get(&index).and_then(|copy| copy.opened().ok());
                let said = said.and_then(|(_, body)| serde_json::from_slice(&body).ok());
                // The authority must know, also when nobody can read any more how it was said.
                let body = said.unwrap_or(ApplicationWithdrawn {
                    withdrawn_at: timestamp(sources.now)?,
                    withdrawn_by: WithdrawnBy::Applicant,
                    reason: WithdrawalReason::Other,
                    note: None,
                });
                self.write(case, id, to, &body, Cites::default(), sources.now).map(Some)
            }
            Notice::Lapse { .. } | Notice::Reminder { .. } => {
                let Some((kind, day)) = reminded_of(case, notice, sources.now) else { return Ok(None) };
                let reply_to = match notice {
                    Notice::Lapse { of, .. } => Some(of),
                    _ => None,
                };
                let body = CaseReminder {
                    reminded_at: timestamp(sources.now)?,
                    kind,
                    due_on: Date::in_thailand(day)?,
                    text: texts::reminder(kind, case.next),
                };
                let cites = Cites { reply_to, ..Cites::default() };
                self.write(case, id, to, &body, cites, sources.now).map(Some)
            }
        }
    }
}

/// What a reminder is about, and the day, in milliseconds since 1970; `None` when there is nothing to remind of any more.
fn reminded_of(case: &Case, notice: Notice, now: u64) -> Option<(ReminderKind, u64)> {
    let (kind, day) = match notice {
        Notice::Withdrawal { .. } => return None,
        Notice::Lapse { of, kind, at } => (kind, case.has_lapsed(of, kind, now).then_some(at)),
        Notice::Reminder { kind: kind @ ReminderKind::AnswerDue, .. } => {
            (kind, case.requirements.iter().filter_map(Requirement::last_day).min())
        }
        Notice::Reminder { kind, .. } => (kind, case.due_at()),
    };
    Some((kind, day.filter(|_| !case.has_ended())?))
}
