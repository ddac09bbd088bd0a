//! Bodies of `case.*`: what the hub's own system tells the parties of a case.

use serde::{Deserialize, Serialize};

use super::{BilingualText, Date, Timestamp};
use crate::b64::{self, NotBase64};
use crate::commitment::Salt;
use crate::ids::{Code, EvidenceTypeId};

/// `case.submitted`: a complete case is handed to the competent authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseSubmitted {
    /// When.
    pub handed_over_at: Timestamp,
    /// The day by which the service promises a decision.
    pub due_on: Date,
    /// The portal's `application.submitted`.
    pub application: SignedCopy,
    /// The `consent.given` that the application cites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<SignedCopy>,
    /// What proves the requirements of the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Proof>,
    /// Requirements that nobody could prove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Gap>,
}

impl CaseSubmitted {
    /// All messages of others that it holds.
    pub fn copies(&self) -> impl Iterator<Item = &SignedCopy> {
        let evidence = self.evidence.iter().map(|proof| &proof.message);
        std::iter::once(&self.application).chain(&self.consent).chain(evidence)
    }
}

/// A message as its sender signed it. Envelope, salt and body verify without the hub; the place shows it in the log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedCopy {
    /// Its place in the log.
    pub index: u64,
    /// The sender's compact JWS.
    pub envelope: String,
    /// The salt of the commitment.
    salt: String,
    /// The exact body, base64.
    body: String,
}

impl SignedCopy {
    /// A copy of the message at `index`.
    #[must_use]
    pub fn new(index: u64, envelope: String, salt: &Salt, body: &[u8]) -> Self {
        Self { index, envelope, salt: salt.to_text(), body: b64::encode_std(body) }
    }

    /// Salt and exact body.
    ///
    /// # Errors
    /// [`NotBase64`].
    pub fn opened(&self) -> Result<(Salt, Vec<u8>), NotBase64> {
        Ok((self.salt.parse()?, b64::decode_std(&self.body)?))
    }
}

/// What proves one requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The requirement, as the catalogue names it.
    pub requirement: Code,
    /// What it is; absent when the applicant answered in other words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_type: Option<EvidenceTypeId>,
    /// Where it came from.
    pub source: ProofSource,
    /// The `evidence.provided` or `information.supplied` that brought it.
    pub message: SignedCopy,
}

/// Where a proof came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProofSource {
    /// Its provider, asked for this case.
    Requested,
    /// Its provider, asked for an earlier case.
    Reused,
    /// The applicant.
    Applicant,
}

/// A requirement that nobody could prove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The requirement.
    pub requirement: Code,
    /// Why.
    pub reason: GapReason,
    /// What the authority reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<BilingualText>,
}

/// Why a requirement is not proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GapReason {
    /// No provider had it, and neither has the applicant.
    ApplicantCannotSupply,
}

/// `case.reminder`: a case must be decided soon, or should have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseReminder {
    /// When.
    pub reminded_at: Timestamp,
    /// Which of the two.
    pub kind: ReminderKind,
    /// The day by which the service promises a decision.
    pub due_on: Date,
    /// What people read.
    pub text: BilingualText,
}

/// Kinds of reminder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReminderKind {
    /// To the authority: the day is near.
    DueSoon,
    /// To the authority and to the portal: the day has passed.
    Overdue,
}

redacted_debug! {
    SignedCopy { index }
}

message_body!(CaseSubmitted, "case.submitted", "case.submitted@1");
message_body!(CaseReminder, "case.reminder", "case.reminder@1");
