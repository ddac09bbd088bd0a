//! How a system joins and what it learns by it: the JSON bodies of `/v1/invitations`, `/v1/join`, `/v1/trust` and
//! `/v1/agreements`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Hash;
use crate::ids::{HubId, MemberId, SystemId};
use crate::keys::{KeyId, PublicKey};
use crate::log::VerifierKey;
use crate::message::Trust;
use crate::registry::TransportKind;

/// What an invitation is for: `GET /v1/invitations/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationBody {
    /// The hub that invites.
    pub hub: HubId,
    /// The system that is invited.
    pub system: SystemId,
    /// How messages will reach it.
    pub transport: TransportKind,
    /// The key that joined with it, once it was used: whoever joined, but did not hear the answer, is told so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<KeyId>,
}

/// `POST /v1/join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// A registry entry that adds the system's first key, signed by that key and with the invitation's code.
    pub entry: String,
}

/// What a system needs to know about a hub, and keeps: `GET /v1/trust`, `trust.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustBundle {
    /// The hub.
    pub hub: HubId,
    /// The key that its operator signs registry entries with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<PublicKey>,
    /// The keys that sign its receipts.
    pub receipts: Vec<PublicKey>,
    /// The C2SP verifier key of its log; the newest, if there are several.
    pub vkey: VerifierKey,
    /// Other keys that sign the log's checkpoints, or signed them once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_vkeys: Vec<VerifierKey>,
    /// The broker's address, e.g. `amqps://broker.example:5671/saphan`, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
    /// The CA certificates (PEM) that vouch for hub and broker, if they are not among those that the machine trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl TrustBundle {
    /// What it says, for verification.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust {
            hub: self.hub.clone(),
            receipts: self.receipts.clone(),
            log: self.vkey.clone(),
            more_logs: self.more_vkeys.clone(),
        }
    }
}

/// The registry entries that added keys of the hub since its log began, oldest first, each signed by the operator: whoever knows
/// the operator's key can follow from the keys that it trusted before. `GET /v1/trust/entries`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustEntries {
    /// Compact JWS.
    pub entries: Vec<String>,
}

/// One agreement as its parties see it: `GET /v1/agreements`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementBody {
    /// The registry entry with the terms, verbatim: a compact JWS that the operator signed.
    pub entry: String,
    /// SHA-256 of its exact text: what a signature names.
    pub terms: Sha256Hash,
    /// The members that signed it, and the place of each signature in the log.
    pub signatures: BTreeMap<MemberId, u64>,
    /// The members whose signatures are missing. It is in force when there are none.
    pub unsigned: BTreeSet<MemberId>,
}
