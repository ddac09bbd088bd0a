//! The registry of the small log: everything that can be added, changed, signed and revoked.

use std::num::NonZeroU16;
use std::sync::Arc;

use saphan_schemas::digest::Sha256Hash;
use saphan_schemas::ids::{MessageId, SystemId};
use saphan_schemas::invitation::{InvitationCode, InvitationSignature};
use saphan_schemas::keys::PublicKey;
use saphan_schemas::leaf::Leaf;
use saphan_schemas::registry::{
    Agreement, AgreementSignature, Change, Entry, EntryId, HubKey, HubKeyId, Invitation, Member, RegistryClaims, Role,
    Schema, Service, System, SystemKey, TransportKind, UnverifiedRegistryEntry,
};

use super::{HUB, Key, LAW, RECEIVER, SCHEMA, SENDER, SmallLog, TEXT, THIRD, TS, new_key, note_signer, said};
use crate::broken_copies::real_log::sign;

impl SmallLog {
    /// Members, systems, keys, a service, a schema with two texts, keys of the hub.
    pub(super) fn register(&mut self) {
        for (id, system, roles) in [
            ("th.a", SENDER, vec![Role::System]),
            ("th.b", RECEIVER, vec![Role::System, Role::Auditor]),
            ("th.c", THIRD, vec![Role::System]),
        ] {
            let member = Member {
                id: id.parse().unwrap(), name_th: "หน่วยงาน".into(), name_en: "Agency".into()
            };
            self.add(Entry::Member(member));
            let (id, transport) = (system.parse().unwrap(), TransportKind::Pull);
            self.add(Entry::System(System { id, transport, roles: roles.into_iter().collect() }));
        }
        for (system, key) in [(SENDER, *self.sender.public()), (RECEIVER, *self.receiver.public())] {
            self.add(Entry::Key(key_of(system, key)));
        }
        for id in ["th.a.service", "th.c.service"] {
            self.add(Entry::Service(Service { id: id.parse().unwrap(), authority: "th.a".parse().unwrap() }));
        }
        for id in [SCHEMA, "other.type@1"] {
            self.add(Entry::Schema(Schema::first(id.parse().unwrap(), Sha256Hash::of(b"{}"))));
        }
        let (id, accepted) = (SCHEMA.parse().unwrap(), Some("ticket 4711".parse().unwrap()));
        let next = Schema { id, version: "1.1".parse().unwrap(), sha256: Sha256Hash::of(TEXT.as_bytes()), accepted };
        self.operate(Change::Changed(Entry::Schema(next)));
        let again = note_signer("main").verifier_key().clone();
        for key in [
            HubKey::Receipts { jwk: *new_key().public() },
            HubKey::Operator { jwk: *new_key().public() },
            HubKey::Log { vkey: again },
        ] {
            self.add(Entry::HubKey(key));
        }
    }

    /// An agreement with everything that it can have, which both sign, and one that will be revoked.
    pub(super) fn agree(&mut self) {
        let agreement = |id: &str, receiver: &str| Agreement {
            id: id.parse().unwrap(),
            sender: SENDER.parse().unwrap(),
            receiver: receiver.parse().unwrap(),
            types: ["some.type".parse().unwrap(), "some.other-type".parse().unwrap()].into(),
            services: ["th.a.service".parse().unwrap()].into(),
            purposes: ["purpose".parse().unwrap()].into(),
            legal_basis: LAW.parse().unwrap(),
            consent: true,
            retention_days: NonZeroU16::new(30),
            not_before: Some(TS / 1000 - 5),
            not_after: Some(TS / 1000 + 5),
        };
        self.add(Entry::Agreement(agreement("other", THIRD)));
        self.add(Entry::Agreement(agreement("exchange", RECEIVER)));
        let Some((Leaf::Registry { entry, .. }, _)) = self.leaves.last() else { panic!("a registry entry") };
        let terms = Sha256Hash::of(entry.as_bytes());
        for (system, key) in [(SENDER, Arc::clone(&self.sender)), (RECEIVER, Arc::clone(&self.receiver))] {
            let signature = AgreementSignature { agreement: "exchange".parse().unwrap(), terms };
            self.change(system, Change::Signed(signature), &key, None);
        }
    }

    /// Two invitations; one is used.
    pub(super) fn join(&mut self) {
        let (system, joins): (SystemId, _) = (THIRD.parse().unwrap(), new_key());
        let codes = [(); 2].map(|()| InvitationCode::generate().unwrap());
        for code in &codes {
            let invitation = Invitation { id: code.id().unwrap(), system: system.clone(), not_after: TS / 1000 + 5 };
            self.add(Entry::Invitation(invitation));
        }
        let signature = codes[0].sign(&self.hub, &system, joins.id()).unwrap();
        let key = Entry::Key(SystemKey { not_before: None, not_after: None, ..key_of(THIRD, *joins.public()) });
        self.change(THIRD, Change::Added(key), &joins, Some(signature));
        self.operate(Change::Revoked(EntryId::Invitation(codes[1].id().unwrap())));
        self.change(THIRD, Change::Revoked(EntryId::Key(joins.id())), &joins, None);
    }

    /// One of each kind ends that has not yet.
    pub(super) fn end(&mut self) {
        let hub_keys: Vec<HubKeyId> = self.leaves.iter().filter_map(|(leaf, _)| hub_key_in(leaf)).collect();
        let ends = [
            EntryId::Agreement("other".parse().unwrap()),
            EntryId::Service("th.c.service".parse().unwrap()),
            EntryId::Schema("other.type@1".parse().unwrap()),
            EntryId::System(THIRD.parse().unwrap()),
            EntryId::Member("th.c".parse().unwrap()),
        ];
        for end in ends.into_iter().chain(hub_keys.into_iter().map(EntryId::HubKey)) {
            self.operate(Change::Revoked(end));
        }
    }

    fn add(&mut self, entry: Entry) {
        self.operate(Change::Added(entry));
    }

    fn operate(&mut self, change: Change) {
        let operator = Arc::clone(&self.operator);
        self.change(HUB, change, &operator, None);
    }

    fn change(&mut self, iss: &str, change: Change, key: &Key, invitation: Option<InvitationSignature>) {
        let (aud, jti) = (self.hub.clone(), MessageId::new());
        let claims = RegistryClaims { iss: iss.to_owned(), aud, iat: TS / 1000, jti, change, invitation };
        let entry = sign(claims, &**key);
        self.leaves.push((Leaf::Registry { ts: TS, entry }, Some(said::<RegistryClaims>(key))));
    }
}

fn hub_key_in(leaf: &Leaf) -> Option<HubKeyId> {
    let Leaf::Registry { entry, .. } = leaf else { return None };
    let entry = UnverifiedRegistryEntry::parse(entry).unwrap();
    match &entry.claims().change {
        Change::Added(Entry::HubKey(key)) => Some(key.id()),
        _ => None,
    }
}

fn key_of(system: &str, jwk: PublicKey) -> SystemKey {
    let (not_before, not_after) = (Some(TS / 1000 - 5), Some(TS / 1000 + 5));
    SystemKey { system: system.parse().unwrap(), jwk, not_before, not_after }
}
