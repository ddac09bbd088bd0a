//! The registry of this exchange: who is a member, which systems and keys they have, and who may send what to whom.
//!
//! Everything that no agreement allows is denied. The text is what `saphan-hub registry apply` reads.

use std::collections::BTreeSet;

use saphan_hub::registry::{RegistryFile, SystemSection};
use saphan_schemas::ids::{InvalidId, MemberId, MessageType, ServiceId, SystemId};
use saphan_schemas::keys::PublicKey;
use saphan_schemas::registry::{Agreement, Member, Service, TransportKind, just_a_system};

use crate::agencies::registers::REGISTERS;
use crate::agencies::{self, MANDATES, Mandate, civil_registry, food_premises};
use crate::portal;

/// The hub's own system: portals send it applications, and it collects the evidence. `[cases] system` names it.
pub const ONCE_ONLY: &str = "th.dga/once-only";

/// The systems that exchange applications and evidence by themselves, in the order in which they are started.
pub const SYSTEMS: [&str; 6] = [
    portal::SYSTEM,
    MANDATES[0].system,
    MANDATES[1].system,
    MANDATES[2].system,
    MANDATES[3].system,
    civil_registry::SYSTEM,
];

/// The systems that take part in nothing but the hub's once-only cases.
pub const ONCE_ONLY_SYSTEMS: [&str; 7] = [
    food_premises::MANDATE.system,
    REGISTERS[1].system,
    REGISTERS[2].system,
    REGISTERS[3].system,
    REGISTERS[4].system,
    REGISTERS[5].system,
    REGISTERS[6].system,
];

/// The registry of the portal, the agencies, the registers and the hub's own system, whose key the hub adds; `key` answers the public
/// key of another system, or none if it joins with an invitation.
///
/// # Errors
/// [`InvalidId`] would be a defect of this crate.
pub fn of_the_examples(
    transport: TransportKind,
    key: impl Fn(&SystemId) -> Option<PublicKey>,
) -> Result<RegistryFile, InvalidId> {
    let mut file = RegistryFile::default();
    for (id, name_th, name_en) in MEMBERS {
        let id: MemberId = id.parse()?;
        file.member.push(Member { id, name_th: name_th.to_owned(), name_en: name_en.to_owned() });
    }
    file.system.push(SystemSection {
        id: ONCE_ONLY.parse()?,
        // Nothing is delivered to it: what it receives is in the log.
        transport: TransportKind::Pull,
        roles: just_a_system(),
        keys: Vec::new(),
    });
    for system in SYSTEMS.into_iter().chain(ONCE_ONLY_SYSTEMS) {
        let id: SystemId = system.parse()?;
        file.system.push(SystemSection { keys: key(&id).into_iter().collect(), id, transport, roles: just_a_system() });
    }
    for mandate in MANDATES {
        let authority = mandate.system.parse::<SystemId>()?.member();
        file.service.push(Service { id: mandate.service.parse()?, authority });
        file.agreement.extend(agreements(&mandate)?);
    }
    for mandate in agencies::ONCE_ONLY {
        if !MANDATES.iter().any(|known| known.service == mandate.service) {
            let authority = mandate.system.parse::<SystemId>()?.member();
            file.service.push(Service { id: mandate.service.parse()?, authority });
            let answers = agreement(&mandate, "answers", mandate.system, portal::SYSTEM, mandate.law, TO_APPLICANTS)?;
            file.agreement.push(answers);
        }
        file.agreement.extend(agreements_about_cases(&mandate)?);
    }
    file.agreement.extend(agreements_of_the_portal()?);
    for register in REGISTERS {
        let name = register.system.replace('/', ".");
        let (questions, answers) = (format!("once-only.questions.{name}"), format!("once-only.evidence.{name}"));
        file.agreement.push(of_all_cases(
            &questions,
            ONCE_ONLY,
            register.system,
            &["evidence.requested", "evidence.reused"],
        )?);
        file.agreement.push(of_all_cases(&answers, register.system, ONCE_ONLY, EVIDENCE_FOR_CASES)?);
    }
    Ok(file)
}

/// What an authority needs that decides complete cases: the hub hands them over, and applicants answer and pay.
fn agreements_about_cases(mandate: &Mandate) -> Result<[Agreement; 2], InvalidId> {
    let (agency, law) = (mandate.system, mandate.law);
    Ok([
        agreement(mandate, "cases", ONCE_ONLY, agency, law, CASES)?,
        agreement(mandate, "payments", portal::SYSTEM, agency, law, FROM_APPLICANTS_IN_CASES)?,
    ])
}

/// What the portal and the hub's own system say to each other.
fn agreements_of_the_portal() -> Result<[Agreement; 3], InvalidId> {
    let consents =
        of_all_cases("once-only.consents", portal::SYSTEM, ONCE_ONLY, &["consent.given", "consent.revoked"])?;
    Ok([
        of_all_cases("once-only.applications", portal::SYSTEM, ONCE_ONLY, FROM_APPLICANTS)?,
        of_all_cases("once-only.questions", ONCE_ONLY, portal::SYSTEM, &["information.requested", "case.reminder"])?,
        // A consent names its purpose itself.
        Agreement { services: BTreeSet::new(), purposes: BTreeSet::new(), ..consents },
    ])
}

