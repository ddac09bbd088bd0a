//! Who takes part in every test, and what they agreed on.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::SigningKey;
use saphan_schemas::registry::{
    Agreement, AgreementSignature, Change, Entry, Member, RegistryState, Schema, Service, System, SystemKey,
    TransportKind, just_a_system,
};

use super::calls::sign_entry_as;
use super::clock::NOW;
use super::messages::{Draft, Submission};

pub(crate) const HUB: &str = "hub.local";
pub(crate) const SERVICE: &str = "th.dlt.driving-licence-renewal";
/// Registered, though not in the catalogue.
pub(crate) const UNLISTED_SERVICE: &str = "th.dlt.number-plate-auction";
pub(crate) const PURPOSE: &str = "licence-renewal";
pub(crate) const LEGAL_BASIS: &str = "Vehicle Act BE 2522 s.46";

/// A system with its key.
pub(crate) struct Party {
    pub(crate) id: SystemId,
    pub(crate) key: SigningKey,
    transport: TransportKind,
}

/// The systems of every test.
pub(crate) struct World {
    /// Sends applications.
    pub(crate) portal: Party,
    /// Receives them by pulling.
    pub(crate) office: Party,
    /// Receives by the broker.
    pub(crate) archive: Party,
}

impl Party {
    pub(crate) fn new(id: &str, transport: TransportKind) -> Self {
        Self { id: id.parse().unwrap(), key: SigningKey::generate().unwrap().0, transport }
    }

    /// Another key of it, not registered yet.
    pub(crate) fn another_key(&self) -> Self {
        self.with_key(SigningKey::generate().unwrap().0)
    }

    /// The same system with this key.
    pub(crate) fn with_key(&self, key: SigningKey) -> Self {
        Self { id: self.id.clone(), key, transport: self.transport }
    }

    pub(crate) fn key_entry(&self) -> SystemKey {
        SystemKey { system: self.id.clone(), jwk: *self.key.public(), not_before: None, not_after: None }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            portal: Party::new("th.dga/portal", TransportKind::Pull),
            office: Party::new("th.dlt/licensing", TransportKind::Pull),
            archive: Party::new("th.dopa/archive", TransportKind::Amqp),
        }
    }

    /// From the portal to the office.
    pub(crate) fn withdrawal(&self) -> Draft {
        Draft::withdrawal(&self.portal.id, &self.office.id)
    }

    /// From the portal to the office.
    pub(crate) fn application(&self) -> Draft {
        Draft::application(&self.portal.id, &self.office.id)
    }

    /// A signed withdrawal from the portal to the office.
    pub(crate) fn message(&self) -> Submission {
        self.withdrawal().sign(&self.portal.key)
    }

    /// A signed withdrawal from the portal to the archive.
    pub(crate) fn message_to_archive(&self) -> Submission {
        Draft::withdrawal(&self.portal.id, &self.archive.id).sign(&self.portal.key)
    }

    /// Everything that is registered before a test begins.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let mut entries: Vec<_> = SCHEMAS.iter().cloned().map(Entry::Schema).collect();
        for party in [&self.portal, &self.office, &self.archive] {
            let id = party.id.member();
            entries.push(Entry::Member(Member {
                name_th: "หน่วยงาน".into(), name_en: id.to_string(), id
            }));
            entries.push(Entry::System(System {
                id: party.id.clone(),
                transport: party.transport,
                roles: just_a_system(),
            }));
            entries.push(Entry::Key(party.key_entry()));
        }
        for service in [SERVICE, UNLISTED_SERVICE] {
            entries.push(Entry::Service(Service { id: service.parse().unwrap(), authority: self.office.id.member() }));
        }
        entries.extend(self.agreements().map(Entry::Agreement));
        entries.into_iter().map(Change::Added).collect()
    }

    /// The entries with which the parties sign what they have not signed yet.
    pub(crate) fn signatures(&self, registry: &RegistryState) -> Vec<String> {
        let mut entries = Vec::new();
        let mut signed = BTreeSet::new();
        for party in [&self.portal, &self.office, &self.archive] {
            let usable = registry.key(party.key.id()).is_some_and(|record| record.usable_at(NOW).is_ok());
            for record in registry.agreements_of(&party.id).filter(|_| usable) {
                let unsigned = record.unsigned().contains(&party.id.member());
                if unsigned && signed.insert((record.terms, party.id.member())) {
                    let signature = AgreementSignature { agreement: record.agreement.id.clone(), terms: record.terms };
                    entries.push(sign_entry_as(party.id.as_str(), Change::Signed(signature), &party.key));
                }
            }
        }
        entries
    }

    fn agreements(&self) -> [Agreement; 6] {
        let (portal, office, archive) = (&self.portal.id, &self.office.id, &self.archive.id);
        let (submitted, withdrawn) = ("application.submitted", "application.withdrawn");
        [
            agreement("to-office", portal, office, &[submitted, withdrawn]),
            agreement("to-archive", portal, archive, &[withdrawn]),
            agreement("from-office", office, portal, &[withdrawn]),
            Agreement {
                services: BTreeSet::from([UNLISTED_SERVICE.parse().unwrap()]),
                ..agreement("to-archive.unlisted", portal, archive, &[submitted])
            },
            Agreement { not_after: Some(NOW), ..agreement("to-office.old", portal, office, &["evidence.requested"]) },
            Agreement {
                not_before: Some(NOW + 1),
                ..agreement("to-office.new", portal, office, &["information.supplied"])
            },
        ]
    }
}

fn agreement(id: &str, sender: &SystemId, receiver: &SystemId, types: &[&str]) -> Agreement {
    Agreement {
        id: id.parse().unwrap(),
        sender: sender.clone(),
        receiver: receiver.clone(),
        types: types.iter().map(|name| name.parse().unwrap()).collect(),
        services: BTreeSet::from([SERVICE.parse().unwrap()]),
        purposes: BTreeSet::from([PURPOSE.parse().unwrap()]),
        legal_basis: LEGAL_BASIS.parse().unwrap(),
        consent: false,
        retention_days: None,
        not_before: None,
        not_after: None,
    }
}

/// Schemas of messages, not of forms and common parts; they suffice here and save commits.
static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    let catalogue = Catalogue::embedded().unwrap();
    let schemas = catalogue.schemas().map(|schema| Schema::first(schema.id.clone(), schema.sha256));
    let is_message = |schema: &Schema| KINDS.iter().any(|kind| schema.id.as_str().starts_with(kind));
    schemas.filter(is_message).collect()
});

const KINDS: [&str; 3] = ["application.", "evidence.", "information."];
