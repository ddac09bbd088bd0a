//! Requests for government services: the certificate of a juristic person, by the Department of Business Development.
//!
//! The department holds the company's record itself and asks nobody for it. It asks the civil registry who the director
//! is, and the applicant only for what no register knows.

use std::collections::HashMap;
use std::sync::Arc;

use saphan_connector::{ConnectorBuilder, Handled, HandlerError, Message};
use saphan_schemas::ids::InvalidId;
use saphan_schemas::message_types::{
    AnswerForm, Applicant, ApplicationDecided, ApplicationSubmitted, ApplicationWithdrawn, Approval, BilingualText,
    EvidenceDeclined, EvidenceProvided, InformationSupplied, Issued, JuristicNumber, JuristicPerson, NaturalPerson,
    Subject,
};

use super::desk::DeskError;
use super::{Cases, Desk, Mandate, Records, answers};

/// What this agency decides.
pub const MANDATE: Mandate = Mandate {
    system: "th.dbd/certificates",
    service: "th.dbd.juristic-person-certificate",
    purpose: "juristic-person-certificate",
    law: "Civil and Commercial Code s.1020",
};

/// The back office.
#[derive(Debug)]
pub struct Certificates {
    desk: Desk,
    companies: HashMap<JuristicNumber, JuristicPerson>,
    cases: Cases<Request>,
}

#[derive(Clone)]
struct Request {
    company: JuristicNumber,
    in_english: bool,
}

impl Certificates {
    /// Registers the agency's handlers; `companies` is the register that it keeps.
    ///
    /// # Errors
    /// [`InvalidId`]: the mandate above is not well written.
    pub fn open(
        builder: ConnectorBuilder,
        records: &Records,
        companies: impl IntoIterator<Item = JuristicPerson>,
    ) -> Result<ConnectorBuilder, InvalidId> {
        let desk = Desk::new(&MANDATE, "กรมพัฒนาธุรกิจการค้า", "Department of Business Development")?;
        let companies = companies.into_iter().map(|company| (company.number.clone(), company)).collect();
        let agency = Arc::new(Self { desk, companies, cases: Cases::new() });
        Ok(builder
            .handle(records.step(&agency, Self::submitted))
            .handle(records.step(&agency, Self::evidence_provided))
            .handle(records.step(&agency, Self::evidence_declined))
            .handle(records.step(&agency, Self::information_supplied))
            .handle(records.step(&agency, Self::withdrawn)))
    }

    fn submitted(&self, message: &Message<ApplicationSubmitted>) -> Result<Handled, HandlerError> {
        let body = message.body();
        let representative = body.representative.as_ref().map(|representative| &representative.person);
        let (Some(case), Applicant::Juristic(company), Some(NaturalPerson::Citizen(director))) =
            (message.case(), &body.applicant, representative)
        else {
            return Ok(Handled::Reject("applicant-not-supported".parse()?));
        };
        let in_english = body.form.get("language").is_some_and(|language| language == "en");
        self.cases.open(case, Request { company: company.number.clone(), in_english });
        let subject = Subject::Citizen { national_id: director.national_id.clone() };
        Ok(Handled::Reply(vec![
            self.desk.to_portal(message, &answers::checking()?),
            self.desk.ask_civil_registry(message, "th.dopa.identity", subject)?,
        ]))
    }

    fn evidence_provided(&self, message: &Message<EvidenceProvided>) -> Result<Handled, HandlerError> {
        let Some(request) = self.cases.of(message) else { return answers::unknown_case() };
        let company = self.companies.get(&request.company);
        let is_director = |company: &&JuristicPerson| {
            let Subject::Citizen { national_id } = &message.body().subject else { return false };
            company.directors.iter().any(|director| director.national_id.as_ref() == Some(national_id))
        };
        let Some(company) = company.filter(is_director) else {
            let text = BilingualText::new("ผู้ยื่นคำขอไม่ใช่กรรมการของบริษัท", "The person who applies is not a director.");
            return self.decide(message, &answers::rejected(self.desk.office(), "not-a-director", text)?);
        };
        if request.in_english && company.name.en.is_none() {
            let text = BilingualText::new("ชื่อภาษาอังกฤษของบริษัทคืออะไร", "What is the company's name in English?");
            let question = answers::question(self.desk.office(), "name-in-english", AnswerForm::Text, text)?;
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
            number: format!("C-{}", message.id()),
            evidence_type: Some("th.dbd.juristic-person-record".parse()?),
            valid_from: None,
            valid_until: None,
            document: None,
        };
        let text = BilingualText::new("ออกหนังสือรับรองแล้ว", "The certificate is issued.");
        let approval = Approval { issued: vec![certificate], ..Approval::default() };
        Ok(answers::approved(self.desk.office(), approval, text)?)
    }
}
