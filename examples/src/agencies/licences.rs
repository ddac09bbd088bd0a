//! Licences: the renewal of a driving licence, decided by the Department of Land Transport.
//!
//! Citizens are known to the civil registry. Foreigners are asked for their permission to stay, as long as nobody in this
//! exchange holds it. The fee is paid at the department's own cashier, here at once; it does not travel through the hub.
//! In complete cases of the hub's once-only service ([`Renewals`]) the applicant pays at the portal.

use std::sync::Arc;

use saphan_connector::{ConnectorBuilder, Handled, HandlerError, Message};
use saphan_schemas::ids::InvalidId;
use saphan_schemas::message_types::{
    AnswerForm, ApplicantKind, ApplicationStatus, ApplicationSubmitted, ApplicationWithdrawn, Approval, BilingualText,
    EvidenceDeclined, EvidenceProvided, Fee, InformationSupplied, Issued, NextActor,
};
use serde::Deserialize;
use serde_json::Value;

use super::case_office::{CaseFile, Competence, Finding};
use super::{Cases, Desk, Mandate, Records, answers};

/// What this agency decides.
pub const MANDATE: Mandate = Mandate {
    system: "th.dlt/licensing",
    service: "th.dlt.driving-licence-renewal",
    purpose: "driving-licence-renewal",
    law: "Motor Vehicle Act BE 2522 s.42",
};

/// The back office.
#[derive(Debug)]
pub struct DrivingLicences {
    desk: Desk,
    cases: Cases<Renewal>,
}

/// What the form says that the decision needs.
#[derive(Clone, Deserialize)]
struct Renewal {
    licence_number: String,
    fit_to_drive: bool,
}

impl DrivingLicences {
    /// Registers the agency's handlers.
    ///
    /// # Errors
    /// [`InvalidId`]: the mandate above is not well written.
    pub fn open(builder: ConnectorBuilder, records: &Records) -> Result<ConnectorBuilder, InvalidId> {
        let desk = Desk::new(&MANDATE, OFFICE.0, OFFICE.1)?;
        let agency = Arc::new(Self { desk, cases: Cases::new() });
        Ok(builder
            .handle(records.step(&agency, Self::submitted))
            .handle(records.step(&agency, Self::evidence_provided))
            .handle(records.step(&agency, Self::evidence_declined))
            .handle(records.step(&agency, Self::information_supplied))
            .handle(records.step(&agency, Self::withdrawn)))
    }

    fn submitted(&self, message: &Message<ApplicationSubmitted>) -> Result<Handled, HandlerError> {
        let Some(case) = message.case() else { return answers::unknown_case() };
        self.cases.open(case, serde_json::from_value(Value::Object(message.body().form.clone()))?);
        let applicant = &message.body().applicant;
        let next = if applicant.kind() == ApplicantKind::Foreigner {
            let text =
                BilingualText::new("เลขที่การอนุญาตให้อยู่ในราชอาณาจักร", "What is the number of your permission to stay?");
            let question = answers::question(self.desk.office(), "stay-permit", AnswerForm::Text, text)?;
            self.desk.to_portal(message, &question)
        } else {
            self.desk.ask_civil_registry(message, "th.dopa.identity", applicant.subject())?
        };
        Ok(Handled::Reply(vec![self.desk.to_portal(message, &answers::checking()?), next]))
    }

    fn evidence_provided(&self, message: &Message<EvidenceProvided>) -> Result<Handled, HandlerError> {
        self.decide(message)
    }

    fn evidence_declined(&self, message: &Message<EvidenceDeclined>) -> Result<Handled, HandlerError> {
        self.cases.close(message);
        let decision = answers::rejected_as_unknown(self.desk.office())?;
        Ok(Handled::Reply(vec![self.desk.to_portal(message, &decision)]))
    }

    fn information_supplied(&self, message: &Message<InformationSupplied>) -> Result<Handled, HandlerError> {
        self.decide(message)
    }

    fn withdrawn(&self, message: &Message<ApplicationWithdrawn>) -> Result<Handled, HandlerError> {
        self.cases.close(message);
        Ok(Handled::Done)
    }

