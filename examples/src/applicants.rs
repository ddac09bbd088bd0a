//! Synthetic but valid applicants: nobody that exists, and yet every register's rules hold for them.
//!
//! Names are common Thai names, addresses lie in real sub-districts with their postcode, numbers carry their check digit
//! and a province code that was never given out (see [`numbers`]). The same seed gives the same people.

mod names;
pub mod numbers;
mod places;

pub use places::{PLACES, Place};

use saphan_schemas::ids::InvalidId;
use saphan_schemas::message_types::{
    Address, Citizen, Director, Foreigner, InvalidNumber, InvalidTime, JuristicName, JuristicPerson, JuristicStatus,
    JuristicType, LatinName, Sex, ThaiName,
};

use crate::random::Random;
use names::{COMPANY_TRADES, COMPANY_WORDS, FAMILY, FEMALE, FOREIGNERS, MALE, Name, ROADS};

/// A generated person breaks a rule: a defect of this module.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSample {
    /// A number.
    #[error(transparent)]
    Number(#[from] InvalidNumber),
    /// A date.
    #[error(transparent)]
    Time(#[from] InvalidTime),
    /// A name.
    #[error(transparent)]
    Id(#[from] InvalidId),
}

/// Makes applicants, one after the other, each with a number of its own.
#[derive(Debug, Clone)]
pub struct Applicants {
    random: Random,
    serial: u32,
}

impl Applicants {
    /// The people of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self::after(seed, 0)
    }

    /// The people of a seed, with serial numbers after this one: nobody of them is among the first so many of another seed.
    #[must_use]
    pub const fn after(seed: u64, serial: u32) -> Self {
        Self { random: Random::new(seed), serial }
    }

    /// An adult Thai citizen.
    ///
    /// # Errors
    /// [`InvalidSample`] would be a defect of this module.
    pub fn citizen(&mut self) -> Result<Citizen, InvalidSample> {
        let (sex, name, latin_name) = self.thai_name();
        Ok(Citizen {
            national_id: numbers::national_id(self.next_serial())?,
            name,
            latin_name: Some(latin_name),
            sex: Some(sex),
            birth_date: Some(self.day(1955, 2004).parse()?),
            registered_address: Some(self.address()),
            current_address: None,
        })
    }

    /// A child of `parent`, born in the last year or two.
    ///
    /// # Errors
    /// [`InvalidSample`] would be a defect of this module.
    pub fn child_of(&mut self, parent: &Citizen) -> Result<Citizen, InvalidSample> {
        let (sex, names, title) = match self.random.next() % 2 {
            0 => (Sex::Female, FEMALE, "เด็กหญิง"),
            _ => (Sex::Male, MALE, "เด็กชาย"),
        };
        let name = self.random.choose(names);
        Ok(Citizen {
            national_id: numbers::national_id(self.next_serial())?,
            name: ThaiName {
                title: title.to_owned(),
                first: name.thai.to_owned(),
                middle: None,
                last: parent.name.last.clone(),
            },
            latin_name: None,
            sex: Some(sex),
            birth_date: Some(self.day(2024, 2025).parse()?),
            registered_address: parent.registered_address.clone(),
            current_address: None,
        })
    }

    /// A person without Thai nationality who lives in Thailand.
    ///
    /// # Errors
    /// [`InvalidSample`] would be a defect of this module.
    pub fn foreigner(&mut self) -> Result<Foreigner, InvalidSample> {
        let (nationality, first, last) = *self.random.choose(FOREIGNERS);
        let latin = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(Foreigner {
            passport_number: numbers::passport(self.next_serial()),
            nationality: nationality.to_owned(),
            name: LatinName { title: None, first: first.to_owned(), middle: None, last: latin(last) },
            thai_name: None,
            person_number: None,
            sex: None,
            birth_date: Some(self.day(1965, 2000).parse()?),
            passport_expires_on: Some(self.day(2029, 2033).parse()?),
            current_address: Some(self.address()),
        })
    }

    /// A limited company whose first director is `director`.
    ///
    /// # Errors
    /// [`InvalidSample`] would be a defect of this module.
    pub fn company(&mut self, director: &Citizen) -> Result<JuristicPerson, InvalidSample> {
        let (word, trade) = (self.random.choose(COMPANY_WORDS), self.random.choose(COMPANY_TRADES));
        let capital = self.random.between(1, 50) * 100_000_000;
        Ok(JuristicPerson {
            number: numbers::juristic(self.next_serial())?,
            juristic_type: JuristicType::LimitedCompany,
            name: JuristicName {
                th: format!("บริษัท ตัวอย่าง{}{} จำกัด", word.thai, trade.thai),
                en: Some(format!("Example {} {} Co., Ltd.", word.latin, trade.latin)),
            },
            former_number: None,
            status: Some(JuristicStatus::Registered),
            registered_on: Some(self.day(1998, 2024).parse()?),
            registered_capital_satang: Some(capital),
            paid_capital_satang: Some(capital),
            tsic_code: Some(trade.tsic.to_owned()),
            directors: vec![Director {
                name: director.name.clone(),
                latin_name: director.latin_name.clone(),
                national_id: Some(director.national_id.clone()),
            }],
            signing_authority: Some("กรรมการหนึ่งคนลงลายมือชื่อและประทับตราสำคัญของบริษัท".to_owned()),
            objectives: None,
            head_office: Some(self.address()),
            branches: Vec::new(),
        })
    }

    /// A common Thai first name, for whoever wants a new one.
    pub fn first_name(&mut self) -> &'static str {
        let names = if self.random.next().is_multiple_of(2) { FEMALE } else { MALE };
        self.random.choose(names).thai
    }

    /// An address in one of [`PLACES`].
    pub fn address(&mut self) -> Address {
        let place = self.random.choose(PLACES);
        let in_a_village = self.random.next().is_multiple_of(2);
        let village = self.random.between(1, 15).to_string();
        Address {
            house_number: format!("{}/{}", self.random.between(1, 399), self.random.between(1, 60)),
            village_number: in_a_village.then_some(village),
            building: None,
            lane: None,
            road: (!in_a_village).then(|| (*self.random.choose(ROADS)).to_owned()),
            sub_district: place.sub_district.to_owned(),
            district: place.district.to_owned(),
            province: place.province.to_owned(),
            postcode: place.postcode.to_owned(),
            area_code: Some(place.area_code.to_owned()),
        }
    }

    fn thai_name(&mut self) -> (Sex, ThaiName, LatinName) {
        let (sex, names, title, latin_title) = match self.random.next() % 3 {
            0 => (Sex::Female, FEMALE, "นาง", "Mrs"),
            1 => (Sex::Female, FEMALE, "นางสาว", "Miss"),
            _ => (Sex::Male, MALE, "นาย", "Mr"),
        };
        let (first, last): (&Name, &Name) = (self.random.choose(names), self.random.choose(FAMILY));
        let name = ThaiName {
            title: title.to_owned(),
            first: first.thai.to_owned(),
            middle: None,
            last: last.thai.to_owned(),
        };
        let latin = LatinName {
            title: Some(latin_title.to_owned()),
            first: first.latin.to_owned(),
            middle: None,
            last: Some(last.latin.to_owned()),
        };
        (sex, name, latin)
    }

    /// A day that every month has.
    fn day(&mut self, first_year: u64, last_year: u64) -> String {
        let year = self.random.between(first_year, last_year);
        format!("{year:04}-{:02}-{:02}", self.random.between(1, 12), self.random.between(1, 28))
    }

    const fn next_serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use saphan_schemas::catalogue::Catalogue;
    use saphan_schemas::message_types::Applicant;

    use super::*;

    fn sample(seed: u64) -> Vec<Applicant> {
        let mut applicants = Applicants::new(seed);
        let mut all = Vec::new();
        for _ in 0..50 {
            let citizen = applicants.citizen().unwrap();
            all.push(Applicant::Citizen(applicants.child_of(&citizen).unwrap()));
            all.push(Applicant::Juristic(Box::new(applicants.company(&citizen).unwrap())));
            all.push(Applicant::Citizen(citizen));
            all.push(Applicant::Foreigner(applicants.foreigner().unwrap()));
        }
        all
    }

    #[test]
    fn every_applicant_satisfies_the_schema_of_applicants() {
        let catalogue = Catalogue::embedded().unwrap();
        let schema = "evidence.provided@1".parse().unwrap();
        for applicant in sample(7) {
            let evidence = serde_json::json!({
                "provided_at": "2026-11-24T09:30:00Z", "as_of": "2026-11-24T09:30:00Z",
                "evidence_type": "th.dopa.identity", "subject": applicant.subject(), "person": applicant,
            });
            catalogue.validate(&schema, &evidence).unwrap();
        }
    }

    #[test]
    fn a_seed_always_gives_the_same_people_and_another_seed_others() {
        assert_eq!(sample(7), sample(7));
        assert_ne!(sample(7), sample(8));
    }

    #[test]
    fn no_two_applicants_share_a_number() {
        let all = sample(3);
        let subjects: HashSet<String> =
            all.iter().map(|applicant| serde_json::to_string(&applicant.subject()).unwrap()).collect();
        assert_eq!(subjects.len(), all.len());
    }
}
