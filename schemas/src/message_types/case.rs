//! Bodies of `case.*`: what the hub's own system tells the parties of a case.

use serde::{Deserialize, Serialize};

use super::{
    ApplicationSubmitted, BilingualText, ConsentGiven, CopyError, Date, EvidenceProvided, EvidenceSource,
    InformationSupplied, MessageBody as _, SignedCopy, Timestamp,
};
use crate::envelope::EnvelopeClaims;
use crate::ids::{Code, EvidenceTypeId, SystemId};
use crate::keys::{KeyId, PublicKey};

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

    /// Verifies all copies, and that each is what it is said to be: the application is that of the case, the consent the one that
    /// is cited, each proof evidence of its type. `claims` are those of the message that holds them.
    ///
    /// A copy has no receipt, so whether a key that ended since was good at the time is left to the hub, which looked when it
    /// accepted the message; the place of a copy shows it in the log to who doubts.
    ///
    /// # Errors
    /// The first copy that does not hold.
    pub fn verify_copies(
        &self,
        claims: &EnvelopeClaims,
        mut sender_key: impl FnMut(&SystemId, KeyId) -> Option<PublicKey>,
    ) -> Result<(), CopyError> {
        let mut verified = |copy: &SignedCopy| copy.verify(&claims.hub, &mut sender_key);
        let misplaced = |what| Err(CopyError::Misplaced { what });
        let application = verified(&self.application)?;
        let application = application.claims();
        if application.message_type.as_str() != ApplicationSubmitted::TYPE || application.case != claims.case {
            return misplaced("application");
        }
        if let Some(copy) = &self.consent {
            let consent = verified(copy)?;
            let consent = consent.claims();
            let is_cited = application.consent == Some(consent.jti) && consent.iss == application.iss;
            if consent.message_type.as_str() != ConsentGiven::TYPE || !is_cited {
                return misplaced("consent");
            }
        }
        for proof in &self.evidence {
            if !proof.is_by(verified(&proof.message)?.claims(), application)? {
                return misplaced("evidence");
            }
        }
        Ok(())
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
    /// The `evidence.provided` or `information.supplied` that brought it, or the application itself.
    pub message: SignedCopy,
}

impl Proof {
    /// Whether a message can be the one that brought it.
    fn is_by(&self, message: &EnvelopeClaims, application: &EnvelopeClaims) -> Result<bool, CopyError> {
        let of_this_case = message.case == application.case;
        if self.source == ProofSource::Applicant {
            let is_brought = match message.message_type.as_str() {
                InformationSupplied::TYPE => true,
                ApplicationSubmitted::TYPE => message.jti == application.jti && self.is_sent_along()?,
                _ => false,
            };
            return Ok(is_brought && of_this_case && message.iss == application.iss);
        }
        if message.message_type.as_str() != EvidenceProvided::TYPE {
            return Ok(false);
        }
        let is_of_type = self.evidence_type == Some(self.message.body::<EvidenceProvided>()?.evidence_type);
        Ok(is_of_type && (of_this_case || self.source == ProofSource::Reused))
    }

    /// Whether the application has a document for it.
    fn is_sent_along(&self) -> Result<bool, CopyError> {
        let application = self.message.body::<ApplicationSubmitted>()?;
        Ok(application.evidence.iter().any(|brought| {
            brought.source == EvidenceSource::Applicant && self.evidence_type.as_ref() == Some(&brought.evidence_type)
        }))
    }
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
    /// No provider had it, and the applicant was asked and did not answer in time.
    ApplicantDidNotAnswer,
    /// No provider had it, and the applicant could not be asked: the portal does not take the question.
    ApplicantNotReached,
}

/// `case.reminder`: somebody must act soon, or should have acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseReminder {
    /// When.
    pub reminded_at: Timestamp,
    /// Of what.
    pub kind: ReminderKind,
    /// The day by which the service promises a decision; with [`ReminderKind::AnswerDue`], the last day to answer; with what is
    /// over, the day on which the case went on.
    pub due_on: Date,
    /// What people read.
    pub text: BilingualText,
}

/// Kinds of reminder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReminderKind {
    /// To the portal: the applicant has not answered yet what the hub asked, and the last day is near.
    AnswerDue,
    /// To the portal: the last day has passed, and the case goes on without an answer to the question that the envelope's
    /// `reply_to` names.
    AnswerOver,
    /// To the portal: a provider did not answer in time, and another is asked, or the applicant; `reply_to` names the request.
    EvidenceOver,
    /// To the portal: the time of the consent that `reply_to` names is over, before the authority had the case.
    ConsentOver,
    /// To who must act, the authority or, for the applicant, the portal: the day is near.
    DueSoon,
    /// To the authority and to the portal: the day has passed. Every week until it is decided.
    Overdue,
}

message_body!(CaseSubmitted, "case.submitted", "case.submitted@1");
message_body!(CaseReminder, "case.reminder", "case.reminder@1");
