//! Registry entries: who may do what, as signed changes in the log.
//!
//! The registry's state is a fold over these entries in log order ([`RegistryState`]); nothing else changes it.

mod agreement;
mod authority;
mod error;
mod hub_keys;
mod keys;
mod schemas;
mod state;
#[cfg(test)]
mod words;

pub use agreement::{AgreementFlaw, AgreementGap, AgreementRecord, Intention, MessageFacts};
pub use authority::{MOST_KEYS, Taken};
pub use error::RejectedEntry;
pub use hub_keys::{HubKey, HubKeyId, HubKeyRecord, HubKeyRing, Revocation, are_logs_of_one_hub, is_shard_name};
pub use keys::{KeyNotUsable, KeyRecord};
pub use schemas::{InvalidVersion, Schema, TextVersion};
pub use state::{Place, RegistryState, Root};

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Sha256Hash;
use crate::ids::{Code, HubId, LegalBasis, MemberId, MessageId, MessageType, SchemaId, ServiceId, SystemId};
use crate::invitation::{InvitationId, InvitationSignature};
use crate::json::form;
use crate::jws::{Claims, Signed, Unverified};
use crate::keys::{KeyId, PublicKey};

/// A verified registry entry.
pub type RegistryEntry = Signed<RegistryClaims>;
/// A registry entry as it was read.
pub type UnverifiedRegistryEntry = Unverified<RegistryClaims>;

/// What a registry entry says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryClaims {
    /// Who signs: the hub's id for a key of its operator, or a system's id for a key of that system.
    pub iss: String,
    /// The hub whose registry changes.
    pub aud: HubId,
    /// When it was signed, in seconds since 1970.
    #[serde(with = "form::seconds")]
    pub iat: u64,
    /// The entry's own id. It counts once: an entry that stood in the log already is refused.
    pub jti: MessageId,
    /// The change.
    pub change: Change,
    /// For a system's first key, which signs the entry itself: the signature made with the invitation's code.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub invitation: Option<InvitationSignature>,
}

impl Claims for RegistryClaims {
    const TYP: &'static str = "saphan-registry+jws";
    const MAX_BYTES: usize = 15 * 1024;

    fn check(&self) -> Result<(), &'static str> {
        if self.iss.parse::<HubId>().is_err() && self.iss.parse::<SystemId>().is_err() {
            return Err("`iss` is a hub or a system");
        }
        Ok(())
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", content = "entry", rename_all = "kebab-case")]
pub enum Change {
    /// Something new.
    Added(Entry),
    /// Something that replaces what had the same id.
    Changed(Entry),
    /// Something that ends.
    Revoked(EntryId),
    /// A party's signature under an agreement.
    Signed(AgreementSignature),
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (action, entry) = form::pair(deserializer, ["action", "entry"])?;
        match &*action {
            "added" => form::object(entry).map(Self::Added),
            "changed" => form::object(entry).map(Self::Changed),
            "revoked" => EntryId::deserialize(entry).map(Self::Revoked),
            "signed" => form::object(entry).map(Self::Signed),
            _ => return Err(D::Error::custom("not an action")),
        }
        .map_err(D::Error::custom)
    }
}

/// What can be added or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    /// An organisation that joined the exchange.
    Member(Member),
    /// A back-office or portal application of a member.
    System(System),
    /// A public key of a system.
    Key(SystemKey),
    /// A public service and the member that decides its applications.
    Service(Service),
    /// A schema that bodies may name.
    Schema(Schema),
    /// Who may send what to whom. In force once both members signed it ([`Change::Signed`]).
    Agreement(Agreement),
    /// Who may register a system's first key.
    Invitation(Invitation),
    /// A key of the hub itself.
    HubKey(HubKey),
}

/// The id of something that ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "id", rename_all = "kebab-case")]
pub enum EntryId {
    /// A member.
    Member(MemberId),
    /// A system.
    System(SystemId),
    /// A key.
    Key(KeyId),
    /// A public service.
    Service(ServiceId),
    /// A schema.
    Schema(SchemaId),
    /// An agreement.
    Agreement(Code),
    /// An invitation.
    Invitation(InvitationId),
    /// A key of the hub itself.
    HubKey(HubKeyId),
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, id) = form::pair(deserializer, ["kind", "id"])?;
        match &*kind {
            "member" => MemberId::deserialize(id).map(Self::Member),
            "system" => SystemId::deserialize(id).map(Self::System),
            "key" => KeyId::deserialize(id).map(Self::Key),
            "service" => ServiceId::deserialize(id).map(Self::Service),
            "schema" => SchemaId::deserialize(id).map(Self::Schema),
            "agreement" => Code::deserialize(id).map(Self::Agreement),
            "invitation" => InvitationId::deserialize(id).map(Self::Invitation),
            "hub-key" => HubKeyId::deserialize(id).map(Self::HubKey),
            _ => return Err(D::Error::custom("not a kind of entry")),
        }
        .map_err(D::Error::custom)
    }
}

