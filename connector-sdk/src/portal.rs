//! What a portal asks about cases, about a person's data, and about services: the answers of the hub.
//!
//! An application is sent as any message, to the hub's own system, with a new case in its envelope; from then on
//! [`crate::Connector::case`] says where the case is. Members that a newer hub adds to its answers are left out here, and
//! states that this version does not know are [`CaseStatus::Other`] and [`RequirementState::Other`].

use saphan_schemas::ids::{
    CaseId, Code, EvidenceTypeId, LegalBasis, MemberId, MessageId, MessageType, SchemaId, ServiceId, SystemId,
};
use saphan_schemas::message_types::{ApplicantKind, BilingualText, Date, NextActor, ProofSource, Timestamp};
use serde::Deserialize;

/// Where a case is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CaseView {
    /// Its id.
    pub case: CaseId,
    /// What is applied for.
    pub service: ServiceId,
    /// Where it is.
    pub status: CaseStatus,
    /// Who must act next.
    pub next: NextActor,
    /// What the applicant reads.
    pub text: BilingualText,
    /// When the application was logged.
    pub opened_at: Option<Timestamp>,
    /// By when the service promises a decision, once the case is complete.
    pub due_at: Option<Timestamp>,
    /// The system that decides.
    pub authority: SystemId,
    /// Whether the authority has it.
    pub handed_over: bool,
    /// Whether it was approved, once it is decided.
    pub approved: Option<bool>,
    /// The fee to pay, in satang.
    pub fee_satang: Option<u64>,
    /// What must be proven.
    #[serde(default)]
    pub requirements: Vec<RequirementView>,
    /// How many events its history has. It grows with every change.
    pub events: u64,
}

/// Where a case is: the statuses of `application.status-changed`, and that it was withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum CaseStatus {
    /// Evidence is collected, or the authority checks whether the case is complete.
    Check,
    /// Under consideration.
    Pending,
    /// Approved; the fee is to be paid.
    ApprovedWaitingPayFee,
    /// Paid; the licence is being made.
    PaidFeeCreatingLicense,
    /// Done.
    Completed,
    /// Rejected.
    Rejected,
    /// The applicant took it back.
    Withdrawn,
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

impl CaseStatus {
    /// Whether nothing follows any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Rejected | Self::Withdrawn)
    }
}

/// Where a requirement of a case stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct RequirementView {
    /// Its name in the catalogue.
    pub requirement: Code,
    /// What people call it.
    pub name: Option<BilingualText>,
    /// Where it stands.
    pub state: RequirementState,
    /// What proves it, or is asked for.
    pub evidence_type: Option<EvidenceTypeId>,
    /// Who provides it.
    pub provider: Option<SystemId>,
    /// Where the proof came from.
    pub source: Option<ProofSource>,
    /// The place of the message that proves it.
    pub index: Option<u64>,
    /// The last day on which the applicant may answer, while the applicant is asked.
    pub answer_by: Option<Date>,
    /// Why it is missing: a `reason` of the gaps in `case.submitted`, such as `APPLICANT_DID_NOT_ANSWER`.
    pub because: Option<String>,
    /// What went wrong before.
    #[serde(default)]
    pub failures: Vec<FailureView>,
}

/// Where a requirement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RequirementState {
    /// A provider is asked.
    Requested,
    /// The provider has to look for it.
    Pending,
    /// The provider is asked for the same in another case of the person; the answer is for both.
    Awaiting,
    /// Evidence of an earlier case is about to be used.
    Reusing,
    /// Something proves it.
    Proven,
    /// The applicant is asked.
    AskedApplicant,
    /// Nobody could prove it.
    Missing,
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

/// Something that happened in a case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CaseEvent {
    /// Counts from 0 in each case.
    pub seq: u64,
    /// When it happened.
    pub at: Option<Timestamp>,
    /// The place of the entry that caused it; none where the hub's storage was damaged.
    pub index: Option<u64>,
    /// What: `submitted`, `evidence-requested`, `evidence-provided`, `handed-over`, `decided` and so on.
    pub event: Code,
    /// The requirement that it is about.
    pub requirement: Option<Code>,
    /// The evidence that it is about.
    pub evidence_type: Option<EvidenceTypeId>,
    /// Who provides that evidence.
    pub provider: Option<SystemId>,
    /// With `evidence-failed`: why it is not to be had from there.
    pub failure: Option<Failure>,
    /// With `evidence-pending`: until when the hub waits, in milliseconds since 1970.
    pub until: Option<u64>,
    /// With `requirement-missing`: why, as [`RequirementView::because`].
    pub because: Option<String>,
    /// With `reminded`: of what, as `kind` of `case.reminder`.
    pub kind: Option<String>,
    /// With `rejected`, `not-sent` and `not-fitting`: the type of the message.
    pub message_type: Option<MessageType>,
    /// With `rejected` and `not-sent`: the problem's code.
    pub code: Option<Code>,
    /// With `status-changed`: where the case was then.
    pub status: Option<CaseStatus>,
    /// With `decided`: whether it was approved.
    pub approved: Option<bool>,
    /// The case as it was when this was sent.
    pub now: CaseView,
}

