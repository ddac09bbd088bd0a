//! Welfare: the child support grant, decided by the Department of Children and Youth.
//!
//! The house registration comes from the civil registry; the parent is asked only when it does not fit the application.
//! Complete cases of the hub's once-only service ([`NewbornGrants`]) hold more: birth and income, from the registers.

use std::sync::Arc;

use saphan_connector::{ConnectorBuilder, Handled, HandlerError, Message};
use saphan_schemas::ids::InvalidId;
use saphan_schemas::message_types::{
    AnswerForm, ApplicationDecided, ApplicationSubmitted, ApplicationWithdrawn, Approval, BilingualText, Date,
    EvidenceDeclined, EvidenceProvided, FactValue, InformationSupplied, InvalidTime, NationalId, Payment,
    PaymentInterval,
};
use serde::Deserialize;
use serde_json::Value;

use super::case_office::{CaseFile, Competence, Finding};
use super::desk::DeskError;
use super::{Cases, Desk, Mandate, Records, answers};

/// What this agency decides.
pub const MANDATE: Mandate = Mandate {
    system: "th.dcy/child-grant",
    service: "th.dcy.child-support-grant",
    purpose: "child-support-grant",
    law: "Regulation of the Department of Children and Youth on the child support grant BE 2562",
};

/// The back office.
#[derive(Debug)]
pub struct ChildGrants {
    desk: Desk,
    cases: Cases<Household>,
}

/// What the form says that the decision needs.
#[derive(Clone, Deserialize)]
struct Household {
    members: u64,
    annual_income_satang: u64,
}

impl ChildGrants {
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
        let household = message.body().form.get("household").cloned().unwrap_or(Value::Null);
        self.cases.open(case, serde_json::from_value(household)?);
        let subject = message.body().applicant.subject();
        Ok(Handled::Reply(vec![
            self.desk.to_portal(message, &answers::checking()?),
            self.desk.ask_civil_registry(message, "th.dopa.house-registration", subject)?,
        ]))
    }

    fn evidence_provided(&self, message: &Message<EvidenceProvided>) -> Result<Handled, HandlerError> {
        let Some(household) = self.cases.of(message) else { return answers::unknown_case() };
        let residents = message.body().facts.iter().find(|fact| fact.name.as_str() == "residents");
        if residents.map(|fact| &fact.value) == Some(&FactValue::Number(household.members.into())) {
            return self.decide(message, &household);
        }
        let text = BilingualText::new("มีผู้อาศัยอยู่ในครัวเรือนของท่านกี่คน", "How many people live in your household?");
        let question = answers::question(self.desk.office(), "members", AnswerForm::Number, text)?;
        Ok(Handled::Reply(vec![self.desk.to_portal(message, &question)]))
    }

    fn evidence_declined(&self, message: &Message<EvidenceDeclined>) -> Result<Handled, HandlerError> {
        self.cases.close(message);
        let decision = answers::rejected_as_unknown(self.desk.office())?;
        Ok(Handled::Reply(vec![self.desk.to_portal(message, &decision)]))
    }

    fn information_supplied(&self, message: &Message<InformationSupplied>) -> Result<Handled, HandlerError> {
        let Some(household) = self.cases.of(message) else { return answers::unknown_case() };
        self.decide(message, &household)
    }

    fn withdrawn(&self, message: &Message<ApplicationWithdrawn>) -> Result<Handled, HandlerError> {
        self.cases.close(message);
        Ok(Handled::Done)
    }

    fn decide<T>(&self, message: &Message<T>, household: &Household) -> Result<Handled, HandlerError> {
        self.cases.close(message);
        let decision = self.decision(household)?;
        Ok(Handled::Reply(vec![
            self.desk.to_portal(message, &answers::considering()?),
            self.desk.to_portal(message, &decision),
        ]))
    }

    fn decision(&self, household: &Household) -> Result<ApplicationDecided, DeskError> {
        let office = self.desk.office();
        if is_above_the_limit(household.annual_income_satang, household.members) {
            return answers::rejected(office, "income-above-limit", above_the_limit());
        }
        let (approval, text) = grant()?;
        Ok(answers::approved(office, approval, text)?)
    }
}

const fn is_above_the_limit(annual_income_satang: u64, members: u64) -> bool {
    let members = if members == 0 { 1 } else { members };
    annual_income_satang / members > INCOME_LIMIT_SATANG
}

fn above_the_limit() -> BilingualText {
    BilingualText::new("รายได้เฉลี่ยของครัวเรือนเกินเกณฑ์", "The income of your household is above the limit.")
}

fn grant() -> Result<(Approval, BilingualText), InvalidTime> {
    let payment = Payment { amount_satang: GRANT_SATANG, interval: PaymentInterval::Monthly, first_on: next_payday()? };
    let text = BilingualText::new("ท่านได้รับสิทธิเงินอุดหนุน เดือนละ 600 บาท", "You will receive the grant: 600 baht a month.");
    Ok((Approval { payment: Some(payment), ..Approval::default() }, text))
}

/// How the department decides a complete case: by the registers, whatever the form says.
#[derive(Debug, Clone, Copy)]
pub struct NewbornGrants;

#[derive(Deserialize)]
struct Form {
    child: Child,
    household: Household,
}

#[derive(Deserialize)]
struct Child {
    national_id: NationalId,
}

#[derive(Deserialize)]
struct Births {
    children: Vec<Child>,
}

#[derive(Deserialize)]
struct Incomes {
    years: Vec<Income>,
}

#[derive(Deserialize)]
struct Income {
    #[serde(default)]
    assessable_income_satang: u64,
}

impl Competence for NewbornGrants {
    fn mandate(&self) -> Mandate {
        MANDATE
    }

    fn office(&self) -> (&'static str, &'static str) {
        OFFICE
    }

    fn examine(&self, case: &CaseFile) -> Result<Finding, HandlerError> {
        let form: Form = case.form()?;
        let births: Option<Births> = case.evidence("birth-of-the-child")?;
        let is_there = |births: Births| births.children.iter().any(|one| one.national_id == form.child.national_id);
        if !births.is_some_and(is_there) {
            let text = BilingualText::new("ไม่พบข้อมูลการเกิดของเด็ก", "The civil registry has no record of the birth.");
            return Ok(Finding::Refused { code: "birth-not-found", text });
        }
        let incomes: Option<Incomes> = case.evidence("income")?;
        let latest = incomes.and_then(|incomes| incomes.years.into_iter().next());
        if latest.is_none_or(|year| is_above_the_limit(year.assessable_income_satang, form.household.members)) {
            return Ok(Finding::Refused { code: "income-above-limit", text: above_the_limit() });
        }
        let (approval, text) = grant()?;
        Ok(Finding::Granted { approval, text, fee_satang: None })
    }
}

/// The tenth of next month.
fn next_payday() -> Result<Date, InvalidTime> {
    let today = answers::now()?;
    let (year, month) = today.as_str().split_at(5);
    let (year, month): (u32, u32) = (year.trim_end_matches('-').parse().unwrap_or(0), month[..2].parse().unwrap_or(0));
    let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    format!("{year:04}-{month:02}-10").parse()
}

const OFFICE: (&str, &str) = ("กรมกิจการเด็กและเยาวชน", "Department of Children and Youth");
/// 100,000 baht a year for each member of the household.
const INCOME_LIMIT_SATANG: u64 = 10_000_000;
/// 600 baht a month.
const GRANT_SATANG: u64 = 60_000;
