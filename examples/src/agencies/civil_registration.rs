//! Civil registration: a change of the first name, decided by a registrar of the Department of Provincial Administration.
//!
//! The registrar's office and the civil registry belong to one member and are two systems all the same.

use std::sync::Arc;

use saphan_connector::{ConnectorBuilder, Handled, HandlerError, Message};
use saphan_schemas::ids::InvalidId;
use saphan_schemas::message_types::{
    AnswerForm, Applicant, ApplicationDecided, ApplicationSubmitted, ApplicationWithdrawn, Approval, BilingualText,
    EvidenceDeclined, EvidenceProvided, InformationSupplied, Issued,
};
use serde::Deserialize;
use serde_json::Value;

use super::desk::DeskError;
use super::{Cases, Desk, Mandate, Records, answers};

/// What this agency decides.
pub const MANDATE: Mandate = Mandate {
    system: "th.dopa/registrar",
    service: "th.dopa.name-change",
    purpose: "name-change",
    law: "Person Name Act BE 2505 s.16",
};

/// The back office.
#[derive(Debug)]
pub struct NameChanges {
    desk: Desk,
    cases: Cases<Wish>,
}

/// What the form says that the decision needs.
#[derive(Clone, Deserialize)]
struct Wish {
    new_first: String,
    reason: String,
}

impl NameChanges {
    /// Registers the agency's handlers.
    ///
    /// # Errors
    /// [`InvalidId`]: the mandate above is not well written.
    pub fn open(builder: ConnectorBuilder, records: &Records) -> Result<ConnectorBuilder, InvalidId> {
        let desk = Desk::new(&MANDATE, "นายทะเบียน กรมการปกครอง", "Registrar, Department of Provincial Administration")?;
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
        let subject = message.body().applicant.subject();
        Ok(Handled::Reply(vec![
            self.desk.to_portal(message, &answers::checking()?),
            self.desk.ask_civil_registry(message, "th.dopa.identity", subject)?,
        ]))
    }

    fn evidence_provided(&self, message: &Message<EvidenceProvided>) -> Result<Handled, HandlerError> {
        let Some(wish) = self.cases.of(message) else { return answers::unknown_case() };
        if let Some(Applicant::Citizen(citizen)) = &message.body().person
            && citizen.name.first == wish.new_first
        {
            let text = BilingualText::new("ชื่อที่ขอตรงกับชื่อเดิม", "The new name is the present one.");
            return self.decide(message, &answers::rejected(self.desk.office(), "name-unchanged", text)?);
        }
        if wish.reason == "OTHER" {
            let text = BilingualText::new("ท่านขอเปลี่ยนชื่อเพราะเหตุใด", "Why do you want to change your name?");
            let question = answers::question(self.desk.office(), "reason", AnswerForm::Text, text)?;
            return Ok(Handled::Reply(vec![self.desk.to_portal(message, &question)]));
        }
        self.decide(message, &self.certificate(message)?)
    }

    fn evidence_declined(&self, message: &Message<EvidenceDeclined>) -> Result<Handled, HandlerError> {
        self.cases.close(message);
        let decision = answers::rejected_as_unknown(self.desk.office())?;
        Ok(Handled::Reply(vec![self.desk.to_portal(message, &decision)]))
    }

    fn information_supplied(&self, message: &Message<InformationSupplied>) -> Result<Handled, HandlerError> {
        if self.cases.of(message).is_none() {
            return answers::unknown_case();
        }
        self.decide(message, &self.certificate(message)?)
    }

    fn withdrawn(&self, message: &Message<ApplicationWithdrawn>) -> Result<Handled, HandlerError> {
        self.cases.close(message);
        Ok(Handled::Done)
    }

    fn decide<T>(&self, message: &Message<T>, decision: &ApplicationDecided) -> Result<Handled, HandlerError> {
        self.cases.close(message);
        Ok(Handled::Reply(vec![
            self.desk.to_portal(message, &answers::considering()?),
            self.desk.to_portal(message, decision),
        ]))
    }

    fn certificate<T>(&self, message: &Message<T>) -> Result<ApplicationDecided, DeskError> {
        let certificate = Issued {
            number: format!("N-{}", message.id()),
            evidence_type: None,
            valid_from: None,
            valid_until: None,
            document: None,
        };
        let text = BilingualText::new("อนุญาตให้เปลี่ยนชื่อตัว", "Your new first name is registered.");
        let approval = Approval { issued: vec![certificate], ..Approval::default() };
        Ok(answers::approved(self.desk.office(), approval, text)?)
    }
}
