//! Bodies of `application.*`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Applicant, BilingualText, Contact, Date, Document, Evidence, Language, LegalReference, NaturalPerson, Office,
    Timestamp,
};
use crate::ids::{Code, EvidenceTypeId, SchemaId};

/// `application.submitted`: a citizen applies for a public service. Service and case are in the envelope.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationSubmitted {
    /// When the applicant sent it.
    pub submitted_at: Timestamp,
    /// The language to answer in.
    pub language: Language,
    /// Who applies.
    pub applicant: Applicant,
    /// Who acts for the applicant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<Representative>,
    /// How the applicant can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    /// The schema of `form`: the one that the service names in the catalogue.
    pub form_schema: SchemaId,
    /// The form of the service.
    pub form: Map<String, Value>,
    /// Evidence that is already there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// Who acts for an applicant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Representative {
    /// The person.
    pub person: NaturalPerson,
    /// Why that person may.
    pub capacity: Capacity,
}

/// Why a person may act for an applicant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Capacity {
    /// A parent of a minor.
    Parent,
    /// A guardian.
    Guardian,
    /// Somebody who cares for the applicant.
    Carer,
    /// A director or partner of a juristic person.
    Director,
    /// Holder of a power of attorney.
    Attorney,
}

/// `application.withdrawn`: the applicant does not want it any more.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationWithdrawn {
    /// When.
    pub withdrawn_at: Timestamp,
    /// By whom.
    pub withdrawn_by: WithdrawnBy,
    /// Why.
    pub reason: WithdrawalReason,
    /// In the applicant's own words, at most 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Who withdrew an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WithdrawnBy {
    /// The applicant.
    Applicant,
    /// The representative.
    Representative,
}

/// Why an application was withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WithdrawalReason {
    /// The need has gone.
    NoLongerNeeded,
    /// It was a mistake.
    AppliedByMistake,
    /// Another application does the same.
    AppliedElsewhere,
    /// The applicant cannot supply what was asked.
    CannotSupplyInformation,
    /// Another reason.
    Other,
}

/// `application.status-changed`: an application has moved on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationStatusChanged {
    /// When.
    pub changed_at: Timestamp,
    /// Where it is now.
    pub status: ApplicationStatus,
    /// Who must act next.
    pub next: NextActor,
    /// What the applicant reads.
    pub text: BilingualText,
    /// The agency's own number of the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_number: Option<String>,
    /// When the agency expects to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_by: Option<Date>,
    /// The fee to pay, with [`ApplicationStatus::ApprovedWaitingPayFee`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Fee>,
}

/// Status of an application, as the Biz Portal names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApplicationStatus {
    /// Being checked for completeness.
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
}

/// Who must act next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NextActor {
    /// The agency.
    #[serde(rename = "WAITING_AGENT_WORKING")]
    Agency,
    /// The applicant.
    #[serde(rename = "WAITING_USER_WORKING")]
    Applicant,
    /// Nobody.
    #[serde(rename = "DONE")]
    Nobody,
}

/// A fee to pay.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fee {
    /// Amount in satang.
    pub amount_satang: u64,
    /// Last day to pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_on: Option<Date>,
    /// What to cite when paying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_reference: Option<String>,
}

/// `application.decided`: the competent authority has decided.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationDecided {
    /// When.
    pub decided_at: Timestamp,
    /// By whom.
    pub decided_by: Office,
    /// What the applicant reads.
    pub text: BilingualText,
    /// The decision.
    pub decision: Decision,
    /// Number of the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_number: Option<String>,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// Yes.
    Approved(Approval),
    /// No.
    Rejected(Rejection),
}

/// What an approval brings.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Conditions that the applicant must keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<BilingualText>,
    /// What was issued.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issued: Vec<Issued>,
    /// Money that the applicant will receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    /// What the applicant can do against conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
}

/// Why not, and what the applicant can do; neither is empty.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The grounds.
    pub reasons: Vec<Reason>,
    /// The remedies.
    pub remedies: Vec<Remedy>,
}

/// A ground of a decision.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The authority's code for it.
    pub code: Code,
    /// What the applicant reads.
    pub text: BilingualText,
    /// The law behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalReference>,
}

/// What an applicant can do against a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// Its kind.
    pub kind: RemedyKind,
    /// Days from being told of the decision.
    pub within_days: u16,
    /// What the applicant reads.
    pub text: BilingualText,
    /// The law behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalReference>,
}

/// Kinds of remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RemedyKind {
    /// Appeal to the authority.
    Appeal,
    /// Complaint to a supervisor.
    Complaint,
    /// Suit at the administrative court.
    AdministrativeCourt,
}

/// A licence, card or certificate that was issued.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Its number.
    pub number: String,
    /// The evidence type that it will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_type: Option<EvidenceTypeId>,
    /// First day of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Date>,
    /// Last day of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Date>,
    /// The document itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
}

/// Money that an applicant will receive.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Amount in satang, each time.
    pub amount_satang: u64,
    /// How often.
    pub interval: PaymentInterval,
    /// The first day.
    pub first_on: Date,
}

/// How often money is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentInterval {
    /// Once.
    Once,
    /// Every month.
    Monthly,
}

redacted_debug! {
    ApplicationSubmitted { submitted_at, language, applicant, form_schema, evidence }
    ApplicationWithdrawn { withdrawn_at, withdrawn_by, reason }
    ApplicationStatusChanged { changed_at, status, next, expected_by }
    Fee { due_on }
    ApplicationDecided { decided_at, decided_by, decision }
    Approval {}
    Rejection { reasons }
    Reason { code, legal_basis }
    Issued { evidence_type, valid_from, valid_until }
    Payment { interval, first_on }
}

message_body!(ApplicationSubmitted, "application.submitted", "application.submitted@1");
message_body!(ApplicationWithdrawn, "application.withdrawn", "application.withdrawn@1");
message_body!(ApplicationStatusChanged, "application.status-changed", "application.status-changed@1");
message_body!(ApplicationDecided, "application.decided", "application.decided@1");
