//! Moving house: the entry in the house registration, made by a registrar of the Department of Provincial Administration.

use saphan_connector::HandlerError;
use saphan_schemas::message_types::{Approval, BilingualText};
use serde::Deserialize;

use super::Mandate;
use super::case_office::{CaseFile, Competence, Finding};
use super::civil_registration;

/// What this agency decides.
pub const MANDATE: Mandate = Mandate {
    system: civil_registration::MANDATE.system,
    service: "th.dopa.move-in",
    purpose: "move-in",
    law: "Civil Registration Act BE 2534 s.30",
};

/// How it decides.
#[derive(Debug, Clone, Copy)]
pub struct Moves;

#[derive(Deserialize)]
struct Move {
    from_house_code: String,
}

#[derive(Deserialize)]
struct House {
    house_code: String,
}

#[derive(Deserialize)]
struct Titles {
    titles: Vec<serde_json::Value>,
}

impl Competence for Moves {
    fn mandate(&self) -> Mandate {
        MANDATE
    }

    fn office(&self) -> (&'static str, &'static str) {
        ("นายทะเบียน กรมการปกครอง", "Registrar, Department of Provincial Administration")
    }

    fn examine(&self, case: &CaseFile) -> Result<Finding, HandlerError> {
        let form: Move = case.form()?;
        let house: Option<House> = case.evidence("house-registration")?;
        if house.is_none_or(|house| house.house_code != form.from_house_code) {
            let text =
                BilingualText::new("ท่านไม่ได้อยู่ในทะเบียนบ้านนี้", "You are not registered in the house that you leave.");
            return Ok(Finding::Refused { code: "not-registered-there", text });
        }
        let titles: Option<Titles> = case.evidence("right-to-the-address")?;
        if titles.is_none_or(|held| held.titles.is_empty()) {
            let text = BilingualText::new("ไม่พบสิทธิในบ้านใหม่", "No right to the new address was found.");
            return Ok(Finding::Refused { code: "no-right-to-address", text });
        }
        Ok(Finding::Granted {
            approval: Approval::default(),
            text: BilingualText::new("ย้ายเข้าทะเบียนบ้านแล้ว", "You are registered at your new address."),
            fee_satang: None,
        })
    }
}
