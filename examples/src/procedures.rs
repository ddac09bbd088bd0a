//! Once-only procedures: what people apply for through the hub's own system, and the registers that prove it.
//!
//! The applicant fills in a form and hands in no paper. [`Procedures::first`] are four people, each with something else to
//! do; [`Procedures::again`] is one of them who comes back: then nothing is fetched that was fetched before.

use saphan_schemas::ids::CaseId;
use saphan_schemas::message_types::{
    Address, Applicant, Citizen, Date, InvalidTime, JuristicPerson, ProofSource, Subject,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::agencies::registers::Holdings;
use crate::agencies::{Mandate, answers, food_premises, licences, moves, welfare};
use crate::applicants::{Applicants, InvalidSample, numbers};
use crate::applications::{Application, director};
use crate::portal::{Ended, Portal, PortalError};

/// What people apply for, and what the registers know of them.
#[derive(Debug, Clone)]
pub struct Procedures {
    /// A restaurant, a newborn child, a move, a driving licence.
    pub first: Vec<Application>,
    /// The restaurant's owner opens another one.
    pub again: Application,
    /// What the registers hold.
    pub holdings: Holdings,
}

/// What a procedure took, in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The public service.
    pub service: String,
    /// Papers to hand in the old way: what such an applicant must prove.
    pub papers_before: usize,
    /// Papers that the applicant handed in.
    pub papers_now: usize,
    /// Evidence that was fetched from registers.
    pub evidence_fetched: usize,
    /// Evidence that had been fetched before.
    pub evidence_reused: usize,
    /// Members whose papers the applicant did not have to get.
    pub offices_saved: usize,
    /// From the moment at which the applicant sends the form until the decision has arrived.
    pub seconds_to_decision: f64,
    /// The case.
    #[serde(skip)]
    pub case: CaseId,
}

/// Carries a procedure out as its applicant does, waits for its end, and counts what it took: by the catalogue, and by where the
/// case is in the end.
///
/// # Errors
/// [`PortalError`], also when it is not approved.
pub async fn carry_out(portal: &Portal, application: &Application) -> Result<Measured, PortalError> {
    let case = portal.apply(application).await?;
    let Ended { view, took } = portal.ended(case).await?;
    let service = portal.connector().service(&view.service).await?;
    let of = |source| view.requirements.iter().filter(move |one| one.source == Some(source));
    let mut offices: Vec<_> = of(ProofSource::Requested)
        .chain(of(ProofSource::Reused))
        .filter_map(|one| one.provider.as_ref().map(|provider| provider.member()))
        .collect();
    offices.sort();
    offices.dedup();
    Ok(Measured {
        service: view.service.to_string(),
        papers_before: service.requirements_for(application.applicant().kind()).count(),
        papers_now: of(ProofSource::Applicant).count(),
        evidence_fetched: of(ProofSource::Requested).count(),
        evidence_reused: of(ProofSource::Reused).count(),
        offices_saved: offices.len(),
        seconds_to_decision: (took.as_secs_f64() * 1000.0).round() / 1000.0,
        case,
    })
}

