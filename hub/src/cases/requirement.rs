//! What must be proven in a case, and how far that is.

use saphan_schemas::catalogue::RequirementSubject;
use saphan_schemas::ids::{Code, EvidenceTypeId, LegalBasis, MessageId, SystemId};
use saphan_schemas::message_types::{GapReason, ProofSource};
use serde::{Deserialize, Serialize};

use super::Pseudonym;
use super::what::{Failure, Piece};

/// One requirement of the service, and what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Its name in the catalogue.
    pub id: Code,
    /// Whom it is about.
    pub about: RequirementSubject,
    /// Who can prove it, in the order in which they are asked.
    pub candidates: Vec<Candidate>,
    /// The one whose turn it is.
    pub at: usize,
    /// Whether that one was asked twice.
    pub retried: bool,
    /// The positions of candidates whose evidence for other cases must not be used: the hub was not allowed to say so, or could not
    /// read it.
    #[serde(default)]
    pub unusable: Vec<usize>,
    /// Where it stands.
    pub state: State,
    /// Requests that were given up, but may still be answered.
    pub late: Vec<Request>,
    /// What proves it, but came when a handover without it was on its way.
    #[serde(default)]
    pub spare: Option<Proven>,
    /// What went wrong, in order.
    pub failures: Vec<(Candidate, Failure)>,
}

/// A system that holds evidence, and why it may give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// What it holds.
    pub evidence_type: EvidenceTypeId,
    /// The system.
    pub provider: SystemId,
    /// The law of the agreement.
    pub legal_basis: LegalBasis,
    /// Whether the person must have consented.
    pub needs_consent: bool,
}

/// A request for evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The id of its message.
    pub id: MessageId,
    /// Its place, once it is in the log.
    pub index: Option<u64>,
    /// Who was asked for what.
    pub candidate: Candidate,
    /// By when the provider has promised an answer, in milliseconds since 1970.
    #[serde(default)]
    pub promised: Option<u64>,
}

/// Evidence that somebody is after.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sought {
    /// Whom it is about.
    pub subject: Pseudonym,
    /// What it is.
    pub evidence_type: EvidenceTypeId,
    /// Who holds it.
    pub provider: SystemId,
}

/// How a case is after evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeking {
    /// It has asked.
    Asking,
    /// It waits for what another case has asked for.
    Waiting,
}

/// Where a requirement stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// A provider is asked.
    Requested {
        /// How.
        request: Request,
        /// Until when the hub waits, in milliseconds since 1970.
        until: u64,
        /// How long it waits at most.
        latest: u64,
        /// Whether the provider said that it takes longer.
        pending: bool,
    },
    /// The provider whose turn it is is asked for the same in another case.
    Awaiting,
    /// Evidence of an earlier case is about to be used.
    Reusing {
        /// The message that says so.
        notice: MessageId,
        /// What will prove it.
        proof: Proven,
    },
    /// Something proves it.
    Proven(Proven),
    /// The applicant is asked.
    Asked {
        /// The message that asks.
        question: MessageId,
        /// Whether it is in the log: before, nobody can answer it.
        #[serde(default)]
        is_logged: bool,
        /// Until when the hub waits for the answer, in milliseconds since 1970.
        #[serde(default = "never")]
        until: u64,
        /// When the applicant is reminded, if not reminded yet, in milliseconds since 1970.
        #[serde(default)]
        remind_at: Option<u64>,
    },
    /// Nobody can prove it.
    Missing {
        /// Why not even the applicant.
        #[serde(default = "cannot_supply")]
        because: GapReason,
    },
}

const fn never() -> u64 {
    u64::MAX
}

pub(super) const fn cannot_supply() -> GapReason {
    GapReason::ApplicantCannotSupply
}

/// What proves a requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The place of the message that brought it.
    pub index: u64,
    /// The id of that message.
    pub id: MessageId,
    /// What it is; none when the applicant answered in words.
    pub evidence_type: Option<EvidenceTypeId>,
    /// Who provided it.
    pub provider: SystemId,
    /// Where it came from.
    pub source: ProofSource,
    /// Whether the person's consent is what allows it.
    pub needs_consent: bool,
}

impl Requirement {
    /// Whether there is nothing to wait for.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self.state, State::Proven(_) | State::Missing { .. })
    }

    /// Whether what the candidate whose turn it is gives other cases is of no use here.
    pub(super) fn is_alone(&self) -> bool {
        self.unusable.contains(&self.at)
    }

    /// The position of the candidate that gave this proof.
    pub(super) fn place_of(&self, proof: &Proven) -> Option<usize> {
        self.candidates.iter().position(|candidate| {
            candidate.provider == proof.provider
                && Some(&candidate.evidence_type) == proof.evidence_type.as_ref()
                && candidate.needs_consent == proof.needs_consent
        })
    }

    /// Whom it is after, and how.
    pub(super) fn seeks(&self) -> Option<(&Candidate, Seeking)> {
        match &self.state {
            State::Requested { request, .. } => Some((&request.candidate, Seeking::Asking)),
            State::Awaiting => Some((self.candidates.get(self.at)?, Seeking::Waiting)),
            _ => None,
        }
    }

    /// Requests for it that may still be answered.
    pub(super) fn requests(&self) -> impl Iterator<Item = &Request> {
        let current = match &self.state {
            State::Requested { request, .. } => Some(request),
            _ => None,
        };
        current.into_iter().chain(&self.late)
    }

    /// The last moment at which the applicant may answer, in milliseconds since 1970.
    pub(super) const fn last_day(&self) -> Option<u64> {
        match &self.state {
            // It ends when the next day begins.
            State::Asked { until, .. } => Some(until.saturating_sub(1)),
            _ => None,
        }
    }

    /// When the applicant is reminded of it next, in milliseconds since 1970.
    pub(super) const fn remind_at(&self) -> Option<u64> {
        match &self.state {
            State::Asked { is_logged: true, remind_at, .. } => *remind_at,
            _ => None,
        }
    }

    pub(super) fn piece(&self, candidate: &Candidate) -> Piece {
        Piece {
            requirement: self.id.clone(),
            evidence_type: candidate.evidence_type.clone(),
            provider: candidate.provider.clone(),
        }
    }
}

/// When an answer that should have come by then is late, in milliseconds since 1970: what was said in time may not be in the log at
/// the same moment.
pub(super) const fn late_at(until: u64) -> u64 {
    until.saturating_add(ON_ITS_WAY_MS)
}

/// Longer than a message takes from its time to its place in the log.
const ON_ITS_WAY_MS: u64 = 500;
