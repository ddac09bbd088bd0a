//! Who is registered, and what they agreed.

use std::collections::BTreeSet;

use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::SystemId;
use saphan_schemas::keys::{KeyId, SigningKey};
use saphan_schemas::registry::{
    Agreement, AgreementSignature, Change, Entry, EntryId, Member, Schema, Service, System, SystemKey, TransportKind,
    just_a_system,
};
use serde_json::Value;

use super::{LAW, OWN, PURPOSE, SERVICE, Stage};
use crate::harness::{Party, sign_entry_as};

impl Stage {
    /// Registers another key of the hub's own system, which it signs with once it is started again.
    pub(crate) async fn replace_own_key(&self) -> KeyId {
        let (new, pem) = SigningKey::generate().unwrap();
        let key = SystemKey { system: OWN.parse().unwrap(), jwk: *new.public(), not_before: None, not_after: None };
        self.hub.change_registry([Change::Added(Entry::Key(key))]).await.json::<Value>(200);
        std::fs::write(self.hub.data_folder().join("cases.pem"), &*pem).unwrap();
        new.public().id()
    }

    pub(crate) fn own_key(&self) -> SigningKey {
        let pem = std::fs::read_to_string(self.hub.data_folder().join("cases.pem")).unwrap();
        SigningKey::from_pem(&pem).unwrap()
    }

    fn parties(&self) -> [&Party; 8] {
        let providers = [&self.registry, &self.licences, &self.ministry, &self.city, &self.immigration];
        let [registry, licences, ministry, city, immigration] = providers;
        [&self.portal, &self.authority, registry, licences, ministry, city, immigration, &self.stranger]
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        let catalogue = Catalogue::embedded().unwrap();
        let names = ["application.", "evidence.", "information.", "case.", "consent."];
        let schemas = catalogue.schemas().filter(|text| names.iter().any(|name| text.id.as_str().starts_with(name)));
        let mut entries: Vec<_> =
            schemas.map(|text| Entry::Schema(Schema::first(text.id.clone(), text.sha256))).collect();
        let mut members = BTreeSet::new();
        let own = SystemKey {
            system: OWN.parse().unwrap(),
            jwk: *self.own_key().public(),
            not_before: None,
            not_after: None,
        };
        let keys = self.parties().into_iter().map(Party::key_entry).chain([own]);
        for key in keys {
            let (id, member) = (key.system.clone(), key.system.member());
            if members.insert(member.clone()) {
                entries.push(Entry::Member(Member {
                    name_th: "หน่วยงาน".into(),
                    name_en: member.to_string(),
                    id: member,
                }));
            }
            entries.push(Entry::System(System { id, transport: TransportKind::Pull, roles: just_a_system() }));
            entries.push(Entry::Key(key));
        }
        let authority = self.authority.id.member();
        entries.push(Entry::Service(Service { id: SERVICE.parse().unwrap(), authority }));
        entries.extend(self.agreements().into_iter().map(Entry::Agreement));
        entries.into_iter().map(Change::Added).collect()
    }

    fn agreements(&self) -> Vec<Agreement> {
        let own: SystemId = OWN.parse().unwrap();
        let (portal, authority) = (&self.portal.id, &self.authority.id);
        let mut agreements = vec![
            agreement(
                "portal.own",
                portal,
                &own,
                &["application.submitted", "application.withdrawn", "information.supplied"],
            ),
            agreement("own.portal", &own, portal, &["information.requested", "case.reminder"]),
            agreement("own.authority", &own, authority, &["case.submitted", "application.withdrawn", "case.reminder"]),
            agreement(
                "authority.portal",
                authority,
                portal,
                &["application.status-changed", "application.decided", "information.requested"],
            ),
            agreement("portal.authority", portal, authority, &["information.supplied", "application.fee-paid"]),
            Agreement {
                services: BTreeSet::new(),
                purposes: BTreeSet::new(),
                ..agreement("consents", portal, &own, &["consent.given", "consent.revoked"])
            },
        ];
        for provider in [&self.registry, &self.licences, &self.ministry, &self.city, &self.immigration] {
            let name = provider.id.as_str().replace('/', ".");
            agreements.push(agreement(
                &format!("own.{name}"),
                &own,
                &provider.id,
                &["evidence.requested", "evidence.reused"],
            ));
            agreements.push(agreement(
                &format!("{name}.own"),
                &provider.id,
                &own,
                &["evidence.provided", "evidence.declined", "evidence.pending"],
            ));
        }
        agreements
    }

    /// Signs what is unsigned, for everybody.
    pub(crate) async fn sign_agreements(&self) {
        let own = self.own_key();
        let state = self.hub.app.registry.state();
        let mut entries = Vec::new();
        for record in state.agreements() {
            let mut done = BTreeSet::new();
            let keys = self.parties().into_iter().map(|party| (party.id.clone(), &party.key));
            for (id, key) in keys.chain([(OWN.parse().unwrap(), &own)]) {
                let member = id.member();
                if record.agreement.is_party(&id) && record.unsigned().contains(&member) && done.insert(member) {
                    let signature = AgreementSignature { agreement: record.agreement.id.clone(), terms: record.terms };
                    entries.push(sign_entry_as(id.as_str(), Change::Signed(signature), key));
                }
            }
        }
        self.hub.send_registry(&entries).await.json::<Value>(200);
    }

    /// Ends an agreement.
    pub(crate) async fn revoke_agreement(&self, id: &str) {
        let change = Change::Revoked(EntryId::Agreement(id.parse().unwrap()));
        self.hub.change_registry([change]).await.json::<Value>(200);
    }

    /// Adds an agreement about the service of these tests, and signs it.
    pub(crate) async fn add_agreement(&self, id: &str, sender: &SystemId, receiver: &SystemId, types: &[&str]) {
        let change = Change::Added(Entry::Agreement(agreement(id, sender, receiver, types)));
        self.hub.change_registry([change]).await.json::<Value>(200);
        self.sign_agreements().await;
    }

    /// Lets a party send this to another.
    pub(crate) async fn allow_to(&self, party: &Party, to: &Party, id: &str, types: &[&str]) {
        self.add_agreement(id, &party.id, &to.id, types).await;
    }

    /// Lets a party send this to the hub's own system, for no service.
    pub(crate) async fn allow(&self, party: &Party, id: &str, types: &[&str]) {
        let terms = Agreement {
            services: BTreeSet::new(),
            purposes: BTreeSet::new(),
            ..agreement(id, &party.id, &OWN.parse().unwrap(), types)
        };
        self.hub.change_registry([Change::Added(Entry::Agreement(terms))]).await.json::<Value>(200);
        self.sign_agreements().await;
    }
}

pub(crate) fn agreement(id: &str, sender: &SystemId, receiver: &SystemId, types: &[&str]) -> Agreement {
    Agreement {
        id: id.parse().unwrap(),
        sender: sender.clone(),
        receiver: receiver.clone(),
        types: types.iter().map(|name| name.parse().unwrap()).collect(),
        services: BTreeSet::from([SERVICE.parse().unwrap()]),
        purposes: BTreeSet::from([PURPOSE.parse().unwrap()]),
        legal_basis: LAW.parse().unwrap(),
        consent: false,
        retention_days: None,
        not_before: None,
        not_after: None,
    }
}
