//! A case: what is known of it, and what it waits for. How it moves is in `evidence`, `saying`, `errands`,
//! `proceedings` and `time`.

use saphan_schemas::catalogue::RequirementSubject;
use saphan_schemas::ids::{CaseId, Code, MessageId, ServiceId, SystemId};
use saphan_schemas::message_types::{ApplicationStatus, NextActor, ProofSource};
use serde::{Deserialize, Serialize};

use super::Pseudonym;
use super::errands::Errand;
use super::requirement::{Candidate, Proven, Requirement, Seeking, Sought, State};

/// An application and everything that follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its id.
    pub id: CaseId,
    /// The place of its `application.submitted`.
    pub application: u64,
    /// The id of that message.
    pub application_id: MessageId,
    /// The portal that submitted it.
    pub portal: SystemId,
    /// What is applied for.
    pub service: ServiceId,
    /// The system that decides.
    pub authority: SystemId,
    /// Why data may travel for it.
    pub purpose: Option<Code>,
    /// The consent that it cites.
    pub consent: Option<MessageId>,
    /// The place of that consent.
    pub consent_at: Option<u64>,
    /// Until when that consent is valid, in milliseconds since 1970.
    pub consent_until: Option<u64>,
    /// The people that it is about.
    pub people: People,
    /// When it was opened, in milliseconds since 1970.
    pub opened_at: u64,
    /// Where it is.
    pub status: CaseStatus,
    /// Who must act next.
    pub next: NextActor,
    /// What must be proven.
    pub requirements: Vec<Requirement>,
    /// Whether the authority has it.
    pub handover: Handover,
    /// The handovers that are in the log; the last one counts, if its receiver did not reject it.
    #[serde(default)]
    pub handovers: Vec<HandedOver>,
    /// How often in a row it could not be handed over.
    #[serde(default)]
    pub handovers_refused: u32,
    /// How often its handover was rejected.
    #[serde(default)]
    pub handovers_rejected: u32,
    /// Whether the authority has said something about it since the last handover.
    #[serde(default)]
    pub begun: bool,
    /// The places of the hub's messages that were rejected.
    #[serde(default)]
    pub rejections: Vec<u64>,
    /// What has to be said beside, however often that is tried.
    #[serde(default)]
    pub errands: Vec<Errand>,
    /// How many days the service promises to take at most.
    pub processing_days: u16,
    /// When it was complete, which is when the promised time begins, in milliseconds since 1970.
    #[serde(default)]
    pub complete_at: Option<u64>,
    /// When somebody is reminded next of the day of the decision, in milliseconds since 1970.
    #[serde(default)]
    pub remind_at: Option<u64>,
    /// Whether it was approved, once the authority has decided.
    pub approved: Option<bool>,
    /// The fee to pay, in satang.
    pub fee_satang: Option<u64>,
    /// How many events its history has.
    pub events: u64,
}

/// Whom a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// Who applies.
    pub applicant: Pseudonym,
    /// The natural person: who acts for the applicant, or the applicant.
    pub person: Pseudonym,
}

impl People {
    /// The one that evidence is about.
    #[must_use]
    pub const fn about(&self, subject: RequirementSubject) -> &Pseudonym {
        match subject {
            RequirementSubject::Applicant => &self.applicant,
            RequirementSubject::Person => &self.person,
        }
    }
}

/// Where a case is: the statuses of the Biz Portal, and that it was withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaseStatus {
    /// Its completeness is being checked: evidence is collected, or the authority looks.
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
}

impl From<ApplicationStatus> for CaseStatus {
    fn from(status: ApplicationStatus) -> Self {
        match status {
            ApplicationStatus::Check => Self::Check,
            ApplicationStatus::Pending => Self::Pending,
            ApplicationStatus::ApprovedWaitingPayFee => Self::ApprovedWaitingPayFee,
            ApplicationStatus::PaidFeeCreatingLicense => Self::PaidFeeCreatingLicense,
            ApplicationStatus::Completed => Self::Completed,
            ApplicationStatus::Rejected => Self::Rejected,
        }
    }
}

impl CaseStatus {
    /// Whether nothing follows any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Rejected | Self::Withdrawn)
    }

    /// Whether the authority may go on to `next`.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Check | Self::Pending => !matches!(next, Self::PaidFeeCreatingLicense | Self::Withdrawn),
            Self::ApprovedWaitingPayFee => matches!(next, Self::PaidFeeCreatingLicense | Self::Completed),
            Self::PaidFeeCreatingLicense => matches!(next, Self::PaidFeeCreatingLicense | Self::Completed),
            Self::Completed | Self::Rejected | Self::Withdrawn => false,
        }
    }
}

/// Whether the authority has the case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Handover {
    /// Evidence is still missing.
    Waiting,
    /// It is about to be handed over.
    Sending {
        /// The message.
        id: MessageId,
        /// The places of the messages of which it holds copies, once it is written.
        #[serde(default)]
        parts: Vec<u64>,
    },
    /// It was given up, but may have been on its way into the log. Until that is known there must be no other.
    Recalled {
        /// The message.
        id: MessageId,
        /// The places of the messages of which it holds copies.
        parts: Vec<u64>,
        /// What it says of the requirements that were opened again.
        proofs: Vec<Reopened>,
    },
    /// It could not be sent, or its receiver rejected it; it is tried again then (milliseconds since 1970).
    Again {
        /// When.
        at: u64,
    },
    /// It was handed over.
    Done {
        /// The message's place.
        index: u64,
        /// When, in milliseconds since 1970.
        at: u64,
    },
}

