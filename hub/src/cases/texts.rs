//! What people read about a case, in Thai and in English.

use saphan_schemas::message_types::{BilingualText, GapReason, NextActor, ReminderKind};

use super::case::{Case, CaseStatus, Handover};

/// Where the case is, for the citizen.
#[must_use]
pub(super) fn of_case(case: &Case) -> BilingualText {
    let (th, en) = match (case.status, case.next) {
        (CaseStatus::Check, NextActor::Applicant) => {
            ("โปรดส่งหลักฐานหรือข้อมูลที่หน่วยงานขอเพิ่มเติม", "Please send the evidence or information that you are asked for.")
        }
        (CaseStatus::Check, _) if case.due_at().is_some() && matches!(case.handover, Handover::Again { .. }) => (
            "คำขอครบถ้วนแล้ว แต่ยังส่งให้หน่วยงานไม่ได้ ระบบจะส่งอีกครั้ง ท่านไม่ต้องดำเนินการใด",
            "Your application could not be handed to the agency yet; it is tried again. You need not do anything.",
        ),
        (CaseStatus::Check, _) => (
            "กำลังรวบรวมและตรวจสอบหลักฐานจากหน่วยงานที่เกี่ยวข้อง ท่านไม่ต้องดำเนินการใด",
            "Evidence is being collected from the agencies that hold it, and checked. You need not do anything.",
        ),
        (CaseStatus::Pending, NextActor::Applicant) => {
            ("หน่วยงานขอข้อมูลเพิ่มเติมเพื่อพิจารณาคำขอ", "The agency needs more information from you to decide.")
        }
        (CaseStatus::Pending, _) => ("อยู่ระหว่างการพิจารณา", "Your application is under consideration."),
        (CaseStatus::ApprovedWaitingPayFee, _) => ("อนุมัติแล้ว โปรดชำระค่าธรรมเนียม", "Approved. Please pay the fee."),
        (CaseStatus::PaidFeeCreatingLicense, _) => {
            ("ชำระค่าธรรมเนียมแล้ว หน่วยงานกำลังจัดทำเอกสาร", "The fee is paid; the document is being made.")
        }
        (CaseStatus::Completed, _) => ("ดำเนินการเสร็จสิ้น", "Done."),
        (CaseStatus::Rejected, _) => (
            "ไม่อนุมัติคำขอ เหตุผลและสิทธิอุทธรณ์อยู่ในคำวินิจฉัย",
            "Rejected. The decision gives the reasons and says how you can appeal.",
        ),
        (CaseStatus::Withdrawn, _) => ("ท่านได้ถอนคำขอแล้ว", "You have withdrawn the application."),
    };
    BilingualText::new(th, en)
}

/// Why the applicant is asked.
pub(super) fn why_asked() -> BilingualText {
    BilingualText::new(
        "ไม่สามารถขอหลักฐานต่อไปนี้จากหน่วยงานที่ถือครองได้ โปรดส่งด้วยตนเอง หรือแจ้งว่าไม่มี",
        "The following could not be obtained from the agencies that hold it. Please send it yourself, or say that you do not have it.",
    )
}

/// What the applicant is asked for.
pub(super) fn question(requirement: Option<&BilingualText>) -> BilingualText {
    requirement.cloned().unwrap_or_else(|| BilingualText::new("หลักฐานประกอบคำขอ", "Evidence for the application"))
}

/// What follows when the applicant does not answer.
pub(super) fn if_not_answered() -> BilingualText {
    BilingualText::new(
        "หากไม่ตอบภายในวันดังกล่าว คำขอจะถูกส่งให้หน่วยงานพิจารณาโดยไม่มีหลักฐานนี้",
        "If you do not answer by that day, the application goes to the agency without this evidence.",
    )
}

