//! Food premises: the licence for a restaurant, decided by the Bangkok Metropolitan Administration.

use saphan_connector::HandlerError;
use saphan_schemas::message_types::{Address, Approval, BilingualText, Issued, NationalId, NaturalPerson};
use serde::Deserialize;

use super::Mandate;
use super::case_office::{CaseFile, Competence, Finding};

/// What this agency decides.
pub const MANDATE: Mandate = Mandate {
    system: "th.bma/food-licences",
    service: "th.bma.food-premises-licence",
    purpose: "food-premises-licence",
    law: "Public Health Act BE 2535 s.38",
};

/// How it decides.
#[derive(Debug, Clone, Copy)]
pub struct FoodPremises;

#[derive(Deserialize)]
struct Premises {
    address: Address,
}

#[derive(Deserialize)]
struct Company {
    status: String,
    #[serde(default)]
    directors: Vec<Director>,
}

#[derive(Deserialize)]
struct Director {
    national_id: Option<NationalId>,
}

#[derive(Deserialize)]
struct Titles {
    titles: Vec<Title>,
}

#[derive(Deserialize)]
struct Title {
    address: Option<Address>,
}

#[derive(Deserialize)]
struct Buildings {
    buildings: Vec<Building>,
}

#[derive(Deserialize)]
struct Building {
    address: Address,
    uses: Vec<String>,
}

impl Competence for FoodPremises {
    fn mandate(&self) -> Mandate {
        MANDATE
    }

    fn office(&self) -> (&'static str, &'static str) {
        ("สำนักอนามัย กรุงเทพมหานคร", "Department of Health, Bangkok Metropolitan Administration")
    }

    fn examine(&self, case: &CaseFile) -> Result<Finding, HandlerError> {
        let premises: Premises = case.form()?;
        if !may_act(case)? {
            let text = BilingualText::new("ผู้ยื่นคำขอไม่ใช่กรรมการของบริษัท", "The person who applies is not a director.");
            return Ok(Finding::Refused { code: "not-a-director", text });
        }
        let titles: Option<Titles> = case.evidence("land-title")?;
        let at = |address: &Option<Address>| address.as_ref() == Some(&premises.address);
        if !titles.is_some_and(|held| held.titles.iter().any(|title| at(&title.address))) {
            let text = BilingualText::new("ไม่พบสิทธิในที่ดิน", "No right to the premises was found.");
            return Ok(Finding::Refused { code: "no-right-to-premises", text });
        }
        let buildings: Option<Buildings> = case.evidence("building-use")?;
        let fits = |building: &Building| {
            building.address == premises.address && building.uses.iter().any(|name| name == "FOOD_PREMISES")
        };
        if !buildings.is_some_and(|held| held.buildings.iter().any(fits)) {
            let text =
                BilingualText::new("อาคารไม่ได้รับอนุญาตให้ใช้เป็นร้านอาหาร", "The building is not certified for this use.");
            return Ok(Finding::Refused { code: "building-use", text });
        }
        let licence = Issued {
            number: format!("FP-{}", case.number),
            evidence_type: None,
            valid_from: None,
            valid_until: None,
            document: None,
        };
        Ok(Finding::Granted {
            approval: Approval { issued: vec![licence], ..Approval::default() },
            text: BilingualText::new("ออกใบอนุญาตจัดตั้งสถานที่จำหน่ายอาหารแล้ว", "Your licence for food premises is issued."),
            fee_satang: Some(FEE_SATANG),
        })
    }
}

/// Whether the company exists, and the representative is one of its directors. A citizen acts in person.
fn may_act(case: &CaseFile) -> Result<bool, HandlerError> {
    let Some(representative) = &case.application.representative else { return Ok(true) };
    let NaturalPerson::Citizen(person) = &representative.person else { return Ok(false) };
    let company: Option<Company> = case.evidence("juristic-person")?;
    Ok(company.is_some_and(|company| {
        let is_director = |director: &Director| director.national_id.as_ref() == Some(&person.national_id);
        company.status == "REGISTERED" && company.directors.iter().any(is_director)
    }))
}

/// 3,000 baht.
const FEE_SATANG: u64 = 300_000;
