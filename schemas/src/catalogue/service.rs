//! Public services and what they require (CPSV-AP and CCCEV words).

use serde::{Deserialize, Serialize};

use super::survey::Survey;
use crate::ids::{Code, EvidenceTypeId, MemberId, SchemaId, ServiceId};
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
    /// The competent authority: who decides.
    pub authority: Organisation,
    /// The schema of `form` in `application.submitted`.
    pub form: SchemaId,
    /// Who can apply.
    pub applicants: Vec<ApplicantKind>,
    /// What must be proven; the old way, each of them is a paper to hand in.
    pub requirements: Vec<Requirement>,
    /// Where people can apply, the usual way first.
    pub channels: Vec<Channel>,
    /// The laws that it stands on; at least one.
    pub legal_basis: Vec<LegalReference>,
    /// How many days the authority states to take at most.
    pub processing_days: u16,
    /// The fee in satang (1 baht = 100 satang); `None` when it depends on the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_satang: Option<u64>,
    /// What the fee depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_note: Option<BilingualText>,
    /// What the survey of the roadmap says about it.
    pub survey: Survey,
}

impl PublicService {
    /// What an applicant of this kind must prove, in the order of the catalogue.
    pub fn requirements_for(&self, applicant: ApplicantKind) -> impl Iterator<Item = &Requirement> {
        self.requirements.iter().filter(move |requirement| requirement.concerns(applicant))
    }

    /// How much there is to win by serving it end to end; see [`Survey::priority`].
    #[must_use]
    pub fn priority(&self) -> u16 {
        self.survey.priority()
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

/// Something that an applicant must prove, and what proves it (CCCEV: a requirement and its evidence type list).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// What it is called within its service, e.g. `identity`.
    pub id: Code,
    /// What is to be proven.
    pub name: BilingualText,
    /// The evidence types of which any one proves it, the preferred one first; at least one.
    pub evidence: Vec<EvidenceTypeId>,
    /// Whom the evidence is about.
    pub about: RequirementSubject,
    /// The applicants whom it concerns; everybody when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applicants: Vec<ApplicantKind>,
}

impl Requirement {
    fn concerns(&self, applicant: ApplicantKind) -> bool {
        self.applicants.is_empty() || self.applicants.contains(&applicant)
    }
}

/// Whom the evidence for a requirement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequirementSubject {
    /// Whoever applies.
    Applicant,
    /// The natural person: the representative if there is one, else the applicant.
    Person,
}

/// A way to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// The citizen portal.
    Portal,
    /// A web site or application of the authority itself.
    Website,
    /// An office of the authority.
    Office,
    /// By post.
    Post,
    /// By telephone.
    Telephone,
}
