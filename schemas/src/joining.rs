//! How a system joins and what it learns by it: the JSON bodies of `/v1/invitations`, `/v1/join` and `/v1/agreements`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Hash;
use crate::ids::{HubId, MemberId, SystemId};
use crate::keys::KeyId;
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
