//! What people call systems, data, messages and moments.

use std::collections::BTreeMap;

use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::{EvidenceTypeId, MemberId, SystemId};
use saphan_schemas::message_types::{BilingualText, Date, Language, Timestamp};

use super::language::Speaks as _;

/// The names of who takes part.
pub(super) struct Names {
    members: BTreeMap<MemberId, BilingualText>,
    evidence: BTreeMap<EvidenceTypeId, BilingualText>,
    hub_system: SystemId,
    portal: SystemId,
}

impl Names {
    /// As the catalogue has them.
    pub(super) fn new(catalogue: &Catalogue, hub_system: &SystemId, portal: &SystemId) -> Self {
        let authorities = catalogue.services().iter().map(|service| &service.authority);
        let issuers = catalogue.evidence_types().iter().map(|known| &known.issuer);
        let members = authorities.chain(issuers).map(|one| (one.member.clone(), one.name.clone())).collect();
        let evidence = catalogue.evidence_types().iter().map(|known| (known.id.clone(), known.name.clone())).collect();
        Self { members, evidence, hub_system: hub_system.clone(), portal: portal.clone() }
    }

    /// Who a system is.
    pub(super) fn system(&self, system: &SystemId, language: Language) -> String {
        if *system == self.hub_system {
            return language.of("ระบบแลกเปลี่ยนข้อมูลภาครัฐ", "the government data exchange").to_owned();
        }
        if *system == self.portal {
            return language.of("หน้าเว็บนี้ (ในนามของท่าน)", "this page (on your behalf)").to_owned();
        }
        self.member(&system.member(), language)
    }

    /// Who a member is.
    pub(super) fn member(&self, member: &MemberId, language: Language) -> String {
        self.members.get(member).map_or_else(|| member.to_string(), |name| language.text(name).to_owned())
    }

    /// What a piece of evidence is.
    pub(super) fn evidence(&self, id: &EvidenceTypeId, language: Language) -> String {
        self.evidence.get(id).map_or_else(|| id.to_string(), |name| language.text(name).to_owned())
    }
}

/// What a message does.
pub(super) fn message(message_type: &str, language: Language) -> String {
    let (th, en) = match message_type {
        "application.submitted" => ("ยื่นคำขอ", "Application submitted"),
        "application.withdrawn" => ("ถอนคำขอ", "Application withdrawn"),
        "application.status-changed" => ("แจ้งสถานะคำขอ", "News about the application"),
        "application.decided" => ("แจ้งผลการพิจารณา", "Decision"),
        "application.fee-paid" => ("แจ้งการชำระค่าธรรมเนียม", "Fee paid"),
        "case.submitted" => ("ส่งคำขอพร้อมหลักฐานครบถ้วน", "Complete application handed over"),
        "case.reminder" => ("เตือนกำหนดเวลา", "Reminder of the date"),
        "consent.given" => ("ให้ความยินยอม", "Consent given"),
        "consent.revoked" => ("ถอนความยินยอม", "Consent taken back"),
        "evidence.requested" => ("ขอหลักฐาน", "Evidence asked for"),
        "evidence.provided" => ("ส่งหลักฐาน", "Evidence provided"),
        "evidence.declined" => ("แจ้งว่าไม่มีหลักฐาน", "Evidence not available"),
        "evidence.pending" => ("แจ้งว่ากำลังค้นหาหลักฐาน", "Evidence will follow"),
        "evidence.reused" => ("ใช้หลักฐานเดิมซ้ำ", "Evidence used again"),
        "information.requested" => ("ขอข้อมูลเพิ่มเติม", "More information asked for"),
        "information.supplied" => ("ส่งข้อมูลเพิ่มเติม", "More information sent"),
        other => return other.to_owned(),
    };
    language.of(th, en).to_owned()
}

/// A moment as a clock in Thailand shows it; years of the Buddhist era in Thai.
pub(super) fn moment(at: &Timestamp, language: Language) -> String {
    let minutes = (at.unix_ms() + THAILAND_MS) / 60_000 % (24 * 60);
    let Ok(date) = Date::in_thailand(at.unix_ms()) else { return at.as_str().to_owned() };
    let time = format!("{:02}:{:02}", minutes / 60, minutes % 60);
    match language {
        Language::Th => format!("{} เวลา {time} น.", day(&date, language)),
        Language::En => format!("{}, {time}", day(&date, language)),
    }
}

/// A day.
pub(super) fn day(date: &Date, language: Language) -> String {
    let numbers: Vec<u16> = date.as_str().split('-').filter_map(|part| part.parse().ok()).collect();
    let [year, month, day] = numbers[..] else { return date.as_str().to_owned() };
    let Some((th, en)) = MONTHS.get(usize::from(month).wrapping_sub(1)) else { return date.as_str().to_owned() };
    match language {
        Language::Th => format!("{day} {th} {}", year + 543),
        Language::En => format!("{day} {en} {year}"),
    }
}

const THAILAND_MS: u64 = 7 * 60 * 60 * 1000;
const MONTHS: [(&str, &str); 12] = [
    ("มกราคม", "January"),
    ("กุมภาพันธ์", "February"),
    ("มีนาคม", "March"),
    ("เมษายน", "April"),
    ("พฤษภาคม", "May"),
    ("มิถุนายน", "June"),
    ("กรกฎาคม", "July"),
    ("สิงหาคม", "August"),
    ("กันยายน", "September"),
    ("ตุลาคม", "October"),
    ("พฤศจิกายน", "November"),
    ("ธันวาคม", "December"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_thailand_and_years_those_of_the_language() {
        let at: Timestamp = "2026-12-31T17:05:00Z".parse().unwrap();
        assert_eq!(moment(&at, Language::Th), "1 มกราคม 2570 เวลา 00:05 น.");
        assert_eq!(moment(&at, Language::En), "1 January 2027, 00:05");
    }
}
