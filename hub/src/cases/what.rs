//! What happens in a case, as its history tells it. Nothing here is about a person.

use saphan_schemas::ids::{Code, EvidenceTypeId, MessageType, SystemId};
use saphan_schemas::message_types::{GapReason, NextActor, NotProvided, ReminderKind};
use serde::{Deserialize, Serialize};

use super::CaseStatus;
use super::requirement::cannot_supply;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// The application is in the log.
    Submitted,
    /// A provider is asked for evidence.
    EvidenceRequested(Piece),
    /// The provider is asked for the same in another case of the person already: the answer is for both.
    EvidenceAwaited(Piece),
    /// The provider has to look for it, and says until when.
    EvidencePending {
        /// What, and whom.
        #[serde(flatten)]
        piece: Piece,
        /// Until when the hub waits, in milliseconds since 1970.
        until: u64,
    },
    /// It came, and is good.
    EvidenceProvided(Piece),
    /// It was provided before, and is used again.
    EvidenceReused(Piece),
    /// It is not to be had from this provider.
    EvidenceFailed {
        /// What, and whom.
        #[serde(flatten)]
        piece: Piece,
        /// Why.
        failure: Failure,
    },
    /// The applicant is asked to prove what no provider could.
    ApplicantAsked {
        /// The requirements.
        requirements: Vec<Code>,
    },
    /// The applicant has proven a requirement.
    ApplicantSupplied {
        /// Which.
        requirement: Code,
    },
    /// Neither does the applicant.
    RequirementMissing {
        /// Which.
        requirement: Code,
        /// Why.
        #[serde(default = "cannot_supply")]
        because: GapReason,
    },
    /// The complete case is on its way to the competent authority.
    HandedOver {
        /// To whom.
        authority: SystemId,
    },
    /// The authority says how far it is.
    StatusChanged {
        /// Where it is now.
        status: CaseStatus,
        /// Who must act next.
        next: NextActor,
    },
    /// The authority asks the applicant something.
    InformationRequested,
    /// The applicant has answered.
    InformationSupplied,
    /// The applicant has paid the fee.
    FeePaid,
    /// Somebody was reminded of the last day to answer, or of the day by which the service promises a decision.
    Reminded {
        /// Of what.
        kind: ReminderKind,
    },
    /// The consent that it rests on was taken back.
    ConsentRevoked,
    /// The time that the consent was given for is over.
    ConsentEnded,
    /// The hub cannot read the consent any more: its storage is damaged.
    ConsentLost,
    /// The applicant has withdrawn.
    Withdrawn,
    /// The authority has decided.
    Decided {
        /// Yes or no.
        approved: bool,
    },
    /// A message about the case came that does not fit where it is. It changes nothing.
    NotFitting {
        /// Who sent it.
        sender: SystemId,
        /// What it was.
        message_type: MessageType,
    },
    /// The hub could not send what it had to: its operator must act.
    NotSent {
        /// The type of the message.
        message_type: String,
        /// The problem's code.
        code: Code,
    },
    /// A receiver rejected what the hub sent about the case.
    Rejected {
        /// What it was.
        message_type: MessageType,
        /// The receiver's code.
        code: Code,
    },
}

/// Which evidence, for what, from whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// What it proves.
    pub requirement: Code,
    /// What it is.
    pub evidence_type: EvidenceTypeId,
    /// Who holds it.
    pub provider: SystemId,
}

/// Why evidence is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Failure {
    /// The provider says no.
    Declined {
        /// Why.
        because: NotProvided,
    },
    /// No answer in time. One that comes later is still welcome.
    TimedOut,
    /// What came is not what was asked for.
    Invalid {
        /// The problem's code.
        code: Code,
    },
    /// The provider rejected the request.
    Rejected {
        /// The provider's code.
        code: Code,
    },
    /// The request could not be sent.
    NotSent {
        /// The problem's code.
        code: Code,
    },
    /// The consent that it needs was taken back.
    ConsentRevoked,
    /// The time that the consent was given for is over.
    ConsentEnded,
    /// The hub cannot read the consent any more.
    ConsentLost,
}
