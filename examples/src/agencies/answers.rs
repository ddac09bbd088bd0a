//! Bodies that every agency writes.

use std::time::SystemTime;

use saphan_connector::{Handled, HandlerError};
use saphan_schemas::ids::InvalidId;
use saphan_schemas::message_types::{
    AnswerForm, ApplicationDecided, ApplicationStatus, ApplicationStatusChanged, Approval, BilingualText, Date,
    Decision, InformationRequested, InvalidTime, Item, NextActor, Office, Reason, Rejection, Remedy, RemedyKind,
    Timestamp,
};

use super::desk::DeskError;

pub(crate) fn now() -> Result<Timestamp, InvalidTime> {
    Timestamp::from_system_time(SystemTime::now())
}

/// The day in Thailand.
pub(crate) fn today() -> Result<Date, InvalidTime> {
    Date::in_thailand(now()?.unix_ms())
}

/// What happens to a message about a case that this agency does not have.
pub(crate) fn unknown_case() -> Result<Handled, HandlerError> {
    Ok(Handled::Reject("case-unknown".parse()?))
}

pub(super) fn checking() -> Result<ApplicationStatusChanged, InvalidTime> {
    let text = BilingualText::new("ได้รับคำขอแล้ว กำลังตรวจสอบข้อมูล", "Your application has arrived and is being checked.");
    status(ApplicationStatus::Check, NextActor::Agency, text)
}

pub(super) fn considering() -> Result<ApplicationStatusChanged, InvalidTime> {
    let text =
        BilingualText::new("ข้อมูลครบถ้วน อยู่ระหว่างการพิจารณา", "Your application is complete and under consideration.");
    status(ApplicationStatus::Pending, NextActor::Agency, text)
}

pub(super) fn status(
    status: ApplicationStatus,
    next: NextActor,
    text: BilingualText,
) -> Result<ApplicationStatusChanged, InvalidTime> {
    let changed_at = now()?;
    Ok(ApplicationStatusChanged {
        changed_at,
        status,
        next,
        text,
        reference_number: None,
        expected_by: None,
        fee: None,
    })
}

/// Asks the applicant one question that must be answered.
pub(super) fn question(
    office: Office,
    item: &str,
    answer: AnswerForm,
    question: BilingualText,
) -> Result<InformationRequested, DeskError> {
    Ok(InformationRequested {
        requested_at: now()?,
        requested_by: office,
        text: BilingualText::new("ขอข้อมูลเพิ่มเติมเพื่อพิจารณาคำขอ", "We need to know more to decide on your application."),
        items: vec![Item {
            item: item.parse()?,
            question,
            answer,
            required: true,
            choices: Vec::new(),
            evidence_type: None,
        }],
        answer_by: None,
        if_not_answered: None,
    })
}

pub(super) fn approved(
    office: Office,
    approval: Approval,
    text: BilingualText,
) -> Result<ApplicationDecided, InvalidTime> {
    decided(office, Decision::Approved(approval), text)
}

pub(super) fn rejected(office: Office, code: &str, text: BilingualText) -> Result<ApplicationDecided, DeskError> {
    let rejection = Rejection { reasons: vec![reason(code, text.clone())?], remedies: vec![appeal()] };
    Ok(decided(office, Decision::Rejected(rejection), text)?)
}

/// The civil registry does not know who applies.
pub(super) fn rejected_as_unknown(office: Office) -> Result<ApplicationDecided, DeskError> {
    let text = BilingualText::new("ไม่พบข้อมูลของท่านในทะเบียนราษฎร", "The civil registry has no record of you.");
    rejected(office, "person-not-found", text)
}

fn decided(office: Office, decision: Decision, text: BilingualText) -> Result<ApplicationDecided, InvalidTime> {
    Ok(ApplicationDecided { decided_at: now()?, decided_by: office, text, decision, decision_number: None })
}

fn reason(code: &str, text: BilingualText) -> Result<Reason, InvalidId> {
    Ok(Reason { code: code.parse()?, text, legal_basis: None })
}

/// The appeal that is open against every administrative order (Administrative Procedure Act BE 2539, section 44).
fn appeal() -> Remedy {
    Remedy {
        kind: RemedyKind::Appeal,
        within_days: 15,
        text: BilingualText::new(
            "ท่านอุทธรณ์คำสั่งนี้ต่อเจ้าหน้าที่ผู้ทำคำสั่งได้ภายใน 15 วันนับแต่วันที่ได้รับแจ้ง",
            "You may appeal to the officer who decided, within 15 days of being told.",
        ),
        legal_basis: None,
    }
}