/// An agreement about the services of all once-only cases.
fn of_all_cases(id: &str, sender: &str, receiver: &str, types: &[&str]) -> Result<Agreement, InvalidId> {
    let mandates = agencies::ONCE_ONLY;
    Ok(Agreement {
        id: id.parse()?,
        sender: sender.parse()?,
        receiver: receiver.parse()?,
        types: types.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        services: mandates.iter().map(|mandate| mandate.service.parse()).collect::<Result<_, _>>()?,
        purposes: mandates.iter().map(|mandate| mandate.purpose.parse()).collect::<Result<_, _>>()?,
        legal_basis: civil_registry::LAW.parse()?,
        consent: false,
        retention_days: None,
        not_before: None,
        not_after: None,
    })
}

/// What a service needs: applications go from the portal to the agency, answers back, and evidence is asked for.
fn agreements(mandate: &Mandate) -> Result<[Agreement; 4], InvalidId> {
    let (agency, law, law_of_evidence) = (mandate.system, mandate.law, civil_registry::LAW);
    Ok([
        agreement(mandate, "applications", portal::SYSTEM, agency, law, FROM_APPLICANTS)?,
        agreement(mandate, "answers", agency, portal::SYSTEM, law, TO_APPLICANTS)?,
        agreement(mandate, "questions", agency, civil_registry::SYSTEM, law_of_evidence, &["evidence.requested"])?,
        agreement(mandate, "evidence", civil_registry::SYSTEM, agency, law_of_evidence, EVIDENCE)?,
    ])
}

fn agreement(
    mandate: &Mandate,
    about: &str,
    sender: &str,
    receiver: &str,
    law: &str,
    types: &[&str],
) -> Result<Agreement, InvalidId> {
    Ok(Agreement {
        id: format!("{}.{about}", mandate.purpose).parse()?,
        sender: sender.parse()?,
        receiver: receiver.parse()?,
        types: types.iter().map(|name| name.parse()).collect::<Result<BTreeSet<MessageType>, _>>()?,
        services: BTreeSet::from([mandate.service.parse::<ServiceId>()?]),
        purposes: BTreeSet::from([mandate.purpose.parse()?]),
        legal_basis: law.parse()?,
        consent: false,
        retention_days: None,
        not_before: None,
        not_after: None,
    })
}

const FROM_APPLICANTS: &[&str] = &["application.submitted", "application.withdrawn", "information.supplied"];
const TO_APPLICANTS: &[&str] = &["application.status-changed", "application.decided", "information.requested"];
const EVIDENCE: &[&str] = &["evidence.provided", "evidence.declined"];
const EVIDENCE_FOR_CASES: &[&str] = &["evidence.provided", "evidence.declined", "evidence.pending"];
const CASES: &[&str] = &["case.submitted", "case.reminder", "application.withdrawn"];
const FROM_APPLICANTS_IN_CASES: &[&str] = &["application.fee-paid", "information.supplied"];
const MEMBERS: [(&str, &str, &str); 9] = [
    ("th.dga", "สำนักงานพัฒนารัฐบาลดิจิทัล", "Digital Government Development Agency"),
    ("th.dcy", "กรมกิจการเด็กและเยาวชน", "Department of Children and Youth"),
    ("th.dbd", "กรมพัฒนาธุรกิจการค้า", "Department of Business Development"),
    ("th.dopa", "กรมการปกครอง", "Department of Provincial Administration"),
    ("th.dlt", "กรมการขนส่งทางบก", "Department of Land Transport"),
    ("th.bma", "กรุงเทพมหานคร", "Bangkok Metropolitan Administration"),
    ("th.dol", "กรมที่ดิน", "Department of Lands"),
    ("th.rd", "กรมสรรพากร", "Revenue Department"),
    ("th.moph", "กระทรวงสาธารณสุข", "Ministry of Public Health"),
];

#[cfg(test)]
mod tests {
    use saphan_hub::registry::{RegistryFile as HubFile, changes_for};
    use saphan_schemas::catalogue::Catalogue;
    use saphan_schemas::keys::SigningKey;
    use saphan_schemas::log::NoteSigner;
    use saphan_schemas::registry::{RegistryState, Root};

    use super::*;

    #[test]
    fn the_hub_reads_the_file_and_its_registry_accepts_every_entry() {
        let keys = [(); 2].map(|()| SigningKey::generate().unwrap().0);
        let key = |_: &SystemId| Some(*SigningKey::generate().unwrap().0.public());
        let file = of_the_examples(TransportKind::Amqp, key).unwrap();
        let read = HubFile::parse(&file.to_toml().unwrap()).unwrap();
        let log = NoteSigner::from_pkcs8("hub.local/log/main", &NoteSigner::generate_pkcs8().unwrap()).unwrap();
        let root = Root {
            hub: "hub.local".parse().unwrap(),
            operator: *keys[0].public(),
            receipts: *keys[1].public(),
            log: log.verifier_key().clone(),
        };
        let catalogue = Catalogue::embedded().unwrap();
        let changes = changes_for(&RegistryState::new(root), read, catalogue.schemas()).unwrap();
        // What the hub is built with; members; the hub's own system, and systems with one key each; for each service itself and
        // four agreements.
        let exchange = catalogue.schemas().count() + 9 + 1 + 2 * (6 + 7) + 4 * (1 + 4);
        // Two services with an agreement about answers; for each of the four two agreements, for each register two; the portal's.
        assert_eq!(changes.len(), exchange + 2 * 2 + 4 * 2 + 7 * 2 + 3);
    }
}