    fn decide<T>(&self, message: &Message<T>) -> Result<Handled, HandlerError> {
        let Some(renewal) = self.cases.of(message) else { return answers::unknown_case() };
        self.cases.close(message);
        if !renewal.fit_to_drive {
            let text = BilingualText::new(
                "ท่านแจ้งว่ามีโรคที่เป็นอันตรายต่อการขับรถ",
                "You declared an illness that makes driving dangerous.",
            );
            let decision = answers::rejected(self.desk.office(), "not-fit-to-drive", text)?;
            return Ok(Handled::Reply(vec![
                self.desk.to_portal(message, &answers::considering()?),
                self.desk.to_portal(message, &decision),
            ]));
        }
        let text =
            BilingualText::new("อนุมัติแล้ว กรุณาชำระค่าธรรมเนียม 505 บาท", "Approved. Please pay the fee of 505 baht.");
        let mut fee_due = answers::status(ApplicationStatus::ApprovedWaitingPayFee, NextActor::Applicant, text)?;
        fee_due.fee = Some(Fee { amount_satang: FEE_SATANG, due_on: None, payment_reference: None });
        let text = BilingualText::new("ชำระแล้ว กำลังจัดทำใบอนุญาต", "Paid. Your licence is being made.");
        let paid = answers::status(ApplicationStatus::PaidFeeCreatingLicense, NextActor::Agency, text)?;
        let (approval, text) = renewed(renewal.licence_number)?;
        let decision = answers::approved(self.desk.office(), approval, text)?;
        Ok(Handled::Reply(vec![
            self.desk.to_portal(message, &fee_due),
            self.desk.to_portal(message, &paid),
            self.desk.to_portal(message, &decision),
        ]))
    }
}

/// How the department decides a complete case: by the registers.
#[derive(Debug, Clone, Copy)]
pub struct Renewals;

#[derive(Deserialize)]
struct Licences {
    licences: Vec<Licence>,
}

#[derive(Deserialize)]
struct Licence {
    number: String,
    suspended: bool,
}

#[derive(Deserialize)]
struct Certificate {
    fit: bool,
}

impl Competence for Renewals {
    fn mandate(&self) -> Mandate {
        MANDATE
    }

    fn office(&self) -> (&'static str, &'static str) {
        OFFICE
    }

    fn examine(&self, case: &CaseFile) -> Result<Finding, HandlerError> {
        let Renewal { licence_number, fit_to_drive } = case.form()?;
        let held: Option<Licences> = case.evidence("driving-licence")?;
        let fits = |licence: &Licence| licence.number == licence_number && !licence.suspended;
        if !held.is_some_and(|held| held.licences.iter().any(fits)) {
            let text = BilingualText::new("ไม่พบใบอนุญาตขับรถที่ต่ออายุได้", "There is no such licence that can be renewed.");
            return Ok(Finding::Refused { code: "licence-not-found", text });
        }
        let certificate: Option<Certificate> = case.evidence("medical-certificate")?;
        if !fit_to_drive || !certificate.is_some_and(|certificate| certificate.fit) {
            let text = BilingualText::new("ไม่มีใบรับรองแพทย์ว่าขับรถได้", "No doctor certifies that you are fit to drive.");
            return Ok(Finding::Refused { code: "not-fit-to-drive", text });
        }
        let (approval, text) = renewed(licence_number)?;
        Ok(Finding::Granted { approval, text, fee_satang: Some(FEE_SATANG) })
    }
}

fn renewed(number: String) -> Result<(Approval, BilingualText), InvalidId> {
    let licence = Issued {
        number,
        evidence_type: Some("th.dlt.driving-licence".parse()?),
        valid_from: None,
        valid_until: None,
        document: None,
    };
    let text = BilingualText::new("ต่ออายุใบอนุญาตขับรถแล้ว", "Your driving licence is renewed.");
    Ok((Approval { issued: vec![licence], ..Approval::default() }, text))
}

const OFFICE: (&str, &str) = ("กรมการขนส่งทางบก", "Department of Land Transport");
/// 505 baht, the request included.
const FEE_SATANG: u64 = 50_500;