/// What the authority reads about a requirement that nobody could prove.
pub(super) fn missing(because: GapReason) -> BilingualText {
    match because {
        GapReason::ApplicantCannotSupply => BilingualText::new(
            "ไม่มีหน่วยงานใดให้หลักฐานนี้ได้ และผู้ยื่นคำขอแจ้งว่าไม่มี",
            "No provider had this evidence, and the applicant cannot supply it.",
        ),
        GapReason::ApplicantDidNotAnswer => BilingualText::new(
            "ไม่มีหน่วยงานใดให้หลักฐานนี้ได้ และผู้ยื่นคำขอไม่ตอบภายในกำหนด",
            "No provider had this evidence, and the applicant did not answer in time.",
        ),
        GapReason::ApplicantNotReached => BilingualText::new(
            "ไม่มีหน่วยงานใดให้หลักฐานนี้ได้ และไม่สามารถสอบถามผู้ยื่นคำขอได้",
            "No provider had this evidence, and the applicant could not be asked.",
        ),
    }
}

/// What a reminder says, when it is the turn of `next`.
pub(super) fn reminder(kind: ReminderKind, next: NextActor) -> BilingualText {
    match (kind, next) {
        (ReminderKind::AnswerDue, _) => BilingualText::new(
            "ใกล้ครบกำหนดส่งหลักฐานหรือข้อมูลที่ขอเพิ่มเติม โปรดตอบภายในวันดังกล่าว",
            "The last day to send the evidence or information that you are asked for is near; please answer by then.",
        ),
        (ReminderKind::AnswerOver, _) => BilingualText::new(
            "พ้นกำหนดส่งหลักฐานหรือข้อมูลแล้ว คำขอจะถูกส่งให้หน่วยงานพิจารณาโดยไม่มีสิ่งที่ยังไม่ได้ส่ง",
            "The last day to answer has passed; the application goes to the agency without what was not sent.",
        ),
        (ReminderKind::EvidenceOver, _) => BilingualText::new(
            "หน่วยงานที่ถือหลักฐานไม่ตอบภายในกำหนด หากยังไม่ได้รับหลักฐาน ระบบจะขอจากหน่วยงานอื่น หรือขอจากท่าน",
            "An agency did not send evidence in time. Unless it comes now, another agency is asked, or you are.",
        ),
        (ReminderKind::ConsentOver, _) => BilingualText::new(
            "ระยะเวลาที่ท่านให้ความยินยอมสิ้นสุดแล้ว จะไม่มีการใช้ข้อมูลที่ต้องอาศัยความยินยอมนี้อีก",
            "The time that you gave your consent for is over; what rests on it is not used any more.",
        ),
        (ReminderKind::DueSoon, NextActor::Applicant) => BilingualText::new(
            "ใกล้ครบกำหนดเวลาที่คู่มือประชาชนระบุ หน่วยงานรอการดำเนินการของท่าน",
            "The time that the service promises is nearly over; the agency is waiting for you.",
        ),
        (ReminderKind::DueSoon, _) => BilingualText::new(
            "ใกล้ครบกำหนดเวลาที่คู่มือประชาชนระบุ โปรดพิจารณาให้แล้วเสร็จ",
            "The time that the service promises is nearly over; please decide.",
        ),
        (ReminderKind::Overdue, NextActor::Applicant) => BilingualText::new(
            "เลยกำหนดเวลาที่คู่มือประชาชนระบุแล้ว โดยยังรอการดำเนินการของผู้ยื่นคำขอ",
            "The time that the service promises is over; the applicant has still to act.",
        ),
        (ReminderKind::Overdue, _) => BilingualText::new(
            "เลยกำหนดเวลาที่คู่มือประชาชนระบุแล้ว โปรดแจ้งเหตุที่ล่าช้าและกำหนดเวลาใหม่",
            "The time that the service promises is over; please tell the applicant why, and when it will be decided.",
        ),
    }
}

/// Who asks, when the registry has no name.
pub(super) fn hub() -> BilingualText {
    BilingualText::new("ศูนย์แลกเปลี่ยนข้อมูล", "Data-exchange hub")
}
