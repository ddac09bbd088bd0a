//! Whether an application can become a case, and which.

use saphan_schemas::catalogue::{PublicService, RequirementSubject};
use saphan_schemas::envelope::EnvelopeClaims;
use saphan_schemas::ids::{CaseId, EvidenceTypeId, SystemId};
use saphan_schemas::message_types::{
    Applicant, ApplicantKind, ApplicationSubmitted, EvidenceSource, NaturalPerson, NextActor, ProofSource, Subject,
};
use saphan_schemas::problem::ProblemCode;

use super::PseudonymKey;
use super::case::{Case, CaseStatus, Handover, People};
use super::consent::ConsentNeed;
use super::plan::Planner;
use super::requirement::Proven;
use crate::store::cases::ConsentRecord;

/// An application that can become a case.
#[derive(Debug)]
pub struct Opening {
    /// The case, before anything is found or asked.
    pub case: Case,
    /// For each requirement, what the applicant sent along to prove it.
    supplied: Vec<Option<EvidenceTypeId>>,
}

/// What an application is judged by.
pub struct Judge<'a> {
    /// Who can be asked.
    pub planner: Planner<'a>,
    /// Whom it is about.
    pub key: &'a PseudonymKey,
    /// The consent that it cites, if that is known.
    pub consent: Option<&'a ConsentRecord>,
    /// The time, in milliseconds since 1970.
    pub now: u64,
}

impl Judge<'_> {
    /// The case that an application at `index` opens.
    ///
    /// # Errors
    /// The problem that it is refused with.
    pub fn open(
        &self,
        claims: &EnvelopeClaims,
        body: &ApplicationSubmitted,
        index: u64,
    ) -> Result<Opening, ProblemCode> {
        let id: CaseId = claims.case.ok_or(ProblemCode::CaseInvalid)?;
        let service = claims.service.as_ref().and_then(|id| self.planner.catalogue.service(id));
        let service = service.ok_or(ProblemCode::ServiceUnknown)?;
        let purpose = claims.purpose.as_ref();
        let kind = body.applicant.kind();
        let needs_a_person = service.requirements_for(kind).any(|one| one.about == RequirementSubject::Person);
        if needs_a_person && kind == ApplicantKind::Juristic && body.representative.is_none() {
            return Err(ProblemCode::RepresentativeMissing);
        }
        let authority = self.planner.authority(&service.id, purpose).map_err(|_| ProblemCode::Internal)?;
        let authority = authority.ok_or(ProblemCode::ServiceNotOffered)?;
        let people = self.people(body);
        let consent = self.consent(claims, &authority, people)?;
        let requirements = self.planner.requirements(service, kind, purpose);
        let mut case = Case {
            id,
            application: index,
            application_id: claims.jti,
            portal: claims.iss.clone(),
            service: service.id.clone(),
            authority,
            purpose: claims.purpose.clone(),
            consent: consent.map(|record| record.id),
            consent_at: consent.map(|record| record.index),
            consent_until: consent.map(|record| record.terms.valid_until),
            people,
            opened_at: self.now,
            status: CaseStatus::Check,
            next: NextActor::Agency,
            requirements: requirements.map_err(|_| ProblemCode::Internal)?,
            handover: Handover::Waiting,
            handovers: Vec::new(),
            handovers_refused: 0,
            handovers_rejected: 0,
            begun: false,
            rejections: Vec::new(),
            errands: Vec::new(),
            processing_days: service.processing_days,
            complete_at: None,
            remind_at: None,
            approved: None,
            fee_satang: None,
            events: 0,
        };
        let supplied = supplied(service, body, &case);
        for (requirement, supplied) in case.requirements.iter_mut().zip(&supplied) {
            let asked = requirement.candidates.len();
            let subject = people.about(requirement.about);
            let covered = |record: &ConsentRecord| record.subject == *subject;
            let consent = consent.filter(|record| covered(record));
            requirement.candidates.retain(|one| !one.needs_consent || consent.is_some_and(|record| record.covers(one)));
            if requirement.candidates.is_empty() && asked > 0 && supplied.is_none() {
                let is_there = claims.consent.is_some();
                return Err(if is_there { ProblemCode::ConsentInsufficient } else { ProblemCode::ConsentMissing });
            }
        }
        Ok(Opening { case, supplied })
    }

    fn people(&self, body: &ApplicationSubmitted) -> People {
        let applicant = self.key.of(&body.applicant.subject());
        let person =
            body.representative.as_ref().map(|representative| self.key.of(&subject_of(&representative.person)));
        People { applicant, person: person.unwrap_or(applicant) }
    }

    /// The consent that the application cites, which must be of these people, of this portal, and for this use.
    fn consent(
        &self,
        claims: &EnvelopeClaims,
        authority: &SystemId,
        people: People,
    ) -> Result<Option<&ConsentRecord>, ProblemCode> {
        if claims.consent.is_none() {
            return Ok(None);
        }
        let record = self.consent.ok_or(ProblemCode::ConsentInsufficient)?;
        let is_theirs = [people.applicant, people.person].contains(&record.subject);
        if record.portal != claims.iss || !is_theirs {
            return Err(ProblemCode::ConsentInsufficient);
        }
        let recipient = &authority.member();
        record.must_cover(ConsentNeed { purpose: claims.purpose.as_ref(), recipient, now: self.now })?;
        Ok(Some(record))
    }
}

impl Opening {
    /// What the applicant sent along for each requirement. `application` is the message that opens the case.
    #[must_use]
    pub fn supplied(&self, application: &EnvelopeClaims) -> Vec<Option<Proven>> {
        let proven = |evidence_type: &EvidenceTypeId| Proven {
            index: self.case.application,
            id: application.jti,
            evidence_type: Some(evidence_type.clone()),
            provider: application.iss.clone(),
            source: ProofSource::Applicant,
            needs_consent: false,
        };
        self.supplied.iter().map(|supplied| supplied.as_ref().map(proven)).collect()
    }
}

/// For each requirement, the evidence type of a document that the applicant sent along.
fn supplied(service: &PublicService, body: &ApplicationSubmitted, case: &Case) -> Vec<Option<EvidenceTypeId>> {
    let of = |id| {
        let required = service.requirements.iter().find(|required| required.id == id)?;
        let brought = body.evidence.iter().find(|brought| {
            brought.source == EvidenceSource::Applicant
                && brought.document.is_some()
                && required.evidence.contains(&brought.evidence_type)
        });
        brought.map(|brought| brought.evidence_type.clone())
    };
    case.requirements.iter().map(|requirement| of(requirement.id.clone())).collect()
}

/// Just enough to find a person's records.
pub(super) fn subject_of(person: &NaturalPerson) -> Subject {
    match person {
        NaturalPerson::Citizen(citizen) => Applicant::Citizen(citizen.clone()).subject(),
        NaturalPerson::Foreigner(foreigner) => Applicant::Foreigner(foreigner.clone()).subject(),
    }
}