/// A plan cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPlan {
    /// A person breaks a rule: a defect of this crate.
    #[error(transparent)]
    Sample(#[from] InvalidSample),
    /// The clock is far off.
    #[error(transparent)]
    Time(#[from] InvalidTime),
}

impl Procedures {
    /// The procedures of a seed.
    ///
    /// # Errors
    /// [`InvalidPlan`].
    pub fn new(seed: u64) -> Result<Self, InvalidPlan> {
        let mut people = Applicants::after(seed, OTHERS);
        let mut registers = Registers { holdings: Holdings::default(), today: answers::today()?, houses: 0 };
        let (restaurant, again) = restaurants(&mut people, &mut registers)?;
        let first = vec![
            restaurant,
            newborn(&mut people, &mut registers)?,
            change_of_address(&mut people, &mut registers)?,
            driving_licence(&mut people, &mut registers)?,
        ];
        Ok(Self { first, again, holdings: registers.holdings })
    }
}

/// The registers while they are filled.
struct Registers {
    holdings: Holdings,
    today: Date,
    houses: u32,
}

impl Registers {
    fn enter(&mut self, evidence_type: &str, subject: &Subject, content: Value) -> Result<(), InvalidSample> {
        let content = if let Value::Object(content) = content { content } else { Map::new() };
        self.holdings.enter(evidence_type.parse()?, subject, content);
        Ok(())
    }

    /// A house code that no house has: province 99 does not exist.
    fn house_code(&mut self) -> String {
        self.houses += 1;
        format!("9901{:07}", self.houses)
    }

    /// What the civil registry knows of everybody. Answers the code of the house.
    fn citizen(&mut self, citizen: &Citizen) -> Result<String, InvalidSample> {
        let subject = subject_of(citizen);
        let identity = json!({
            "name": citizen.name, "latin_name": citizen.latin_name, "sex": citizen.sex,
            "birth_date": citizen.birth_date, "nationality": "TH", "status": "ALIVE",
        });
        self.enter("th.dopa.identity", &subject, identity)?;
        let house_code = self.house_code();
        let house = json!({
            "house_code": house_code, "address": citizen.registered_address, "house_master": true, "residents": 4,
        });
        self.enter("th.dopa.house-registration", &subject, house)?;
        Ok(house_code)
    }

    fn land_titles(&mut self, owner: &Subject, addresses: &[&Address]) -> Result<(), InvalidSample> {
        let title = |(at, address): (usize, &&Address)| {
            json!({
                "kind": "CHANOTE", "number": format!("{}", 990_001 + at), "sub_district": address.sub_district,
                "district": address.district, "province": address.province, "area_square_wah": 96,
                "address": address, "shared": false,
            })
        };
        let titles: Vec<Value> = addresses.iter().enumerate().map(title).collect();
        self.enter("th.dol.land-title", owner, json!({ "titles": titles }))
    }
}

fn subject_of(citizen: &Citizen) -> Subject {
    Subject::Citizen { national_id: citizen.national_id.clone() }
}

/// A company opens a restaurant, and another one later. A director acts for it.
fn restaurants(
    people: &mut Applicants,
    registers: &mut Registers,
) -> Result<(Application, Application), InvalidSample> {
    let owner = people.citizen()?;
    let company = people.company(&owner)?;
    let (here, there) = (people.address(), people.address());
    registers.citizen(&owner)?;
    register_company(registers, &company, &[&here, &there])?;
    let restaurant = |name: &str, address: &Address| {
        let form = json!({
            "premises_name": name, "address": address, "floor_area_square_metres": 260, "kind": "RESTAURANT",
            "food_handlers": 12, "seats": 90,
        });
        let applicant = Applicant::Juristic(Box::new(company.clone()));
        application(food_premises::MANDATE, applicant, form).map(|one| one.by(director(owner.clone())))
    };
    Ok((restaurant("ครัวตัวอย่าง", &here)?, restaurant("ครัวตัวอย่าง สาขา 2", &there)?))
}

fn register_company(
    registers: &mut Registers,
    company: &JuristicPerson,
    premises: &[&Address],
) -> Result<(), InvalidSample> {
    let subject = Subject::Juristic { number: company.number.clone() };
    let record = json!({
        "name": company.name, "type": company.juristic_type, "status": company.status,
        "registered_on": company.registered_on, "registered_capital_satang": company.registered_capital_satang,
        "directors": company.directors.iter().map(|one| json!({ "name": one.name, "national_id": one.national_id })).collect::<Vec<_>>(),
        "signing_authority": company.signing_authority, "head_office": company.head_office,
    });
    registers.enter("th.dbd.juristic-person-record", &subject, record)?;
    registers.land_titles(&subject, premises)?;
    let building = |address: &&Address| {
        json!({
            "address": address, "uses": ["COMMERCE", "FOOD_PREMISES"], "certificate_number": "99/2568",
            "certified_on": "2025-03-14", "floor_area_square_metres": 320,
        })
    };
    let buildings: Vec<Value> = premises.iter().map(building).collect();
    registers.enter("th.bma.building-use", &subject, json!({ "buildings": buildings }))?;
    let tax = json!({ "tax_number": company.number, "registered": true, "vat_registered": true, "branches": 1 });
    registers.enter("th.rd.tax-registration", &subject, tax)
}

/// A parent applies for the grant for a newborn child.
fn newborn(people: &mut Applicants, registers: &mut Registers) -> Result<Application, InvalidSample> {
    let parent = people.citizen()?;
    let child = people.child_of(&parent)?;
    let subject = subject_of(&parent);
    registers.citizen(&parent)?;
    let birth = json!({ "children": [{
        "national_id": child.national_id, "name": child.name, "birth_date": child.birth_date, "sex": child.sex,
        "certificate_number": "9901-2569-00042",
    }] });
    registers.enter("th.dopa.birth-record", &subject, birth)?;
    let income = json!({ "tax_year": 2025, "filed": true, "assessable_income_satang": 9_600_000, "tax_satang": 0 });
    registers.enter("th.rd.income-record", &subject, json!({ "years": [income] }))?;
    let form = json!({
        "child": { "national_id": child.national_id, "name": child.name, "birth_date": child.birth_date },
        "relationship": "GUARDIAN",
        "household": { "members": 4, "annual_income_satang": 9_600_000 },
        "receive_by": { "kind": "PromptPay", "national_id": parent.national_id },
    });
    application(welfare::MANDATE, Applicant::Citizen(parent), form)
}

/// Somebody moves into a house of their own.
fn change_of_address(people: &mut Applicants, registers: &mut Registers) -> Result<Application, InvalidSample> {
    let (citizen, new_home) = (people.citizen()?, people.address());
    let (from, to) = (registers.citizen(&citizen)?, registers.house_code());
    registers.land_titles(&subject_of(&citizen), &[&new_home])?;
    let form = json!({
        "from_house_code": from, "to_house_code": to, "moved_on": registers.today,
        "persons": [{ "national_id": citizen.national_id, "name": citizen.name }],
        "consent_of_house_master": true,
    });
    application(moves::MANDATE, Applicant::Citizen(citizen), form)
}

/// Somebody renews a driving licence.
fn driving_licence(people: &mut Applicants, registers: &mut Registers) -> Result<Application, InvalidSample> {
    let (citizen, number) = (people.citizen()?, numbers::driving_licence(1));
    let subject = subject_of(&citizen);
    registers.citizen(&citizen)?;
    let licence = json!({
        "number": number, "type": "PRIVATE_CAR", "issued_on": "2022-01-21", "expires_on": "2027-01-20",
        "suspended": false,
    });
    registers.enter("th.dlt.driving-licence", &subject, json!({ "licences": [licence] }))?;
    let certificate = json!({
        "examined_on": registers.today, "facility": "โรงพยาบาลตัวอย่าง", "purpose": "DRIVING", "fit": true,
    });
    registers.enter("th.moph.medical-certificate", &subject, certificate)?;
    let form = json!({
        "licence_number": number, "licence_type": "PRIVATE_CAR", "expires_on": "2027-01-20", "fit_to_drive": true,
        "delivery": "POST", "deliver_to": citizen.registered_address,
    });
    application(licences::MANDATE, Applicant::Citizen(citizen), form)
}

/// People who apply elsewhere are other people.
const OTHERS: u32 = 5_090_000;

fn application(mandate: Mandate, applicant: Applicant, form: Value) -> Result<Application, InvalidSample> {
    let form = if let Value::Object(form) = form { form } else { Map::new() };
    Application::new(mandate, applicant, form)
}

#[cfg(test)]
mod tests {
    use saphan_schemas::catalogue::Catalogue;
    use saphan_schemas::ids::ServiceId;
    use saphan_schemas::message_types::{ApplicationSubmitted, MessageBody as _};

    use super::*;
    use crate::agencies::registers::REGISTERS;

    #[test]
    fn every_application_and_every_record_is_as_its_schema_says() {
        let catalogue = Catalogue::embedded().unwrap();
        let procedures = Procedures::new(3).unwrap();
        for application in procedures.first.iter().chain([&procedures.again]) {
            let service = catalogue.service(&application.mandate.service.parse::<ServiceId>().unwrap()).unwrap();
            let body = serde_json::to_value(application.submitted_at(answers::now().unwrap())).unwrap();
            catalogue.validate(&service.form, &body["form"]).unwrap();
            catalogue.validate(&ApplicationSubmitted::SCHEMA.parse().unwrap(), &body).unwrap();
        }
        for (evidence_type, content) in procedures.holdings.records() {
            let schema = &catalogue.evidence_type(evidence_type).unwrap().schema;
            catalogue.validate(schema, &Value::Object(content.clone())).unwrap();
        }
    }

    #[test]
    fn each_register_holds_evidence_types_of_its_own_member_and_together_they_hold_every_record() {
        let catalogue = Catalogue::embedded().unwrap();
        for register in REGISTERS {
            for evidence_type in register.evidence_types {
                let known = catalogue.evidence_type(&evidence_type.parse().unwrap()).unwrap();
                assert_eq!(known.issuer.member.as_str(), register.system.split_once('/').unwrap().0);
            }
        }
        let holdings = Procedures::new(3).unwrap().holdings;
        let parts: usize = REGISTERS.iter().map(|register| holdings.of(register).records().count()).sum();
        assert_eq!(parts, holdings.records().count());
    }
}
