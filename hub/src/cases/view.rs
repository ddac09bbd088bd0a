//! A case as its parties see it.

use saphan_schemas::catalogue::Catalogue;
use saphan_schemas::ids::{CaseId, Code, EvidenceTypeId, ServiceId, SystemId};
use saphan_schemas::message_types::{BilingualText, Date, GapReason, NextActor, ProofSource, Timestamp};
use serde::Serialize;

use super::case::{Case, CaseStatus};
use super::requirement::{Candidate, Requirement, State};
use super::texts;
use super::what::{Failure, What};
use crate::shards::{Located, Shards};
use crate::store::cases::CaseEvent;

/// Where a case is.
#[derive(Debug, Serialize)]
pub struct CaseView {
    case: CaseId,
    service: ServiceId,
    status: CaseStatus,
    next: NextActor,
    /// What the citizen reads.
    text: BilingualText,
    opened_at: Option<Timestamp>,
    /// By when the service promises a decision; once the case is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    /// Who decides.
    authority: SystemId,
    /// Whether the authority has it.
    handed_over: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee_satang: Option<u64>,
    requirements: Vec<RequirementView>,
    /// How many events its history has.
    events: u64,
}

/// Where a requirement stands.
#[derive(Debug, Serialize)]
struct RequirementView {
    requirement: Code,
    name: Option<BilingualText>,
    state: &'static str,
    /// What proves it, or is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence_type: Option<EvidenceTypeId>,
    /// Who provides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<SystemId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<ProofSource>,
    /// The message that proves it.
    #[serde(flatten)]
    place: Option<LogPlace>,
    /// The last day on which the applicant may answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_by: Option<Date>,
    /// Why it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<GapReason>,
    /// What went wrong before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<FailureView>,
}

#[derive(Debug, Serialize)]
struct FailureView {
    evidence_type: EvidenceTypeId,
    provider: SystemId,
    #[serde(flatten)]
    failure: Failure,
}

/// Something that happened.
#[derive(Debug, Serialize)]
pub struct EventView {
    /// Counts from 0 in each case.
    pub seq: u64,
    at: Option<Timestamp>,
    /// The entry that caused it.
    #[serde(flatten)]
    place: Option<LogPlace>,
    #[serde(flatten)]
    what: What,
}

/// Where an entry is, for everybody.
#[derive(Debug, Serialize)]
struct LogPlace {
    /// The origin of its log.
    log: String,
    /// Its index in it.
    index: u64,
}

impl LogPlace {
    fn of(place: u64, shards: &Shards) -> Self {
        let Located { log, index } = shards.located(place);
        Self { log: log.to_owned(), index }
    }
}

impl CaseView {
    /// The view of a case, with names of the catalogue.
    #[must_use]
    pub fn new(case: &Case, catalogue: &Catalogue, shards: &Shards) -> Self {
        let service = catalogue.service(&case.service);
        let view = |requirement: &Requirement| {
            let required = service.and_then(|service| service.requirements.iter().find(|one| one.id == requirement.id));
            RequirementView::new(requirement, required.map(|required| required.name.clone()), shards)
        };
        Self {
            case: case.id,
            service: case.service.clone(),
            status: case.status,
            next: case.next,
            text: texts::of_case(case),
            opened_at: timestamp(case.opened_at),
            due_at: case.due_at().and_then(timestamp),
            authority: case.authority.clone(),
            handed_over: case.is_handed_over(),
            approved: case.approved,
            fee_satang: case.fee_satang,
            requirements: case.requirements.iter().map(view).collect(),
            events: case.events,
        }
    }
}

impl RequirementView {
    fn new(requirement: &Requirement, name: Option<BilingualText>, shards: &Shards) -> Self {
        let mut view = Self {
            requirement: requirement.id.clone(),
            name,
            state: state(&requirement.state),
            evidence_type: None,
            provider: None,
            source: None,
            place: None,
            answer_by: requirement.last_day().and_then(|day| Date::in_thailand(day).ok()),
            because: None,
            failures: requirement.failures.iter().map(FailureView::new).collect(),
        };
        match &requirement.state {
            State::Requested { .. } | State::Awaiting => {
                let candidate = requirement.seeks().map(|(candidate, _)| candidate);
                view.evidence_type = candidate.map(|candidate| candidate.evidence_type.clone());
                view.provider = candidate.map(|candidate| candidate.provider.clone());
            }
            State::Reusing { proof, .. } | State::Proven(proof) => {
                view.evidence_type.clone_from(&proof.evidence_type);
                view.provider = Some(proof.provider.clone());
                view.source = Some(proof.source);
                view.place = Some(LogPlace::of(proof.index, shards));
            }
            State::Missing { because } => view.because = Some(*because),
            State::Asked { .. } => {}
        }
        view
    }
}

impl FailureView {
    fn new((candidate, failure): &(Candidate, Failure)) -> Self {
        Self {
            evidence_type: candidate.evidence_type.clone(),
            provider: candidate.provider.clone(),
            failure: failure.clone(),
        }
    }
}

impl EventView {
    /// The view of an event.
    #[must_use]
    pub fn new(event: CaseEvent, shards: &Shards) -> Self {
        let place = event.index.map(|place| LogPlace::of(place, shards));
        Self { seq: event.seq, at: timestamp(event.at), place, what: event.what }
    }
}

const fn state(state: &State) -> &'static str {
    match state {
        State::Requested { pending: false, .. } => "requested",
        State::Requested { pending: true, .. } => "pending",
        State::Awaiting => "awaiting",
        State::Reusing { .. } => "reusing",
        State::Proven(_) => "proven",
        State::Asked { .. } => "asked-applicant",
        State::Missing { .. } => "missing",
    }
}

fn timestamp(ms: u64) -> Option<Timestamp> {
    Timestamp::from_unix_seconds(ms / 1000).ok()
}
