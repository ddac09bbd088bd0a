//! Each word that is written is read: writing takes it from the type, and reading names it by hand.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::invitation::InvitationCode;
use crate::keys::SigningKey;
use crate::log::{NoteSigner, VerifierKey};

/// One value of each variant, and a match over them without a wildcard: whoever adds a variant adds it here.
macro_rules! each {
    ($kind:ident { $($variant:ident $(($($in:tt)*))? $({$($of:tt)*})? => $value:expr),+ $(,)? }) => {{
        let named = |value: &$kind| match value {
            $($kind::$variant $(($($in)*))? $({$($of)*})? => stringify!($variant)),+
        };
        let all = vec![$((stringify!($variant), $value)),+];
        assert!(all.iter().all(|(name, value)| named(value) == *name), "each is of its variant");
        all.into_iter().map(|(_, value)| value).collect::<Vec<$kind>>()
    }};
}

fn read_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(all: Vec<T>) {
    for value in all {
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value, "{text}");
    }
}

fn key() -> PublicKey {
    *SigningKey::generate().unwrap().0.public()
}

fn vkey() -> VerifierKey {
    let name = "hub.local/log/1";
    NoteSigner::from_pkcs8(name, &NoteSigner::generate_pkcs8().unwrap()).unwrap().verifier_key().clone()
}

fn invitation_id() -> InvitationId {
    InvitationCode::generate().unwrap().id().unwrap()
}

fn hub_keys() -> Vec<HubKey> {
    each!(HubKey {
        Receipts { .. } => HubKey::Receipts { jwk: key() },
        Log { .. } => HubKey::Log { vkey: vkey() },
        Operator { .. } => HubKey::Operator { jwk: key() },
    })
}

fn hub_key_ids() -> Vec<HubKeyId> {
    each!(HubKeyId {
        Receipts(_) => HubKeyId::Receipts(key().id()),
        Log(_) => HubKeyId::Log(vkey()),
        Operator(_) => HubKeyId::Operator(key().id()),
    })
}

fn entries() -> Vec<Entry> {
    let (member, system): (MemberId, SystemId) = ("th.dlt".parse().unwrap(), "th.dlt/licensing".parse().unwrap());
    let service: ServiceId = "th.dlt.driving-licence-renewal".parse().unwrap();
    let roles = each!(Role { System => Role::System, Auditor => Role::Auditor, Operator => Role::Operator });
    let agreement = Agreement {
        id: "renewals".parse().unwrap(),
        sender: system.clone(),
        receiver: system.clone(),
        types: ["application.submitted".parse().unwrap()].into(),
        services: BTreeSet::new(),
        purposes: BTreeSet::new(),
        legal_basis: "Vehicle Act BE 2522 s.46".parse().unwrap(),
        consent: true,
        retention_days: NonZeroU16::new(30),
        not_before: Some(1),
        not_after: Some(2),
    };
    each!(Entry {
        Member(_) => Entry::Member(Member { id: member.clone(), name_th: "กรม".into(), name_en: "Department".into() }),
        System(_) => Entry::System(System {
            id: system.clone(),
            transport: TransportKind::Pull,
            roles: roles.into_iter().collect(),
        }),
        Key(_) => Entry::Key(SystemKey { system: system.clone(), jwk: key(), not_before: Some(1), not_after: Some(2) }),
        Service(_) => Entry::Service(Service { id: service, authority: member }),
        Schema(_) => Entry::Schema(Schema::first("application.submitted@1".parse().unwrap(), Sha256Hash::of(b"x"))),
        Agreement(_) => Entry::Agreement(agreement),
        Invitation(_) => Entry::Invitation(Invitation { id: invitation_id(), system, not_after: 2 }),
        HubKey(_) => Entry::HubKey(HubKey::Receipts { jwk: key() }),
    })
}

fn ids() -> Vec<EntryId> {
    each!(EntryId {
        Member(_) => EntryId::Member("th.dlt".parse().unwrap()),
        System(_) => EntryId::System("th.dlt/licensing".parse().unwrap()),
        Key(_) => EntryId::Key(key().id()),
        Service(_) => EntryId::Service("th.dlt.driving-licence-renewal".parse().unwrap()),
        Schema(_) => EntryId::Schema("application.submitted@1".parse().unwrap()),
        Agreement(_) => EntryId::Agreement("renewals".parse().unwrap()),
        Invitation(_) => EntryId::Invitation(invitation_id()),
        HubKey(_) => EntryId::HubKey(HubKeyId::Receipts(key().id())),
    })
}

#[test]
fn every_use_of_a_key_of_the_hub_is_read_as_it_is_written() {
    read_back(hub_keys());
    read_back(hub_key_ids());
}

#[test]
fn every_entry_and_every_id_of_one_is_read_as_it_is_written() {
    read_back(entries());
    read_back(hub_keys().into_iter().map(Entry::HubKey).collect());
    read_back(ids());
    read_back(hub_key_ids().into_iter().map(EntryId::HubKey).collect());
    let transports = each!(TransportKind { Pull => TransportKind::Pull, Amqp => TransportKind::Amqp });
    let id: SystemId = "th.dlt/licensing".parse().unwrap();
    let systems = transports.into_iter().map(|transport| System { id: id.clone(), transport, roles: just_a_system() });
    read_back(systems.collect());
}

#[test]
fn every_change_is_read_as_it_is_written() {
    let signature = AgreementSignature { agreement: "renewals".parse().unwrap(), terms: Sha256Hash::of(b"x") };
    read_back(each!(Change {
        Added(_) => Change::Added(entries().remove(0)),
        Changed(_) => Change::Changed(entries().remove(0)),
        Revoked(_) => Change::Revoked(ids().remove(0)),
        Signed(_) => Change::Signed(signature),
    }));
    read_back(entries().into_iter().map(Change::Added).collect());
    read_back(ids().into_iter().map(Change::Revoked).collect());
}