/// An organisation that joined the exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Its name in Thai.
    pub name_th: String,
    /// Its name in English.
    pub name_en: String,
}

/// A back-office or portal application of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Its id.
    pub id: SystemId,
    /// How its messages reach it.
    #[serde(deserialize_with = "form::word")]
    pub transport: TransportKind,
    /// What it may do.
    #[serde(default = "just_a_system", deserialize_with = "form::words", skip_serializing_if = "is_just_a_system")]
    pub roles: BTreeSet<Role>,
}

/// What a system may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Send, receive and acknowledge messages, as agreements allow.
    System,
    /// Look at the state of every message.
    Auditor,
    /// Change the registry.
    Operator,
}

/// The roles of a system for which none are stated.
#[must_use]
pub fn just_a_system() -> BTreeSet<Role> {
    BTreeSet::from([Role::System])
}

fn is_just_a_system(roles: &BTreeSet<Role>) -> bool {
    *roles == just_a_system()
}

/// How messages reach a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransportKind {
    /// It asks for them over HTTP (long poll with leases).
    Pull,
    /// The hub publishes them to its queue at the broker.
    Amqp,
}

/// A public key of a system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemKey {
    /// The system that signs with it.
    pub system: SystemId,
    /// The key.
    pub jwk: PublicKey,
    /// Not valid before, in seconds since 1970.
    #[serde(default, with = "form::seconds", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// Not valid at or after, in seconds since 1970.
    #[serde(default, with = "form::seconds", skip_serializing_if = "Option::is_none")]
    pub not_after: Option<u64>,
}

/// A public service and the member that decides its applications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// The competent authority.
    pub authority: MemberId,
}

/// Who may send which message types to whom, for which services, purposes and legal basis. What no agreement allows is
/// denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Its id.
    pub id: Code,
    /// The sending system.
    pub sender: SystemId,
    /// The receiving system.
    pub receiver: SystemId,
    /// The message types it allows.
    pub types: BTreeSet<MessageType>,
    /// The public services it covers; a message must name one of them. Empty: messages that name no service.
    #[serde(default)]
    pub services: BTreeSet<ServiceId>,
    /// The purposes it covers; a message must name one of them. Empty: messages that name no purpose.
    #[serde(default)]
    pub purposes: BTreeSet<Code>,
    /// The law and section it rests on; a message that cites one must cite this one.
    pub legal_basis: LegalBasis,
    /// Whether a message must name the signed consent of the person it is about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub consent: bool,
    /// For how many days the hub keeps a message's body, from when it was accepted; an evidence type may say fewer.
    #[serde(default, deserialize_with = "form::there", skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<NonZeroU16>,
    /// Not valid before, in seconds since 1970.
    #[serde(default, with = "form::seconds", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// Not valid at or after, in seconds since 1970.
    #[serde(default, with = "form::seconds", skip_serializing_if = "Option::is_none")]
    pub not_after: Option<u64>,
}

impl Agreement {
    /// The members that must sign it: those of sender and receiver; one if they are the same.
    #[must_use]
    pub fn parties(&self) -> BTreeSet<MemberId> {
        BTreeSet::from([self.sender.member(), self.receiver.member()])
    }
}

/// A party's signature under an agreement, made with the key of the agreement's sender or receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreementSignature {
    /// The agreement.
    pub agreement: Code,
    /// SHA-256 of the exact text of the registry entry with its terms, so that other terms are never signed by mistake.
    pub terms: Sha256Hash,
}

/// Who may register a system's first key: whoever holds the code that `id` was derived from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// Its name, and the key that checks what its code signs.
    pub id: InvitationId,
    /// The system that is invited.
    pub system: SystemId,
    /// Not valid at or after, in seconds since 1970.
    #[serde(with = "form::seconds")]
    pub not_after: u64,
}
