//! Evidence types and who holds them (CCCEV words).

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use super::service::Organisation;
use crate::ids::{EvidenceTypeId, MemberId, SchemaId};
use crate::message_types::{BilingualText, LegalReference};

/// A kind of proof, and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceType {
    /// Its id, e.g. `th.dopa.house-registration`.
    pub id: EvidenceTypeId,
    /// Its name.
    pub name: BilingualText,
    /// The evidence provider: the member whose register says it.
    pub issuer: Organisation,
    /// The members that hold it as well, asked in this order when the issuer cannot provide it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_providers: Vec<MemberId>,
    /// The schema of `content` in `evidence.provided`.
    pub schema: SchemaId,
    /// Whether `content` says everything, or a document goes with it.
    pub format: EvidenceFormat,
    /// For how many days a piece of it may be reused.
    pub fresh_days: u16,
    /// For how many days the hub keeps a message that carries it, from when it was accepted; an agreement may say fewer. None:
    /// as long as the hub keeps what nobody has said anything about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<NonZeroU16>,
    /// Whether the person must have consented before it is provided.
    pub consent_needed: bool,
    /// The law that it stands on.
    pub legal_basis: LegalReference,
}

impl EvidenceType {
    /// Who can be asked for it, in this order: the issuer, then the others that hold it.
    pub fn providers(&self) -> impl Iterator<Item = &MemberId> {
        std::iter::once(&self.issuer.member).chain(&self.other_providers)
    }
}

/// How a piece of evidence comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvidenceFormat {
    /// As `content` alone.
    Json,
    /// As a document, with `content` that says what machines need of it.
    Document,
}
