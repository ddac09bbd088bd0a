//! The registry of this exchange: who is a member, which systems and keys they have, and who may send what to whom.
//!
//! Everything that no agreement allows is denied. The text is what `saphan-hub registry apply` reads.

use std::collections::BTreeSet;

use saphan_hub::registry::{RegistryFile, SystemSection};
use saphan_schemas::ids::{InvalidId, MemberId, MessageType, ServiceId, SystemId};
use saphan_schemas::keys::PublicKey;
use saphan_schemas::registry::{Agreement, Member, Service, TransportKind, just_a_system};

use crate::agencies::{MANDATES, Mandate, civil_registry};
use crate::portal;

/// The systems that take part, in the order in which they are started.
pub const SYSTEMS: [&str; 6] = [
    portal::SYSTEM,
    MANDATES[0].system,
    MANDATES[1].system,
    MANDATES[2].system,
    MANDATES[3].system,
    civil_registry::SYSTEM,
];

/// The registry of the portal, the four agencies and the civil registry; `key` answers the public key of a system, or none if it joins
/// with an invitation.
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
    for system in SYSTEMS {
        let id: SystemId = system.parse()?;
        file.system.push(SystemSection { keys: key(&id).into_iter().collect(), id, transport, roles: just_a_system() });
    }
    for mandate in MANDATES {
        let authority = mandate.system.parse::<SystemId>()?.member();
        file.service.push(Service { id: mandate.service.parse()?, authority });
        file.agreement.extend(agreements(&mandate)?);
    }
    Ok(file)
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
const MEMBERS: [(&str, &str, &str); 5] = [
    ("th.dga", "สำนักงานพัฒนารัฐบาลดิจิทัล", "Digital Government Development Agency"),
    ("th.dcy", "กรมกิจการเด็กและเยาวชน", "Department of Children and Youth"),
    ("th.dbd", "กรมพัฒนาธุรกิจการค้า", "Department of Business Development"),
    ("th.dopa", "กรมการปกครอง", "Department of Provincial Administration"),
    ("th.dlt", "กรมการขนส่งทางบก", "Department of Land Transport"),
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
        let keys: Vec<_> = SYSTEMS.map(|_| SigningKey::generate().unwrap().0).into();
        let key = |system: &SystemId| {
            Some(*keys[SYSTEMS.iter().position(|known| *known == system.as_str()).unwrap()].public())
        };
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
        // What the hub is built with; members; systems with one key each; for each service itself and four agreements.
        assert_eq!(changes.len(), catalogue.schemas().count() + 5 + 2 * 6 + 4 * (1 + 4));
    }
}