/// A provider that could not prove a requirement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FailureView {
    /// What was asked for.
    pub evidence_type: EvidenceTypeId,
    /// Who was asked.
    pub provider: SystemId,
    /// Why not.
    #[serde(flatten)]
    pub failure: Failure,
}

/// Why evidence is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// `declined`, `timed-out`, `invalid`, `rejected`, `not-sent`, `consent-revoked`, `consent-ended` or `consent-lost`.
    pub reason: Code,
    /// With `declined`: the provider's `reason` in `evidence.declined`, such as `SUBJECT_NOT_FOUND`.
    pub because: Option<String>,
    /// With `invalid`, `rejected` and `not-sent`: the problem's code.
    pub code: Option<Code>,
}

/// A page of who used which data about a person, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct TracePage {
    /// The messages about the person.
    pub items: Vec<TraceItem>,
    /// `before` of the next page; `None` when there is none.
    pub next: Option<u64>,
}

/// One message about a person, from its envelope in the log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct TraceItem {
    /// Its place in the log, where anyone can verify it.
    pub index: u64,
    /// When it was logged.
    pub at: Option<Timestamp>,
    /// Who sent it.
    pub from: SystemId,
    /// Who received it.
    pub to: SystemId,
    /// Its type.
    #[serde(rename = "type")]
    pub message_type: MessageType,
    /// The service that it was about.
    pub service: Option<ServiceId>,
    /// The case that it was about.
    pub case: Option<CaseId>,
    /// What the data was used for.
    pub purpose: Option<Code>,
    /// The law that allowed it.
    pub legal_basis: Option<LegalBasis>,
    /// The consent that allowed it.
    pub consent: Option<MessageId>,
    /// Which data was asked for, brought, or used again.
    pub evidence_type: Option<EvidenceTypeId>,
}

/// A public service of the catalogue, as far as a portal needs it to let people apply.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ServiceView {
    /// Its id.
    pub id: ServiceId,
    /// Its name.
    pub name: BilingualText,
    /// What the applicant gets, in one sentence.
    pub description: BilingualText,
    /// Who decides.
    pub authority: AuthorityView,
    /// The schema of `form` in `application.submitted`.
    pub form: SchemaId,
    /// Who can apply.
    pub applicants: Vec<ApplicantKind>,
    /// What must be proven.
    pub requirements: Vec<ServiceRequirement>,
    /// How many days the authority states to take at most.
    pub processing_days: u16,
    /// The fee in satang; `None` when it depends on the application.
    pub fee_satang: Option<u64>,
}

impl ServiceView {
    /// What an applicant of this kind must prove; the old way, each of them is a paper to hand in.
    pub fn requirements_for(&self, applicant: ApplicantKind) -> impl Iterator<Item = &ServiceRequirement> {
        self.requirements.iter().filter(move |one| one.applicants.is_empty() || one.applicants.contains(&applicant))
    }
}

/// A member, as the catalogue shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct AuthorityView {
    /// Its id.
    pub member: MemberId,
    /// Its name.
    pub name: BilingualText,
}

/// Something that must be proven, and what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ServiceRequirement {
    /// What it is called within its service.
    pub id: Code,
    /// What people call it.
    pub name: BilingualText,
    /// The evidence types of which any one proves it, the preferred one first.
    pub evidence: Vec<EvidenceTypeId>,
    /// The applicants whom it concerns; everybody when empty.
    #[serde(default)]
    pub applicants: Vec<ApplicantKind>,
}

/// An evidence type of the catalogue, as far as a portal needs it to ask people for their consent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct EvidenceTypeView {
    /// Its id.
    pub id: EvidenceTypeId,
    /// Its name.
    pub name: BilingualText,
    /// The member whose register says it.
    pub issuer: AuthorityView,
    /// For how many days a piece of it may be used again.
    pub fresh_days: u16,
    /// Whether the person must have consented before it is provided.
    pub consent_needed: bool,
}
