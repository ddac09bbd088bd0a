//! Public services and the evidence that they need (CPSV-AP and CCCEV words).

use serde::{Deserialize, Serialize};

use crate::ids::{EvidenceTypeId, MemberId, SchemaId, ServiceId};
use crate::message_types::{ApplicantKind, BilingualText, LegalReference};

/// What a citizen can apply for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicService {
    /// Its id, e.g. `th.dlt.driving-licence-renewal`.
    pub id: ServiceId,
    /// The family that it belongs to.
    pub family: ServiceFamily,
    /// Its name.
    pub name: BilingualText,
    /// What the applicant gets, in one sentence.
    pub description: BilingualText,
    /// Who decides.
    pub authority: Organisation,
    /// The schema of `form` in `application.submitted`.
    pub form: SchemaId,
    /// Who can apply.
    pub applicants: Vec<ApplicantKind>,
    /// What must be proven.
    pub evidence: Vec<RequiredEvidence>,
    /// The laws that it stands on; at least one.
    pub legal_basis: Vec<LegalReference>,
    /// How many days the authority promises to take at most.
    pub processing_days: u16,
    /// The fee in satang (1 baht = 100 satang); `None` when it depends on the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_satang: Option<u64>,
    /// What the fee depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_note: Option<BilingualText>,
}

impl PublicService {
    /// The evidence types that an applicant of this kind needs.
    pub fn evidence_for(&self, applicant: ApplicantKind) -> impl Iterator<Item = &EvidenceTypeId> {
        self.evidence.iter().filter(move |needed| needed.concerns(applicant)).map(|needed| &needed.evidence_type)
    }
}

/// The families of public services of the Citizen Portal Roadmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceFamily {
    /// Registration for welfare.
    Welfare,
    /// Requests for government services.
    Request,
    /// Civil registration.
    CivilRegistration,
    /// Licences and permits.
    Licence,
}

/// A member, as the catalogue shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Its id in the exchange.
    pub member: MemberId,
    /// Its name.
    pub name: BilingualText,
}

/// An evidence type that a service needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredEvidence {
    /// The evidence type.
    #[serde(rename = "type")]
    pub evidence_type: EvidenceTypeId,
    /// The applicants that need it; everybody when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applicants: Vec<ApplicantKind>,
}

impl RequiredEvidence {
    fn concerns(&self, applicant: ApplicantKind) -> bool {
        self.applicants.is_empty() || self.applicants.contains(&applicant)
    }
}

/// A kind of proof, and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceType {
    /// Its id, e.g. `th.dopa.house-registration`.
    pub id: EvidenceTypeId,
    /// Its name.
    pub name: BilingualText,
    /// The evidence provider: the member that holds it.
    pub issuer: Organisation,
    /// For how many days a piece of it may be reused.
    pub fresh_days: u16,
    /// Whether the person must have consented before it is provided.
    pub consent_needed: bool,
}
