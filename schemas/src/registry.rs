//! Registry entries: who may do what, as signed changes in the log.
//!
//! The registry's state is a fold over these entries in log order; nothing else changes it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Hash;
use crate::ids::{Code, HubId, LegalBasis, MemberId, MessageId, MessageType, SchemaId, ServiceId, SystemId};
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
    /// The hub whose registry changes; its operator signs.
    pub iss: HubId,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// The entry's own id.
    pub jti: MessageId,
    /// The change.
    pub change: Change,
}

impl Claims for RegistryClaims {
    const TYP: &'static str = "saphan-registry+jws";
    const MAX_BYTES: usize = 15 * 1024;
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", content = "entry", rename_all = "kebab-case")]
pub enum Change {
    /// Something new.
    Added(Entry),
    /// Something that replaces what had the same id.
    Changed(Entry),
    /// Something that ends.
    Revoked(EntryId),
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
    /// Who may send what to whom.
    Agreement(Agreement),
}

/// The id of something that ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub transport: TransportKind,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// Not valid at or after, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// A schema that bodies may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Its id with major version.
    pub id: SchemaId,
    /// SHA-256 of its exact text.
    pub sha256: Sha256Hash,
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
    /// Not valid before, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// Not valid at or after, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<u64>,
}