/// A requirement that was opened again while a handover that proves it was on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reopened {
    /// Its position.
    pub requirement: usize,
    /// The position of the candidate whose turn it was.
    pub candidate: usize,
    /// What proved it.
    pub proof: Proven,
}

/// A handover that is in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOver {
    /// The message's place.
    pub index: u64,
    /// The places of the messages of which it holds copies.
    pub parts: Vec<u64>,
}

impl Case {
    /// Whether nothing follows any more.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.status.is_final()
    }

    /// By when the service promises a decision, in milliseconds since 1970; once the case is complete.
    #[must_use]
    pub fn due_at(&self) -> Option<u64> {
        self.complete_at.map(|at| at + self.processing_ms())
    }

    /// The places of the messages of which a complete case holds copies.
    pub fn parts(&self) -> impl Iterator<Item = u64> {
        // Its copy stands after the consent was taken back.
        let consent = self.consent_at.filter(|_| self.proofs().any(|proof| proof.needs_consent));
        self.proofs().map(|proof| proof.index).chain([self.application]).chain(consent)
    }

    /// Whether this message is to hand it over.
    pub(super) fn hands_over(&self, id: MessageId) -> bool {
        matches!(self.handover, Handover::Sending { id: handover, .. } if handover == id)
    }

    /// The handover is written: of these messages it holds copies.
    pub(super) fn note_parts(&mut self) {
        let now: Vec<u64> = self.parts().collect();
        if let Handover::Sending { parts, .. } = &mut self.handover {
            *parts = now;
        }
    }

    /// Whether a handover may be on its way into the log.
    #[must_use]
    pub const fn is_on_its_way(&self) -> bool {
        matches!(self.handover, Handover::Sending { .. } | Handover::Recalled { .. })
    }

    /// Whether the authority has it, and did not reject it.
    #[must_use]
    pub const fn is_handed_over(&self) -> bool {
        matches!(self.handover, Handover::Done { .. })
    }

    /// Evidence of other cases that it uses, or is about to use.
    pub fn reused(&self) -> impl Iterator<Item = &Proven> {
        self.requirements.iter().filter_map(|requirement| match &requirement.state {
            State::Reusing { proof, .. } => Some(proof),
            State::Proven(proof) if proof.source == ProofSource::Reused => Some(proof),
            _ => None,
        })
    }

    /// The evidence that it is after.
    pub fn seeks(&self) -> impl Iterator<Item = (Sought, Seeking)> {
        let open = self.requirements.iter().filter(|_| !self.has_ended());
        open.filter_map(|requirement| {
            let (candidate, seeking) = requirement.seeks()?;
            Some((self.sought(requirement, candidate), seeking))
        })
    }

    pub(super) fn sought(&self, requirement: &Requirement, candidate: &Candidate) -> Sought {
        Sought {
            subject: *self.people.about(requirement.about),
            evidence_type: candidate.evidence_type.clone(),
            provider: candidate.provider.clone(),
        }
    }

    /// What proves its requirements.
    pub(super) fn proofs(&self) -> impl Iterator<Item = &Proven> {
        self.requirements.iter().filter_map(|requirement| match &requirement.state {
            State::Proven(proof) => Some(proof),
            _ => None,
        })
    }

    /// The consent that something in it rests on, and its place.
    pub(super) fn consent_in_use(&self) -> Option<(MessageId, u64)> {
        self.consent.zip(self.consent_at).filter(|_| self.proofs().any(|proof| proof.needs_consent))
    }

    /// The positions of the requirements that stand so.
    pub(super) fn positions(&self, stands: impl Fn(&State) -> bool) -> Vec<usize> {
        let all = self.requirements.iter().enumerate();
        all.filter(|(_, requirement)| stands(&requirement.state)).map(|(at, _)| at).collect()
    }

    /// When the consent that it rests on ends by itself, in milliseconds since 1970; of no interest once the authority has the case.
    pub(super) fn consent_ends(&self) -> Option<u64> {
        self.consent.and(self.consent_until).filter(|_| !self.is_handed_over())
    }

    /// It is complete: from now on (ms since 1970) the service's promised time counts.
    pub(super) fn promise(&mut self, now: u64) {
        if self.complete_at.is_none() {
            self.complete_at = Some(now);
            self.remind_at = Some(now + self.processing_ms() / 5 * 4);
        }
    }

    /// It is not complete any more.
    pub(super) fn withdraw_promise(&mut self) {
        (self.complete_at, self.remind_at) = (None, None);
        self.forget_older_reminders();
    }

    const fn processing_ms(&self) -> u64 {
        self.processing_days as u64 * DAY_MS
    }
}

const DAY_MS: u64 = 86_400_000;
